"""Documents that were marked as right for a question: what searches are measured by."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from stores.answers.review import identify_question
from stores.connection import read_snapshot, run_transaction
from stores.errors import StoreError
from stores.sql import statements

_SQL: Final = {name: sa.text(sql) for name, sql in statements("marks.sql").items()}
MOST_QUOTED: Final = 4000
"""Characters of the words that are kept with a mark."""


@dataclass(frozen=True)
class Mark:
    """A document that answers a question, by the words `quote` where they are known; time in UTC.

    `item` is the same for questions that reviews take as one.
    """

    id: str
    item: str
    question: str
    root: str
    path: str
    quote: str
    marked_by: str | None
    marked_at: datetime


@dataclass(frozen=True)
class Marks:
    engine: sa.Engine

    def add(
        self, question: str, root: str, path: str, *, quote: str = "", by: str | None = None
    ) -> str:
        """Mark a document as right for a question, and return the mark's id.

        Who marks it again changes the words. Raises StoreError for a question without words.
        """
        if not question.strip():
            raise StoreError("A question without words cannot be marked. Write what was asked.")
        item = identify_question(question)
        mark = hashlib.sha256(f"{item}\0{root}\0{path}".encode(errors="replace")).hexdigest()[:12]
        values = {
            "id": mark,
            "item": item,
            "question": question.strip(),
            "root": root,
            "path": path,
            "quote": quote[:MOST_QUOTED],
            "by": by,
        }
        run_transaction(self.engine, lambda c: c.execute(_SQL["add"], values))
        return mark

    def list_all(self) -> list[Mark]:
        """List all marks, those of a question together."""
        rows = read_snapshot(self.engine, lambda c: c.execute(_SQL["list"]).all())
        return [Mark(**row._asdict()) for row in rows]

    def remove(self, mark: str) -> None:
        """Take a mark away. Raises StoreError when there is none of that id."""
        removed = run_transaction(
            self.engine, lambda c: c.execute(_SQL["remove"], {"id": mark}).rowcount
        )
        if not removed:
            raise StoreError(f"There is no mark {mark!r}. `kb review marks` lists them.")
