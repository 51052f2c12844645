"""What puts an ONNX graph together that computes the embeddings of texts."""

from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

OPSET = 20  # the first with Gelu


class GraphBuilder:
    """A graph in the making; each method adds nodes and returns the name of their output."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}

    def add_node(
        self, operator: str, *inputs: str, output: str | None = None, **attributes: Any
    ) -> str:
        output = output or f"step{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def add_constant(self, name: str, value: Any) -> str:
        self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def add_integers(self, *values: int) -> str:
        return self.add_constant("int:" + ",".join(map(str, values)), np.array(values, np.int64))

    def to_model(self, dimension: int) -> ModelProto:
        """Return the graph (ids, mask) -> embedding, whose last node has the output `embedding`.

        `ids` and `mask` are int64 of shape (batch, length), `embedding` float32 (batch,
        `dimension`).
        """
        inputs = [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "length"])
            for name in ("ids", "mask")
        ]
        output = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", dimension])
        graph = helper.make_graph(
            self.nodes, "sentence", inputs, [output], list(self.constants.values())
        )
        return helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10
        )
