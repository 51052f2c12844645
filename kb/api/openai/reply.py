"""One answer for a client of OpenAI's API, whatever form it takes there."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from llama_index.core.vector_stores.types import MetadataFilters

from engines.answer import Answer
from engines.answer_language import question_language
from engines.model_calls import ModelCalls
from kb.api.answer_events import AnswerUnderWay, begin_answer, begin_turn, http_values
from kb.api.dependencies import KB
from kb.api.guards.access import Caller
from kb.api.guards.limits import Limits
from kb.api.openai.history import read_standalone
from kb.api.openai.json_form import JsonForm, form_answer
from kb.api.openai.limited_text import TextLimit
from kb.api.openai.notes import list_links, write_notes
from kb.api.openai.tasks import do_client_task
from kb.api.problem_codes import Code
from kb.api.problems import Problem
from kb.assembly.answer_sources import Source
from kb.assembly.searching import AnswerOptions

# What is no extra field: it stands elsewhere, has another meaning there, or is for programs of kb.
_NO_EXTRA: Final = (
    *("answer", "model", "first", "names", "timings", "search"),
    *("parameters", "types", "verified"),
)


@dataclass(frozen=True)
class Asked:
    """A question, and the questions and answers before it, the oldest first.

    With a `turn`, which is a session and the id of a turn in it, it is asked and stored there, and
    what was said before is the session's.
    """

    question: str
    past: Sequence[tuple[str, str]] = ()
    turn: tuple[str, str] | None = None
    source: Source = "auto"
    top_k: int | None = None
    profile: str | None = None
    filters: MetadataFilters | None = None
    limit: TextLimit = field(default_factory=TextLimit)
    form: JsonForm | None = None


@dataclass
class Reply:
    """The answer of `asked`; `page` is the address of the page that shows passages.

    When the last of its words was read, the answer is known, and its tokens are counted.
    """

    asked: Asked
    caller: Caller
    kb: KB
    limits: Limits
    page: str
    words: str = field(default="", init=False)
    answer: Answer = field(default_factory=Answer, init=False)
    tokens: tuple[int, int] = field(default=(0, 0), init=False)
    _calls: ModelCalls = field(default_factory=ModelCalls, init=False)

    async def stream_text(self) -> AsyncGenerator[str, None]:
        """Stream the words, and behind them the notes; of a form its JSON alone.

        Raises KBError, Problem.
        """
        if self.asked.form:
            yield await self._form_answer(self.asked.form)
            return
        async with aclosing(self._stream_words()) as words:
            async for word in words:
                self.words += word
                yield word
        if notes := write_notes(self.answer, question_language(self.asked.question)):
            yield notes

    async def _form_answer(self, form: JsonForm) -> str:
        """Answer, and put that into JSON. Raises Problem without a language model, KBError."""
        components, user = self.kb.components, self.caller.name
        llm = components.llm_for("answer")
        if llm is None:
            raise Problem(Code.FORM_NEEDS_MODEL, more={"param": "response_format"})
        answer = "".join([word async for word in self._stream_words()])
        await asyncio.to_thread(components.books.require_budget, user)
        with components.books.observe("answer", user) as calls:
            self.words = await form_answer(llm, form, self.asked.question, answer)
        taken = calls.count_tokens() or (0, 0)
        self.tokens = (self.tokens[0] + taken[0], self.tokens[1] + taken[1])
        await self.limits.count_tokens(self.caller, sum(taken))
        return self.words

    async def read_text(self) -> str:
        return "".join([piece async for piece in self.stream_text()])

    @property
    def links(self) -> list[dict[str, Any]]:
        return list_links(self.words, self.answer.citations, self.page)

    @property
    def finish_reason(self) -> Literal["stop", "length"]:
        turn = self.answer.chat_turn
        was_cut = self.asked.limit.reached == "length" or self._calls.limit
        return "length" if was_cut or (turn and turn.status == "partial") else "stop"

    @property
    def evidence(self) -> dict[str, Any]:
        """What the answer tells beside its words, as fields of kb's own."""
        values = http_values(self.answer)
        return {key: value for key, value in values.items() if key not in _NO_EXTRA}

    async def _stream_words(self) -> AsyncGenerator[str, None]:
        if (done := do_client_task(self.asked.question, self.asked.past)) is not None:
            async with aclosing(self.asked.limit.cut(_yield_once(done))) as pieces:
                async for piece in pieces:
                    yield piece
            return
        under_way = None
        try:
            under_way = await self._begin_answer()
            async with (
                aclosing(under_way.stream_words()) as words,
                aclosing(self.asked.limit.cut(words)) as pieces,
            ):
                async for piece in pieces:
                    yield piece
            self.answer = under_way.answer
        finally:
            called = self._calls.count_tokens() or (0, 0)
            self.tokens = under_way.tokens() if under_way else called
            await self.limits.count_tokens(self.caller, sum(self.tokens))

    async def _begin_answer(self) -> AnswerUnderWay:
        asked, user = self.asked, self.caller.name
        how: dict[str, Any] = {"filters": asked.filters, "profile": asked.profile, "user": user}
        if asked.turn:
            session, turn = asked.turn
            return await begin_turn(self.kb, session, asked.question, turn, asked.source, **how)
        with self._calls.listen():
            options = AnswerOptions(
                source=asked.source, filters=asked.filters, profile=asked.profile
            )
            question = await read_standalone(
                self.kb.components, asked.question, asked.past, options
            )
        return await begin_answer(
            self.kb, question, asked.source, top_k=asked.top_k, calls=self._calls, **how
        )


async def _yield_once(text: str) -> AsyncGenerator[str, None]:
    yield text
