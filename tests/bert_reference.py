"""A BERT sentence model in plain numpy, one text at a time: what the ONNX graph must compute."""

from collections.abc import Mapping, Sequence
from math import erf
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def reference_embedding(weights: Mapping[str, Any], ids: Sequence[int], heads: int) -> Array:
    w = {name: np.asarray(value, np.float64) for name, value in weights.items()}
    x = w["embeddings.word_embeddings.weight"][list(ids)]
    x = x + w["embeddings.position_embeddings.weight"][: len(ids)]
    x = normalised(w, "embeddings.LayerNorm", x + w["embeddings.token_type_embeddings.weight"][0])
    layer = 0
    while (name := f"encoder.layer.{layer}") + ".output.dense.weight" in w:
        x = layer_output(w, name, x, heads)
        layer += 1
    mean = x.mean(axis=0)
    return mean / np.linalg.norm(mean)


def layer_output(w: Mapping[str, Array], name: str, x: Array, heads: int) -> Array:
    q, k, v = (
        dense(w, f"{name}.attention.self.{part}", x).reshape(len(x), heads, -1).swapaxes(0, 1)
        for part in ("query", "key", "value")
    )
    scores = q @ k.swapaxes(1, 2) / np.sqrt(q.shape[2])
    attention = np.exp(scores - scores.max(axis=2, keepdims=True))
    attention /= attention.sum(axis=2, keepdims=True)
    mixed = (attention @ v).swapaxes(0, 1).reshape(len(x), -1)
    out = dense(w, f"{name}.attention.output.dense", mixed)
    x = normalised(w, f"{name}.attention.output.LayerNorm", x + out)
    inner = dense(w, f"{name}.intermediate.dense", x)
    inner = inner * (1 + np.vectorize(erf)(inner / np.sqrt(2))) / 2
    return normalised(w, f"{name}.output.LayerNorm", x + dense(w, f"{name}.output.dense", inner))


def dense(w: Mapping[str, Array], name: str, x: Array) -> Array:
    return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]


def normalised(w: Mapping[str, Array], name: str, x: Array) -> Array:
    centred = x - x.mean(axis=1, keepdims=True)
    spread = np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-12)
    return centred / spread * w[f"{name}.weight"] + w[f"{name}.bias"]
