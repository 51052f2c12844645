"""Making the ONNX graph that computes embeddings with the weights of a BERT sentence model."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto
from safetensors.numpy import load_file

from kb.sentence_model.graph_builder import GraphBuilder
from kb.sentence_model.packed_weights import BLOCK, PackedMatrix

HEAD_SIZE = 32  # of the MiniLM family, and of multilingual-e5-small
Weights = Mapping[str, Any]
"""The weights by their names, float32; the vectors of the words may be a PackedMatrix."""


def make_graph(path: Path) -> bytes:
    """Return the serialised graph of a safetensors file.

    Raises KeyError when a weight is missing.
    """
    graph: bytes = make_sentence_graph(load_file(path)).SerializeToString()
    return graph


def make_sentence_graph(weights: Weights) -> ModelProto:
    """Make the graph (ids, mask) -> embedding: mean over the last layer's tokens, L2-normalised.

    `ids` and `mask` are int64 of shape (batch, length), `embedding` float32 (batch, hidden).
    """
    graph = _Graph(weights)
    mask = graph.add_node("Cast", "mask", to=TensorProto.FLOAT)
    tokens = _add_token_embeddings(graph)
    penalty = _add_attention_penalty(graph, mask)
    layers = {name.split(".")[2] for name in weights if name.startswith("encoder.layer.")}
    for layer in range(len(layers)):
        tokens = _add_layer(graph, tokens, penalty, f"encoder.layer.{layer}")
    graph.add_node(
        "LpNormalization", _add_mean(graph, tokens, mask), output="embedding", axis=-1, p=2
    )
    return graph.to_model(graph.hidden)


class _Graph(GraphBuilder):
    """A graph in the making, with the weights by their names."""

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        self.weights = weights
        self.hidden = weights["embeddings.word_embeddings.weight"].shape[1]

    def add_linear(self, x: str, name: str, weight: Any, bias: Any) -> str:
        product = self.add_node("MatMul", x, self.add_constant(f"{name}.weight", weight.T))
        return self.add_node("Add", product, self.add_constant(f"{name}.bias", bias))

    def add_dense(self, x: str, name: str) -> str:
        return self.add_linear(
            x, name, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        )

    def add_layer_norm(self, x: str, name: str) -> str:
        scale = self.add_constant(f"{name}.weight", self.weights[f"{name}.weight"])
        bias = self.add_constant(f"{name}.bias", self.weights[f"{name}.bias"])
        return self.add_node("LayerNormalization", x, scale, bias, epsilon=1e-12)


def _add_token_embeddings(graph: _Graph) -> str:
    weights = graph.weights
    words = weights["embeddings.word_embeddings.weight"]
    packed = isinstance(words, PackedMatrix)
    table = graph.add_constant("words", words.halves if packed else words)
    first_segment = weights["embeddings.token_type_embeddings.weight"][0]
    positions = graph.add_constant(
        "positions", weights["embeddings.position_embeddings.weight"] + first_segment
    )
    length = graph.add_node("Shape", "ids", start=1)
    used = graph.add_node("Slice", positions, graph.add_integers(0), length)
    found = graph.add_node("Gather", table, "ids")
    if packed:
        found = _add_unpacked(graph, found, words.scales)
    summed = graph.add_node("Add", found, used)
    return graph.add_layer_norm(summed, "embeddings.LayerNorm")


def _add_unpacked(graph: _Graph, halves: str, scales: NDArray[np.float16]) -> str:
    """Add the numbers of the rows that were found of a PackedMatrix, no others."""
    blocks = graph.add_integers(0, 0, graph.hidden // BLOCK, BLOCK // 2)
    pairs = graph.add_node("Reshape", graph.add_node("Cast", halves, to=TensorProto.FLOAT), blocks)
    sixteen = graph.add_constant("sixteen", np.float32(16))
    upper = graph.add_node("Floor", graph.add_node("Div", pairs, sixteen))
    lower = graph.add_node("Sub", pairs, graph.add_node("Mul", upper, sixteen))
    eight = graph.add_constant("eight", np.float32(8))
    numbers = graph.add_node("Sub", graph.add_node("Concat", lower, upper, axis=-1), eight)
    found = graph.add_node("Gather", graph.add_constant("scales", scales), "ids")
    exact = graph.add_node("Cast", found, to=TensorProto.FLOAT)
    scaled = graph.add_node(
        "Mul", numbers, graph.add_node("Unsqueeze", exact, graph.add_integers(-1))
    )
    return graph.add_node("Reshape", scaled, graph.add_integers(0, 0, graph.hidden))


def _add_attention_penalty(graph: _Graph, mask: str) -> str:
    """Add what is 0 for a token and -1e9 for padding, of shape (batch, 1, 1, length)."""
    negative = graph.add_node("Sub", mask, graph.add_constant("one", np.float32(1)))
    scaled = graph.add_node("Mul", negative, graph.add_constant("much", np.float32(1e9)))
    return graph.add_node("Unsqueeze", scaled, graph.add_integers(1, 2))


def _add_layer(graph: _Graph, x: str, penalty: str, name: str) -> str:
    attended = graph.add_dense(
        _add_attention(graph, x, penalty, f"{name}.attention.self"),
        f"{name}.attention.output.dense",
    )
    x = graph.add_layer_norm(
        graph.add_node("Add", x, attended), f"{name}.attention.output.LayerNorm"
    )
    inner = graph.add_node("Gelu", graph.add_dense(x, f"{name}.intermediate.dense"))
    outer = graph.add_dense(inner, f"{name}.output.dense")
    return graph.add_layer_norm(graph.add_node("Add", x, outer), f"{name}.output.LayerNorm")


def _add_attention(graph: _Graph, x: str, penalty: str, name: str) -> str:
    query = _add_heads(graph, x, f"{name}.query", [0, 2, 1, 3], scale=HEAD_SIZE**-0.5)
    key = _add_heads(graph, x, f"{name}.key", [0, 2, 3, 1])
    value = _add_heads(graph, x, f"{name}.value", [0, 2, 1, 3])
    scores = graph.add_node("Add", graph.add_node("MatMul", query, key), penalty)
    mixed = graph.add_node("MatMul", graph.add_node("Softmax", scores, axis=-1), value)
    joined = graph.add_node("Transpose", mixed, perm=[0, 2, 1, 3])
    return graph.add_node("Reshape", joined, graph.add_integers(0, 0, graph.hidden))


def _add_heads(graph: _Graph, x: str, name: str, order: list[int], *, scale: float = 1) -> str:
    weight, bias = graph.weights[f"{name}.weight"], graph.weights[f"{name}.bias"]
    projected = graph.add_linear(x, name, weight * np.float32(scale), bias * np.float32(scale))
    shape = graph.add_integers(0, 0, graph.hidden // HEAD_SIZE, HEAD_SIZE)
    return graph.add_node("Transpose", graph.add_node("Reshape", projected, shape), perm=order)


def _add_mean(graph: _Graph, tokens: str, mask: str) -> str:
    weight = graph.add_node("Unsqueeze", mask, graph.add_integers(-1))
    kept = graph.add_node("Mul", tokens, weight)
    total, count = (
        graph.add_node("ReduceSum", x, graph.add_integers(1), keepdims=0) for x in (kept, weight)
    )
    return graph.add_node("Div", total, count)
