"""What a pronoun of a follow-up stands for: a phrase of the question before, or a row's name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any, Final

from engines.follow_ups.follow_up_words import Word, singles, words_of
from engines.follow_ups.noun_phrases import Phrase, noun_phrases
from engines.follow_ups.row_names import Item, named_by
from engines.follow_ups.slots import is_value
from engines.question import Entity
from engines.tables.entities import EntityIndex

_JOINING: Final = {"of", "de", "du", "des", "d'", "la", "le", "l'", "les", "the", "'s"}
_CONTRACTED: Final = {"du": "le ", "au": "le ", "des": "les ", "aux": "les "}
_PLACES: Final = {
    **dict.fromkeys(
        (
            "1st",
            "1er",
            "1ere",
            "1re",
            "first",
            "premier",
            "premiere",
            "premiers",
            "premieres",
            "former",
        ),
        0,
    ),
    **dict.fromkeys(("second", "seconde", "deuxieme", "2nd", "2nde", "2e", "2eme"), 1),
    **dict.fromkeys(("third", "troisieme", "3rd", "3e", "3eme"), 2),
    **dict.fromkeys(("fourth", "quatrieme", "4th", "4e", "4eme"), 3),
    **dict.fromkeys(("fifth", "cinquieme", "5th", "5e", "5eme"), 4),
    **dict.fromkeys(("last", "latter", "dernier", "derniere"), -1),
}
_COUNTS: Final = {"two": 2, "deux": 2, "three": 3, "trois": 3}


@dataclass(frozen=True)
class Antecedent:
    """Words of the user, or :names: of `entities`, or of what no table holds under that value.

    `others` are such values: the title of a document, a cell of another kind.
    """

    text: str
    entities: tuple[Entity, ...] = ()
    others: Mapping[str, str] = field(default_factory=dict)


def named_before(question: str, *, plural: bool) -> str:
    """The phrase of the question that a pronoun stands for, "" where none is plain."""
    words = words_of(question)
    found = [each for each in _chained(words) if not _is_time(words, each)]
    told = [each for each in found if not each.asked]
    if plural and len(found) > len(told):
        return ""
    named = [each for each in told if each.named]
    fitting = named or [each for each in told if _is_plural(words, each) == plural]
    return _written(question, words, fitting[0]) if fitting else ""


def _is_plural(words: Sequence[Word], phrase: Phrase) -> bool:
    """By its head: the filters of the carafe are many."""
    head = takewhile(lambda word: word.folded not in _JOINING, words[phrase.begin : phrase.end])
    return any(
        word.folded.endswith(("s", "x")) and not word.folded.endswith(("ss", "us", "is"))
        for word in head
    )


def asks_for_one(question: str) -> bool:
    """Whether the question asks which one it is: which product, quel pays."""
    phrases = noun_phrases(words := words_of(question), len(words))
    return any(each.asked and not each.plural for each in phrases)


def placed(ordinal: str, following: str) -> Sequence[int]:
    """The places that "the second one" or "the first two" mean, from 0."""
    count = _COUNTS.get(following, 1)
    place = _PLACES.get(ordinal)
    if place is None:
        return ()
    return range(-count, 0) if place < 0 else range(place, place + count)


def of_answer(
    places: Sequence[int], evidence: Mapping[str, Any], entities: EntityIndex | None, taken: int
) -> Antecedent | None:
    """What rows of an answer are called, or its citations, numbered behind the `taken` names."""
    items = _items(evidence, places, entities)
    if not items:
        return None
    text, named, others = [], [], {}
    for number, item in enumerate(items, start=taken + 1):
        name = f"{item.name}_{number}"
        text.append(f"{item.kind} :{name}".lstrip())
        if item.column:
            named.append(Entity(name, item.column, item.value))
        else:
            others[name] = item.value
    return Antecedent(", ".join(text), tuple(named), others)


def _items(
    evidence: Mapping[str, Any], places: Sequence[int], entities: EntityIndex | None
) -> list[Item]:
    """Of these places; none where one of them has nothing that names it."""
    rows = evidence.get("rows") or ()
    sources = evidence.get("citations") or ()
    most = len(rows or sources)
    if not all(-most <= place < most for place in places):
        return []
    if rows:
        found = [named_by(evidence["columns"], rows, place % most, entities) for place in places]
    else:
        titles = (sources[place].get("title") for place in places)
        found = [Item(str(title)) if title else None for title in titles]
    items = [item for item in found if item]
    return items if len(items) == len(found) else []


def _is_time(words: Sequence[Word], phrase: Phrase) -> bool:
    return all(is_value(word.folded) for word in words[phrase.begin : phrase.end])


def _chained(words: Sequence[Word]) -> list[Phrase]:
    """The filters of the kettle are one phrase; the price of the kettle is the kettle's."""
    chained: list[Phrase] = []
    for phrase in noun_phrases(words, len(words)):
        last = chained[-1] if chained else None
        joined = last and all(w.folded in _JOINING for w in words[last.end : phrase.begin])
        if last and joined and not _is_attribute(words, last):
            named = last.named or phrase.named
            chained[-1] = Phrase(last.begin, phrase.end, last.asked, named, last.plural)
        else:
            chained = [*(chained[:-1] if joined else chained), phrase]
    return chained


def _is_attribute(words: Sequence[Word], phrase: Phrase) -> bool:
    return phrase.end - phrase.begin == 1 and words[phrase.begin].folded in singles("attributes")


def _written(question: str, words: Sequence[Word], phrase: Phrase) -> str:
    """With its article; a verb behind a name is left out."""
    inside = range(phrase.begin, phrase.end)
    names = [at for at in inside if words[at].is_name and at]
    end = names[-1] if names else phrase.end - 1
    while names and end + 1 < phrase.end and words[end + 1].text.isdigit():
        end += 1
    text = question[words[phrase.begin].start : words[end].end]
    before = words[phrase.begin - 1] if phrase.begin else None
    if before is None or before.folded not in singles("articles") | {*_CONTRACTED}:
        return text
    if article := _CONTRACTED.get(before.folded):
        return f"{article}{text}"
    written = question[before.start : words[end].end]
    return written if before.start else written[:1].lower() + written[1:]
