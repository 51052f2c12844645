"""Questions about the conversation itself, which memory answers and no source."""

import re
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from functools import cache
from importlib import resources
from typing import Any, Final

from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_index.core.base.response.schema import (
    RESPONSE_TYPE,
    AsyncStreamingResponse,
    Response,
    StreamingResponse,
)
from llama_index.core.callbacks import CallbackManager
from llama_index.core.llms.llm import LLM
from llama_index.core.memory import Memory
from llama_index.core.prompts import ChatPromptTemplate
from llama_index.core.prompts.mixin import PromptMixinType
from llama_index.core.schema import QueryBundle

from engines.answer_language import question_language
from engines.chat.awaited import awaited
from engines.documents.cited_text import CitedText, inert
from engines.model_errors import model_errors
from engines.prompts import prompt
from engines.responses import answer_metadata, as_async_stream, as_stream
from stores.chats.chat_sessions import Turn
from stores.errors import ModelUnavailable
from stores.text.words import folded

_ANSWERING: Final = "answering from the conversation"
_LONGEST: Final = 500  # characters of a question about the conversation
_QUESTIONS = 40  # told to a model, or listed
_QUESTION_CHARACTERS = 200
_MESSAGE_CHARACTERS = 2_000
_PLACES: Final = {
    0: r"\b(?:first|premiere?|d'abord)\b",
    1: r"\b(?:second|deuxieme|seconde)\b",
    2: r"\b(?:third|troisieme)\b",
    3: r"\b(?:fourth|quatrieme)\b",
    4: r"\b(?:fifth|cinquieme)\b",
    -1: r"\b(?:last|previous|derniere?|precedente?)\b|\b(?:my|ma) question\b",
}
_PHRASES = {
    "en": {
        "reason": "the conversation answers it",
        "nothing": "Nothing was asked in this conversation before.",
        "first": "Your first question was: {question}",
        "last": "Your last question was: {question}",
        "numbered": "Your question {number} was: {question}",
        "listed": "You have asked:",
    },
    "fr": {
        "reason": "la conversation y répond",
        "nothing": "Rien n'a encore été demandé dans cette conversation.",
        "first": "Votre première question était : {question}",
        "last": "Votre dernière question était : {question}",
        "numbered": "Votre question {number} était : {question}",
        "listed": "Vous avez demandé :",
    },
}


@cache
def _about_it() -> re.Pattern[str]:
    lines = (
        resources.files("engines.chat").joinpath("conversation_questions.txt").read_text("utf-8")
    )
    return re.compile("|".join(line for line in lines.splitlines() if not line.startswith("#")))


def is_about_conversation(question: str) -> bool:
    """Whether it asks what was said here: a rule of words, in English and French."""
    return len(question) <= _LONGEST and bool(_about_it().search(_plain(question)))


