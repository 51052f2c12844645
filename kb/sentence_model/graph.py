"""The weights of a BERT sentence model -> the ONNX graph that computes its embeddings."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper
from safetensors.numpy import load_file

HEAD_SIZE = 32  # of the MiniLM family
OPSET = 20  # the first with Gelu
Weights = Mapping[str, NDArray[np.float32]]


def make_graph(path: Path) -> bytes:
    """The serialised graph of a safetensors file; raises KeyError when a weight is missing."""
    graph: bytes = sentence_graph(load_file(path)).SerializeToString()
    return graph


def sentence_graph(weights: Weights) -> ModelProto:
    """The graph (ids, mask) -> embedding: mean over the tokens of the last layer, L2-normalised.

    `ids` and `mask` are int64 of shape (batch, length), `embedding` float32 (batch, hidden).
    """
    graph = _Graph(weights)
    mask = graph.add("Cast", "mask", to=TensorProto.FLOAT)
    tokens = _embedded_tokens(graph)
    penalty = _attention_penalty(graph, mask)
    for layer in range(_count_layers(weights)):
        tokens = _layer(graph, tokens, penalty, f"encoder.layer.{layer}")
    graph.add("LpNormalization", _mean(graph, tokens, mask), output="embedding", axis=-1, p=2)
    return graph.model()


class _Graph:
    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        self.hidden = weights["embeddings.word_embeddings.weight"].shape[1]
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}

    def add(self, operator: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        output = output or f"step{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def constant(self, name: str, value: Any) -> str:
        self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def integers(self, *values: int) -> str:
        return self.constant("int:" + ",".join(map(str, values)), np.array(values, np.int64))

    def linear(self, x: str, name: str, weight: Any, bias: Any) -> str:
        product = self.add("MatMul", x, self.constant(f"{name}.weight", weight.T))
        return self.add("Add", product, self.constant(f"{name}.bias", bias))

    def dense(self, x: str, name: str) -> str:
        return self.linear(x, name, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"])

    def normalised(self, x: str, name: str) -> str:
        scale = self.constant(f"{name}.weight", self.weights[f"{name}.weight"])
        bias = self.constant(f"{name}.bias", self.weights[f"{name}.bias"])
        return self.add("LayerNormalization", x, scale, bias, epsilon=1e-12)

    def model(self) -> ModelProto:
        inputs = [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "length"])
            for name in ("ids", "mask")
        ]
        output = helper.make_tensor_value_info(
            "embedding", TensorProto.FLOAT, ["batch", self.hidden]
        )
        graph = helper.make_graph(
            self.nodes, "sentence", inputs, [output], list(self.constants.values())
        )
        return helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10
        )


def _count_layers(weights: Weights) -> int:
    return len({name.split(".")[2] for name in weights if name.startswith("encoder.layer.")})


def _embedded_tokens(graph: _Graph) -> str:
    weights = graph.weights
    words = graph.constant("words", weights["embeddings.word_embeddings.weight"])
    first_segment = weights["embeddings.token_type_embeddings.weight"][0]
    positions = graph.constant(
        "positions", weights["embeddings.position_embeddings.weight"] + first_segment
    )
    length = graph.add("Shape", "ids", start=1)
    used = graph.add("Slice", positions, graph.integers(0), length)
    summed = graph.add("Add", graph.add("Gather", words, "ids"), used)
    return graph.normalised(summed, "embeddings.LayerNorm")


def _attention_penalty(graph: _Graph, mask: str) -> str:
    """0 for a token and -1e9 for padding, of shape (batch, 1, 1, length)."""
    negative = graph.add("Sub", mask, graph.constant("one", np.float32(1)))
    scaled = graph.add("Mul", negative, graph.constant("much", np.float32(1e9)))
    return graph.add("Unsqueeze", scaled, graph.integers(1, 2))


def _layer(graph: _Graph, x: str, penalty: str, name: str) -> str:
    attended = graph.dense(
        _attention(graph, x, penalty, f"{name}.attention.self"), f"{name}.attention.output.dense"
    )
    x = graph.normalised(graph.add("Add", x, attended), f"{name}.attention.output.LayerNorm")
    inner = graph.add("Gelu", graph.dense(x, f"{name}.intermediate.dense"))
    outer = graph.dense(inner, f"{name}.output.dense")
    return graph.normalised(graph.add("Add", x, outer), f"{name}.output.LayerNorm")


def _attention(graph: _Graph, x: str, penalty: str, name: str) -> str:
    query = _heads(graph, x, f"{name}.query", [0, 2, 1, 3], scale=HEAD_SIZE**-0.5)
    key = _heads(graph, x, f"{name}.key", [0, 2, 3, 1])
    value = _heads(graph, x, f"{name}.value", [0, 2, 1, 3])
    scores = graph.add("Add", graph.add("MatMul", query, key), penalty)
    mixed = graph.add("MatMul", graph.add("Softmax", scores, axis=-1), value)
    joined = graph.add("Transpose", mixed, perm=[0, 2, 1, 3])
    return graph.add("Reshape", joined, graph.integers(0, 0, graph.hidden))


def _heads(graph: _Graph, x: str, name: str, order: list[int], *, scale: float = 1) -> str:
    weight, bias = graph.weights[f"{name}.weight"], graph.weights[f"{name}.bias"]
    projected = graph.linear(x, name, weight * np.float32(scale), bias * np.float32(scale))
    shape = graph.integers(0, 0, graph.hidden // HEAD_SIZE, HEAD_SIZE)
    return graph.add("Transpose", graph.add("Reshape", projected, shape), perm=order)


def _mean(graph: _Graph, tokens: str, mask: str) -> str:
    weight = graph.add("Unsqueeze", mask, graph.integers(-1))
    kept = graph.add("Mul", tokens, weight)
    total, count = (
        graph.add("ReduceSum", x, graph.integers(1), keepdims=0) for x in (kept, weight)
    )
    return graph.add("Div", total, count)
