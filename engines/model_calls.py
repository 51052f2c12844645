"""Listens to the model calls of one question: what each takes, and whether a stream was cut."""

import logging
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from itertools import count
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

from llama_index.core.callbacks.token_counting import get_tokens_from_response
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.events import BaseEvent
from llama_index.core.instrumentation.events.embedding import EmbeddingEndEvent, EmbeddingStartEvent
from llama_index.core.instrumentation.events.llm import (
    LLMChatEndEvent,
    LLMChatInProgressEvent,
    LLMChatStartEvent,
    LLMCompletionEndEvent,
    LLMCompletionInProgressEvent,
    LLMCompletionStartEvent,
)
from llama_index.core.instrumentation.events.rerank import ReRankEndEvent, ReRankStartEvent
from llama_index.core.utils import get_tokenizer
from llama_index_instrumentation import get_dispatcher

from engines.elapsed import milliseconds_since
from stores.answers.model_use import ModelUse, add_up_by_model

_log = logging.getLogger(__name__)
_Begun: TypeAlias = LLMChatStartEvent | LLMCompletionStartEvent
_Chat: TypeAlias = LLMChatEndEvent | LLMChatInProgressEvent
_Completion: TypeAlias = LLMCompletionEndEvent | LLMCompletionInProgressEvent
_Other: TypeAlias = EmbeddingStartEvent | EmbeddingEndEvent | ReRankStartEvent | ReRankEndEvent
# Of Anthropic and of Bedrock's class, and of Gemini.
_CACHED: Final = ("cache_read_input_tokens", "cached_content_token_count")


# By the names that servers give them.
_LIMITS: Final = {
    "length": "reached the most tokens that it may write",
    "max_tokens": "reached the most tokens that it may write",
    "model_context_window_exceeded": "reached the most tokens that it may write",
    "content_filter": "was stopped by its content filter",
    "content_filtered": "was stopped by its content filter",
    "guardrail_intervened": "was stopped by its content filter",
    "refusal": "was stopped by its content filter",
}


class _Model(NamedTuple):
    """A model as an event names it, and LlamaIndex's class; "" where it does not say."""

    name: str = ""
    class_name: str = ""


@dataclass(frozen=True)
class _Begin:
    """When a call of a model began: its place among the events, and the clock."""

    place: int
    model: _Model
    since: float


@dataclass(frozen=True)
class _Embedded:
    """Texts that were embedded; `reported` are their tokens, where their server told them."""

    model: _Model
    texts: Sequence[str]
    reported: int | None
    milliseconds: float


@dataclass(frozen=True)
class _Call:
    """A call of a model, from its first event to the last one that was heard."""

    begin: int
    end: int
    heard: _Chat | _Completion
    model: _Model
    milliseconds: float

    def is_of(self, other: "_Call") -> bool:
        """Tell whether this is how a model makes another call: it may complete a text to chat."""
        enclosed = other.begin < self.begin and self.end < other.end
        return enclosed and _text_of_answer(self.heard) == _text_of_answer(other.heard)


