"""A question of a conversation -> one that can be asked alone.

The model rewrites it, and gives back word for word what can be asked alone already. Without a model
no word is changed: the question is put as it was asked, or joined to the one before, whichever
finds more. In either case a follow-up of a verified query that says values alone, such as "and in
2024?", asks for that query again.

What SQL is written from, `for_tables`, holds the user's words and :names alone. So a model that
rewrites a question about tables reads earlier questions and no answer; where it may read an answer
that passages went into, `for_tables` is the question joined to the one before.
"""

import asyncio
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, Literal

from llama_index.core.llms.llm import LLM

from engines.follow_ups.row_names import Item, name_rows
from engines.model_errors import model_errors
from engines.model_replies import read_rewriting
from engines.prompts import chat_prompt
from engines.question import Entity, Question, Refill, find_names, write_values
from engines.small_talk import reply_to_small_talk
from engines.tables.entities import EntityIndex
from engines.verified.matching import Match, VerifiedMatcher
from stores.chats.chat_sessions import Turn
from stores.text.text_language import detect_question_language
from stores.text.translations import LANGUAGES
from stores.text.words import stem_words

LONGEST: Final = 2000  # characters of a question that may be a follow-up, or have one
_READ: Final = 6  # turns back; what is older is rarely meant
_ANSWER_CHARACTERS: Final = 2000
_REWRITING: Final = "rewriting the question"
_PROMPT: Final = chat_prompt("follow_up")


@dataclass(frozen=True)
class Rewritten:
    """`question` can be asked alone; `by` is "" where it is as it was asked."""

    question: Question
    by: Literal["", "model", "rule"]


@dataclass(frozen=True)
class Rewriter:
    """What questions of conversations are rewritten with.

    `entities` are the names that the tables hold, `matcher` finds verified queries, and
    `is_better_joined` says of a joined question and the one as asked whether the first finds more:
    a part that is missing is None.
    """

    llm: LLM | None = None
    entities: EntityIndex | None = None
    matcher: VerifiedMatcher | None = None
    is_better_joined: Callable[[str, str], bool] | None = None

    def rewrite(self, asked: str, turns: Sequence[Turn], *, context: str = "") -> Rewritten:
        """Return a question that can be asked alone; `context` is what else is remembered.

        Raises ModelUnavailable, StoreError.
        """
        follow_up = _FollowUp(self, asked, turns, context)
        if done := follow_up.rewrite_without_model():
            return done
        assert self.llm  # noqa: S101 - without one it is done
        with model_errors(_REWRITING):
            reply = self.llm.predict(_PROMPT, **follow_up.fill_prompt())
        return follow_up.take_reply(reply)

    async def arewrite(self, asked: str, turns: Sequence[Turn], *, context: str = "") -> Rewritten:
        """Do what `rewrite` does, off the event loop where it asks a database."""
        follow_up = _FollowUp(self, asked, turns, context)
        if done := await asyncio.to_thread(follow_up.rewrite_without_model):
            return done
        assert self.llm  # noqa: S101 - as above
        values = await asyncio.to_thread(follow_up.fill_prompt)
        with model_errors(_REWRITING):
            reply = await self.llm.apredict(_PROMPT, **values)
        return await asyncio.to_thread(follow_up.take_reply, reply)


