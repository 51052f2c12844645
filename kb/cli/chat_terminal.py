"""A chat session in a terminal: questions, and their answers as they come."""

import secrets
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from types import FrameType
from typing import TYPE_CHECKING

from rich.text import Text

from engines.answer import answer_of
from kb.assembly.answer_sources import Source
from kb.cli.terminal import OUT, printable, waiting
from stores.errors import ConfigError, StoreError

if TYPE_CHECKING:
    from llama_index.core.vector_stores.types import MetadataFilters

    from engines.chat.chat_session import ChatSession
    from engines.chat.streamed_answer import StreamedAnswer
    from kb.app import KnowledgeBase
    from stores.chats.chat_sessions import SessionStore, Turn


@dataclass
class Conversation:
    """One stored session, and where its next questions go."""

    knowledge_base: "KnowledgeBase"
    session_id: str
    source: Source = "auto"
    profile: str | None = None
    filters: "MetadataFilters | None" = None
    engine: "ChatSession" = field(init=False)

    def __post_init__(self) -> None:
        self.put_to(self.source, self.profile)

    @property
    def store(self) -> "SessionStore":
        return self.knowledge_base.components.session_store

    def put_to(self, source: Source, profile: str | None) -> None:
        """Choose where the next questions go. Raises ConfigError for what is not there."""
        self.engine = self.knowledge_base.chat(
            self.session_id, source=source, profile=profile, filters=self.filters
        )
        self.source, self.profile = source, profile

    def turns(self) -> "list[Turn]":
        return self.store.list_turns(self.session_id)

    def newest_first(self) -> "Iterator[Turn]":
        """The turns, each read when it is wanted: they may be many, and their evidence large."""
        before = None
        while turns := self.store.list_turns(self.session_id, before=before, limit=1):
            yield turns[0]
            before = turns[0].number

    def last(self) -> "Turn":
        """Raises ConfigError before the first question."""
        turn = next(self.newest_first(), None)
        if turn is None:
            raise ConfigError("Nothing was asked yet in this session.")
        return turn

    def show_answer(self, question: str) -> None:
        """Ask, and show the words as they come; Ctrl-C stops the answer. Raises KBError."""
        from kb.cli.rendering.chat_sessions import show_references

        turn_id = secrets.token_hex(8)
        response: StreamedAnswer | None = None
        with _interrupted_once():
            try:
                with waiting("Looking for the answer"):
                    response = self.engine.stream_chat(question, turn_id=turn_id)
                _show_words(response)
            except KeyboardInterrupt:
                self._end(turn_id, response.unformatted_response if response else "")
                raise
        show_references(OUT, answer_of(response))

    def _end(self, turn_id: str, said: str) -> None:
        """What the engine has stored stays; Ctrl-C may have come when it could not store."""
        with suppress(StoreError):
            self.store.finish(
                self.session_id,
                turn_id,
                answer=said,
                status="partial",
                error="Ctrl-C stopped it.",
            )


def _show_words(response: "StreamedAnswer") -> None:
    from kb.cli.rendering.answers import show_answer, wrapped

    with closing(response.response_gen) as pieces:
        if not OUT.is_terminal:
            show_answer(OUT, "".join(pieces))
            return
        words = wrapped(pieces, OUT.width)
        with waiting("Looking for the answer"):
            first = next(words, "")
        try:
            for word in _from(first, words):
                OUT.print(Text(printable(word)), end="", soft_wrap=True)
        finally:
            OUT.print()


def _from(first: str, words: Iterator[str]) -> Iterator[str]:
    yield first
    yield from words


@contextmanager
def _interrupted_once() -> Iterator[None]:
    """The first Ctrl-C stops the answer; others must not keep it from being stored."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