class ModelCalls:
    """The calls that one question makes to models, those of its threads and tasks included.

    And what it reads: documents and tables.
    """

    def __init__(self) -> None:
        self._events = count()
        self._begun: dict[str | None, _Begin] = {}
        self._others_begun: dict[str | None, _Begin] = {}
        self._reported: dict[str | None, int] = {}
        self._embedded: list[_Embedded] = []
        self._reranked: list[ModelUse] = []
        self._calls: dict[str | None, _Call] = {}
        self._limits: dict[str | None, str] = {}
        self._is_closed = False
        self.documents_read: set[str] = set()  # as ROOT/PATH
        self.tables_read: set[str] = set()
        _register_listener()

    @contextmanager
    def listen(self) -> Iterator[None]:
        """Listen to the calls that are made meanwhile.

        It must not stand around a `yield`: between two pieces of a stream the context is its
        reader's.
        """
        before = _calls.set(self)
        try:
            yield
        finally:
            _calls.reset(before)

    def next_piece(self, pieces: Iterator[str]) -> str | None:
        """Take the next piece of a stream while listening; None at its end."""
        with self.listen():
            return next(pieces, None)

    async def anext_piece(self, pieces: AsyncIterator[str]) -> str | None:
        """Take the next piece of a stream while listening; None at its end."""
        with self.listen():
            return await anext(pieces, None)

    def close(self) -> None:
        """Hear no more: a branch that came too late may still be at work in its thread."""
        self._is_closed = True

    def hear_event(self, event: _Begun | _Chat | _Completion) -> None:
        """Note when a call began or ended, what it gave, and a limit that cut it."""
        place, call = next(self._events), event.span_id
        if self._is_closed:
            return
        if isinstance(event, _Begun):
            self._begun[call] = _Begin(place, _name_model(event.model_dict), time.perf_counter())
        elif event.response is not None:
            begun = self._begun.get(call) or _Begin(place, _Model(), time.perf_counter())
            taken = milliseconds_since(begun.since)
            self._calls[call] = _Call(begun.place, place, event, begun.model, taken)
            if limit := _find_limit(event):
                self._limits[call] = limit

    def hear_other(self, event: _Other) -> None:
        """Note when texts were embedded, or passages put in order by a model of that kind."""
        place, span = next(self._events), event.span_id
        if self._is_closed:
            return
        match event:
            case EmbeddingStartEvent():
                model = _name_model(event.model_dict)
                self._others_begun[span] = _Begin(place, model, time.perf_counter())
                _embedding.set(span)
            case ReRankStartEvent():
                model = _Model(event.model_name, event.tags.get("class_name", ""))
                self._others_begun[span] = _Begin(place, model, time.perf_counter())
            case EmbeddingEndEvent():
                begun = self._others_begun.get(span) or _Begin(place, _Model(), time.perf_counter())
                taken, reported = milliseconds_since(begun.since), self._reported.pop(span, None)
                self._embedded.append(_Embedded(begun.model, event.chunks, reported, taken))
            case ReRankEndEvent():
                begun = self._others_begun.get(span) or _Begin(place, _Model(), time.perf_counter())
                if not any(call.begin > begun.place for call in list(self._calls.values())):
                    taken = milliseconds_since(begun.since)
                    tokens = event.tags.get("tokens", 0)  # that a server tells
                    self._reranked.append(
                        ModelUse(
                            "reranking",
                            begun.model.name,
                            prompt_tokens=tokens,
                            milliseconds=taken,
                            class_name=begun.model.class_name,
                        )
                    )

    def note_reported_tokens(self, tokens: int) -> None:
        """Note what a server says that the texts had which are being embedded."""
        span = _embedding.get()
        self._reported[span] = self._reported.get(span, 0) + tokens

    def list_uses(self) -> list[ModelUse]:
        """List what the calls took, by model; cut ones too, and not those that failed."""
        texts = [_measure_call(call) for call in self._list_own_calls()]
        embedded = [_measure_embedding(one) for one in list(self._embedded)]
        return add_up_by_model([*texts, *embedded, *list(self._reranked)])

    def _list_own_calls(self) -> list[_Call]:
        """List the calls, and not how a model made one of them."""
        calls = list(self._calls.values())
        return [call for call in calls if not any(call.is_of(other) for other in calls)]

    @property
    def is_cut(self) -> bool:
        """Whether a stream ended, as if all were well, before its model did."""
        return any(_is_unfinished(call.heard) for call in list(self._calls.values()))

    @property
    def limit(self) -> str | None:
        """What made a model end its last text too early: its own limit, not its server."""
        ends = {call.end: span for span, call in list(self._calls.items())}
        return self._limits.get(ends[max(ends)]) if ends else None

    def count_tokens(self) -> tuple[int, int] | None:
        """Add up the tokens of the prompts and of the answers, cut ones too; None without a call.

        They are those that the servers report, else counted here.
        """
        counts = [_count_tokens_of_call(call.heard) for call in self._list_own_calls()]
        if not counts:
            return None
        return sum(prompt for prompt, _ in counts), sum(answer for _, answer in counts)


_calls: ContextVar[ModelCalls | None] = ContextVar("kb_model_calls", default=None)
# The span of the texts that are being embedded: what asks a server for that is a span within it.
_embedding: ContextVar[str | None] = ContextVar("kb_embedding", default=None)


def find_listening() -> ModelCalls | None:
    """Find what listens to the calls that are made here, if anything does."""
    return _calls.get()


class _Listener(BaseEventHandler):
    """Hands the events of models to the turn in whose context they arise."""

    def handle(self, event: BaseEvent, **_: Any) -> None:
        calls = _calls.get()
        if calls and isinstance(event, _Begun | _Chat | _Completion):
            calls.hear_event(event)
        elif calls and isinstance(event, _Other):
            calls.hear_other(event)


@cache
def _register_listener() -> None:
    """Register one listener for the process; it tells turns apart by their context."""
    get_dispatcher().add_event_handler(_Listener())


def _count_tokens_of_call(call: _Chat | _Completion) -> tuple[int, int]:
    prompt, answer = _read_reported_tokens(call)
    said = "\n".join(map(str, call.messages)) if isinstance(call, _Chat) else call.prompt
    return prompt or count_text_tokens(said), answer or count_text_tokens(_text_of_answer(call))


def _read_reported_tokens(call: _Chat | _Completion) -> tuple[int, int]:
    """Read what a server says that the prompt and the answer had, 0 where it does not say."""
    response = call.response
    if response is None:
        return 0, 0
    told = response.additional_kwargs  # of Bedrock's class, which knows its server's names
    prompt, answer = get_tokens_from_response(response)
    return prompt or told.get("prompt_tokens", 0), answer or told.get("completion_tokens", 0)


