"""Answers questions about the conversation itself, from memory and from no source."""

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
from engines.chat.async_bridge import run_coroutine
from engines.documents.cited_text import make_inert
from engines.prompts import chat_prompt
from engines.question import as_question
from engines.shortening import cut
from stores.chats.chat_sessions import Turn
from stores.text.number_words import load_ordinals
from stores.text.tokens import fold, tokenize

_LONGEST: Final = 500  # characters of a question about the conversation
_QUESTIONS = 40  # told to a model, or listed
_QUESTION_CHARACTERS = 200
_MESSAGE_CHARACTERS = 2_000
# Whose question a place is that of: "your last answer" is none of those that were asked.
_OWN_QUESTION: Final = re.compile(
    r"\b(?:my|ma|mes) (?:\w+ ){0,3}questions?\b|\bquestion did (?:i|you)\b|\bi (?:\w+ ){0,2}ask"
    r"|\bai(?:-je)? (?:\w+ )?(?:demande|pose)\b"
)


@cache
def _load_question_pattern() -> re.Pattern[str]:
    lines = (
        resources.files("engines.chat").joinpath("conversation_questions.txt").read_text("utf-8")
    )
    patterns = "|".join(line for line in lines.splitlines() if not line.startswith("#"))
    return re.compile(patterns.replace("ORDINAL", "|".join(load_ordinals())))


def is_about_conversation(question: str) -> bool:
    """Tell by its words, in English and French, whether a question asks what was said here."""
    if len(question) > _LONGEST:
        return False
    return bool(_load_question_pattern().search(_normalize_question(question)))


class ConversationQueryEngine(BaseQueryEngine):
    """Answers from the memory of a session; without an `llm`, by the questions asked before.

    Without it, one question is repeated where it is said which; else all of them are listed.
    """

    def __init__(
        self,
        memory: Memory,
        turns: Sequence[Turn],
        *,
        llm: LLM | None,
        streaming: bool = False,
        instructions: str = "",
        callback_manager: CallbackManager | None = None,
    ) -> None:
        super().__init__(callback_manager)
        self._memory = memory
        self._asked = [cut(" ".join(turn.question.split()), _QUESTION_CHARACTERS) for turn in turns]
        self._llm = llm
        self._streaming = streaming
        self._prompt = chat_prompt("conversation", instructions)

    def _get_prompt_modules(self) -> PromptMixinType:
        return {}

    def _query(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        answer = self._start_answer(query_bundle)
        question = query_bundle.query_str
        if self._llm is None:
            return answer.respond(_answer_without_model(question, self._asked))
        values = self._make_prompt_values(question, run_coroutine(self._memory.aget(question)))
        return answer.write(self._llm, self._prompt, values)

    async def _aquery(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        answer = self._start_answer(query_bundle)
        question = query_bundle.query_str
        if self._llm is None:
            return await answer.arespond(_answer_without_model(question, self._asked))
        values = self._make_prompt_values(question, await self._memory.aget(question))
        return await answer.awrite(self._llm, self._prompt, values)

    def _start_answer(self, asked: QueryBundle) -> AnswerBuilder:
        return AnswerBuilder(
            as_question(asked),
            None,
            load_texts(asked.query_str).gettext("the conversation answers it"),
            model=self._llm.metadata.model_name if self._llm else None,
            doing="answering from the conversation",
            streaming=self._streaming,
        )

    def _make_prompt_values(self, question: str, messages: Sequence[ChatMessage]) -> dict[str, str]:
        remembered = "\n".join(_cut_content(message) for message in messages if _is_system(message))
        said = [message for message in messages if not _is_system(message)]
        if said and said[-1].role is MessageRole.USER and said[-1].content == question:
            said.pop()
        lines = [f"{message.role.value}: {_cut_content(message)}" for message in said]
        return {
            "memory": remembered or "(nothing)",
            "questions": _number_questions(self._asked) or "(none)",
            "conversation": "\n".join(lines) or "(none)",
            "question": question,
        }


def join_system_messages(messages: Sequence[ChatMessage]) -> str:
    """Return what memory adds to the window of a conversation."""
    return "\n".join(message.content or "" for message in messages if _is_system(message))


def _answer_without_model(question: str, asked: Sequence[str]) -> str:
    """Repeat the question of the conversation that is asked for, or list all of them."""
    texts = load_texts(question)
    if not asked:
        return make_inert(texts.gettext("Nothing was asked in this conversation before."))
    place = _find_place(question)
    if place is None or place > len(asked):
        heading = texts.gettext("You have asked:")
        return make_inert(f"{heading}\n{_number_questions(asked)}")
    match place:
        case 1:
            text = texts.gettext("Your first question was: {question}")
        case -1:
            text = texts.gettext("Your last question was: {question}")
        case _:
            text = texts.gettext("Your question {number} was: {question}")
    told = asked[place - 1 if place > 0 else place]
    return make_inert(text.format(number=place, question=told))


def _find_place(question: str) -> int | None:
    """Return which of the questions before is asked for: 1 is the first, -1 the last one."""
    plain = _normalize_question(question)
    if not _OWN_QUESTION.search(plain):
        return None
    words = (token.folded for token in tokenize(question))
    places = [load_ordinals()[word] for word in words if word in load_ordinals()]
    if not places and re.search(r"\b(?:my|ma) question\b", plain):
        return -1
    return places[0] if places else None


def _normalize_question(question: str) -> str:
    """Return a question without accents and capitals, with plain spaces and apostrophes."""
    return " ".join(fold(question).replace("\u2019", "'").split())


def _is_system(message: ChatMessage) -> bool:
    return message.role is MessageRole.SYSTEM


def _cut_content(message: ChatMessage) -> str:
    return (message.content or "")[:_MESSAGE_CHARACTERS]


def _number_questions(asked: Sequence[str]) -> str:
    """List questions with their numbers; of many, the first one and the last ones."""
    lines = [f"{number}. {question}" for number, question in enumerate(asked, start=1)]
    return "\n".join(
        lines if len(lines) <= _QUESTIONS else [lines[0], "…", *lines[1 - _QUESTIONS :]]
    )
