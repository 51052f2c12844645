"""Embeddings of texts that need no model: the same text has the same vector."""

import zlib

import numpy as np


def embed(text: str, dimension: int) -> list[float]:
    drawn = np.random.default_rng(zlib.crc32(text.encode())).normal(size=dimension)
    return [float(value) for value in drawn.astype(np.float32)]
