"""The model calls of one turn: their tokens, and whether a stream of theirs was cut."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from itertools import count
from typing import Any, Final, Protocol, TypeAlias

from llama_index.core.callbacks.token_counting import get_tokens_from_response
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.events import BaseEvent
from llama_index.core.instrumentation.events.llm import (
    LLMChatEndEvent,
    LLMChatInProgressEvent,
    LLMChatStartEvent,
    LLMCompletionEndEvent,
    LLMCompletionInProgressEvent,
    LLMCompletionStartEvent,
)
from llama_index.core.utils import get_tokenizer
from llama_index_instrumentation import get_dispatcher

_Begun: TypeAlias = LLMChatStartEvent | LLMCompletionStartEvent
_Chat: TypeAlias = LLMChatEndEvent | LLMChatInProgressEvent
_Completion: TypeAlias = LLMCompletionEndEvent | LLMCompletionInProgressEvent


# By the names that servers give them.
_LIMITS: Final = {
    "length": "reached the most tokens that it may write",
    "content_filter": "was stopped by its content filter",
}


@dataclass(frozen=True)
class _Call:
    """A call from its first event to the last one that was heard."""

    begin: int
    end: int
    heard: _Chat | _Completion

    def is_of(self, other: "_Call") -> bool:
        """Whether it is how a model does another call: one that only completes chats by it."""
        enclosed = other.begin < self.begin and self.end < other.end
        return enclosed and _text(self.heard) == _text(other.heard)


class ModelCalls:
    """What was heard of the calls of one turn, those of its threads and tasks included."""

    def __init__(self) -> None:
        self._events = count()
        self._begun: dict[str | None, int] = {}
        self._calls: dict[str | None, _Call] = {}
        self._limits: dict[str | None, str] = {}
        _listen()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Not around a `yield`: between two pieces of a stream the context is its reader's."""
        before = _calls.set(self)
        try:
            yield
        finally:
            _calls.reset(before)

    def next(self, pieces: Iterator[str]) -> str | None:
        with self.listening():
            return next(pieces, None)

    async def anext(self, pieces: AsyncIterator[str]) -> str | None:
        with self.listening():
            return await anext(pieces, None)

    def hear(self, event: _Begun | _Chat | _Completion) -> None:
        place, call = next(self._events), event.span_id
        if isinstance(event, _Begun):
            self._begun[call] = place
        elif event.response is not None:
            self._calls[call] = _Call(self._begun.get(call, place), place, event)
            if limit := _find_limit(event):
                self._limits[call] = limit

    @property
    def is_cut(self) -> bool:
        """Whether a stream ended, as if all were well, before its model did."""
        return any(_is_unfinished(call.heard) for call in self._calls.values())

    @property
    def limit(self) -> str | None:
        """What made a model end its last text too early: its own limit, not its server."""
        last = max(self._calls, key=lambda call: self._calls[call].end, default=None)
        return self._limits.get(last)

    def tokens(self) -> tuple[int, int] | None:
        """Of the prompts and of the answers, also of one that was cut; None without any call.

        As the servers report them, else counted.
        """
        calls = list(self._calls.values())
        own = [call for call in calls if not any(call.is_of(other) for other in calls)]
        counted = [_counted(call.heard) for call in own]
        return (sum(p for p, _ in counted), sum(a for _, a in counted)) if counted else None


_calls: ContextVar[ModelCalls | None] = ContextVar("kb_model_calls", default=None)


class _Listener(BaseEventHandler):
    def handle(self, event: BaseEvent, **_: Any) -> None:
        calls = _calls.get()
        if calls and isinstance(event, _Begun | _Chat | _Completion):
            calls.hear(event)


@cache
def _listen() -> None:
    """One listener for the process; it tells turns apart by their context."""
    get_dispatcher().add_event_handler(_Listener())


def _counted(call: _Chat | _Completion) -> tuple[int, int]:
    prompt, answer = get_tokens_from_response(call.response)  # type: ignore[arg-type]  # heard only with one
    return prompt or _tokens(_prompt(call)), answer or _tokens(_text(call))


def _is_unfinished(call: _Chat | _Completion) -> bool:
    match _reply_of_server(call):
        case None:
            return False
        case Mapping() as reply:
            return reply.get("done") is False
        case reply:
            return any(choice.finish_reason is None for choice in reply.choices or ())


def _find_limit(call: _Chat | _Completion) -> str | None:
    match _reply_of_server(call):
        case None:
            return None
        case Mapping() as reply:
            return _LIMITS.get(reply.get("done_reason", ""))
        case reply:
            reasons = (_LIMITS.get(choice.finish_reason) for choice in reply.choices or ())
            return next(filter(None, reasons), None)


class _OpenAIReply(Protocol):
    """The last part of a stream may have no choices."""

    choices: Sequence[Any] | None


def _reply_of_server(call: _Chat | _Completion) -> Mapping[str, Any] | _OpenAIReply | None:
    """The last that a server sent: a mapping of Ollama; None of a model that has no server.

    Raises TypeError for the reply of another protocol, of which nobody knows how it ends.
    """
    reply = call.response.raw if call.response else None
    if reply is None or isinstance(reply, Mapping):
        return reply
    if hasattr(reply, "choices"):
        openai_reply: _OpenAIReply = reply
        return openai_reply
    raise TypeError(f"It is not known how a {type(reply).__name__} of a model ends.")


def _prompt(call: _Chat | _Completion) -> str:
    return "\n".join(map(str, call.messages)) if isinstance(call, _Chat) else call.prompt


def _text(call: _Chat | _Completion) -> str:
    if isinstance(call, _Chat):
        return (call.response.message.content if call.response else None) or ""
    return call.response.text


def _tokens(text: str) -> int:
    """By the tokenizer that LlamaIndex brings along; other models count a little differently."""
    return len(get_tokenizer()(text))
