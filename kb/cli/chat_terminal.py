"""A chat session in a terminal: questions, and their answers as they come."""

import secrets
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import chain
from types import FrameType
from typing import TYPE_CHECKING

from rich.text import Text

from engines.answer import answer_of
from kb.assembly.answer_sources import Source
from kb.cli.language import gettext
from kb.cli.terminal import OUT, make_printable, show_waiting
from stores.errors import ConfigError, StoreError

if TYPE_CHECKING:
    from llama_index.core.vector_stores.types import MetadataFilters

    from engines.chat.chat_session import ChatSession
    from engines.chat.streamed_answer import StreamedAnswer
    from kb.app import KnowledgeBase
    from stores.chats.chat_sessions import SessionStore, Turn


@dataclass
class Conversation:
    """A stored session in a terminal, and where its next questions go."""

    knowledge_base: "KnowledgeBase"
    session_id: str
    source: Source = "auto"
    profile: str | None = None
    model: str | None = None
    filters: "MetadataFilters | None" = None
    engine: "ChatSession" = field(init=False)
    lacks_source: bool = False
    """Whether an answer had to do without a source."""

    def __post_init__(self) -> None:
        self.ask_from(self.source, self.profile, self.model)

    @property
    def session_store(self) -> "SessionStore":
        return self.knowledge_base.components.session_store

    def ask_from(self, source: Source, profile: str | None, model: str | None) -> None:
        """Choose the source, the profile and the language model of the next questions.

        Raises ConfigError for what is not there.
        """
        self.engine = self.knowledge_base.chat(
            self.session_id, source=source, profile=profile, filters=self.filters, model=model
        )
        self.source, self.profile, self.model = source, profile, model

    def list_turns(self) -> "list[Turn]":
        return self.session_store.list_turns(self.session_id)

    def read_turns_newest_first(self) -> "Iterator[Turn]":
        """Read the turns one by one: they may be many, and their evidence large."""
        before = None
        while turns := self.session_store.list_turns(self.session_id, before=before, limit=1):
            yield turns[0]
            before = turns[0].number

    def require_last_turn(self) -> "Turn":
        """Return the last turn. Raises ConfigError before the first question."""
        turn = next(self.read_turns_newest_first(), None)
        if turn is None:
            raise ConfigError(gettext("Nothing was asked yet in this session."))
        return turn

    def show_answer(self, question: str) -> None:
        """Ask a question, and show the answer as its words come; Ctrl-C stops it.

        Raises KBError when it cannot be answered.
        """
        from kb.cli.rendering.chat_sessions import show_references

        turn_id = secrets.token_hex(8)
        response: StreamedAnswer | None = None
        with _allow_one_interrupt():
            try:
                with show_waiting(gettext("Looking for the answer")):
                    response = self.engine.stream_chat(question, turn_id=turn_id)
                _show_streamed_answer(response)
            except KeyboardInterrupt:
                self._store_stopped_answer(
                    turn_id, response.unformatted_response if response else ""
                )
                raise
        answer = answer_of(response)
        self.lacks_source = self.lacks_source or bool(answer.errors)
        show_references(OUT, answer)

    def _store_stopped_answer(self, turn_id: str, answer: str) -> None:
        """Store what was shown of an answer, where the engine could not when Ctrl-C came."""
        with suppress(StoreError):
            self.session_store.finish(
                self.session_id,
                turn_id,
                answer=answer,
                status="partial",
                error="Ctrl-C stopped it.",
            )


def _show_streamed_answer(response: "StreamedAnswer") -> None:
    from kb.cli.rendering.answers import show_answer
    from kb.cli.rendering.layout import wrap_pieces

    with closing(response.response_gen) as pieces:
        if not OUT.is_terminal:
            show_answer(OUT, "".join(pieces))
            return
        words = wrap_pieces(pieces, OUT.width)
        with show_waiting(gettext("Looking for the answer")):
            first = next(words, "")
        try:
            for word in chain([first], words):
                OUT.print(Text(make_printable(word)), end="", soft_wrap=True)
        finally:
            OUT.print()


@contextmanager
def _allow_one_interrupt() -> Iterator[None]:
    """Let the first Ctrl-C stop the answer; others must not keep it from being stored."""

    def stop_answer(_signal: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise KeyboardInterrupt

    handler_before = signal.signal(signal.SIGINT, stop_answer)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler_before)
