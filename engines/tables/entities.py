"""Names and codes that the business tables hold, found in questions, answers and rows."""

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from engines.concepts import Token, tokens
from engines.question import Entity
from engines.tables.guarded_database import GuardedDatabase

MOST_VALUES: Final = 5000  # of one column; a larger one is no list of names
_FEWEST_VALUES = 20  # a column with fewer holds choices, unless each row has its own
_MOST_CHARACTERS = 120  # that a column may hold
_LONGEST = 8  # words of a name
_SHORTEST = 3  # letters of a name
_LIFE_SECONDS = 60.0
_NO_WORD = re.compile(r"\W", re.ASCII)
_BEGINNING = re.compile(r"(?:\A|[.!?:…\n])\W*\Z")
_NOT_A_NAME = re.compile(r".*@.*|https?://.*", re.DOTALL)


@dataclass(frozen=True)
class _Name:
    column: str
    value: str


class EntityIndex:
    """The values of short text columns that name something; read again after a minute."""

    def __init__(self, database: GuardedDatabase) -> None:
        self._database = database
        self._names: Mapping[tuple[str, ...], _Name] = {}
        self._fresh_until = 0.0

    def in_text(self, text: str) -> list[Entity]:
        """Those that stand in the text, in its order; the longest where several begin."""
        found = dict.fromkeys(self._standing(text))
        return [_entity(name, number) for number, name in enumerate(found, start=1)]

    def holding(self, value: str) -> Entity | None:
        """A whole cell as the value of the column that holds it."""
        name = self._known().get(_key(tokens(value)))
        return _entity(name, 1) if name else None

    def _standing(self, text: str) -> Iterator[_Name]:
        known = self._known()
        words = tokens(text)
        at = 0
        while at < len(words):
            name, length = _longest(words[at : at + _LONGEST], known)
            if name and (length > 1 or _is_written_as_a_name(words[at], text)):
                yield name
            at += length

    def _known(self) -> Mapping[tuple[str, ...], _Name]:
        if time.monotonic() > self._fresh_until:
            self._names = _by_words(self._database)
            self._fresh_until = time.monotonic() + _LIFE_SECONDS
        return self._names


def _longest(
    words: Sequence[Token], known: Mapping[tuple[str, ...], _Name]
) -> tuple[_Name | None, int]:
    for length in range(len(words), 0, -1):
        if name := known.get(_key(words[:length])):
            return name, length
    return None, 1


def _is_written_as_a_name(word: Token, text: str) -> bool:
    """With a digit, or a capital that no sentence begins with: a city may be called Bath."""
    if any(character.isdigit() for character in word.text):
        return True
    return word.text[0].isupper() and not _BEGINNING.search(text[: word.start])


def _by_words(database: GuardedDatabase) -> Mapping[tuple[str, ...], _Name]:
    """Each name by its words, and by as many of its first words as no other name begins with."""
    names = [
        name for table in sorted(database.get_usable_table_names()) for name in _of(database, table)
    ]
    keys = {name: _key(tokens(name.value)) for name in names}
    beginnings: dict[tuple[str, ...], set[_Name]] = {}
    for name, key in keys.items():
        for length in range(1, len(key)):
            beginnings.setdefault(key[:length], set()).add(name)
    short = {key: only for key, (only, *more) in beginnings.items() if not more and _is_long(key)}
    return short | {key: name for name, key in reversed(keys.items()) if _is_long(key)}


def _is_long(key: tuple[str, ...]) -> bool:
    return len("".join(key)) >= _SHORTEST and not all(word.isdigit() for word in key)


def _of(database: GuardedDatabase, table: str) -> Iterator[_Name]:
    for column in database.text_columns(table, _MOST_CHARACTERS):
        for value in _names_in(database, table, column):
            if not _NOT_A_NAME.fullmatch(value):
                yield _Name(f"{table}.{column}", value)


def _names_in(database: GuardedDatabase, table: str, column: str) -> list[str]:
    """None where rows share few values: those are choices, such as states or categories."""
    first = database.texts(table, column, _FEWEST_VALUES + 1, distinct=False)
    if len(first) > _FEWEST_VALUES or len(first) != len({*first}):
        values = database.texts(table, column, MOST_VALUES + 1)
        return values if _FEWEST_VALUES < len(values) <= MOST_VALUES else []
    return first


def _entity(name: _Name, number: int) -> Entity:
    plain = _NO_WORD.sub("_", name.column)
    begin = "" if plain[0].isalpha() else "n"
    return Entity(f"{begin}{plain}_{number}", name.column, name.value)


def _key(words: Sequence[Token]) -> tuple[str, ...]:
    return tuple(word.folded for word in words)
