"""Embeddings by (model, dimension, text): an unchanged text is never embedded twice."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from stores.chunks import vectors
from stores.chunks.chunk_rows import hash_text
from stores.chunks.chunk_table import ChunkTable
from stores.connection import read_snapshot, run_transaction
from stores.sql import statements

_SQL = statements("registry.sql")
_HASHES_A_QUERY = 1000


@dataclass(frozen=True)
class EmbeddingCache:
    """The embeddings of one model: those of the chunks in `table`, and those put by until then."""

    engine: sa.Engine
    model: str
    dimension: int
    table: ChunkTable | None = None

    def find_known(self, texts: Sequence[str]) -> dict[str, list[float]]:
        """Find the vectors of those texts that were embedded before."""
        known: dict[str, list[float]] = {}
        for some in _cut(texts):
            known |= self._find_in_chunks(some)
            known |= self._find_put_by([text for text in some if text not in known])
        return known

    def _find_in_chunks(self, texts: Sequence[str]) -> dict[str, list[float]]:
        if not self.table:
            return {}
        table, by_hash = self.table, {hash_text(text): text for text in texts}
        found = read_snapshot(self.engine, lambda c: table.find_embeddings(c, list(by_hash)))
        return {by_hash[key]: vectors.from_bytes(vector) for key, vector in found.items()}

    def _find_put_by(self, texts: Sequence[str]) -> dict[str, list[float]]:
        by_hash = {_hash(text): text for text in texts}
        statement = _of_hashes("known_embeddings")
        values = self._name_rows(list(by_hash))
        rows = read_snapshot(self.engine, lambda c: c.execute(statement, values).all())
        return {by_hash[row.text_hash]: vectors.from_bytes(row.embedding) for row in rows}

    def remember(self, embeddings: Mapping[str, Sequence[float]]) -> None:
        """Put vectors by, by their texts. Raises InvalidVector, and then keeps none."""
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

    def release(self, texts: Sequence[str]) -> None:
        """Forget the vectors of texts that chunks hold by now, and what nobody took in a month."""
        statement = _of_hashes("release_embeddings")

        def work(connection: sa.Connection) -> None:
            for some in _cut(texts):
                connection.execute(statement, self._name_rows(list(map(_hash, some))))
            connection.execute(sa.text(_SQL["forget_old_embeddings"]))

        run_transaction(self.engine, work)

    def _name_rows(self, hashes: list[bytes]) -> dict[str, object]:
        return {"model": self.model, "dimension": self.dimension, "hashes": hashes}


def _of_hashes(statement: str) -> sa.TextClause:
    return sa.text(_SQL[statement]).bindparams(sa.bindparam("hashes", expanding=True))


def _cut(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(texts), _HASHES_A_QUERY):
        yield texts[start : start + _HASHES_A_QUERY]


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
