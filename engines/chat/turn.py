"""A turn of a chat session, from its question to what is stored of its answer."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any

from llama_index.core.schema import NodeWithScore, TextNode

from engines.answer import Answer, AnsweredTurn, Citation, Timings, answer_of
from engines.chat.model_calls import ModelCalls
from engines.elapsed import milliseconds_since
from engines.follow_ups.rewriting import Rewritten
from engines.question import Question
from stores.chats.chat_sessions import SessionStore, Turn
from stores.chats.turns import Ended
from stores.errors import (
    EngineError,
    KBError,
    ModelUnavailable,
    StoreError,
    StoreUnavailable,
)

_STOPPED = "The answer was stopped before its end."
_log = logging.getLogger(__name__)


class LateEnds:
    """How turns of one knowledge base ended of which its store could not be told yet."""

    def __init__(self) -> None:
        self._ends: deque[Callable[[], Turn]] = deque()
        self._storing = threading.Lock()

    def add(self, end: Callable[[], Turn]) -> None:
        self._ends.append(end)

    def store(self) -> None:
        """Store them now. Raises StoreUnavailable when the store still does not answer."""
        while self._ends:
            with self._storing, suppress(IndexError):  # another thread stored the last one
                try:
                    self._ends[0]()
                except StoreUnavailable:
                    raise
                except StoreError as error:
                    _log.warning("The end of a turn is lost: %s", error)
                self._ends.popleft()


class OpenTurn:
    """A stored question; its answer ends it once: complete, partial or failed.

    `metadata` are those of the answer with its turn, as a reader of LlamaIndex's response holds
    them: they are filled again when the turn ends.
    """

    def __init__(
        self,
        store: SessionStore,
        session_id: str,
        stored: Turn,
        owner: str,
        late_ends: LateEnds,
    ) -> None:
        self.stored = stored
        self.question = Question(stored.question)
        self.calls = ModelCalls()
        self.metadata: dict[str, Any] = {}
        self._store = store
        self._session_id = session_id
        self._owner = owner
        self._late_ends = late_ends
        self._rewritten_by = ""
        self._response: Any = None
        self._since = time.perf_counter()
        self._end: dict[str, Any] = {}
        self._publish()

    @property
    def is_complete(self) -> bool:
        return self.stored.status == "complete"

    def take_rewritten(self, rewritten: Rewritten) -> None:
        timings = Timings().add("rewriting", milliseconds_since(self._since))
        self.question = replace(rewritten.question, timings=timings)
        self._rewritten_by = rewritten.by

    def take_response(self, response: Any) -> None:
        """Take an engine's response, whose metadata a stream completes at its end."""
        self._response = response
        self._publish()

    @property
    def answer(self) -> Answer | None:
        """What is known of the answer, if an engine, now or before, has begun one."""
        if self._response is not None:
            return answer_of(self._response)
        return Answer.from_metadata(self.stored.evidence) if self.stored.evidence else None

    @property
    def _model(self) -> str | None:
        return self.answer.model if self.answer else None

    def _publish(self) -> None:
        turn = about_turn(self.stored)
        if self.stored.status == "open":
            turn = replace(turn, **self._standalone())
        self.metadata.update(replace(self.answer or Answer(), chat_turn=turn).metadata())

    def require_whole(self) -> None:
        """Raises ModelUnavailable for an answer that its server broke off without an error."""
        if self.calls.is_cut:
            raise ModelUnavailable(
                f"Answering failed: {self._model} broke off its answer. "
                "Ask again; if it happens again, its server's log says why."
            )

    def completed(self, answer: str) -> None:
        """Raises EngineError for an answer that its model cut, which is stored as partial.

        Raises StoreUnavailable, StoreError; nobody has the answer then, and the turn is open.
        """
        if limit := self.calls.limit:
            cut = EngineError(
                f"The answer is not whole: {self._model} {limit}. What it wrote is "
                "stored with the turn. Ask for less at once, or in other words."
            )
            self.broke_off(answer, cut)
            raise cut
        self._ends("complete", answer)
        try:
            self._finish()
        except StoreUnavailable as error:
            raise StoreUnavailable(
                f"The answer could not be stored: {error} Ask again, with the same turn id."
            ) from error

    def broke_off(self, said: str, error: BaseException) -> None:
        """Store what there is; a store that fails too is told with the error, not in its place."""
        failed = isinstance(error, Exception) and not said
        told = str(error) if isinstance(error, KBError) else _STOPPED
        self._ends("failed" if failed else "partial", said, told)
        try:
            self._finish()
        except StoreError as store_error:
            _log.warning("The end of a turn could not be stored: %s", store_error)
            error.add_note(f"Its turn could not be stored either: {store_error}")

    def _ends(self, status: Ended, answer: str, error: str | None = None) -> None:
        prompt_tokens, completion_tokens = self.calls.tokens() or (None, None)
        self._end = {
            "answer": answer,
            "status": status,
            "error": error,
            **self._standalone(),
            "evidence": self.answer.metadata() if self.answer else {},
            "model": self._model,
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "owner": self._owner,
        }

    def _finish(self) -> None:
        end = partial(self._store.finish, self._session_id, self.stored.id, **self._end)
        try:
            self.stored = end()
        except StoreUnavailable:
            self._late_ends.add(end)
            raise
        self._publish()

    def _standalone(self) -> dict[str, Any]:
        standalone = self.question.query_str if self._rewritten_by else None
        return {"standalone": standalone, "rewritten_by": self._rewritten_by}


def about_turn(turn: Turn) -> AnsweredTurn:
    return AnsweredTurn(
        turn_id=turn.id,
        turn=turn.number,
        status=turn.status,
        standalone=turn.standalone,
        rewritten_by=turn.rewritten_by,
        prompt_tokens=turn.prompt_tokens,
        completion_tokens=turn.completion_tokens,
    )


def cited_passages(evidence: Mapping[str, Any]) -> list[NodeWithScore]:
    """The passages of a stored answer, as far as its citations hold them."""
    return [_passage(cited) for cited in Answer.from_metadata(evidence).citations]


def _passage(cited: Citation) -> NodeWithScore:
    metadata = {
        "path": cited.document,
        "title": cited.title,
        "page": cited.page,
        "lines": cited.lines,
        "root": cited.root,
    }
    node = TextNode(
        id_=cited.chunk,
        text=cited.excerpt,
        metadata={name: value for name, value in metadata.items() if value},
    )
    return NodeWithScore(node=node, score=cited.score)


@contextmanager
def unforeseen() -> Iterator[None]:
    """Raise what no part of kb has foreseen as an EngineError, without its words."""
    try:
        yield
    except KBError:
        raise
    except Exception as error:
        raise EngineError(
            f"The question could not be answered: something in kb failed ({type(error).__name__}). "
            "Ask again or in other words; if it happens again, it is a defect: report it."
        ) from error