class _FollowUp:
    """A question after others; small talk among them is passed over."""

    def __init__(self, rewriter: Rewriter, asked: str, turns: Sequence[Turn], context: str) -> None:
        answered = [turn for turn in turns if turn.evidence.get("route", "") is not None]
        recent = [turn for turn in answered[-2 * _READ :] if not reply_to_small_talk(turn.question)]
        self._rewriter = rewriter
        self._asked = asked
        self._turns = recent[-_READ:]
        self._context = context

    def rewrite_without_model(self) -> Rewritten | None:
        """Return the question; None where a model is to rewrite it."""
        if not self._turns or len(self._asked) > LONGEST or reply_to_small_talk(self._asked):
            return self._as_asked
        if self._asked == self._turns[-1].question and not self._turns[-1].rewritten_by:
            return self._as_asked  # put to another source, or once more
        if matcher := self._rewriter.matcher:
            if matcher.match(self._asked):
                return self._as_asked
            before = self._find_verified(matcher, self._turns)
            again = before and matcher.refill(self._asked, self._turns[-1].question, before)
            if again:
                given = {name: again.values[name] for name in again.given}
                refill = Refill(again.query.name, given)
                return Rewritten(replace(self._both_questions, refill=refill), "rule")
        return None if self._rewriter.llm else self._choose_better()

    def fill_prompt(self) -> Mapping[str, str]:
        return {"conversation": self._conversation, "asked": self._asked}

    def take_reply(self, reply: str) -> Rewritten:
        """Return the question that a model wrote, or one without it where it wrote none."""
        text = read_rewriting(reply, self._asked, self._conversation, self._items_by_name.keys())
        if not text:
            return self._choose_better()
        if text == self._asked:
            return self._as_asked
        values = {name: item.value for name, item in self._items_by_name.items()}
        readable = write_values(text, values)
        language = self._find_language(readable)
        names = find_names(text)
        entities = self._find_entities(names)
        if self._is_of_tables and len(entities) == len(names):
            question = Question(readable, for_tables=text, entities=entities, language=language)
        else:
            question = replace(self._both_questions, query_str=readable, language=language)
        return Rewritten(question, "model")

    def _choose_better(self) -> Rewritten:
        """Return the question as asked or joined to the one before, whichever finds more.

        Where nothing can say which, a model is there to read both.
        """
        is_better = self._rewriter.is_better_joined
        joined = self._both_questions
        if is_better and not is_better(joined.query_str, self._asked):
            return self._as_asked
        if not is_better and not self._rewriter.llm:
            return self._as_asked
        return Rewritten(joined, "rule")

    @property
    def _as_asked(self) -> Rewritten:
        return Rewritten(Question(self._asked), "")

    @cached_property
    def _both_questions(self) -> Question:
        """The question whole behind the one before, and behind what that one follows."""
        begun = next((turn for turn in reversed(self._turns) if turn.rewritten_by != "rule"), None)
        last = self._turns[-1]
        turns = [last] if begun in (last, None) else [begun, last]
        readable = " ".join([*(_get_question(turn) for turn in turns), self._asked])
        for_tables = " ".join(
            [*(self._questions_for_tables[turn.id] for turn in turns), self._asked]
        )
        return Question(
            readable,
            for_tables=for_tables,
            entities=self._find_entities(find_names(for_tables)),
            language=self._find_language(readable),
        )

    def _find_language(self, text: str) -> str:
        """Return the language of the question; "" where it is in doubt or that of the text."""
        own = detect_question_language(self._asked)
        return own if own in LANGUAGES and own != detect_question_language(text) else ""

    def _find_verified(self, matcher: VerifiedMatcher, turns: Sequence[Turn]) -> Match | None:
        """Return the verified query that answered the last of the turns, with its values."""
        *earlier, last = turns
        if last.evidence.get("verified", True) is None:
            return None
        if match := matcher.match(
            _get_question(last) if last.rewritten_by == "model" else last.question
        ):
            return match
        before = self._find_verified(matcher, earlier) if earlier else None
        return before and matcher.refill(last.question, earlier[-1].question, before)

    @property
    def _is_of_tables(self) -> bool:
        return _is_of_tables(self._turns[-1])

    @cached_property
    def _items(self) -> Sequence[Sequence[Item]]:
        """The names of the rows of its answer, for every turn; of tables alone."""
        items: list[Sequence[Item]] = []
        for turn in self._turns:
            evidence = turn.evidence if _is_of_tables(turn) else {}
            items.append(name_rows(evidence, self._rewriter.entities, sum(map(len, items))))
        return items

    @cached_property
    def _items_by_name(self) -> Mapping[str, Item]:
        return {item.name: item for items in self._items for item in items}

    def _find_entities(self, names: set[str]) -> tuple[Entity, ...]:
        """Return those of the names that stand for what a table is known to hold."""
        known = [
            item for name, item in self._items_by_name.items() if name in names and item.column
        ]
        return tuple(Entity(item.name, item.column, item.value) for item in known)

    @cached_property
    def _questions_for_tables(self) -> Mapping[str, str]:
        """The question of every turn, by its id, in the user's words and :names.

        It is that of a model, if it had seen nothing else and wrote nothing else.
        """
        questions, values = dict[str, str](), dict[str, str]()
        said = set[str]()
        for place, turn in enumerate(self._turns):
            text = turn.question
            said.update(stem_words(text))
            if place and turn.rewritten_by == "model" and _is_of_tables(self._turns[place - 1]):
                written = _put_names(_get_question(turn), values)
                if said.issuperset(
                    stem_words(write_values(written, dict.fromkeys(values.values(), "")))
                ):
                    text = written
            questions[turn.id] = text[:LONGEST]
            values |= {item.value: item.name for item in self._items[place]}
        return questions

    @cached_property
    def _conversation(self) -> str:
        return "\n\n".join(filter(None, self._describe_turns()))

    def _describe_turns(self) -> Iterator[str]:
        last = self._turns[-1]
        if not self._is_of_tables:
            yield self._context and f"What is remembered:\n{self._context}"
        for turn in self._turns:
            yield f"Question {turn.number}: {self._questions_for_tables[turn.id]}"
        if self._is_of_tables:
            lines = [f"- :{item.name}, {item.column or 'a value'}" for item in self._items[-1]]
            yield "\n".join(["The items of its answer, in their order:", *lines] if lines else [])
        else:
            yield f"Its answer: {last.answer[:_ANSWER_CHARACTERS]}"


def _is_of_tables(turn: Turn) -> bool:
    return bool(turn.evidence.get("route") == "database")


def _put_names(text: str, names: Mapping[str, str]) -> str:
    """Return the text with :names in the place of the values that they stand for."""
    for value in sorted(names, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", f":{names[value]}", text)
    return text


def _get_question(turn: Turn) -> str:
    """Return the question of a turn as a model had written it, else as it was asked."""
    text = turn.standalone if turn.rewritten_by == "model" else None
    return (text or turn.question)[:LONGEST]
