"""Text -> the words that searches compare: folded, without elisions, stemmed by language."""

import re
import unicodedata
from functools import cache
from importlib import resources

import snowballstemmer

_WORD = re.compile(r"\w+(?:[-_.]\w+)*")
_ELISION = re.compile(r"\b(?:[cdjlmnst]|qu|lorsqu|puisqu|jusqu)['\u2019](?=\w)", re.IGNORECASE)
_STEMMED = {"en": "english", "fr": "french"}
# Words that say how a sentence is built or that something is asked, not what about.
FUNCTION_WORDS = frozenset(
    resources.files("stores").joinpath("function_words.txt").read_text(encoding="utf-8").split()
)


def words(text: str, language: str = "en") -> list[str]:
    """Stems of the words that carry meaning, in their order."""
    found = (folded(word) for word in _WORD.findall(_ELISION.sub("", text)))
    return [_stem(word, language) for word in found if word not in FUNCTION_WORDS]


def folded(text: str) -> str:
    """Lower case, without accents."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))


@cache
def _stemmer(language: str) -> snowballstemmer.stemmer:
    return snowballstemmer.stemmer(_STEMMED.get(language, "english"))


def _stem(word: str, language: str) -> str:
    return str(_stemmer(language).stemWord(word)) if word.isalpha() else word
