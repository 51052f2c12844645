"""Vectors that are compared by their directions."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Vectors = NDArray[np.float64]  # one a row

_NO_LENGTH: Final = 1e-12  # so that a vector of zeros is like no other, and divides nothing by zero


def normalize_vectors(vectors: Sequence[Sequence[float]] | Vectors) -> Vectors:
    """Return the vectors, one a row, with a length of 1, so that their products are cosines."""
    rows = np.atleast_2d(np.asarray(vectors, dtype=np.float64))
    unit: Vectors = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), _NO_LENGTH)
    return unit
