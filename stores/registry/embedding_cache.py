"""Embeddings by (model, dimension, text): an unchanged text is never embedded twice."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from stores.chunks import vectors
from stores.connection import read_snapshot, run_transaction
from stores.sql import statements

_SQL = statements("registry.sql")
_HASHES_A_QUERY = 1000


@dataclass(frozen=True)
class EmbeddingCache:
    engine: sa.Engine
    model: str
    dimension: int

    def find_known(self, texts: Sequence[str]) -> dict[str, list[float]]:
        """Find the vectors of those texts that were embedded before."""
        by_hash = {_hash(text): text for text in texts}
        hashes = list(by_hash)
        return {
            by_hash[row.text_hash]: vectors.from_bytes(row.embedding)
            for start in range(0, len(hashes), _HASHES_A_QUERY)
            for row in self._select(hashes[start : start + _HASHES_A_QUERY])
        }

    def remember(self, embeddings: Mapping[str, Sequence[float]]) -> None:
        """Keep vectors by their texts. Raises InvalidVector, and then keeps none."""
        rows = [
            {
                "model": self.model,
                "dimension": self.dimension,
                "text_hash": _hash(text),
                "embedding": vectors.to_bytes(vector, self.dimension),
            }
            for text, vector in embeddings.items()
        ]
        if rows:
            run_transaction(
                self.engine,
                lambda connection: connection.execute(sa.text(_SQL["remember_embedding"]), rows),
            )

    def _select(self, hashes: list[bytes]) -> Sequence[Any]:
        statement = sa.text(_SQL["known_embeddings"]).bindparams(
            sa.bindparam("hashes", expanding=True)
        )
        values = {"model": self.model, "dimension": self.dimension, "hashes": hashes}
        return read_snapshot(self.engine, lambda c: c.execute(statement, values).all())


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
