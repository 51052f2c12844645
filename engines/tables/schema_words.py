"""The words by which business tables can be asked for: of names, comments and choices."""

import re
from collections.abc import Iterable, Iterator, Sequence
from enum import IntEnum
from itertools import product

from stores.text.phrases import stem_folded
from stores.text.tokens import tokenize
from stores.text.translations import LANGUAGES
from stores.text.words import FUNCTION_WORDS

_PARTS = re.compile(r"[^\W\d_]+|\d+")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_OF_EVERY_TABLE = {"id", "on", "at", "no", "by", "key", "null"}


class Named(IntEnum):
    """Where the tables have a word; a greater one says more."""

    NOWHERE = 0
    COMMENT = 1
    COLUMN = 2
    TABLE = 3


class SchemaWords:
    """Knows the words of tables, from what a model would be told of each (`table_text`)."""

    def __init__(self, table_texts: Iterable[str]) -> None:
        self._places: dict[str, Named] = {}
        for text in table_texts:
            for place, words in _read_table_text(text):
                # In each language: nobody says in which a schema is written.
                for word, language in product(words, LANGUAGES):
                    stem = stem_folded(word, language)
                    self._places[stem] = max(place, self._places.get(stem, Named.NOWHERE))

    def find_places(self, words: Sequence[str], language: str) -> list[Named]:
        """Return for each folded word of a text where the tables have it."""
        stems = (stem_folded(word, language) for word in words)
        return [self._places.get(stem, Named.NOWHERE) for stem in stems]


def _read_table_text(text: str) -> Iterator[tuple[Named, list[str]]]:
    """Yield the words of names and of comments, with where they stand."""
    for line in text.splitlines():
        if line.startswith("Table "):
            name, _, about = line.removeprefix("Table ").partition(": ")
            yield Named.TABLE, list(_split_words(name))
            yield Named.COMMENT, list(_split_words(about))
        elif line.startswith("- "):
            typed, _, about = line.removeprefix("- ").partition("; ")
            yield Named.COLUMN, list(_split_words(typed.partition(" ")[0]))
            yield Named.COMMENT, list(_split_words(about))


def _split_words(text: str) -> Iterator[str]:
    apart = _CAMEL.sub(" ", text.replace("_", " "))
    for token in tokenize(apart):
        if token.folded not in FUNCTION_WORDS and token.folded not in _OF_EVERY_TABLE:
            yield token.folded