class ConversationQueryEngine(BaseQueryEngine):
    """Answers from the memory of a session; without an `llm`, by the questions asked before.

    Then one of the questions is told when the question says which, else all are listed.
    """

    def __init__(
        self,
        memory: Memory,
        turns: Sequence[Turn],
        *,
        llm: LLM | None,
        streaming: bool = False,
        callback_manager: CallbackManager | None = None,
    ) -> None:
        super().__init__(callback_manager)
        self._memory = memory
        self._asked = [_shortened(turn.question) for turn in turns]
        self._llm = llm
        self._streaming = streaming
        self._prompt = ChatPromptTemplate(
            [
                ChatMessage(role=MessageRole.SYSTEM, content=prompt("conversation_system")),
                ChatMessage(role=MessageRole.USER, content=prompt("conversation_user")),
            ]
        )

    def _get_prompt_modules(self) -> PromptMixinType:
        return {}

    def _query(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        answer = _Answer(query_bundle.query_str, self._llm)
        if self._llm is None:
            listed = answer.listed(self._asked)
            return as_stream(listed) if self._streaming else listed
        values = self._values(answer.question, awaited(self._memory.aget(answer.question)))
        with model_errors(_ANSWERING):
            if self._streaming:
                return answer.stream(self._llm.stream(self._prompt, **values))
            return answer.written(self._llm.predict(self._prompt, **values))

    async def _aquery(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        answer = _Answer(query_bundle.query_str, self._llm)
        if self._llm is None:
            listed = answer.listed(self._asked)
            return as_async_stream(listed) if self._streaming else listed
        values = self._values(answer.question, await self._memory.aget(answer.question))
        with model_errors(_ANSWERING):
            if self._streaming:
                return answer.astream(await self._llm.astream(self._prompt, **values))
            return answer.written(await self._llm.apredict(self._prompt, **values))

    def _values(self, question: str, messages: Sequence[ChatMessage]) -> dict[str, str]:
        remembered = "\n".join(_content(each) for each in messages if _is_system(each))
        said = [each for each in messages if not _is_system(each)]
        if said and said[-1].role is MessageRole.USER and said[-1].content == question:
            said.pop()
        return {
            "memory": remembered or "(nothing)",
            "questions": _numbered(self._asked) or "(none)",
            "conversation": "\n".join(f"{m.role.value}: {_content(m)}" for m in said) or "(none)",
            "question": question,
        }


def recalled(messages: Sequence[ChatMessage]) -> str:
    """What memory adds to the window of a conversation."""
    return "\n".join(message.content or "" for message in messages if _is_system(message))


class _Answer:
    """An answer from the conversation in the making."""

    def __init__(self, question: str, llm: LLM | None) -> None:
        self.question = question
        self._phrases = _PHRASES[question_language(question)]
        self._since = time.perf_counter()
        self._model = llm.metadata.model_name if llm else None
        self._metadata = answer_metadata(None, self._phrases["reason"], self._model)

    def listed(self, asked: Sequence[str]) -> Response:
        return self._response(inert(self._without_model(asked)))

    def written(self, text: str) -> Response:
        return self._response(CitedText(0).whole(text))

    def stream(self, tokens: Iterator[str]) -> StreamingResponse:
        return StreamingResponse(self._streamed(tokens), [], self._metadata)  # type: ignore[arg-type]  # it is an iterator of text

    def astream(self, tokens: AsyncIterator[str]) -> AsyncStreamingResponse:
        return AsyncStreamingResponse(self._astreamed(tokens), [], self._metadata)  # type: ignore[arg-type]  # as above

    def _streamed(self, tokens: Iterator[str]) -> Iterator[str]:
        cited = CitedText(0)
        with model_errors(_ANSWERING):
            yield from (piece for piece in cited.clean(tokens) if piece)
        self._end(is_blank=cited.is_blank)

    async def _astreamed(self, tokens: AsyncIterator[str]) -> AsyncIterator[str]:
        cited = CitedText(0)
        with model_errors(_ANSWERING):
            async for token in tokens:
                if piece := cited.feed(token):
                    yield piece
        yield cited.end()
        self._end(is_blank=cited.is_blank)

    def _response(self, text: str) -> Response:
        self._end(is_blank=not text.strip())
        return Response(text, [], self._metadata)

    def _without_model(self, asked: Sequence[str]) -> str:
        if not asked:
            return self._phrases["nothing"]
        place = _place(self.question)
        if place is None or place >= len(asked):
            return f"{self._phrases['listed']}\n{_numbered(asked)}"
        name = {0: "first", -1: "last"}.get(place, "numbered")
        return self._phrases[name].format(number=place + 1, question=asked[place])

    def _end(self, *, is_blank: bool) -> None:
        timings: dict[str, Any] = self._metadata["timings"]
        timings["answer"] = round((time.perf_counter() - self._since) * 1000, 1)
        if is_blank:
            raise ModelUnavailable(
                f"{_ANSWERING.capitalize()} failed: {self._model} sent an empty answer. "
                "Ask again, or choose another llm.model."
            )


def _place(question: str) -> int | None:
    """Which of the questions is meant, where the question says so."""
    plain = _plain(question)
    return next((place for place, said in _PLACES.items() if re.search(said, plain)), None)


def _plain(question: str) -> str:
    return " ".join(folded(question).replace("\u2019", "'").split())


def _is_system(message: ChatMessage) -> bool:
    return message.role is MessageRole.SYSTEM


def _content(message: ChatMessage) -> str:
    return (message.content or "")[:_MESSAGE_CHARACTERS]


def _numbered(asked: Sequence[str]) -> str:
    """The first of them and the last ones, with their numbers."""
    lines = [f"{number}. {question}" for number, question in enumerate(asked, start=1)]
    return "\n".join(lines if len(lines) <= _QUESTIONS else [lines[0], "…", *lines[-_QUESTIONS:]])


def _shortened(question: str) -> str:
    words = " ".join(question.split())
    return words if len(words) <= _QUESTION_CHARACTERS else f"{words[:_QUESTION_CHARACTERS]} …"
