"""Questions about the conversation itself, which memory answers and no source."""

import re
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Final

from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_index.core.base.response.schema import RESPONSE_TYPE
from llama_index.core.callbacks import CallbackManager
from llama_index.core.llms.llm import LLM
from llama_index.core.memory import Memory
from llama_index.core.prompts.mixin import PromptMixinType
from llama_index.core.schema import QueryBundle

from engines.answer_builder import AnswerBuilder
from engines.answer_language import load_texts
from engines.chat.awaited import awaited
from engines.documents.cited_text import make_inert
from engines.prompts import chat_prompt
from engines.question import as_question
from engines.shortening import cut
from stores.chats.chat_sessions import Turn
from stores.text.tokens import fold

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
        self._asked = [cut(" ".join(turn.question.split()), _QUESTION_CHARACTERS) for turn in turns]
        self._llm = llm
        self._streaming = streaming
        self._prompt = chat_prompt("conversation")

    def _get_prompt_modules(self) -> PromptMixinType:
        return {}

    def _query(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        answer = self._begin(query_bundle)
        question = query_bundle.query_str
        if self._llm is None:
            return answer.respond(_without_model(question, self._asked))
        values = self._values(question, awaited(self._memory.aget(question)))
        return answer.write(self._llm, self._prompt, values)

    async def _aquery(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        answer = self._begin(query_bundle)
        question = query_bundle.query_str
        if self._llm is None:
            return await answer.arespond(_without_model(question, self._asked))
        values = self._values(question, await self._memory.aget(question))
        return await answer.awrite(self._llm, self._prompt, values)

    def _begin(self, asked: QueryBundle) -> AnswerBuilder:
        return AnswerBuilder(
            as_question(asked),
            None,
            load_texts(asked.query_str).gettext("the conversation answers it"),
            model=self._llm.metadata.model_name if self._llm else None,
            doing="answering from the conversation",
            streaming=self._streaming,
        )

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


def _without_model(question: str, asked: Sequence[str]) -> str:
    """Tell the question that is asked for, or all; `asked` are those of the conversation."""
    texts = load_texts(question)
    if not asked:
        return make_inert(texts.gettext("Nothing was asked in this conversation before."))
    place = _place(question)
    if place is None or place >= len(asked):
        heading = texts.gettext("You have asked:")
        return make_inert(f"{heading}\n{_numbered(asked)}")
    match place:
        case 0:
            text = texts.gettext("Your first question was: {question}")
        case -1:
            text = texts.gettext("Your last question was: {question}")
        case _:
            text = texts.gettext("Your question {number} was: {question}")
    return make_inert(text.format(number=place + 1, question=asked[place]))


def _place(question: str) -> int | None:
    """Which of the questions is meant, where the question says so."""
    plain = _plain(question)
    return next((place for place, said in _PLACES.items() if re.search(said, plain)), None)


def _plain(question: str) -> str:
    return " ".join(fold(question).replace("\u2019", "'").split())


def _is_system(message: ChatMessage) -> bool:
    return message.role is MessageRole.SYSTEM


def _content(message: ChatMessage) -> str:
    return (message.content or "")[:_MESSAGE_CHARACTERS]


def _numbered(asked: Sequence[str]) -> str:
    """The first of them and the last ones, with their numbers."""
    lines = [f"{number}. {question}" for number, question in enumerate(asked, start=1)]
    return "\n".join(lines if len(lines) <= _QUESTIONS else [lines[0], "…", *lines[-_QUESTIONS:]])
