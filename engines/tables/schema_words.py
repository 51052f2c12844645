"""The words by which business tables can be asked for: of their names, comments and choices."""

import re
from collections.abc import Iterable, Iterator, Sequence
from enum import IntEnum

from engines.concepts import CONCEPTS, LANGUAGES, phrases, tokens, word_stem
from stores.text.words import FUNCTION_WORDS

_LISTS = ("tables/table_words.txt", CONCEPTS)
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
                for key in _keys_of(words):
                    self._places[key] = max(place, self._places.get(key, Named.NOWHERE))

    def places(self, words: Sequence[str], language: str) -> list[Named]:
        """Of each folded word of a text."""
        best = [Named.NOWHERE] * len(words)
        for at, key in _keys(words, language):
            best[at] = max(best[at], self._places.get(key, Named.NOWHERE))
        return best


def _keys(words: Sequence[str], language: str) -> Iterator[tuple[int, str]]:
    """What each word stands for: its stem, and what the lists call it or its phrase."""
    for at, word in enumerate(words):
        yield at, word_stem(word, language)
    for file in _LISTS:
        at = 0
        for phrase, names in phrases(words, [language], file):
            for place in range(at, at + len(phrase)):
                yield from ((place, f"{file}:{name}") for name in names or ())
            at += len(phrase)


def _keys_of(words: Sequence[str]) -> Iterator[str]:
    for language in LANGUAGES:
        yield from (key for _, key in _keys(words, language))


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
    for token in tokens(apart):
        if token.folded not in FUNCTION_WORDS and token.folded not in _OF_EVERY_TABLE:
            yield token.folded
