"""Ranked search over one chunk table: nearest vectors, matching words, and both."""

import json
import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import islice
from typing import TYPE_CHECKING, Any, assert_never

import numpy as np
import sqlalchemy as sa

from stores.chunks.bm25 import Scores, Seqs
from stores.chunks.fusion import Fusion, Legs, fuse_legs
from stores.chunks.posting_arrays import KeySet, unpack_keys
from stores.chunks.postings import VisibleChunks
from stores.chunks.where import Where
from stores.errors import StoreError
from stores.reader import Reader, Snapshot

if TYPE_CHECKING:
    from stores.chunks.chunk_table import ChunkTable

# The index is walked without conditions, and what it finds held against the keys that match: its
# own filtered walk loses rows, and takes seconds, when filter and vectors go together, as a
# language and its texts do (at 46,000 of 52,000 matching rows .63 of the ten, by MariaDB 11.8).
_SPARE = 1.5  # as many as would do if the filter and the vectors had nothing in common
_MORE = 4  # as many where those did not do
_WALKED_COSTS = 5  # as much as so many rows that are compared
_KEYS_A_READ = 4_000_000  # 16 MB
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
        return list(self.run("fetch", limit=limit))

    def count_chunks(self) -> int:
        """Count the chunks that meet the conditions."""
        return int(next(iter(self.run("count")))[0])

    def list_node_classes(self) -> set[str | None]:
        """List the classes of the nodes that meet the conditions; None stands for text."""
        return {row.class_name for row in self.run("node_classes")}

    def _read_legs(self, vector: bytes, words: str, fusion: Fusion) -> Legs[int]:
        """Read what both legs bring, and what every candidate scores on each.

        Each candidate has its true similarity, and its true score by words where the table has
        postings: what one leg did not bring is not worth nothing there.
        """
        limit = fusion.candidates if fusion.word_candidates is None else fusion.word_candidates
        by_words, scores = self._match_words(words, limit)
        rows = self._read_nearest(vector, fusion.candidates, "")
        by_vector = [row.seq for row in rows]
        others = by_words.keys() - set(by_vector)
        rows += self._compare(vector, list(others), len(others), "")
        similarities = {row.seq: self.table.to_similarity(row.distance) for row in rows}
        words_of = {seq: score for seq, score in by_words.items() if seq in similarities}
        lexical_scores = words_of | scores.look_up(similarities)
        return Legs(by_vector, words_of, similarities, lexical_scores)

    def _match_words(self, words: str, limit: int) -> tuple[dict[int, float], Scores]:
        """Find the best by their words, and the scores of all that match, or that are known."""
        postings = self.table.postings
        match self.table.words:
            case "bm25" if postings:
                scores = postings.score_chunks(self.connection, words, self.visible)
                if self._matching and self.where.conditions:
                    scores = scores.keep_only(self._matching.seqs, self._matching.keys)
                return self._find_best(scores, limit), scores
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
            for row in self.run("matching_words", {"words": words}, limit=limit)
        }
        best = max(found.values(), default=1.0)
        scaled = {seq: score / best for seq, score in found.items()}
        seqs = np.array(sorted(scaled), dtype=np.int64)
        return scaled, Scores(np.array([scaled[seq] for seq in seqs.tolist()]), seqs)

    @cached_property
    def visible(self) -> VisibleChunks | None:
        """The chunks that the groups of the search may see; None without groups, or postings."""
        groups, postings = self.where.groups, self.table.postings
        if groups is None or postings is None:
            return None
        where = self.table.make_where(groups)
        read_keys = partial(self._read_matching_keys, where)
        return postings.find_visible(self.connection, groups, read_keys)

    @cached_property
    def _matching(self) -> "_Matching | None":
        """The chunks that may meet the conditions, found once; None when there are none.

        By the postings of metadata where these can say it, else by reading every chunk.
        """
        if not self.where:
            return None
        if self.visible and not self.where.conditions:
            return _Matching(self.visible.seqs, self.visible.keys, is_certain=True)
        postings = self.table.postings
        if postings and self.where.terms is not None and not self.where.names_chunks:
            seqs = postings.find_candidates(self.connection, self.where.terms)
            if self.visible:
                seqs = seqs[self.visible.keys.find(seqs)]
            return _Matching(seqs, KeySet(seqs), is_certain=False)
        seqs = self._read_matching_keys(self.where)
        return _Matching(seqs, KeySet(seqs), is_certain=True)

    def _read_matching_keys(self, where: Where, among: Seqs | None = None) -> Seqs:
        """Read the keys, ascending, of the chunks that meet conditions, or of those among some."""
        if among is not None:
            sql = self.table.fill("matching_of", where)
            values = {**where.values, "keys": json.dumps(among.tolist())}
            rows = self.connection.execute(sql, values)
            return np.array(sorted(row.seq for row in rows), dtype=np.int64)
        sql = self.table.fill("matching_keys", where, keys_a_read=_KEYS_A_READ)
        parts: list[Seqs] = []
        last = 0
        while len(parts) <= last:
            values = {**where.values, "number": len(parts)}
            [row] = self.connection.execute(sql, values)
            parts.append(unpack_keys(row.matching))
            last = int(row.last or 0)
        return np.sort(np.concatenate(parts))

    def _find_best(self, scores: Scores, limit: int) -> dict[int, float]:
        """Find the highest scores of chunks that do meet the conditions."""
        if self._matching is None or self._matching.is_certain:
            return scores.find_best(limit)
        asked = limit
        while True:
            best = scores.find_best(asked)
            rows = self.run("matching_of", {"keys": json.dumps(list(best))})
            meeting = {row.seq for row in rows}
            if len(meeting) >= limit or len(best) < asked:
                found = ((seq, score) for seq, score in best.items() if seq in meeting)
                return dict(islice(found, limit))
            asked *= _MORE

    def _read_nearest(self, vector: bytes, limit: int, columns: str) -> list[Row]:
        """Read through the vector index, or exactly when few rows match or the index falls short.

        In MariaDB 11.8 the index may return fewer rows than there are while others write.
        """
        if not limit:
            return []
        if self._matching is not None:
            return self._read_nearest_matching(self._matching, vector, limit, columns)
        rows = self._walk(vector, limit, columns)
        return rows if len(rows) >= limit else self._compare_all(vector, limit, columns)

    def _read_nearest_matching(
        self, matching: "_Matching", vector: bytes, limit: int, columns: str
    ) -> list[Row]:
        """Walk as far as enough of what is found matches, or compare all where that is cheaper."""
        matches = len(matching.seqs)
        rows = max(self.table.size.estimate_rows(self.connection), matches)
        walked = math.ceil(_SPARE * limit * rows / max(matches, 1))
        while walked * _WALKED_COSTS < matches:
            near = self._walk_keys(vector, walked)
            seqs = near[matching.keys.find(near)]
            found = self._compare(vector, seqs[: _MORE * limit].tolist(), limit, columns)
            if len(found) == limit:
                return found
            walked *= _MORE
        return self._compare(vector, matching.seqs.tolist(), limit, columns)

    def _walk(self, vector: bytes, limit: int, columns: str) -> list[Row]:
        """Find the chunks nearest to a vector by the index, whatever the conditions."""
        rows = self.run(
            "nearest",
            {"vector": vector},
            limit=limit,
            ef_search=self.table.choose_ef_search(self.connection, limit),
            distance=self.table.distance_function,
            columns=columns,
        )
        distinct = {row.seq: row for row in rows}  # it may find one twice while others write
        return sorted(distinct.values(), key=_by_distance)

    def _walk_keys(self, vector: bytes, limit: int) -> Seqs:
        """Find the keys of the chunks nearest to a vector by the index, whatever the conditions."""
        [row] = self.run(
            "nearest_keys",
            {"vector": vector},
            limit=limit,
            ef_search=self.table.choose_ef_search(self.connection, limit),
            distance=self.table.distance_function,
        )
        return unpack_keys(row.nearest)

    def _compare_all(self, vector: bytes, limit: int, columns: str) -> list[Row]:
        distance = self.table.distance_function
        values = {"vector": vector}
        rows = self.run("nearest_exactly", values, limit=limit, distance=distance, columns=columns)
        return sorted(rows, key=_by_distance)

    def _compare(self, vector: bytes, seqs: Collection[int], limit: int, columns: str) -> list[Row]:
        """Find the nearest of some chunks that meet the conditions, by comparing all of them."""
        if not seqs:
            return []
        is_certain = self._matching is None or self._matching.is_certain
        where = Where() if is_certain else self.where
        sql = self.table.fill(
            "nearest_of", where, distance=self.table.distance_function, columns=columns
        )
        values = {"vector": vector, "keys": json.dumps(seqs), "limit": limit, **where.values}
        return sorted(self.connection.execute(sql, values), key=_by_distance)

    def _read_content(self, ranking: Iterable[tuple[int, float]]) -> list[Hit]:
        """Read the chunks of a ranking of keys, but for those that somebody else has deleted."""
        ranking = list(ranking)
        keys = {"keys": json.dumps([seq for seq, _ in ranking])}
        rows = self.connection.execute(self.table.fill("content"), keys)
        by_key = {row.seq: row for row in rows}
        return [(by_key[seq], score) for seq, score in ranking if seq in by_key]

    def run(
        self,
        statement: str,
        values: dict[str, Any] | None = None,
        **holes: object,
    ) -> Iterable[Row]:
        limit = {"limit": holes.pop("limit")} if "limit" in holes else {}
        sql = self.table.fill(statement, self.where, **holes)
        return self.connection.execute(sql, {**limit, **self.where.values, **(values or {})})


@dataclass(frozen=True)
class _Matching:
    """Keys, ascending, of the chunks that meet some conditions; with others, unless certain."""

    seqs: Seqs
    keys: KeySet
    is_certain: bool


def _by_distance(row: Row) -> tuple[float, int]:
    return row.distance, row.seq
