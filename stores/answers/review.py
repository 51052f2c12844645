"""The questions that were answered poorly, as a list to work on."""

import hashlib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from stores.connection import read_snapshot, run_transaction
from stores.errors import StoreError
from stores.searches.search_log import Rating
from stores.sql import statements

_SQL = {name: sa.text(sql) for name, sql in statements("review.sql").items()}


@dataclass(frozen=True)
class PoorAnswer:
    """An answer that rested on nothing, was rated down, or whose SQL somebody has changed.

    Or a search that was rated down; times in UTC. `happened_at` is when it was asked, or rated or
    changed if that came later.
    """

    question: str | None
    asked_at: datetime
    route: str
    unanswered: bool
    rating: Rating | None
    comment: str | None
    edited_sql: str | None
    happened_at: datetime


@dataclass(frozen=True)
class ReviewItem:
    """A question with its poor answers, the latest first; None where the log keeps no texts.

    One item then stands for all of them.
    """

    id: str
    question: str | None
    answers: Sequence[PoorAnswer]

    @property
    def unanswered(self) -> int:
        return sum(answer.unanswered for answer in self.answers)

    @property
    def down(self) -> int:
        return sum(answer.rating == -1 for answer in self.answers)

    @property
    def edited(self) -> list[str]:
        """What people made of its SQL, each once, the latest first."""
        edited = (answer.edited_sql for answer in self.answers)
        return list(dict.fromkeys(sql for sql in edited if sql))

    @property
    def last_at(self) -> datetime:
        """When the last thing happened to it, in UTC."""
        return max(answer.happened_at for answer in self.answers)


@dataclass(frozen=True)
class AnswerReview:
    engine: sa.Engine

    def list_items(self, days: int) -> list[ReviewItem]:
        """List the questions of the last days that wait for somebody, the most frequent first."""

        def work(
            connection: sa.Connection,
        ) -> tuple[Sequence[sa.Row[tuple[object, ...]]], dict[str, datetime]]:
            poor = connection.execute(_SQL["poor_answers"], {"days": days}).all()
            done = {row.item: row.done_until for row in connection.execute(_SQL["done"])}
            return poor, done

        rows, done = read_snapshot(self.engine, work)
        grouped: dict[str, list[PoorAnswer]] = {}
        for row in rows:
            values = {**row._asdict(), "unanswered": bool(row.unanswered)}
            grouped.setdefault(identify_question(row.question), []).append(PoorAnswer(**values))
        items = [ReviewItem(name, poor[0].question, poor) for name, poor in grouped.items()]
        waiting = [item for item in items if item.id not in done or item.last_at > done[item.id]]
        return sorted(waiting, key=lambda item: (len(item.answers), item.last_at), reverse=True)

    def find_item(self, item_id: str, days: int) -> ReviewItem:
        """Find a question that waits by its id. Raises StoreError when there is none."""
        for item in self.list_items(days):
            if item.id == item_id:
                return item
        raise StoreError(
            f"No question {item_id!r} of the last {days} days waits for a review. "
            "`kb review list` shows those that do."
        )

    def mark_done(self, item: ReviewItem, by: str | None = None) -> None:
        """Take a question off the list, until it is answered poorly after what `item` knows of."""
        values = {"item": item.id, "done_until": item.last_at, "done_by": by}
        run_transaction(self.engine, lambda c: c.execute(_SQL["mark_done"], values))

    def remove_spent(self) -> None:
        """Forget what was done with questions that the logs no longer hold."""
        run_transaction(self.engine, lambda c: c.execute(_SQL["remove_spent"]))


def identify_question(question: str | None) -> str:
    """Hash a question so that case, spaces and the marks at its end make no difference."""
    words = unicodedata.normalize("NFKC", question or "").casefold().split()
    plain = " ".join(words).rstrip("?!. ") or " ".join(words)
    return hashlib.sha256(plain.encode()).hexdigest()[:12]
