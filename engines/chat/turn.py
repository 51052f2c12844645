"""Follows a turn of a chat session from its question to what is stored of its answer."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from llama_index.core.schema import MetadataMode, NodeWithScore, TextNode

from engines.answer import WORKBOOK, Answer, AnsweredTurn, Citation, Timings, answer_of
from engines.elapsed import milliseconds_since
from engines.ended_question import EndedQuestion, OnEnd
from engines.follow_ups.rewriting import Rewritten
from engines.model_calls import ModelCalls
from engines.question import Question
from stores.chats.chat_sessions import SessionStore, Turn
from stores.chats.cited_passages import CitedPassage
from stores.chats.turns import Ended
from stores.errors import (
    EngineError,
    KBError,
    StoreError,
    StoreUnavailable,
)

# What is shown with a passage.
_SHOWN = ("root", "path", "title", "headings", "page", "lines", "media_type", "sheet")
_STOPPED = "The answer was stopped before its end."
_log = logging.getLogger(__name__)


class LateEnds:
    """The ends of turns that the store of a knowledge base could not take yet."""

    def __init__(self) -> None:
        self._ends: deque[Callable[[], Turn]] = deque()
        self._storing = threading.Lock()

    def add(self, end: Callable[[], Turn]) -> None:
        """Keep an end, as the call that stores it."""
        self._ends.append(end)

    def store_all(self) -> None:
        """Store all ends now. Raises StoreUnavailable when the store still does not answer."""
        with self._storing:
            while self._ends:
                try:
                    self._ends[0]()
                except StoreUnavailable:
                    raise
                except Exception as error:  # noqa: BLE001 - what cannot be stored must not stop the rest
                    reason = error if isinstance(error, KBError) else type(error).__name__
                    _log.warning("The end of a turn is lost: %s", reason)
                self._ends.popleft()


class OpenTurn:
    """A stored question; its answer ends it once: complete, partial or failed.

    `metadata` are those of the answer with its turn, as a reader of LlamaIndex's response holds
    them: they are filled again when the turn ends. One that is another version of a turn is
    answered anew, whatever caches know.
    """

    def __init__(
        self,
        store: SessionStore,
        session_id: str,
        stored: Turn,
        owner: str,
        late_ends: LateEnds,
        on_end: OnEnd,
        *,
        is_version: bool,
    ) -> None:
        self.stored = stored
        self.question = Question(stored.question)
        self.calls = ModelCalls()
        self.is_version = is_version
        self.metadata: dict[str, Any] = {}
        self._store = store
        self._session_id = session_id
        self._owner = owner
        self._late_ends = late_ends
        self._on_end = on_end
        self._rewritten_by = ""
        self._response: Any = None
        self._since = time.perf_counter()
        self._end: dict[str, Any] = {}
        self._publish_metadata()

    @property
    def is_complete(self) -> bool:
        return self.stored.status == "complete"

    def take_rewritten(self, rewritten: Rewritten) -> None:
        """Take the question in the words in which the sources are to be asked."""
        timings = Timings().add("rewriting", milliseconds_since(self._since))
        self.question = replace(rewritten.question, timings=timings)
        self._rewritten_by = rewritten.by

    def take_response(self, response: Any) -> None:
        """Take an engine's response, whose metadata a stream completes at its end."""
        self._response = response
        self._publish_metadata()

    def take_citations(self) -> None:
        """Publish what a response that streams has cited since it was looked at last."""
        cited = (self._response.metadata or {}).get("citations", ())
        if len(cited) > len(self.metadata["citations"]):
            self._publish_metadata()

    @property
    def answer(self) -> Answer | None:
        """The answer as far as it is known; None where no engine, now or before, has begun one."""
        if self._response is not None:
            return answer_of(self._response)
        return Answer.from_metadata(self.stored.evidence) if self.stored.evidence else None

    @property
    def _model_name(self) -> str | None:
        return self.answer.model if self.answer else None

    def _publish_metadata(self) -> None:
        turn = describe_turn(self.stored)
        if self.stored.status == "open":
            turn = replace(turn, **self._describe_rewriting())
        self.metadata.update(replace(self.answer or Answer(), chat_turn=turn).metadata())

    def complete(self, answer: str) -> None:
        """Store the turn with its whole answer.

        Raises EngineError for an answer that its model cut, which is stored as partial.
        Raises StoreUnavailable, StoreError; nobody has the answer then, and the turn is open.
        """
        if limit := self.calls.limit:
            cut = EngineError(
                f"The answer is not whole: {self._model_name} {limit}. What it wrote is "
                "stored with the turn. Ask for less at once, or in other words."
            )
            self.break_off(answer, cut)
            raise cut
        self._note_end("complete", answer)
        self._tell_end()
        try:
            self._store_end()
        except StoreUnavailable as error:
            raise StoreUnavailable(
                f"The answer could not be stored: {error} Ask again, with the same turn id."
            ) from error

    def break_off(self, said: str, error: BaseException) -> None:
        """Store the turn with what was said before an error.

        That the store fails too is told with that error, and not in its place.
        """
        failed = isinstance(error, Exception) and not said
        reason = str(error) if isinstance(error, KBError) else _STOPPED
        self._note_end("failed" if failed else "partial", said, reason)
        self._tell_end(error)
        try:
            self._store_end()
        except StoreError as store_error:
            _log.warning("The end of a turn could not be stored: %s", store_error)
            error.add_note(f"Its turn could not be stored either: {store_error}")

    def _note_end(self, status: Ended, answer: str, error: str | None = None) -> None:
        """Note what is to be stored of the turn at its end."""
        self.calls.close()
        prompt_tokens, completion_tokens = self.calls.count_tokens() or (None, None)
        self._end = {
            "answer": answer,
            "status": status,
            "error": error,
            **self._describe_rewriting(),
            "evidence": self.answer.metadata() if self.answer else {},
            "cited": self._list_cited_passages(),
            "model": self._model_name,
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "owner": self._owner,
        }

    def _tell_end(self, error: BaseException | None = None) -> None:
        answer, taken = self.answer or Answer(), milliseconds_since(self._since)
        asked, turn_id = self.stored.question, self.stored.id
        self._on_end(EndedQuestion(asked, answer, self.calls, taken, error, turn_id))

    def _list_cited_passages(self) -> list[CitedPassage]:
        """List the passages of the answer as they are now, by the numbers that cite them."""
        if self._response is None:
            return []
        passages = {passage.node_id: passage for passage in self._response.source_nodes}
        return [
            _keep_passage(citation.number, passages[citation.chunk])
            for citation in answer_of(self._response).citations
            if citation.chunk in passages
        ]

    def _store_end(self) -> None:
        """Store how the turn ended, or keep it for later where the store is away."""
        end = partial(self._store.finish, self._session_id, self.stored.id, **self._end)
        try:
            self.stored = end()
        except StoreUnavailable:
            self._late_ends.add(end)
            raise
        self._publish_metadata()

    def _describe_rewriting(self) -> dict[str, Any]:
        """Return the question as it was asked of the sources, and by what it was rewritten."""
        standalone = self.question.query_str if self._rewritten_by else None
        return {"standalone": standalone, "rewritten_by": self._rewritten_by}


