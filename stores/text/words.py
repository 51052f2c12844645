"""The words of a text that searches compare: folded, without elisions, stemmed by language."""

import re
import threading
import zlib
from collections.abc import Collection, Iterator
from functools import lru_cache
from typing import Final

import snowballstemmer

from stores.text.tokens import ELISION, WORD, fold
from stores.text.word_lists import load_words

_LONGEST: Final = 64
_JOINT: Final = re.compile(r"[-_.]+")
_STEMMERS: Final = {
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
STEMMED_LANGUAGES: Final = frozenset(_STEMMERS)
# Words that say how a sentence is built or that something is asked, not what about. An index holds
# texts of all languages and is asked in any: it leaves out those of each.
FUNCTION_WORDS: Final = frozenset[str]().union(
    *load_words("stores/text/function_words.txt").values()
)


def stem_words(text: str, language: str = "en") -> list[str]:
    """Return the stems of the words that carry meaning, in their order."""
    folded = (fold(word) for word in WORD.findall(_remove_elisions(text)))
    stemmer = choose_stemmer(language)
    return [stem_word(word, stemmer) for word in folded if word not in FUNCTION_WORDS]


def list_index_words(text: str, unsplit: Collection[str] = ()) -> Iterator[str]:
    """Yield what an index holds of a text; the names in `unsplit` are not split."""
    for written in find_written_words(text):
        if unsplit and fold(written) in unsplit:
            yield fold(written)
        else:
            yield from split_index_word(written)


def find_written_words(text: str) -> list[str]:
    """Return words as they are written; of a long one, as of encoded data, the beginning."""
    return [word[:_LONGEST] for word in WORD.findall(_remove_elisions(text))]


def split_index_word(written: str) -> tuple[str, ...]:
    """Return what an index holds of a word: nothing, it, or for max_size also its two parts.

    A word that carries no meaning is left out, but a name in capitals is kept when it looks like
    one: IT, US, WHO.
    """
    word = fold(written)
    parts = [word] if word.isalnum() else [word, *filter(None, _JOINT.split(word))]
    keep_all = len(written) > 1 and written.isupper()
    return tuple(part for part in parts if keep_all or part not in FUNCTION_WORDS)


def choose_stemmer(language: str) -> str:
    """Return the language whose stems are taken for texts in `language`; "" for no stems."""
    return language if language in _STEMMERS else ""


def stem_word(word: str, language: str) -> str:
    """Return the stem of a folded word.

    Identifiers and numbers stay as they are, as do words of a language without stems.
    """
    return _compute_stem(word, language) if language and word.isalpha() else word


def _remove_elisions(text: str) -> str:
    return ELISION.sub("", text) if "'" in text or "\u2019" in text else text


@lru_cache(maxsize=200_000)
def _compute_stem(word: str, language: str) -> str:
    """Stem with a stemmer of this thread: it holds the word that it works on."""
    known = vars(_stemmers)
    if language not in known:
        known[language] = snowballstemmer.stemmer(_STEMMERS[language])
    return str(known[language].stemWord(word))


def hash_term(word: str, language: str) -> int:
    """Make the number of a word in a language; a name or a number is the same in all."""
    stemmed = stem_word(word, language)
    return zlib.crc32(f"{language}:{stemmed}".encode() if word.isalpha() else stemmed.encode())


def hash_language(language: str) -> int:
    """Make the number of a term that every chunk of this language has."""
    return zlib.crc32(f"{language}:".encode())
