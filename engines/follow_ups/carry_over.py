"""The rule by which a follow-up takes from the question before what it leaves out.

In this order: a value replaces the one of its kind ("and in 2024?"), a name the name, a question
word the question word ("and how often?"); a pronoun becomes what it stands for, "the second one"
the row or the citation in that place. What fits none of these is put behind the question before,
so that a search has the words of both.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from engines.follow_ups.antecedents import Antecedent, asks_for_one, named_before, of_answer, placed
from engines.follow_ups.dependent_questions import LONGEST, leaning
from engines.follow_ups.follow_up_words import Word, begins, behind, singles, words_of
from engines.follow_ups.naming import in_names, renamed
from engines.follow_ups.pronouns import put_in
from engines.follow_ups.slots import Slot, appended, flat, replaced, slots, unmarked
from engines.question import Entity
from engines.search.query_analysis import query_language
from engines.tables.entities import EntityIndex

_ITEMS: Final = 10
_OF_NAMES: Final = 2  # characters; a longer number is one of an order
_NAME: Final = re.compile(r"(?<![\w:]):([a-z]\w*)")
_ADVERBIAL: Final = re.compile(
    r"(?:(?:since|until|for|at|from) )?(?:how(?: often| long| much| far| soon)?|why|when|where)"
    r"(?= (?:do|does|did|is|are|was|were|can|could|should|shall|will|would|must|may|has|have)\b)"
    r"|(?:a quelle frequence|depuis quand|jusqu'a quand|comment|pourquoi|quand|ou)\b",
)
_YES_OR_NO: Final = re.compile(
    r"(?:do|does|did|is|are|was|were|can|could|should|will|would|must|may|has|have)\b"
    r"|est-ce qu|peut-on|puis-je|faut-il|doit-on|dois-je|\w+-(?:t-)?(?:ils?|elles?|on|je)\b"
)


@dataclass(frozen=True)
class Carried:
    """A question in the user's words and :names.

    `others` are names of values that no table is known to hold, such as titles of documents;
    `words` is the question without those. `ahead` is the question that `text` puts another behind.
    """

    text: str
    entities: tuple[Entity, ...] = ()
    others: Mapping[str, str] = field(default_factory=dict)
    words: str = ""
    ahead: "Carried | None" = None

    @property
    def known(self) -> Mapping[str, str]:
        return {**{each.name: each.value for each in self.entities}, **self.others}

    @property
    def readable(self) -> str:
        return with_values(self.text, self.known)

    @property
    def for_tables(self) -> str:
        return self.words or self.text


def with_values(text: str, known: Mapping[str, str]) -> str:
    """The values in the place of their :names."""
    return _NAME.sub(lambda found: known.get(found[1], found[0]), text)


def names_in(text: str) -> set[str]:
    return set(_NAME.findall(text))


def items(evidence: Mapping[str, Any], entities: EntityIndex | None, taken: int) -> Carried:
    """The rows of an answer by their names, the first of them."""
    places = range(min(len(evidence.get("rows") or ()), _ITEMS))
    found = of_answer(places, evidence, entities, taken)
    return Carried(found.text, found.entities, found.others) if found else Carried("")


def carried(
    asked: str, before: Carried, evidence: Mapping[str, Any], entities: EntityIndex | None
) -> Carried:
    """`evidence` is that of the answer to the question before."""
    found = _completed_by(before, asked, evidence, entities)
    return found if len(found.text) <= 2 * LONGEST else Carried(asked)


def _completed_by(
    before: Carried, asked: str, evidence: Mapping[str, Any], entities: EntityIndex | None
) -> Carried:
    leans = leaning(words_of(asked))
    if leans:
        text, taken = asked, before
        for at, kind in reversed(leans):
            found = _antecedent(words_of(asked), at, kind, before, evidence, entities)
            put = put_in(text, at, kind, found.text) if found else None
            if put is None or found is None:
                break
            text, taken = put, _with(taken, found)
        else:
            return _carried(text, taken, _joined(before.for_tables, asked))
    compared = not leans and _compares(asked)
    if not compared and (not leans or _says_which(asked)):
        filled = _filled(before, asked, entities)
        if filled:
            return filled
    return _behind(before.ahead or before, asked)


def _filled(before: Carried, asked: str, entities: EntityIndex | None) -> Carried | None:
    """None where nothing of the question before is replaced or completed."""
    text = _completed(_said(asked), before.text, entities)
    if not text:
        return None
    filled = _carried(text, before, _joined(before.for_tables, asked))
    return replace(filled, ahead=before.ahead and _filled(before.ahead, asked, entities))


def _behind(ahead: Carried, asked: str) -> Carried:
    joined = _joined(ahead.text, asked)
    put = _carried(joined, ahead, _joined(ahead.for_tables, asked))
    return replace(put, ahead=ahead)


def _antecedent(
    words: Sequence[Word],
    at: int,
    kind: str,
    before: Carried,
    evidence: Mapping[str, Any],
    entities: EntityIndex | None,
) -> Antecedent | None:
    taken = len(before.entities) + len(before.others)
    if kind == "ordinal":
        return of_answer(placed(words[at].folded, behind(words, at)), evidence, entities, taken)
    plural = words[at].folded in _PLURAL
    if not plural and asks_for_one(before.text) and evidence.get("rows"):
        found = of_answer(range(1), evidence, entities, taken)
        if found and (found.entities or entities is None):
            return found
    text = named_before(before.text, plural=plural)
    return Antecedent(text) if text else None


_PLURAL: Final = {
    *("they", "them", "their", "theirs", "these", "those", "ils", "elles", "-ils", "-elles"),
    *("les", "-les", "leur", "leurs", "eux", "ces"),
}


def _with(taken: Carried, found: Antecedent) -> Carried:
    entities = dict.fromkeys((*taken.entities, *found.entities))
    return Carried(taken.text, tuple(entities), {**taken.others, **found.others})


def _carried(text: str, taken: Carried, words: str) -> Carried:
    """With those of the taken names that the text has."""
    names = names_in(text)
    entities = tuple(entity for entity in taken.entities if entity.name in names)
    others = {name: value for name, value in taken.others.items() if name in names}
    return Carried(text, entities, others, words if others else "")


def _compares(asked: str) -> bool:
    words = words_of(asked)
    return bool(begins(words[begins(words, "continuing") :], "comparing"))


def _says_which(asked: str) -> bool:
    """What about that of the Galet: a value or a name after all."""
    return not singles("verbs") & {word.folded for word in words_of(_said(asked))}


def _said(asked: str) -> str:
    """Without what only says that the question goes on."""
    words = [word for word in words_of(asked) if not word.is_mark]
    at = 0
    while at < len(words) and (
        step := begins(words[at:], "continuing") or begins(words[at:], "leaning")
    ):
        at += step
    if at == len(words):
        return ""
    return unmarked(asked[words[at].start :])


def _completed(said: str, before: str, entities: EntityIndex | None) -> str:
    """The question before with what is said in the place of its like; "" when nothing fits."""
    new = slots(said)
    if new:
        named = renamed(before, said, entities) if in_names(new) else ""
        return named or _with_values(before, new) or renamed(before, said, entities)
    if not said:
        return ""
    return renamed(before, said, entities) or _asking_else(before, said) or _narrowed(before, said)


def _with_values(before: str, new: Sequence[Slot]) -> str:
    for slot in new:
        before = before and replaced(_alone(before), slot, before)
    return before


def _alone(before: str) -> list[Slot]:
    """Without those that are a part of a name; but the number of an Order is its own."""
    found = slots(before)
    parts = [part for part in in_names(found) if len(part.value) <= _OF_NAMES]
    return [each for each in found if each not in parts or each.kind == "limit"]


def _asking_else(before: str, said: str) -> str:
    words = words_of(said)
    empty = singles("asking") | singles("measuring") | singles("prepositions")
    if not all(word.folded in empty for word in words):
        return ""
    if found := _ADVERBIAL.match(flat(before)):
        return said[:1].upper() + said[1:] + before[found.end() :]
    if _YES_OR_NO.match(flat(before)):
        return f"{said[:1].upper()}{said[1:]} {before[:1].lower()}{before[1:]}"
    return ""


def _narrowed(before: str, said: str) -> str:
    return appended(before, said) if begins(words_of(said), "prepositions") else ""


def _joined(before: str, asked: str) -> str:
    """Both questions in one."""
    words = words_of(asked)
    opened = bool(words) and words[0].folded in ("and", "et")
    link = (
        ""
        if opened or _compares(asked)
        else "et "
        if query_language(f"{before} {asked}") == "fr"
        else "and "
    )
    lower = asked[:1].lower() + asked[1:]
    return f"{unmarked(before)}, {link}{lower}"