def _keep_passage(number: int, passage: NodeWithScore) -> CitedPassage:
    metadata = {key: passage.metadata[key] for key in _SHOWN if key in passage.metadata}
    text = passage.get_content(MetadataMode.NONE)
    return CitedPassage(number, passage.node_id, passage.node.ref_doc_id or "", metadata, text)


def describe_turn(turn: Turn) -> AnsweredTurn:
    """Return what an answer says about the stored turn that it belongs to."""
    return AnsweredTurn(
        turn_id=turn.id,
        turn=turn.number,
        status=turn.status,
        standalone=turn.standalone,
        rewritten_by=turn.rewritten_by,
        prompt_tokens=turn.prompt_tokens,
        completion_tokens=turn.completion_tokens,
    )


def read_cited_passages(evidence: Mapping[str, Any]) -> list[NodeWithScore]:
    """Return the passages of a stored answer, as far as its citations hold them."""
    return [_citation_to_passage(cited) for cited in Answer.from_metadata(evidence).citations]


def _citation_to_passage(cited: Citation) -> NodeWithScore:
    """Return the passage that a stored citation names, with its excerpt as the text."""
    metadata = {
        "path": cited.document,
        "title": cited.title,
        "page": cited.page,
        "lines": cited.lines,
        "sheet": cited.sheet,
        "media_type": cited.sheet and WORKBOOK,
        "root": cited.root,
    }
    node = TextNode(
        id_=cited.chunk,
        text=cited.excerpt,
        metadata={name: value for name, value in metadata.items() if value},
    )
    return NodeWithScore(node=node, score=cited.score)


@contextmanager
def hide_unforeseen_errors() -> Iterator[None]:
    """Raise an error that no part of kb has foreseen as an EngineError without its words."""
    try:
        yield
    except KBError:
        raise
    except Exception as error:
        raise EngineError(
            f"The question could not be answered: something in kb failed ({type(error).__name__}). "
            "Ask again or in other words; if it happens again, it is a defect: report it."
        ) from error
