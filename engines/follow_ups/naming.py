"""A name in a follow-up takes the place of another: and the Galet?."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from engines.concepts import tokens
from engines.follow_ups.follow_up_words import Word, singles, words_of
from engines.follow_ups.noun_phrases import PREPOSITIONS
from engines.follow_ups.slots import Slot, is_value
from engines.tables.entities import EntityIndex

_OF: Final = {"de", "du", "des", "d'"}
_TO: Final = {"\u00e0", "au", "aux"}
_CONTRACTIONS: Final = (
    (r"\bde le\s+", "du "),
    (r"\bde les\s+", "des "),
    (r"\b\u00e0 le\s+", "au "),
    (r"\b\u00e0 les\s+", "aux "),
)


@dataclass(frozen=True)
class _Name:
    """Where a name stands, its article before it; `column` when the tables hold it."""

    begin: int
    core: int
    end: int
    preposition: str
    article: str
    column: str = ""


def renamed(before: str, said: str, entities: EntityIndex | None) -> str:
    """The question before with the name that is said in the place of its own; "" without both."""
    new = list(_names(said, entities))
    if len(new) != 1 or _says_more(said, new[0]):
        return ""
    name = new[0]
    old = [each for each in _names(before, entities) if _alike(each, name)]
    if not old:
        return ""
    return _put(before, said, old[0] if len(old) == 1 else _likest(old, name), name)


def is_another(before: str, said: str, entities: EntityIndex | None) -> bool:
    """Whether a name is all that is said, of the same column as one of the question before."""
    new = list(_names(said, entities)) if said.rstrip().endswith("?") else []
    if len(new) != 1 or not new[0].column or _says_more(said, new[0]):
        return False
    return any(each.column == new[0].column for each in _names(before, entities))


def in_names(values: Sequence[Slot]) -> list[Slot]:
    """Those of a text that are a part of a name: the 2 of the Brume 2, and no code alone."""
    names = list(_names(values[0].text, entities=None)) if values else []
    return [
        value
        for value in values
        if any(name.core < value.core and value.end <= name.end for name in names)
    ]


def _says_more(said: str, name: _Name) -> bool:
    rest = words_of(said[: name.begin]) + words_of(said[name.end :])
    ignored = singles("choosing") | singles("articles") | PREPOSITIONS | {"one", "ones", "that"}
    return any(not word.is_mark and word.folded not in ignored for word in rest)


def _alike(old: _Name, new: _Name) -> bool:
    return not (old.column and new.column) or old.column == new.column


def _likest(old: Sequence[_Name], new: _Name) -> _Name:
    """Behind the same preposition, or else the first."""
    return next((each for each in old if each.preposition == new.preposition), old[0])


def _put(before: str, said: str, old: _Name, new: _Name) -> str:
    article = new.article or old.article
    space = "" if not article or article.endswith("'") else " "
    name = said[new.core : new.end]
    text = f"{before[: old.begin]}{_kept(old)}{article}{space}{name}{before[old.end :]}"
    for written, contracted in _CONTRACTIONS:
        text = re.sub(written, contracted, text)
    return text


def _kept(old: _Name) -> str:
    return f"{old.preposition} " if old.preposition else ""


def _names(text: str, entities: EntityIndex | None) -> Iterator[_Name]:
    words = words_of(text)
    known = list(_known(text, entities))
    for begin, end in _runs(words):
        at, until = words[begin].start, words[end - 1].end
        column = next((c for a, b, c in known if a < until and at < b), "")
        yield _introduced(words, begin, at, until, column)
    for at, until, column in known:
        if not any(words[b].start < until and at < words[e - 1].end for b, e in _runs(words)):
            begin = next(i for i, word in enumerate(words) if word.start == at)
            yield _introduced(words, begin, at, until, column)


def _introduced(words: Sequence[Word], begin: int, at: int, until: int, column: str) -> _Name:
    """With its article, which a French preposition may hold."""
    before = words[begin - 1] if begin else None
    if before is None or before.folded not in singles("articles") | _OF | _TO:
        return _Name(at, at, until, "", "", column)
    two = words[begin - 2].folded if begin > 1 else ""
    if before.folded in _OF | _TO:
        kept = "de" if before.folded in _OF else "\u00e0"
        article = {"du": "le", "au": "le", "des": "les", "aux": "les"}.get(before.folded, "")
        return _Name(before.start, at, until, kept, article, column)
    if two in ("de", "\u00e0"):
        return _Name(words[begin - 2].start, at, until, two, before.text, column)
    return _Name(before.start, at, until, "", before.text, column)


def _runs(words: Sequence[Word]) -> Iterator[tuple[int, int]]:
    """Runs of words with capitals or digits; of a longer text not the first word alone."""
    begin = None
    for at in range(len(words) + 1):
        is_name = at < len(words) and _continues(words[at], begin)
        is_name = is_name and words[at].text != "I"
        is_name = is_name and (at > 0 or words[at].folded not in _OPENING)
        if is_name and begin is None:
            begin = at
        elif not is_name and begin is not None:
            if begin > 0 or at - begin > 1 or at == len(words):
                yield begin, at
            begin = None


def _continues(word: Word, begin: int | None) -> bool:
    """A number belongs to the name before it: Brume 2, and the T1 of Tempo T1, no quarter."""
    if begin is not None and (word.text.isdigit() or re.fullmatch("T[1-4]", word.text)):
        return word.text[0] == "T" or not is_value(word.folded)
    return word.is_name and not is_value(word.folded)


_OPENING: Final = (
    *singles("asking"),
    *singles("articles"),
    *singles("openings"),
    *singles("verbs"),
    *PREPOSITIONS,
)


def _known(text: str, entities: EntityIndex | None) -> Iterator[tuple[int, int, str]]:
    """Names of the tables, and where they stand."""
    words = tokens(text)
    for entity in entities.in_text(text) if entities else ():
        wanted = [word.folded for word in tokens(entity.value)]
        for at in range(len(words)):
            length = len(wanted)
            while length and [w.folded for w in words[at : at + length]] != wanted[:length]:
                length -= 1
            if length:
                yield words[at].start, words[at + length - 1].end, entity.column
                break
