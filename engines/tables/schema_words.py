"""The words by which business tables can be asked for: of names, comments and choices."""

import re
from collections.abc import Iterable, Iterator, Sequence
from enum import IntEnum

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
    """Built once from what a model would be told of each table, as `table_text` writes it."""

    def __init__(self, table_texts: Iterable[str]) -> None:
        self._places: dict[str, Named] = {}
        for text in table_texts:
            for place, words in _written(text):
                for stem in _stems(words):
                    self._places[stem] = max(place, self._places.get(stem, Named.NOWHERE))

    def places(self, words: Sequence[str], language: str) -> list[Named]:
        """Of each folded word of a text."""
        stems = (stem_folded(word, language) for word in words)
        return [self._places.get(stem, Named.NOWHERE) for stem in stems]


def _stems(words: Iterable[str]) -> Iterator[str]:
    """Nobody says in which language a schema is written."""
    return (stem_folded(word, language) for word in words for language in LANGUAGES)


def _written(text: str) -> Iterator[tuple[Named, list[str]]]:
    for line in text.splitlines():
        if line.startswith("Table "):
            name, _, about = line.removeprefix("Table ").partition(": ")
            yield Named.TABLE, list(_words(name))
            yield Named.COMMENT, list(_words(about))
        elif line.startswith("- "):
            typed, _, about = line.removeprefix("- ").partition("; ")
            yield Named.COLUMN, list(_words(typed.partition(" ")[0]))
            yield Named.COMMENT, list(_words(about))


def _words(text: str) -> Iterator[str]:
    apart = _CAMEL.sub(" ", text.replace("_", " "))
    for token in tokenize(apart):
        if token.folded not in FUNCTION_WORDS and token.folded not in _OF_EVERY_TABLE:
            yield token.folded
