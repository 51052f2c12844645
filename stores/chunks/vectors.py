"""Embeddings as the bytes that MariaDB stores: little-endian float32."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stores.errors import InvalidVector


def to_bytes(vector: Sequence[float] | NDArray[np.floating], dimension: int) -> bytes:
    """The bytes of a vector. Raises InvalidVector, as the server would answer nonsense.

    It compares a wrong dimension as NULL and a zero vector as NaN, without an error.
    """
    with np.errstate(over="ignore"):
        array = np.asarray(vector, dtype="<f4")
        length = float(array @ array) if array.ndim == 1 else float("nan")
    if array.shape != (dimension,):
        raise InvalidVector(
            f"The embedding has {array.size} dimensions where {dimension} are stored. "
            "Embed with the model that the table was built with."
        )
    if not np.isfinite(array).all() or not np.isfinite(length):
        raise InvalidVector("The embedding holds NaN or infinity; the embedding model is at fault.")
    if length == 0:
        raise InvalidVector("The embedding is all zeros and has no direction to compare.")
    return array.tobytes()


def from_bytes(data: bytes) -> list[float]:
    numbers: list[float] = np.frombuffer(data, dtype="<f4").tolist()
    return numbers
