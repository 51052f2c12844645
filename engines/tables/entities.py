"""Names and codes that the business tables hold, found in questions, answers and rows."""

import re
import time
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final, TypeAlias

from engines.question import Entity
from engines.tables.guarded_database import GuardedDatabase
from stores.text.tokens import Token, tokenize

MOST_VALUES: Final = 5000  # of one column; a larger one is no list of names
_FEWEST_VALUES = 20  # a column with fewer holds choices, unless each row has its own
_MOST_CHARACTERS = 120  # that a column may hold
_LONGEST = 8  # words of a name
_SHORTEST = 3  # letters of a name
_LIFE_SECONDS = 60.0
_NO_WORD = re.compile(r"\W", re.ASCII)
_BEGINNING = re.compile(r"(?:\A|[.!?:…\n])\W*\Z")
_NOT_A_NAME = re.compile(r".*@.*|https?://.*", re.DOTALL)


_Words: TypeAlias = tuple[str, ...]


@dataclass(frozen=True)
class _Name:
    column: str
    value: str


@dataclass(frozen=True)
class _Names:
    """Each by its words, and by as many of its first words as no other begins with.

    `beginnings` are those words, and the first words that several names share.
    """

    by_words: Mapping[_Words, _Name]
    beginnings: AbstractSet[_Words]


class EntityIndex:
    """The values of short text columns that name something; read again after a minute."""

    def __init__(self, database: GuardedDatabase) -> None:
        self._database = database
        self._names = _Names({}, frozenset())
        self._fresh_until = 0.0

    def in_text(self, text: str) -> list[Entity]:
        """Those that stand in the text, in its order; the longest where several begin."""
        names = self._known().by_words
        found = dict.fromkeys(names[_key(words)] for words in _standing(text, names))
        return [_entity(name, number) for number, name in enumerate(found, start=1)]

    def named_in(self, text: str) -> list[str]:
        """The texts of those that `in_text` finds, and of beginnings that several names share."""
        known = self._known()
        found = (_text(words, text, known.by_words) for words in _standing(text, known.beginnings))
        return list(dict.fromkeys(filter(None, found)))

    def holding(self, value: str) -> Entity | None:
        """A whole cell as the value of the column that holds it."""
        name = self._known().by_words.get(_key(tokenize(value)))
        return _entity(name, 1) if name else None

    def _known(self) -> _Names:
        if time.monotonic() > self._fresh_until:
            self._names = _named(self._database)
            self._fresh_until = time.monotonic() + _LIFE_SECONDS
        return self._names


def _standing(text: str, known: Container[_Words]) -> Iterator[Sequence[Token]]:
    words = tokenize(text)
    at = 0
    while at < len(words):
        found = _longest(words[at : at + _LONGEST], known)
        if len(found) > 1 or (found and _is_written_as_a_name(words[at], text)):
            yield found
        at += len(found) or 1


def _longest(words: Sequence[Token], known: Container[_Words]) -> Sequence[Token]:
    lengths = range(len(words), 0, -1)
    return next((words[:length] for length in lengths if _key(words[:length]) in known), [])


def _text(words: Sequence[Token], text: str, names: Mapping[_Words, _Name]) -> str | None:
    """None for a shared beginning that is written as any words are."""
    if name := names.get(_key(words)):
        return name.value
    is_name = any(_is_written_as_a_name(word, text) for word in words)
    return text[words[0].start : words[-1].end] if is_name else None


def _is_written_as_a_name(word: Token, text: str) -> bool:
    """With a digit, or a capital that no sentence begins with: a city may be called Bath."""
    if any(character.isdigit() for character in word.text):
        return True
    return word.text[0].isupper() and not _BEGINNING.search(text[: word.start])


def _named(database: GuardedDatabase) -> _Names:
    names = [
        name for table in sorted(database.get_usable_table_names()) for name in _of(database, table)
    ]
    whole = _by_all_words(names)
    beginning = _by_first_words(names)
    distinct = {words: found[0] for words, found in beginning.items() if len(found) == 1}
    return _Names(distinct | whole, beginning.keys() | whole.keys())


def _by_all_words(names: Iterable[_Name]) -> dict[_Words, _Name]:
    """Of names with the same words the first."""
    found: dict[_Words, _Name] = {}
    for name in names:
        if _is_long(words := _key(tokenize(name.value))):
            found.setdefault(words, name)
    return found


def _by_first_words(names: Iterable[_Name]) -> Mapping[_Words, Sequence[_Name]]:
    found: dict[_Words, list[_Name]] = {}
    for name in dict.fromkeys(names):
        words = _key(tokenize(name.value))
        for length in range(1, len(words)):
            if _is_long(words[:length]):
                found.setdefault(words[:length], []).append(name)
    return found


def _is_long(words: _Words) -> bool:
    return len("".join(words)) >= _SHORTEST and not all(word.isdigit() for word in words)


def _of(database: GuardedDatabase, table: str) -> Iterator[_Name]:
    for column in database.text_columns(table, _MOST_CHARACTERS):
        for value in _names_in(database, table, column):
            if not _NOT_A_NAME.fullmatch(value):
                yield _Name(f"{table}.{column}", value)


def _names_in(database: GuardedDatabase, table: str, column: str) -> list[str]:
    """Nothing where rows share few values: those are choices, such as states or categories."""
    first = database.texts(table, column, _FEWEST_VALUES + 1, distinct=False)
    if len(first) > _FEWEST_VALUES or len(first) != len({*first}):
        values = database.texts(table, column, MOST_VALUES + 1)
        return values if _FEWEST_VALUES < len(values) <= MOST_VALUES else []
    return first


def _entity(name: _Name, number: int) -> Entity:
    plain = _NO_WORD.sub("_", name.column)
    begin = "" if plain[0].isalpha() else "n"
    return Entity(f"{begin}{plain}_{number}", name.column, name.value)


def _key(words: Sequence[Token]) -> _Words:
    return tuple(word.folded for word in words)
