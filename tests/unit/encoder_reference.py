"""The multilingual sentence encoder in plain numpy, one text at a time, as a reference."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

SEEN_BEFORE = {2: 0, 3: 1, 5: 2}
SHARES = 17


def reference_embedding(weights: Mapping[str, NDArray[Any]], ids: Sequence[int]) -> NDArray[Any]:
    words = np.array([_find_word(weights, number) for number in ids])
    seen = [_see(weights, words, width) for width in SEEN_BEFORE]
    tokens = _normalise(weights, np.concatenate([words, *seen], axis=1), "")
    projected = tokens @ weights["cnn_W"] + weights["cnn_b"]
    average = projected.sum(axis=0) / np.sqrt(len(ids))
    first = np.maximum(average @ weights["d0"], 0)
    second = np.maximum(average @ weights["p1"] + first @ weights["d1"], 0)
    third = np.maximum(second @ weights["d2"], 0)
    last = np.tanh(second @ weights["p3"] + third @ weights["d3"])
    embedding: NDArray[Any] = last / np.linalg.norm(last)
    return embedding


def _find_word(weights: Mapping[str, NDArray[Any]], number: int) -> NDArray[Any]:
    row, share = divmod(number, SHARES)
    word: NDArray[Any] = weights[f"q{share + 1}"][row] * weights["scale"][share]
    return word + weights["lo"][share]


def _see(weights: Mapping[str, NDArray[Any]], words: NDArray[Any], width: int) -> NDArray[Any]:
    projected = words @ weights[f"proj{width}"] + weights[f"proj_b{width}"]
    x = _normalise(weights, projected, str(width))
    before = SEEN_BEFORE[width]
    for layer in (1, 2):
        padded = np.pad(x, ((before, width - 1 - before), (0, 0)))
        windows = np.array([padded[at : at + width].ravel() for at in range(len(x))])
        seen = windows @ weights[f"w{layer}_{width}"] + weights[f"b{layer}_{width}"]
        x = x + np.maximum(seen, 0)
    return x


def _normalise(weights: Mapping[str, NDArray[Any]], x: NDArray[Any], suffix: str) -> NDArray[Any]:
    centred = x - x.mean(axis=1, keepdims=True)
    spread = np.sqrt((centred**2).mean(axis=1, keepdims=True) + weights["eps"])
    normalised: NDArray[Any] = centred / spread
    return normalised * weights[f"ln_g{suffix}"] + weights[f"ln_b{suffix}"]
