"""A question that leans on the ones before it -> one that can be asked alone.

What SQL is written from, `for_tables`, holds the user's words and :names alone. So a model that
rewrites a question about tables reads earlier questions and no answer; where it may read an answer
that passages went into, `for_tables` is made by the rule.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

from llama_index.core.llms.llm import LLM

from engines.answer_language import PHRASES
from engines.follow_ups.carry_over import Carried, carried, items, names_in, with_values
from engines.follow_ups.dependent_questions import LONGEST, is_dependent
from engines.follow_ups.follow_up_words import words_of
from engines.follow_ups.naming import is_another
from engines.follow_ups.question_reply import read_rewriting
from engines.model_errors import model_errors
from engines.prompts import chat_prompt
from engines.question import Entity, Question
from engines.search.query_analysis import query_language
from engines.small_talk import small_talk, without_greeting
from engines.tables.entities import EntityIndex
from stores.chats.chat_sessions import Turn

_READ: Final = 6  # turns back; what is older is rarely meant
_ANSWER_CHARACTERS: Final = 2000
_REWRITING: Final = "rewriting the question"
_PROMPT: Final = chat_prompt("follow_up")


@dataclass(frozen=True)
class Rewritten:
    """`question` can be asked alone; `by` is "" where it is as it was asked."""

    question: Question
    by: Literal["", "model", "rule"]


def rewritten(
    asked: str,
    turns: Sequence[Turn],
    *,
    llm: LLM | None,
    entities: EntityIndex | None,
    context: str = "",
) -> Rewritten:
    """By the model, where there is one, if the question needs it; else by the rule.

    `context` is what else is remembered of the conversation. Raises ModelUnavailable,
    StoreUnavailable.
    """
    follow_up = _FollowUp(asked, turns, entities, context)
    values = follow_up.prompt_values() if llm else None
    if llm is None or values is None:
        return follow_up.by_rule()
    with model_errors(_REWRITING):
        reply = llm.predict(_PROMPT, **values)
    return follow_up.by_model(reply)


async def arewritten(
    asked: str,
    turns: Sequence[Turn],
    *,
    llm: LLM | None,
    entities: EntityIndex | None,
    context: str = "",
) -> Rewritten:
    """Like `rewritten`, and off the event loop where it looks names up."""
    follow_up = _FollowUp(asked, turns, entities, context)
    values = await asyncio.to_thread(follow_up.prompt_values) if llm else None
    if llm is None or values is None:
        return await asyncio.to_thread(follow_up.by_rule)
    with model_errors(_REWRITING):
        reply = await llm.apredict(_PROMPT, **values)
    return await asyncio.to_thread(follow_up.by_model, reply)


class _FollowUp:
    """A question after others; small talk among them is passed over."""

    def __init__(
        self, asked: str, turns: Sequence[Turn], entities: EntityIndex | None, context: str
    ) -> None:
        told = [turn for turn in turns if turn.evidence.get("route", "") is not None]
        recent = [turn for turn in told[-2 * _READ :] if not small_talk(turn.question)]
        self._asked = asked
        self._said = _without_greeting(asked)
        self._turns = recent[-_READ:]
        self._entities = entities
        self._context = context

    def by_rule(self) -> Rewritten:
        if not self._is_one:
            return Rewritten(Question(self._asked), "")
        return Rewritten(self._question(self._readable()), "rule")

    def by_model(self, reply: str) -> Rewritten:
        """By the rule after all, when the reply is no such question."""
        text = read_rewriting(reply, self._asked, self._conversation(), self._known.keys())
        if not text:
            return self.by_rule()
        readable = with_values(text, self._known)
        if not self._is_of_tables or not self._stands_for_entities(text):
            return Rewritten(self._question(readable), "model")
        named = tuple(each for each in self._named if each.name in names_in(text))
        language = self._language(readable)
        question = Question(readable, for_tables=text, entities=named, language=language)
        return Rewritten(question, "model")

    def prompt_values(self) -> dict[str, str] | None:
        """What the model reads; None where it need not be asked."""
        if not self._is_one:
            return None
        return {"conversation": self._conversation(), "asked": self._asked}

    @cached_property
    def _is_one(self) -> bool:
        return bool(self._turns) and self._leans(self._said, self._carried[-2])

    def _leans(self, question: str, before: Carried) -> bool:
        if len(question) > LONGEST or small_talk(question):
            return False
        return is_dependent(question) or is_another(before.text, question, self._entities)

    def _question(self, readable: str) -> Question:
        by_rule = self._carried[-1]
        return Question(
            readable,
            for_tables=by_rule.for_tables,
            entities=by_rule.entities,
            language=self._language(readable),
        )

    def _language(self, readable: str) -> str:
        """That of the follow-up, where it is clear and kb speaks it; "" where the text has it."""
        own = query_language(self._asked)
        return own if own in PHRASES and own != query_language(readable) else ""

    def _readable(self) -> str:
        """From the last question as it was put to the sources, when a model had written that."""
        last = self._turns[-1]
        if last.rewritten_by != "model" or not last.standalone:
            return self._carried[-1].readable
        before = Carried(last.standalone[:LONGEST])
        return carried(self._said, before, last.evidence, self._entities).readable

    @cached_property
    def _carried(self) -> list[Carried]:
        """Each question of the conversation by the rule alone, this one last."""
        done = [Carried(self._turns[0].question[:LONGEST])]
        questions = [*(turn.question for turn in self._turns[1:]), self._said]
        for turn, question in zip(self._turns, questions, strict=True):
            done.append(
                carried(question, done[-1], turn.evidence, self._entities)
                if self._leans(question, done[-1])
                else Carried(question[:LONGEST])
            )
        return done

    @property
    def _is_of_tables(self) -> bool:
        return bool(self._turns[-1].evidence.get("route") == "database")

    @cached_property
    def _items(self) -> Carried:
        """What the rows of the last answer are called, if no passage went into it."""
        taken = max((len(each.known) for each in self._carried[:-1]), default=0)
        evidence = self._turns[-1].evidence if self._is_of_tables else {}
        return items(evidence, self._entities, taken)

    @cached_property
    def _named(self) -> list[Entity]:
        named = [each for done in self._carried[:-1] for each in done.entities]
        return list(dict.fromkeys([*named, *self._items.entities]))

    @cached_property
    def _known(self) -> dict[str, str]:
        known = {name: value for done in self._carried[:-1] for name, value in done.known.items()}
        return {**known, **self._items.known}

    def _stands_for_entities(self, text: str) -> bool:
        names = {each.name for each in self._named}
        return names >= names_in(text)

    def _conversation(self) -> str:
        return "\n\n".join(filter(None, self._lines()))

    def _lines(self) -> Iterator[str]:
        if not self._is_of_tables:
            yield self._context and f"What is remembered:\n{self._context}"
        for turn, done in zip(self._turns, self._carried, strict=False):
            yield f"Question {turn.number}: {done.text if done.known else turn.question[:LONGEST]}"
        if self._is_of_tables:
            columns = {each.name: each.column for each in self._items.entities}
            lines = [f"- :{name}, {columns.get(name, 'a value')}" for name in self._items.known]
            yield "\n".join(["The items of its answer, in their order:", *lines] if lines else [])
        else:
            yield f"Its answer: {self._turns[-1].answer[:_ANSWER_CHARACTERS]}"


def _without_greeting(asked: str) -> str:
    """Behind "thanks, and": it goes on with what was said by that and."""
    rest = without_greeting(asked)
    link = words_of(asked.removesuffix(rest))[-1:]
    goes_on = link and link[0].folded in ("and", "et", "but", "mais")
    return f"{link[0].text} {rest}" if goes_on else rest