def _measure_call(call: _Call) -> ModelUse:
    reported = _read_reported_tokens(call.heard)
    prompt, answer = _count_tokens_of_call(call.heard)
    return ModelUse(
        "llm",
        call.model.name,
        prompt_tokens=prompt,
        completion_tokens=answer,
        cached_tokens=min(_read_cached_tokens(call.heard), prompt),
        milliseconds=call.milliseconds,
        estimated=0 if all(reported) else 1,
        class_name=call.model.class_name,
    )


def _measure_embedding(embedded: _Embedded) -> ModelUse:
    counted = embedded.reported
    if counted is None:
        counted = sum(map(count_text_tokens, embedded.texts))
    return ModelUse(
        "embedding",
        embedded.model.name,
        prompt_tokens=counted,
        milliseconds=embedded.milliseconds,
        estimated=0 if embedded.reported is not None else 1,
        class_name=embedded.model.class_name,
    )


def _read_cached_tokens(call: _Chat | _Completion) -> int:
    """Read how many tokens of a prompt its server knew already, 0 where it does not say."""
    raw = call.response.raw if call.response else None
    usage = raw.get("usage") if isinstance(raw, Mapping) else getattr(raw, "usage", None)
    usage = usage or getattr(raw, "usage_metadata", None)
    known = usage if isinstance(usage, Mapping) else getattr(usage, "__dict__", {})
    details = known.get("prompt_tokens_details")
    details = details if isinstance(details, Mapping) else getattr(details, "__dict__", {})
    told = call.response.additional_kwargs if call.response else {}
    counts = details.get("cached_tokens"), *map(known.get, _CACHED), told.get(_CACHED[0])
    return next(filter(None, counts), 0)


def _name_model(described: Mapping[str, Any]) -> _Model:
    """Name a model as an event describes it."""
    names = (described.get(key) for key in ("model", "model_name", "class_name"))
    return _Model(str(next(filter(None, names), "unknown")), str(described.get("class_name", "")))


def _is_unfinished(call: _Chat | _Completion) -> bool:
    """Tell whether the last part of a reply says that more was to come."""
    match _reply_of_server(call):
        case None:
            return False
        case {"type": "content_block_start" | "content_block_delta" | "content_block_stop"}:
            return True  # of Anthropic, whose last part is a message_delta
        case {"contentBlockStart": _} | {"contentBlockDelta": _}:
            return True  # of Bedrock, whose last part is its metadata
        case {"choices": choices}:
            return any(choice.finish_reason is None for choice in choices)
        case Mapping() as reply:
            return reply.get("done") is False
        case reply:
            return any(choice.finish_reason is None for choice in reply.choices or ())


def _find_limit(call: _Chat | _Completion) -> str | None:
    """Return which limit of its own ended a model's reply, as a server reports it."""
    match _reply_of_server(call):
        case None:
            return None
        case {"choices": choices}:
            reasons = [choice.finish_reason for choice in choices]
        case Mapping() as reply:
            end = reply.get("delta", reply)  # of Anthropic, in a stream
            of_anthropic = getattr(end, "stop_reason", reply.get("stop_reason"))
            reasons = [reply.get("done_reason"), of_anthropic, reply.get("stopReason")]
        case reply:
            reasons = [choice.finish_reason for choice in reply.choices or ()]
    return next((_LIMITS[reason] for reason in reasons if reason in _LIMITS), None)


class _OpenAIReply(Protocol):
    """A reply of the OpenAI protocol; the last part of a stream may have no choices."""

    choices: Sequence[Any] | None


def _reply_of_server(call: _Chat | _Completion) -> Mapping[str, Any] | _OpenAIReply | None:
    """Return the last that a server sent, of Ollama, Anthropic and Gemini a mapping.

    It is None of a model without a server, and of another protocol, whose end cannot be read.
    """
    reply = call.response.raw if call.response else None
    reply = getattr(reply, "data", reply)  # an event of Mistral's stream holds it
    if reply is None or isinstance(reply, Mapping):
        return reply
    if hasattr(reply, "choices"):
        openai_reply: _OpenAIReply = reply
        return openai_reply
    _warn_of_protocol(type(reply).__name__)
    return None


@cache
def _warn_of_protocol(name: str) -> None:
    """Warn once of replies whose end cannot be read."""
    _log.warning(
        "It is not known how a %s of a model ends: what its server breaks off is taken as whole.",
        name,
    )


def _text_of_answer(call: _Chat | _Completion) -> str:
    if isinstance(call, _Chat):
        return (call.response.message.content if call.response else None) or ""
    return call.response.text


def count_text_tokens(text: str) -> int:
    """Count by the tokenizer that LlamaIndex brings along; other models differ a little."""
    return len(get_tokenizer()(text))
