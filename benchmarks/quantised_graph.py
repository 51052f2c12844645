"""Graphs of sentence models whose dense layers multiply whole numbers, made of those of float32."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

_OPSET = 21  # the first in which each row may be quantised by a scale of its own
_MICROSOFT = "com.microsoft"
ALL = ""
FEED_FORWARD = r"\d\.(intermediate|output)"
NOT_ATTENDING = rf"{FEED_FORWARD}|attention\.output"  # all but queries, keys and values
_OF_GELU = 0.25  # of the numbers, for what is below 0: the least is -.17


@dataclass(frozen=True)
class Way:
    """How dense layers are computed, of those whose names `layers` finds.

    The numbers of a `tensor` have one scale, those of each of its `rows` (the tokens) one of their
    own, or each `block` of a row has one. What a token is multiplied by has `bits` and a scale for
    each column, in blocks one for each block; `token_bits` are those of the tokens.
    """

    scales: Literal["tensor", "rows", "blocks"]
    layers: str = ALL
    bits: int = 8
    token_bits: int = 8
    block: int = 32


@dataclass(frozen=True)
class _Dense:
    """A dense layer: `product` is `tokens` times the weight, and `output` that and the bias."""

    name: str
    tokens: str
    weight: NDArray[np.float32]
    bias: str
    product: str
    output: str


def quantise_graph(path: Path, way: Way) -> bytes:
    """Return the graph of a file with those of its dense layers quantised."""
    model = onnx.load(path)
    made_by = {node.output[0]: node.op_type for node in model.graph.node}
    maker = _Maker(way)
    quantised: dict[str, list[Any]] = {}
    replaced = set()
    for dense in _list_dense(model.graph):
        if re.search(way.layers, dense.name):
            quantised[dense.product] = []
            is_of_gelu = made_by.get(dense.tokens) == "Gelu"
            quantised[dense.output] = maker.make_nodes(dense, is_of_gelu=is_of_gelu)
            replaced.add(dense.name)
    nodes = [new for node in model.graph.node for new in quantised.get(node.output[0], [node])]
    kept = [each for each in model.graph.initializer if each.name not in replaced]
    graph = helper.make_graph(
        nodes,
        model.graph.name,
        model.graph.input,
        model.graph.output,
        [*kept, *(numpy_helper.from_array(value, name) for name, value in maker.constants.items())],
    )
    opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid(_MICROSOFT, 1)]
    made: bytes = helper.make_model(
        graph, opset_imports=opsets, ir_version=model.ir_version
    ).SerializeToString()
    return made


def _list_dense(graph: Any) -> Iterator[_Dense]:
    constants = {each.name: each for each in graph.initializer}
    users = {name: node for node in graph.node for name in node.input}
    for node in graph.node:
        if node.op_type == "MatMul" and node.input[1] in constants:
            tokens, name = node.input
            weight = numpy_helper.to_array(constants[name])
            addition = users[node.output[0]]
            yield _Dense(
                name, tokens, weight, addition.input[1], node.output[0], addition.output[0]
            )


class _Maker:
    """Makes the nodes of quantised layers; what several layers read is quantised once."""

    def __init__(self, way: Way) -> None:
        self._way = way
        self._quantised: set[str] = set()
        self.constants: dict[str, NDArray[Any]] = {}

    def make_nodes(self, dense: _Dense, *, is_of_gelu: bool) -> list[Any]:
        match self._way.scales:
            case "tensor":
                weight = self._add_columns(dense)
                return [
                    _make("DynamicQuantizeMatMul", dense, dense.tokens, *weight, "", dense.bias)
                ]
            case "rows":
                return self._make_by_rows(dense, is_of_gelu=is_of_gelu)
            case "blocks":
                return [self._make_by_blocks(dense)]

    def _add_columns(self, dense: _Dense) -> tuple[str, str]:
        """Add the weight with a scale for each column."""
        most = 2 ** (self._way.bits - 1) - 1
        scales = np.abs(dense.weight).max(axis=0) / np.float32(most)
        numbers = np.rint(dense.weight / scales).astype(np.int8)
        return self._add(f"{dense.name}.numbers", numbers), self._add(
            f"{dense.name}.scales", scales
        )

    def _make_by_rows(self, dense: _Dense, *, is_of_gelu: bool) -> list[Any]:
        numbers = 2**self._way.token_bits
        zero = int(numbers * (_OF_GELU if is_of_gelu else 0.5))
        at, tokens = self._add(f"zero{zero}", np.uint8(zero)), dense.tokens
        nodes = []
        if tokens not in self._quantised:
            self._quantised.add(tokens)
            last, steps = self._add("last", np.array([-1])), numbers - 1 - zero
            step = self._add(f"one of {steps}", np.float32(1 / steps))
            nodes = [
                helper.make_node("Abs", [tokens], [f"{tokens}.sizes"]),
                helper.make_node("ReduceMax", [f"{tokens}.sizes", last], [f"{tokens}.most"]),
                helper.make_node("Mul", [f"{tokens}.most", step], [f"{tokens}.scales"]),
                helper.make_node("Shape", [f"{tokens}.scales"], [f"{tokens}.rows"]),
                helper.make_node("Expand", [at, f"{tokens}.rows"], [f"{tokens}.zeros"]),
                helper.make_node(
                    "QuantizeLinear",
                    [tokens, f"{tokens}.scales", f"{tokens}.zeros"],
                    [f"{tokens}.numbers"],
                    axis=-1,
                    block_size=len(dense.weight),
                ),
            ]
        weight, one = self._add_columns(dense), self._add("unscaled", np.float32(1))
        scaled = f"{dense.name}.scaled"
        inputs = [f"{tokens}.numbers", weight[0], one, weight[1], at]
        return [
            *nodes,
            helper.make_node("MatMulIntegerToFloat", inputs, [dense.product], domain=_MICROSOFT),
            helper.make_node("Mul", [dense.product, f"{tokens}.scales"], [scaled]),
            helper.make_node("Add", [scaled, dense.bias], [dense.output]),
        ]

    def _make_by_blocks(self, dense: _Dense) -> Any:
        bits, block, (inputs, outputs) = self._way.bits, self._way.block, dense.weight.shape
        blocks = dense.weight.T.reshape(outputs, inputs // block, block)
        furthest = np.abs(blocks).argmax(axis=-1)[..., np.newaxis]
        half = 2 ** (bits - 1)  # the furthest from 0 becomes -half, as it is in weights of 4 bits
        scales = np.take_along_axis(blocks, furthest, axis=-1) / np.float32(-half)
        numbers = np.clip(np.rint(blocks / scales) + half, 0, 2 * half - 1).astype(np.uint8)
        if bits == 4:  # noqa: PLR2004 - two in a byte
            numbers = numbers[..., 0::2] | numbers[..., 1::2] << 4
        weight = self._add(f"{dense.name}.numbers", numbers)
        scale = self._add(f"{dense.name}.scales", scales[..., 0])
        settings = {"K": inputs, "N": outputs, "bits": bits, "block_size": block}
        inputs_of_node = (dense.tokens, weight, scale, "", "", dense.bias)
        return _make("MatMulNBits", dense, *inputs_of_node, accuracy_level=4, **settings)

    def _add(self, name: str, value: Any) -> str:
        self.constants[name] = np.asarray(value)
        return name


def _make(operator: str, dense: _Dense, *inputs: str, **settings: int) -> Any:
    return helper.make_node(operator, inputs, [dense.output], domain=_MICROSOFT, **settings)
