"""Text -> the words that searches compare: folded, without elisions, stemmed by language."""

import re
import threading
import unicodedata
from collections.abc import Collection, Iterator
from functools import lru_cache
from importlib import resources

import snowballstemmer

_WORD = re.compile(r"\w+(?:[-_.]\w+)*")
_LONGEST = 64
_JOINT = re.compile(r"[-_.]+")
ELISION = re.compile(r"\b(?:[cdjlmnst]|qu|lorsqu|puisqu|jusqu)['\u2019](?=\w)", re.IGNORECASE)
_STEMMERS = {
    "da": "danish",
    "de": "german",
    "en": "english",
    "es": "spanish",
    "fi": "finnish",
    "fr": "french",
    "hu": "hungarian",
    "it": "italian",
    "nl": "dutch",
    "no": "norwegian",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sv": "swedish",
    "tr": "turkish",
}
_stemmers = threading.local()
STEMMED_LANGUAGES = frozenset(_STEMMERS)
# Words that say how a sentence is built or that something is asked, not what about.
FUNCTION_WORDS = frozenset(
    resources.files("stores.text")
    .joinpath("function_words.txt")
    .read_text(encoding="utf-8")
    .split()
)


def words(text: str, language: str = "en") -> list[str]:
    """Stems of the words that carry meaning, in their order."""
    found = (folded(word) for word in _WORD.findall(_without_elisions(text)))
    return [stem(word, stemming(language)) for word in found if word not in FUNCTION_WORDS]


def index_words(text: str, unsplit: Collection[str] = ()) -> Iterator[str]:
    """What an index holds of a text; of the names in `unsplit` the whole without the parts."""
    for written in written_words(text):
        if unsplit and folded(written) in unsplit:
            yield folded(written)
        else:
            yield from indexed(written)


def written_words(text: str) -> list[str]:
    """As they are written; of a longer one, as of encoded data, the first 64 characters."""
    return [word[:_LONGEST] for word in _WORD.findall(_without_elisions(text))]


def indexed(written: str) -> tuple[str, ...]:
    """A folded word, or none if it carries no meaning; of `max_size` the whole and its parts.

    A name in capitals is kept when it looks like a function word: IT, US, WHO.
    """
    keep_all = len(written) > 1 and written.isupper()
    parts = _with_parts(folded(written))
    return tuple(word for word in parts if keep_all or word not in FUNCTION_WORDS)


def stemming(language: str) -> str:
    """The language whose stems are taken for texts in `language`; "" when none are known."""
    return language if language in _STEMMERS else ""


def stem(word: str, language: str) -> str:
    """Identifiers and numbers stay as they are, as do words of a language without stems."""
    return _stem(word, language) if language and word.isalpha() else word


def folded(text: str) -> str:
    """Lower case, without accents."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))


def _without_elisions(text: str) -> str:
    return ELISION.sub("", text) if "'" in text or "\u2019" in text else text


def _with_parts(word: str) -> list[str]:
    return [word] if word.isalnum() else [word, *filter(None, _JOINT.split(word))]


@lru_cache(maxsize=200_000)
def _stem(word: str, language: str) -> str:
    return str(_stemmer(language).stemWord(word))


def _stemmer(language: str) -> snowballstemmer.stemmer:
    """One of this thread: it holds the word that it works on."""
    known = vars(_stemmers)
    if language not in known:
        known[language] = snowballstemmer.stemmer(_STEMMERS[language])
    return known[language]
