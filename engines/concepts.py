"""The words of a question, and what they ask for, whichever words of two languages they are."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources
from typing import Final

from stores.text.words import folded, stem

LANGUAGES: Final = ("en", "fr")
_PASSING = "-"
CONCEPTS: Final = "concepts.txt"
_WORD = re.compile(r"\w+(?:[-_.]\w+)*")
_FRENCH_ENDING = re.compile(r"e*s?$")
_ELISION = re.compile(r"\b(?:[cdjlmnst]|qu|lorsqu|puisqu|jusqu)['\u2019](?=\w)", re.IGNORECASE)
_INVERSION = re.compile(
    r"(?<=\w)-(?:t-)?(?:il|elle|on|ils|elles|nous|vous|je|moi)\b", re.IGNORECASE
)


@dataclass(frozen=True)
class Token:
    """A word of a text, and where it stands there."""

    text: str
    folded: str
    start: int
    end: int


def tokens(text: str) -> list[Token]:
    """Words without elisions and inverted pronouns."""
    blank = _INVERSION.sub(_blank, _ELISION.sub(_blank, text))
    return [Token(w[0], folded(w[0]), w.start(), w.end()) for w in _WORD.finditer(blank)]


def _blank(found: re.Match[str]) -> str:
    return " " * len(found[0])


def concepts(words: Sequence[str | None], language: str) -> Iterator[str]:
    """What folded words ask for; None divides, and a word that is not known stands for itself."""
    own_first = sorted(LANGUAGES, key=language.__ne__)
    for phrase, names in phrases(words, own_first, CONCEPTS):
        if names is not None:
            yield from names
        elif phrase[0] is not None:
            yield word_stem(phrase[0], language)


def phrases(
    words: Sequence[str | None], languages: Sequence[str], file: str
) -> Iterator[tuple[Sequence[str | None], Sequence[str] | None]]:
    """The words in their order, those of one entry of the file together, and its names.

    Of `languages` the first is asked first.
    """
    at, longest = 0, _longest_entry(file)
    while at < len(words):
        names, length = _longest(words[at : at + longest], languages, file)
        yield words[at : at + length], names
        at += length


def _longest(
    words: Sequence[str | None], languages: Sequence[str], file: str
) -> tuple[Sequence[str] | None, int]:
    first = words[0]
    if first is None or not any(_may_begin(first, each, file) for each in languages):
        return None, 1
    for length in range(len(words), 0, -1):
        phrase = tuple(word for word in words[:length] if word is not None)
        if len(phrase) == length and (names := _known(phrase, languages, file)) is not None:
            return names, length
    return None, 1


@lru_cache(maxsize=50_000)
def _may_begin(word: str, language: str, file: str) -> bool:
    return not _beginnings(language, file).isdisjoint((word, word_stem(word, language)))


@cache
def _beginnings(language: str, file: str) -> frozenset[str]:
    return frozenset(phrase[0] for entries in _entries(language, file) for phrase in entries)


def _known(phrase: tuple[str, ...], languages: Sequence[str], file: str) -> Sequence[str] | None:
    """The word is asked before its stem."""
    for each in languages:
        exact, stemmed = _entries(each, file)
        names = exact.get(phrase) or stemmed.get(_stems(phrase, each))
        if names:
            return [name for name in names if name != _PASSING]
    return None


def _stems(phrase: tuple[str, ...], language: str) -> tuple[str, ...]:
    return tuple(word_stem(word, language) for word in phrase)


def word_stem(word: str, language: str) -> str:
    """French endings need their accents, which folded words have lost: livré, livrées."""
    bare = _FRENCH_ENDING.sub("", word) if language == "fr" else word
    return stem(bare or word, language)


@cache
def _longest_entry(file: str) -> int:
    """In words."""
    return max(len(phrase) for each in LANGUAGES for phrase in _entries(each, file)[0])


@cache
def _entries(
    language: str, file: str
) -> tuple[Mapping[tuple[str, ...], list[str]], Mapping[tuple[str, ...], list[str]]]:
    exact: dict[tuple[str, ...], list[str]] = {}
    stemmed: dict[tuple[str, ...], list[str]] = {}
    for names, phrase in _listed(language, file):
        exact.setdefault(phrase, names)
        if names != [_PASSING]:  # their inflections may mean something else
            stemmed.setdefault(_stems(phrase, language), names)
    return exact, stemmed


def _listed(language: str, file: str) -> Iterator[tuple[list[str], tuple[str, ...]]]:
    text = resources.files("engines").joinpath(file).read_text(encoding="utf-8")
    for line in text.splitlines():
        if not line.startswith("#"):
            name, _, written = line.partition(":")
            for entry in written.split("|")[LANGUAGES.index(language)].split():
                phrase = tuple(token.folded for token in tokens(entry.replace("_", " ")))
                if phrase:
                    yield name.split("+"), phrase
