"""Ranked search over one chunk table: nearest vectors, matching words, and both."""

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import sqlalchemy as sa

from stores.chunks.bm25 import Scores
from stores.chunks.chunk_table import ChunkTable
from stores.chunks.fusion import Fusion, Legs, fused
from stores.chunks.metadata_filters import Where
from stores.errors import StoreError
from stores.reader import Reader, Snapshot

# Exact search costs 2 to 4 us a matching row. The filtered walk of the index loses rows, and takes
# seconds, when the filter and the vectors go together, as a language and its texts do: at 46,000
# of 52,000 matching rows it found .63 of the ten (measured on MariaDB 11.8).
EXACT_UP_TO = 50_000
_FILTERED_EF_SEARCH = 200
_SPARE_ROWS = 5  # a filtered walk of the index can return a row twice
_CONTENT = "text, metadata, node, "

Row = Any  # sa.Row of an engine's connection, named tuple of a reader
Hit = tuple[Row, float]


@dataclass(frozen=True)
class Search:
    """Searches that share one connection, one table and one set of conditions."""

    connection: sa.Connection | Reader | Snapshot
    table: ChunkTable
    where: Where

    def holding(self, phrases: Iterable[str]) -> "Search":
        """The same search among chunks that hold each phrase."""
        where = self.where.copy()
        for phrase in phrases:
            postings = self.table.postings
            keys = postings.holding(self.connection, phrase) if postings else None
            if keys is not None:  # or else every text would be read for the phrase
                where.keys(keys)
            where.containing(phrase)
        return replace(self, where=where)

    def nearest(self, vector: bytes, limit: int, *, embedding: bool = False) -> list[Hit]:
        """The `limit` chunks closest to a vector, best first, with their similarities."""
        rows = self._nearest(vector, limit, _CONTENT + ("embedding, " if embedding else ""))
        return [(row, self._similarity(row.distance)) for row in rows]

    def by_words(self, words: str, limit: int) -> list[Hit]:
        """The `limit` chunks whose words match best, with scores in 0..1."""
        return self._content(self._matching(words, limit)[0].items())

    def fused(self, vector: bytes, words: str, fusion: Fusion, limit: int) -> list[Hit]:
        """The candidates of both legs in one ranking, with scores in 0..1.

        Each candidate has its true similarity, and its true score by words where the table has
        postings: what one leg did not bring is not worth nothing there.
        """
        match fusion.strategy:
            case "vector":
                return self.nearest(vector, min(limit, fusion.candidates))
            case "text":
                return self.by_words(words, min(limit, fusion.candidates))
        by_words, scores = self._matching(words, fusion.word_candidates or fusion.candidates)
        rows = self._nearest(vector, fusion.candidates, "")
        similarities = {row.seq: self._similarity(row.distance) for row in rows}
        by_vector = list(similarities)
        similarities |= self._similarities(vector, by_words.keys() - similarities.keys())
        words_of = {seq: score for seq, score in by_words.items() if seq in similarities}
        legs = Legs(by_vector, words_of, similarities, words_of | scores.of(similarities))
        return self._content(fused(legs, fusion)[:limit])

    def listed(self, limit: int) -> list[Row]:
        """Chunks that meet the conditions, in the order in which they were written."""
        return list(self._run("fetch", limit=limit))

    def _matching(self, words: str, limit: int) -> tuple[dict[int, float], Scores]:
        """The best by their words, and the scores of all that match, or that are known."""
        if self.table.words == "none":
            raise StoreError(
                f"The table {self.table.name} was opened with words='none', so it cannot be "
                "searched by words. Open it with words='bm25', or search by vector."
            )
        if not self.table.postings:
            return self._by_fulltext(words, limit)
        scores = self.table.postings.scores(self.connection, words)
        if self.where:
            scores = scores.among(self._matching_keys())
        return scores.best(limit), scores

    def _by_fulltext(self, words: str, limit: int) -> tuple[dict[int, float], Scores]:
        """The server's own ranking, by its best: what the query could reach is not known of it."""
        self.connection.execute(self.table.sql("search_words"), {})
        found = {
            row.seq: float(row.score)
            for row in self._run("matching_words", {"words": words}, limit=limit)
        }
        best = max(found.values(), default=1.0)
        scaled = {seq: score / best for seq, score in found.items()}
        seqs = np.array(sorted(scaled), dtype=np.int64)
        return scaled, Scores(seqs, np.array([scaled[seq] for seq in seqs.tolist()]))

    def _matching_keys(self) -> Any:
        [(keys,)] = self._run("matching_keys")
        return np.frombuffer(keys or b"", dtype=">u4").astype(np.int64) & 0x7FFFFFFF

    def _nearest(self, vector: bytes, limit: int, columns: str) -> list[Row]:
        """Through the vector index, or exactly when few rows match or the index falls short.

        In MariaDB 11.8 it may return fewer rows than there are while others write.
        """
        rows: list[Row] = []
        if not self._few_match():
            rows = self._by_distance("nearest", vector, limit, columns)
        if len(rows) < limit:
            rows = self._by_distance("nearest_exactly", vector, limit, columns)
        return rows

    def _few_match(self) -> bool:
        if not self.where:
            return False
        [(matching,)] = self._run("count_up_to", limit=EXACT_UP_TO + 1)
        return int(matching) <= EXACT_UP_TO

    def _by_distance(self, statement: str, vector: bytes, limit: int, columns: str) -> list[Row]:
        rows = self._run(
            statement,
            {"vector": vector},
            limit=limit + (_SPARE_ROWS if self.where else 0),
            ef_search=max(self.table.ef_search, _FILTERED_EF_SEARCH if self.where else 0),
            distance=self.table.distance_function,
            columns=columns,
        )
        distinct = {row.seq: row for row in rows}.values()
        return sorted(distinct, key=lambda row: (row.distance, row.seq))[:limit]

    def _similarities(self, vector: bytes, seqs: Collection[int]) -> dict[int, float]:
        """The similarities of chunks that another ranking found."""
        if not seqs:
            return {}
        statement = self.table.sql("distances", distance=self.table.distance_function)
        values = {"vector": vector, "keys": json.dumps(list(seqs))}
        rows = self.connection.execute(statement, values)
        return {row.seq: self._similarity(row.distance) for row in rows}

    def _content(self, ranking: Iterable[tuple[int, float]]) -> list[Hit]:
        """The chunks of a ranking of keys, but for those that were deleted behind kb's back."""
        ranking = list(ranking)
        keys = {"keys": json.dumps([seq for seq, _ in ranking])}
        rows = self.connection.execute(self.table.sql("content"), keys)
        by_key = {row.seq: row for row in rows}
        return [(by_key[seq], score) for seq, score in ranking if seq in by_key]

    def _run(
        self,
        statement: str,
        values: dict[str, Any] | None = None,
        **holes: object,
    ) -> Iterable[Row]:
        limit = {"limit": holes.pop("limit")} if "limit" in holes else {}
        sql = self.table.sql(statement, self.where, **holes)
        return self.connection.execute(sql, {**limit, **self.where.values, **(values or {})})

    def _similarity(self, distance: float) -> float:
        if self.table.distance == "cosine":
            return 1.0 - distance
        return 1.0 / (1.0 + distance)
