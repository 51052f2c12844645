"""Making the ONNX graph of the multilingual Universal Sentence Encoder.

The vectors of word pieces, and what convolutions over two, three and five of them see, are averaged
and go through three dense layers. Its words are kept in 8 bits, each 17th of them with a scale of
its own, as they are in the package that carries them. Each width is normalised by itself, as its
weights are; the package normalises all three together, which finds less in each set that was tried.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from kb.sentence_model.graph_builder import GraphBuilder

DIMENSIONS: Final = 512
_SHARES: Final = 17  # of the words, by the remainder of their number
_SEEN_BEFORE: Final = {2: 0, 3: 1, 5: 2}  # by the pieces that a convolution sees at once
_TO_THE_END: Final = np.iinfo(np.int64).max
Weights = Mapping[str, NDArray[Any]]


def make_graph(path: Path) -> bytes:
    """Return the serialised graph of an npz file.

    Raises KeyError when a weight is missing, ValueError when the file holds objects.
    """
    with np.load(path, allow_pickle=False) as weights:
        graph: bytes = _Encoder(dict(weights)).to_graph().SerializeToString()
    return graph


class _Encoder(GraphBuilder):
    """The graph in the making, with the weights by their names."""

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        self._weights = weights
        self._epsilon = float(weights["eps"])
        self._mask = self.add_node(
            "Unsqueeze", self.add_node("Cast", "mask", to=TensorProto.FLOAT), self.add_integers(-1)
        )

    def to_graph(self) -> Any:
        words = self._add_words()
        seen = [self._add_convolutions(words, width) for width in _SEEN_BEFORE]
        tokens = self._add_layer_norm(self.add_node("Concat", words, *seen, axis=-1), "")
        self._add_dense_layers(self._add_average(tokens))
        return self.to_model(DIMENSIONS)

    def _add_words(self) -> str:
        """Add the vectors of the word pieces, of shape (batch, length, 512)."""
        shares = [self._weights[f"q{share + 1}"] for share in range(_SHARES)]
        table = np.stack(shares, axis=1).reshape(-1, DIMENSIONS)
        share = self.add_node("Mod", "ids", self.add_integers(_SHARES))
        words = self.add_node("Gather", self.add_constant("words", table), "ids")
        scale, low = (
            self.add_node(
                "Gather", self.add_constant(name, self._weights[name][:, np.newaxis]), share
            )
            for name in ("scale", "lo")
        )
        exact = self.add_node("Cast", words, to=TensorProto.FLOAT)
        return self.add_node("Add", self.add_node("Mul", exact, scale), low)

    def _add_convolutions(self, words: str, width: int) -> str:
        """Add what two convolutions over `width` pieces see, of shape (batch, length, 256)."""
        projected = self._add_linear(words, f"proj{width}", f"proj_b{width}")
        x = self._add_layer_norm(projected, str(width))
        for layer in ("1", "2"):
            # what lies behind the end of a text is seen as nothing
            windows = self._add_windows(self.add_node("Mul", x, self._mask), width)
            seen = self._add_linear(windows, f"w{layer}_{width}", f"b{layer}_{width}")
            x = self.add_node("Add", self.add_node("Relu", seen), x)
        return x

    def _add_windows(self, x: str, width: int) -> str:
        """Add for each piece its neighbours beside it, zeros outside of the text."""
        before = _SEEN_BEFORE[width]
        margins = self.add_integers(0, before, 0, 0, width - 1 - before, 0)
        padded = self.add_node("Pad", x, margins)
        windows = [
            self.add_node(
                "Slice",
                padded,
                self.add_integers(start),
                self.add_integers(start - width + 1 or _TO_THE_END),
                self.add_integers(1),
            )
            for start in range(width)
        ]
        return self.add_node("Concat", *windows, axis=-1)

    def _add_average(self, tokens: str) -> str:
        """Add the sum over a text's pieces, projected, over the root of their number."""
        kept = self.add_node("Mul", tokens, self._mask)
        total, count = (
            self.add_node("ReduceSum", x, self.add_integers(1), keepdims=0)
            for x in (kept, self._mask)
        )
        bias = self.add_node("Mul", count, self._add_weight("cnn_b"))
        projected = self.add_node("Add", self._add_product(total, "cnn_W"), bias)
        return self.add_node("Div", projected, self.add_node("Sqrt", count))

    def _add_dense_layers(self, average: str) -> None:
        first = self.add_node("Relu", self._add_product(average, "d0"))
        summed = self.add_node(
            "Add", self._add_product(average, "p1"), self._add_product(first, "d1")
        )
        second = self.add_node("Relu", summed)
        third = self.add_node("Relu", self._add_product(second, "d2"))
        last = self.add_node("Add", self._add_product(second, "p3"), self._add_product(third, "d3"))
        self.add_node(
            "LpNormalization", self.add_node("Tanh", last), output="embedding", axis=-1, p=2
        )

    def _add_weight(self, name: str) -> str:
        return self.add_constant(name, self._weights[name])

    def _add_product(self, x: str, weight: str) -> str:
        return self.add_node("MatMul", x, self._add_weight(weight))

    def _add_linear(self, x: str, weight: str, bias: str) -> str:
        return self.add_node("Add", self._add_product(x, weight), self._add_weight(bias))

    def _add_layer_norm(self, x: str, suffix: str) -> str:
        scale, bias = self._add_weight(f"ln_g{suffix}"), self._add_weight(f"ln_b{suffix}")
        return self.add_node("LayerNormalization", x, scale, bias, epsilon=self._epsilon)
