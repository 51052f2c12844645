"""Numbers, places in a row and comparisons, as they are said in words."""

from collections.abc import Mapping
from functools import cache

from stores.text.word_lists import load_phrases


@cache
def load_number_words() -> Mapping[str, int]:
    """Return the numbers of one folded word, in whichever language."""
    return {
        word: int(name) for (word,), name in load_phrases("stores/text/number_words.txt").items()
    }


@cache
def load_comparisons() -> Mapping[tuple[str, ...], str]:
    """Return the operators of SQL by the folded words that stand before a number."""
    return load_phrases("stores/text/comparisons.txt")


@cache
def load_ordinals() -> Mapping[str, int]:
    """Return the places that one folded word names, in whichever language: 1 is first, -1 last."""
    return {word: int(name) for (word,), name in load_phrases("stores/text/ordinals.txt").items()}
