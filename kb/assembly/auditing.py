"""What is noted of each question for an audit, before and after it is answered."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import sqlalchemy as sa

from engines.model_calls import ModelCalls
from kb.assembly.way_in import Way, way_in
from kb.config.sections import Config
from stores.audit_log import Action, AuditedEnd, AuditLog
from stores.errors import KBError
from stores.log_writer import LogWriter


class Audit:
    """Writes who asks what before it is answered, and behind the answer what that read.

    What cannot be written is not answered. The text is kept where retrieval.log is `full`.
    """

    def __init__(self, engine: sa.Engine, config: Config) -> None:
        self.log = AuditLog(engine)
        self.writer = LogWriter(self.log.finish, "Ends of questions", "kb_audit", gathering=0.5)
        self._is_on = config.access.audit
        self._keeps_text = config.retrieval.log == "full"

    def begin(
        self,
        action: Action,
        text: str,
        user: str | None = None,
        session_id: str | None = None,
        way: Way | None = None,
    ) -> "Audited":
        """Begin an entry; nothing is written where `access.audit` is off. Raises StoreError."""
        if not self._is_on:
            return Audited(None, self.writer)
        kept = text if self._keeps_text else None
        entry = self.log.begin(
            action, way or way_in.get(), user=user, session_id=session_id, text=kept
        )
        return Audited(entry, self.writer)

    @contextmanager
    def observe(self, action: Action, text: str, user: str | None) -> Iterator[ModelCalls]:
        """Note what is asked and what is read within. Raises StoreError before that."""
        audited, calls = self.begin(action, text, user), ModelCalls()
        with calls.listen(), audited.until_end(calls):
            yield calls

    def note_reading(
        self, action: Action, text: str, user: str | None, documents: Iterable[str]
    ) -> None:
        """Note who is shown documents, before they are. Raises StoreError."""
        with self.observe(action, text, user) as calls:
            calls.documents_read.update(documents)


@dataclass(frozen=True)
class Audited:
    """An entry whose end is not written yet; without an id nothing is."""

    id: int | None
    writer: LogWriter[AuditedEnd]

    @contextmanager
    def until_end(self, calls: ModelCalls) -> Iterator[None]:
        """Write what was read within, and how that ended."""
        try:
            yield
        except BaseException as error:
            self.end(calls, error)
            raise
        self.end(calls)

    def end(self, calls: ModelCalls, error: BaseException | None = None) -> None:
        """Write how it ended and what it read, behind what goes on."""
        if self.id is None:
            return
        read = sorted(calls.documents_read), sorted(calls.tables_read)
        if error is None:
            self.writer.add(AuditedEnd(self.id, "done", None, *read))
        elif isinstance(error, Exception):
            self.writer.add(AuditedEnd(self.id, "failed", name_error(error), *read))
        else:
            self.writer.add(AuditedEnd(self.id, "stopped", None, *read))


def name_error(error: BaseException) -> str:
    """Name an error as the codes of the server do; what is no error of kb ended from outside."""
    if isinstance(error, KBError):
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(error).__name__).lower()
    return "unforeseen" if isinstance(error, Exception) else "stopped"
