"""Words of a question that stand in a word list, alone or several together."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, lru_cache
from typing import Final

from stores.text.translations import LANGUAGES
from stores.text.word_lists import load_word_list
from stores.text.words import stem_word

_PASSING: Final = "-"
_FRENCH_ENDING: Final = re.compile(r"e*s?$")


def split_phrases(
    words: Sequence[str | None], languages: Sequence[str], file: str
) -> Iterator[tuple[Sequence[str | None], Sequence[str] | None]]:
    """Yield folded words in their order, those of one entry of the list together, and its names.

    The names are None for a word that does not stand there, and none for one that is said in
    passing: its name is "-". None among the words divides them. Of `languages` the first is asked
    first.
    """
    at, longest = 0, _measure_longest_entry(file)
    while at < len(words):
        names, length = _find_longest(words[at : at + longest], languages, file)
        yield words[at : at + length], names
        at += length


def stem_folded(word: str, language: str) -> str:
    """Return the stem of a folded word.

    French endings need their accents, which folded words have lost: livré, livrées.
    """
    bare = _FRENCH_ENDING.sub("", word) if language == "fr" else word
    return stem_word(bare or word, language)


def _find_longest(
    words: Sequence[str | None], languages: Sequence[str], file: str
) -> tuple[Sequence[str] | None, int]:
    """Return the names of the longest entry that the words begin with, and its length."""
    first = words[0]
    if first is None or not any(_may_begin(first, language, file) for language in languages):
        return None, 1
    for length in range(len(words), 0, -1):
        phrase = tuple(word for word in words[:length] if word is not None)
        if len(phrase) == length and (names := _look_up_names(phrase, languages, file)) is not None:
            return names, length
    return None, 1


@lru_cache(maxsize=50_000)
def _may_begin(word: str, language: str, file: str) -> bool:
    """Tell whether any entry begins with the word, which most words of a question do not."""
    return not _load_beginnings(language, file).isdisjoint((word, stem_folded(word, language)))


@cache
def _load_beginnings(language: str, file: str) -> frozenset[str]:
    return frozenset(phrase[0] for entries in _load_entries(language, file) for phrase in entries)


def _look_up_names(
    phrase: tuple[str, ...], languages: Sequence[str], file: str
) -> Sequence[str] | None:
    """Return the names of an entry; the words are asked before their stems."""
    for language in languages:
        exact, stemmed = _load_entries(language, file)
        names = exact.get(phrase) or stemmed.get(_stem_phrase(phrase, language))
        if names:
            return [name for name in names if name != _PASSING]
    return None


def _stem_phrase(phrase: tuple[str, ...], language: str) -> tuple[str, ...]:
    return tuple(stem_folded(word, language) for word in phrase)


@cache
def _measure_longest_entry(file: str) -> int:
    """Return the number of its words."""
    entries = (_load_entries(language, file)[0] for language in LANGUAGES)
    return max(len(phrase) for exact in entries for phrase in exact)


@cache
def _load_entries(
    language: str, file: str
) -> tuple[Mapping[tuple[str, ...], list[str]], Mapping[tuple[str, ...], list[str]]]:
    """Return the names of the entries by their words, and by the stems of these."""
    exact: dict[tuple[str, ...], list[str]] = {}
    stemmed: dict[tuple[str, ...], list[str]] = {}
    for name, phrase in load_word_list(file)[language]:
        exact.setdefault(phrase, name.split("+"))
        if name != _PASSING:  # their inflections may mean something else
            stemmed.setdefault(_stem_phrase(phrase, language), name.split("+"))
    return exact, stemmed
