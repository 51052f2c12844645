"""What the words of a question ask for, in whichever of two languages."""

from collections.abc import Iterator, Sequence
from typing import Final

from stores.text.phrases import split_phrases, stem_folded
from stores.text.translations import LANGUAGES

_CONCEPTS: Final = "engines/concepts.txt"


def find_concepts(words: Sequence[str | None], language: str) -> Iterator[str]:
    """Yield what folded words ask for; None divides, and an unknown word stands for itself."""
    own_first = sorted(LANGUAGES, key=language.__ne__)
    for phrase, names in split_phrases(words, own_first, _CONCEPTS):
        if names is not None:
            yield from names
        elif phrase[0] is not None:
            yield stem_folded(phrase[0], language)
