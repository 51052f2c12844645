"""The words of a question, each weighed by how few passages of the collection have it."""

import math
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import lru_cache
from typing import Final

from engines.documents.names_in_questions import find_capitalized_names
from stores.chunks.bm25 import WordCounts
from stores.text.asked_languages import drop_function_words
from stores.text.text_language import detect_question_language
from stores.text.tokens import tokenize
from stores.text.words import choose_stemmer, list_index_words, stem_word

_BEGINNING: Final = 5  # letters
_CONTRACTION: Final = re.compile(
    r"\b\w+n['\u2019]t\b|(?<=\w)['\u2019](?:s|re|ll|m|ve|d)\b", re.IGNORECASE
)


CountWords = Callable[[Collection[str]], WordCounts | None]
"""Counts in a collection; None where it has no words to count."""


class AskedWords:
    """Measures which part of what a question says others say too.

    A word weighs by its inverse document frequency in the collection, so that one that stands in
    every document hardly counts, and one that nothing holds counts most. Where that is not known
    the texts that are compared stand for the collection.
    """

    def __init__(self, text: str, texts: Iterable[str], count_words: CountWords | None) -> None:
        self.language = detect_question_language(text)
        whole_words = " ".join(token.text for token in tokenize(_CONTRACTION.sub(" ", text)))
        plain = drop_function_words(whole_words, self.language)
        asked = list(dict.fromkeys(list_index_words(plain)))
        counts = count_words(asked) if count_words and asked else None
        counts = counts or _count_words(asked, [find_stems(each, self.language) for each in texts])
        stemmer = choose_stemmer(self.language)
        names = [word for word in asked if not word.isalnum() and counts.of_word.get(word)]
        parts = {part for name in names for part in list_index_words(name)} - set(names)
        whole = [word for word in asked if word not in parts and (word.isalnum() or word in names)]
        self._weights = {
            stem_word(word, stemmer): _weigh(counts.of_word.get(word, 0), counts.chunks)
            for word in whole
        }
        self._total = sum(self._weights.values()) or 1.0
        self._names = _cut_to_beginnings(
            find_stems(" ".join(find_capitalized_names(text, self.language)), self.language)
        )

    @property
    def count(self) -> int:
        """Return how many words the question asks for."""
        return len(self._weights)

    def find_stems(self, text: str) -> frozenset[str]:
        """Return the stems of a text in the language of the question."""
        return find_stems(text, self.language)

    def share(self, found: Collection[str]) -> float:
        """Return the part of the question's weight that some words have, 0 to 1."""
        return sum(weight for stem, weight in self._weights.items() if stem in found) / self._total

    def weigh_rarest_missing(self, found: Collection[str]) -> float:
        """Return the part of the question's weight that its rarest word has that is not found."""
        missing = (weight for stem, weight in self._weights.items() if stem not in found)
        return max(missing, default=0.0) / self._total

    def misses_name(self, found: Collection[str]) -> bool:
        """Tell whether a name of the question is not among some words, however they end."""
        return bool(self._names - _cut_to_beginnings(found))


def _count_words(words: Sequence[str], texts: Sequence[frozenset[str]]) -> WordCounts:
    frequency = Counter(stem for text in texts for stem in text)
    return WordCounts(len(texts), {word: frequency[word] for word in words})


def _weigh(count: int, chunks: int) -> float:
    """Weigh a word as BM25 does."""
    return math.log(1 + (max(chunks, count) - count + 0.5) / (count + 0.5))


@lru_cache(maxsize=20_000)
def find_stems(text: str, language: str) -> frozenset[str]:
    """Return the stems of the words of a text that an index would hold."""
    stemmer = choose_stemmer(language)
    return frozenset(stem_word(word, stemmer) for word in list_index_words(text))


def _cut_to_beginnings(found: Iterable[str]) -> set[str]:
    """Return the first letters, which misspelt and derived names share: Japan's and Japanese."""
    return {word[:_BEGINNING] for word in found}
