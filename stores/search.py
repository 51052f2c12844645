"""Ranked search over one chunk table: nearest vectors, matching words, and both."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from stores import fusion
from stores.chunk_table import ChunkTable
from stores.errors import StoreError
from stores.filters import Where
from stores.reader import Reader

# Exact search costs 2 to 4 us a matching row. The filtered walk of the index loses rows, and takes
# seconds, when the filter and the vectors go together, as a language and its texts do: at 46,000
# of 52,000 matching rows it found .63 of the ten (measured on MariaDB 11.8).
EXACT_UP_TO = 50_000
_FILTERED_EF_SEARCH = 200
_SPARE_ROWS = 5  # a filtered walk of the index can return a row twice

Row = Any  # sa.Row of an engine's connection, named tuple of a reader
Hit = tuple[Row, float]


@dataclass(frozen=True)
class Search:
    """Searches that share one connection, one table and one set of conditions."""

    connection: sa.Connection | Reader
    table: ChunkTable
    where: Where

    def nearest(self, vector: bytes, limit: int, *, embedding: bool = False) -> list[Hit]:
        """The `limit` chunks closest to a vector, best first, with their similarities.

        Through the vector index, or exactly when few rows match or the index falls short: in
        MariaDB 11.8 it may return fewer rows than there are while others write.
        """
        holes = {"embedding": ", embedding" if embedding else ""}
        rows: list[Row] = []
        if not self._few_match():
            rows = self._by_distance("nearest", vector, limit, holes)
        if len(rows) < limit:
            rows = self._by_distance("nearest_exactly", vector, limit, holes)
        return [(row, self._similarity(row.distance)) for row in rows]

    def by_words(self, words: str, limit: int) -> list[Hit]:
        """The `limit` chunks whose words match best, with the server's full-text scores."""
        self._keep_words()
        return self._matching(words, limit)

    def hybrid(
        self, vector: bytes, words: str, *, candidates: tuple[int, int], alpha: float, limit: int
    ) -> list[Hit]:
        """The candidates of both legs fused; `candidates` are the counts by vector and by words."""
        self._keep_words()
        by_vector = self.nearest(vector, candidates[0])
        by_words = self._matching(words, candidates[1])
        rows = {row.seq: row for row, _ in (*by_words, *by_vector)}
        scores = {row.seq: score for row, score in by_words}
        similarities = {row.seq: similarity for row, similarity in by_vector}
        similarities |= self._similarities(vector, scores.keys() - similarities.keys())
        ranking = fusion.weighted(similarities, scores, alpha)[:limit]
        return [(rows[seq], score) for seq, score in ranking]

    def _keep_words(self) -> None:
        """The words stay as they are until this connection's transaction ends."""
        if not self.table.fulltext:
            raise StoreError(
                f"The table {self.table.name} was opened with fulltext=False, so it cannot be "
                "searched by words. Open it with fulltext=True, or search by vector."
            )
        self.connection.execute(self.table.sql("search_words"), {})

    def _matching(self, words: str, limit: int) -> list[Hit]:
        rows = self._run("matching_words", {"words": words}, limit=limit)
        return [(row, float(row.score)) for row in rows]

    def listed(self, limit: int) -> list[Row]:
        """Chunks that meet the conditions, in the order in which they were written."""
        return list(self._run("fetch", limit=limit))

    def _few_match(self) -> bool:
        if not self.where:
            return False
        [(matching,)] = self._run("count_up_to", limit=EXACT_UP_TO + 1)
        return int(matching) <= EXACT_UP_TO

    def _by_distance(
        self, statement: str, vector: bytes, limit: int, holes: dict[str, str]
    ) -> list[Row]:
        rows = self._run(
            statement,
            {"vector": vector},
            limit=limit + (_SPARE_ROWS if self.where else 0),
            ef_search=max(self.table.ef_search, _FILTERED_EF_SEARCH if self.where else 0),
            distance=self.table.distance_function,
            **holes,
        )
        distinct = {row.seq: row for row in rows}.values()
        return sorted(distinct, key=lambda row: (row.distance, row.seq))[:limit]

    def _similarities(self, vector: bytes, seqs: Collection[int]) -> dict[int, float]:
        """The similarities of chunks that another ranking found."""
        if not seqs:
            return {}
        chosen = Where()
        chosen.any_of("seq", seqs)
        rows = self.connection.execute(
            self.table.sql("distances", chosen, distance=self.table.distance_function),
            {"vector": vector, **chosen.values},
        )
        return {row.seq: self._similarity(row.distance) for row in rows}

    def _run(
        self,
        statement: str,
        values: dict[str, Any] | None = None,
        *,
        limit: int,
        **holes: object,
    ) -> Iterable[Row]:
        sql = self.table.sql(statement, self.where, **holes)
        return self.connection.execute(sql, {"limit": limit, **self.where.values, **(values or {})})

    def _similarity(self, distance: float) -> float:
        if self.table.distance == "cosine":
            return 1.0 - distance
        return 1.0 / (1.0 + distance)
