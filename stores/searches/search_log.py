"""The log of searches, and what people say of them."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar

import sqlalchemy as sa

from stores.connection import read_snapshot, run_transaction
from stores.errors import StoreError
from stores.sql import statements

_SQL = {name: sa.text(sql) for name, sql in statements("search_log.sql").items()}

Rating = Literal[1, -1]
T = TypeVar("T")


@dataclass(frozen=True)
class Hit:
    """A chunk that a search found; `citation` is its number in the answer, if that cites it."""

    chunk_id: str
    document_id: str | None
    score: float
    citation: int | None = None


@dataclass(frozen=True)
class LoggedSearch:
    """A search that is over, in UTC; `hits` are the best first, `question` None keeps no text."""

    profile: str
    milliseconds: float
    hits: Sequence[Hit]
    question: str | None = None
    language: str = ""
    kind: str = ""
    session_id: str | None = None
    user: str | None = None
    searched_at: datetime = field(default_factory=lambda: datetime.now(UTC).replace(tzinfo=None))
    id: str = field(default_factory=lambda: secrets.token_hex(6))


@dataclass(frozen=True)
class KnownSearch:
    """What the log holds of a search; `searched_at` in UTC."""

    id: str
    searched_at: datetime
    profile: str
    question: str | None
    results: int


@dataclass(frozen=True)
class Outcome:
    """What came of a search: its last rating, and the best ranks of clicks and of citations."""

    profile: str
    session_id: str | None
    milliseconds: float
    rating: Rating | None
    clicked_rank: int | None
    cited_rank: int | None


@dataclass(frozen=True)
class _Feedback:
    search_id: str | None = None
    session_id: str | None = None
    turn_id: str | None = None
    rating: Rating | None = None
    comment: str | None = None
    clicked_rank: int | None = None
    clicked_chunk: str | None = None
    edited_sql: str | None = None


@dataclass(frozen=True)
class SearchLog:
    engine: sa.Engine

    def add(self, searches: Sequence[LoggedSearch]) -> None:
        """Log all of them, or none. Raises StoreError, StoreUnavailable."""
        hits = [row for search in searches for row in _hit_rows(search)]

        def work(connection: sa.Connection) -> None:
            connection.execute(_SQL["add_search"], [_search_row(search) for search in searches])
            if hits:
                connection.execute(_SQL["add_hit"], hits)

        run_transaction(self.engine, work, attempts=2)

    def find(self, search_id: str, user: str | None = None) -> KnownSearch:
        """Find a search of anybody, or of a user. Raises StoreError when there is none."""
        values = {"id": search_id, "user": user}
        row = self._read(lambda c: c.execute(_SQL["search"], values).one_or_none())
        if row is None:
            raise StoreError(
                f"No search {search_id!r} is in the log. `last` is the last one, --explain shows "
                "the id of a search, and with retrieval.log `off` none is kept."
            )
        return KnownSearch(**row._asdict())

    def find_last(self) -> KnownSearch:
        """Find what was logged last, whoever searched. Raises StoreError when nothing was."""
        search_id = self._read(lambda c: c.scalar(_SQL["last_search"]))
        if search_id is None:
            raise StoreError(
                "No search is in the log. Search first; retrieval.log must not be `off`."
            )
        return self.find(search_id)

    def list_hits(self, search_id: str) -> list[Hit]:
        rows = self._read(lambda c: c.execute(_SQL["hits"], {"id": search_id}).all())
        return [Hit(**row._asdict()) for row in rows]

    def rate(
        self,
        search_id: str,
        rating: Rating | None = None,
        comment: str = "",
        clicked: int | str | None = None,
        *,
        user: str | None = None,
    ) -> None:
        """Keep what somebody says of a search, or which passage they opened.

        A `user` speaks of their own searches alone. `clicked` is a chunk id, or the number that the
        passage was shown with: of its citation in an answer that cites, else its rank from 1.
        Raises StoreError for what is not there.
        """
        search = self.find(search_id, user)
        rank, chunk_id = (None, None) if clicked is None else self._find_clicked(search.id, clicked)
        said = comment or None
        self._add(_Feedback(search.id, None, None, rating, said, rank, chunk_id))

    def rate_turn(
        self,
        session_id: str,
        turn_id: str,
        rating: Rating | None = None,
        comment: str = "",
        edited_sql: str | None = None,
    ) -> None:
        """Keep what somebody says of a turn of a chat session, or made of its SQL."""
        said = comment or None
        self._add(_Feedback(None, session_id, turn_id, rating, said, edited_sql=edited_sql))

    def list_ratings(self, session_id: str) -> dict[str, Rating]:
        """List the last rating of each turn of a session that has one."""
        rows = self._read(lambda c: c.execute(_SQL["ratings"], {"session_id": session_id}).all())
        return {row.turn_id: row.rating for row in rows}

    def list_outcomes(self, days: int) -> list[Outcome]:
        """List what came of the searches of the last days."""
        rows = self._read(lambda c: c.execute(_SQL["outcomes"], {"days": days}).all())
        return [Outcome(**row._asdict()) for row in rows]

    def _find_clicked(self, search_id: str, clicked: int | str) -> tuple[int, str]:
        hits = self.list_hits(search_id)
        numbers = _number_hits(hits)
        for rank, (hit, number) in enumerate(zip(hits, numbers, strict=True), start=1):
            if clicked in (hit.chunk_id, number):
                return rank, hit.chunk_id
        known = ", ".join(map(str, sorted(number for number in numbers if number)))
        raise StoreError(
            f"Search {search_id} showed no passage {clicked!r}; it showed {known or 'none'}."
        )

    def _add(self, feedback: _Feedback) -> None:
        run_transaction(self.engine, lambda c: c.execute(_SQL["add_feedback"], asdict(feedback)))

    def _read(self, work: Callable[[sa.Connection], T]) -> T:
        return read_snapshot(self.engine, work)


def _search_row(search: LoggedSearch) -> dict[str, Any]:
    row = {name: value for name, value in vars(search).items() if name != "hits"}
    at = search.searched_at.isoformat(" ")  # mariadb 2.0.0rc2 fails on times of a bulk insert
    return {**row, "searched_at": at, "results": len(search.hits)}


def _hit_rows(search: LoggedSearch) -> list[dict[str, Any]]:
    return [
        {"search_id": search.id, "hit_rank": rank, **vars(hit)}
        for rank, hit in enumerate(search.hits, start=1)
    ]


def _number_hits(hits: Sequence[Hit]) -> list[int | None]:
    """Number hits as people saw them: by their citations, or else by their ranks."""
    if any(hit.citation for hit in hits):
        return [hit.citation for hit in hits]
    return list(range(1, len(hits) + 1))
