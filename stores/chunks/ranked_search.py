"""Ranked search over one chunk table: nearest vectors, matching words, and both."""

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, assert_never

import numpy as np
import sqlalchemy as sa

from stores.chunks.bm25 import Scores
from stores.chunks.fusion import Fusion, Legs, fuse_legs
from stores.chunks.where import Where
from stores.errors import StoreError
from stores.reader import Reader, Snapshot

if TYPE_CHECKING:
    from stores.chunks.chunk_table import ChunkTable

# Exact search costs 2 to 4 us a matching row. The filtered walk of the index loses rows, and takes
# seconds, when the filter and the vectors go together, as a language and its texts do: at 46,000
# of 52,000 matching rows it found .63 of the ten (measured on MariaDB 11.8).
EXACT_UP_TO = 50_000
_FILTERED_EF_SEARCH = 200
_SPARE_ROWS = 5  # a filtered walk of the index can return a row twice
_CONTENT = "chunk_id, document_id, text, metadata, node, "

Row = Any  # sa.Row of an engine's connection, named tuple of a reader
Hit = tuple[Row, float]


@dataclass(frozen=True)
class Search:
    """Searches that share one connection, one table and one set of conditions."""

    connection: sa.Connection | Reader | Snapshot
    table: "ChunkTable"
    where: Where

    def require_phrases(self, phrases: Iterable[str]) -> "Search":
        """Make the same search among chunks that hold each of these phrases."""
        where = self.where.copy()
        for phrase in phrases:
            postings = self.table.postings
            keys = postings.find_keys(self.connection, phrase) if postings else None
            if keys is not None:  # or else every text would be read for the phrase
                where.require_keys(keys)
            where.require_phrase(phrase)
        return replace(self, where=where)

    def find_nearest(self, vector: bytes, limit: int, *, embedding: bool = False) -> list[Hit]:
        """Find the `limit` chunks closest to a vector, best first, with their similarities."""
        columns = _CONTENT + ("embedding, " if embedding else "")
        rows = self._read_nearest(vector, limit, columns)
        return [(row, self.table.to_similarity(row.distance)) for row in rows]

    def find_by_words(self, words: str, limit: int) -> list[Hit]:
        """Find the `limit` chunks whose words match best, with scores in 0..1."""
        return self._read_content(self._match_words(words, limit)[0].items())

    def find_by_both(self, vector: bytes, words: str, fusion: Fusion, limit: int) -> list[Hit]:
        """Find the candidates of both legs, in one ranking with scores in 0..1."""
        match fusion.strategy:
            case "vector":
                return self.find_nearest(vector, min(limit, fusion.candidates))
            case "text":
                return self.find_by_words(words, min(limit, fusion.candidates))
            case "weighted" | "rrf" | "text-then-vector" | "vector-then-text" | "intersection":
                legs = self._read_legs(vector, words, fusion)
                return self._read_content(fuse_legs(legs, fusion)[:limit])
            case _:
                assert_never(fusion.strategy)

    def list_chunks(self, limit: int) -> list[Row]:
        """List chunks that meet the conditions, in the order in which they were written."""
        return list(self._run("fetch", limit=limit))

    def _read_legs(self, vector: bytes, words: str, fusion: Fusion) -> Legs[int]:
        """Read what both legs bring, and what every candidate scores on each.

        Each candidate has its true similarity, and its true score by words where the table has
        postings: what one leg did not bring is not worth nothing there.
        """
        by_words, scores = self._match_words(words, fusion.word_candidates or fusion.candidates)
        rows = self._read_nearest(vector, fusion.candidates, "")
        similarities = {row.seq: self.table.to_similarity(row.distance) for row in rows}
        by_vector = list(similarities)
        similarities |= self._read_similarities(vector, by_words.keys() - similarities.keys())
        words_of = {seq: score for seq, score in by_words.items() if seq in similarities}
        lexical_scores = words_of | scores.look_up(similarities)
        return Legs(by_vector, words_of, similarities, lexical_scores)

    def _match_words(self, words: str, limit: int) -> tuple[dict[int, float], Scores]:
        """Find the best by their words, and the scores of all that match, or that are known."""
        postings = self.table.postings
        match self.table.words:
            case "bm25" if postings:
                scores = postings.score_chunks(self.connection, words)
                if self.where:
                    scores = scores.keep_only(self._read_matching_keys())
                return scores.find_best(limit), scores
            case "bm25" | "none":
                raise StoreError(
                    f"The table {self.table.name} was opened with words='none', so it cannot be "
                    "searched by words. Open it with words='bm25', or search by vector."
                )
            case "fulltext":
                return self._match_fulltext(words, limit)
            case _:
                assert_never(self.table.words)

    def _match_fulltext(self, words: str, limit: int) -> tuple[dict[int, float], Scores]:
        """Rank by the server's own index; the best has 1, as what any could have is not known."""
        self.connection.execute(self.table.fill("search_words"), {})
        found = {
            row.seq: float(row.score)
            for row in self._run("matching_words", {"words": words}, limit=limit)
        }
        best = max(found.values(), default=1.0)
        scaled = {seq: score / best for seq, score in found.items()}
        seqs = np.array(sorted(scaled), dtype=np.int64)
        return scaled, Scores(seqs, np.array([scaled[seq] for seq in seqs.tolist()]))

    def _read_matching_keys(self) -> Any:
        [(keys,)] = self._run("matching_keys")
        return np.frombuffer(keys or b"", dtype=">u4").astype(np.int64) & 0x7FFFFFFF

    def _read_nearest(self, vector: bytes, limit: int, columns: str) -> list[Row]:
        """Read through the vector index, or exactly when few rows match or the index falls short.

        In MariaDB 11.8 the index may return fewer rows than there are while others write.
        """
        rows: list[Row] = []
        if not self._matches_few():
            rows = self._sort_by_distance("nearest", vector, limit, columns)
        if len(rows) < limit:
            rows = self._sort_by_distance("nearest_exactly", vector, limit, columns)
        return rows

    def _matches_few(self) -> bool:
        if not self.where:
            return False
        [(matching,)] = self._run("count_up_to", limit=EXACT_UP_TO + 1)
        return int(matching) <= EXACT_UP_TO

    def _sort_by_distance(
        self, statement: str, vector: bytes, limit: int, columns: str
    ) -> list[Row]:
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

    def _read_similarities(self, vector: bytes, seqs: Collection[int]) -> dict[int, float]:
        """Read the similarities of chunks that another ranking found."""
        if not seqs:
            return {}
        statement = self.table.fill("distances", distance=self.table.distance_function)
        values = {"vector": vector, "keys": json.dumps(list(seqs))}
        rows = self.connection.execute(statement, values)
        return {row.seq: self.table.to_similarity(row.distance) for row in rows}

    def _read_content(self, ranking: Iterable[tuple[int, float]]) -> list[Hit]:
        """Read the chunks of a ranking of keys, but for those that somebody else has deleted."""
        ranking = list(ranking)
        keys = {"keys": json.dumps([seq for seq, _ in ranking])}
        rows = self.connection.execute(self.table.fill("content"), keys)
        by_key = {row.seq: row for row in rows}
        return [(by_key[seq], score) for seq, score in ranking if seq in by_key]

    def _run(
        self,
        statement: str,
        values: dict[str, Any] | None = None,
        **holes: object,
    ) -> Iterable[Row]:
        limit = {"limit": holes.pop("limit")} if "limit" in holes else {}
        sql = self.table.fill(statement, self.where, **holes)
        return self.connection.execute(sql, {**limit, **self.where.values, **(values or {})})
