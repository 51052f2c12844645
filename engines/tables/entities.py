"""Find names and codes that the business tables hold in questions, answers and rows."""

import re
import time
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final, TypeAlias

from engines.question import Entity
from engines.tables.configured_tables import DescribedTables
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
    """Names by their words, and by as many of their first words as no other begins with.

    `beginnings` are those words, and the first words that several names share.
    """

    by_words: Mapping[_Words, _Name]
    beginnings: AbstractSet[_Words]


class EntityIndex:
    """The values of short text columns that name something; read again after a minute."""

    def __init__(self, database: DescribedTables) -> None:
        self._database = database
        self._names = _Names({}, frozenset())
        self._fresh_until = 0.0

    def in_text(self, text: str) -> list[Entity]:
        """Find the values that stand in a text, in its order; the longest where several begin."""
        names = self._read_names().by_words
        found = dict.fromkeys(names[_fold_words(words)] for words in _find_known(text, names))
        return [_make_entity(name, number) for number, name in enumerate(found, start=1)]

    def find_names(self, text: str) -> list[str]:
        """Find the texts of what `in_text` finds, and of beginnings that several names share."""
        known = self._read_names()
        found = (
            _write_name(words, text, known.by_words)
            for words in _find_known(text, known.beginnings)
        )
        return list(dict.fromkeys(filter(None, found)))

    def find_cell(self, value: str) -> Entity | None:
        """Find the column that holds this value as a whole cell."""
        name = self._read_names().by_words.get(_fold_words(tokenize(value)))
        return _make_entity(name, 1) if name else None

    def _read_names(self) -> _Names:
        if time.monotonic() > self._fresh_until:
            self._names = _collect_names(self._database)
            self._fresh_until = time.monotonic() + _LIFE_SECONDS
        return self._names


def _find_known(text: str, known: Container[_Words]) -> Iterator[Sequence[Token]]:
    """Find known words in a text, the longest where several begin.

    A single word must be written as a name.
    """
    words = tokenize(text)
    at = 0
    while at < len(words):
        ahead = words[at : at + _LONGEST]
        beginnings = (ahead[:length] for length in range(len(ahead), 0, -1))
        found = next((some for some in beginnings if _fold_words(some) in known), [])
        if len(found) > 1 or (found and _is_written_as_a_name(words[at], text)):
            yield found
        at += len(found) or 1


def _write_name(words: Sequence[Token], text: str, names: Mapping[_Words, _Name]) -> str | None:
    """Return a name as it is stored, or a shared beginning as it is written.

    It is None for a beginning that is written as any words are.
    """
    if name := names.get(_fold_words(words)):
        return name.value
    is_name = any(_is_written_as_a_name(word, text) for word in words)
    return text[words[0].start : words[-1].end] if is_name else None


def _is_written_as_a_name(word: Token, text: str) -> bool:
    """Whether a word has a digit, or a capital within a sentence: a city may be called Bath."""
    if any(character.isdigit() for character in word.text):
        return True
    return word.text[0].isupper() and not _BEGINNING.search(text[: word.start])


def _collect_names(database: DescribedTables) -> _Names:
    names = [
        name
        for table in sorted(database.get_usable_table_names())
        for name in _list_names(database, table)
    ]
    whole = _index_by_all_words(names)
    beginning = _index_by_first_words(names)
    distinct = {words: found[0] for words, found in beginning.items() if len(found) == 1}
    return _Names(distinct | whole, beginning.keys() | whole.keys())


def _index_by_all_words(names: Iterable[_Name]) -> dict[_Words, _Name]:
    """Index names by all of their words; of names with the same words the first."""
    found: dict[_Words, _Name] = {}
    for name in names:
        if _is_long(words := _fold_words(tokenize(name.value))):
            found.setdefault(words, name)
    return found


def _index_by_first_words(names: Iterable[_Name]) -> Mapping[_Words, Sequence[_Name]]:
    found: dict[_Words, list[_Name]] = {}
    for name in dict.fromkeys(names):
        words = _fold_words(tokenize(name.value))
        for length in range(1, len(words)):
            if _is_long(words[:length]):
                found.setdefault(words[:length], []).append(name)
    return found


def _is_long(words: _Words) -> bool:
    return len("".join(words)) >= _SHORTEST and not all(word.isdigit() for word in words)


def _list_names(database: DescribedTables, table: str) -> Iterator[_Name]:
    for column in database.text_columns(table, _MOST_CHARACTERS):
        for value in _read_values(database, table, column):
            if not _NOT_A_NAME.fullmatch(value):
                yield _Name(f"{table}.{column}", value)


def _read_values(database: DescribedTables, table: str, column: str) -> list[str]:
    """Read the values of a column; none where rows share few, as states or categories are."""
    first = database.read_texts(table, column, _FEWEST_VALUES + 1, distinct=False)
    if len(first) > _FEWEST_VALUES or len(first) != len({*first}):
        values = database.read_texts(table, column, MOST_VALUES + 1)
        return values if _FEWEST_VALUES < len(values) <= MOST_VALUES else []
    return first


def _make_entity(name: _Name, number: int) -> Entity:
    plain = _NO_WORD.sub("_", name.column).lower()
    begin = "" if plain[0].isalpha() else "n"
    return Entity(f"{begin}{plain}_{number}", name.column, name.value)


def _fold_words(words: Sequence[Token]) -> _Words:
    return tuple(word.folded for word in words)
