"""The words of a text as they stand there, and the form in which words are compared."""

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

WORD: Final = re.compile(r"\w+(?:[-_.]\w+)*")
ELISION: Final = re.compile(
    r"\b(?:[cdjlmnst]|qu|lorsqu|puisqu|jusqu)['\u2019](?=\w)", re.IGNORECASE
)
_INVERSION: Final = re.compile(
    r"(?<=\w)-(?:t-)?(?:il|elle|on|ils|elles|nous|vous|je|moi)\b", re.IGNORECASE
)


@dataclass(frozen=True)
class Token:
    """A word of a text, and where it stands there."""

    text: str
    folded: str
    start: int
    end: int


def tokenize(text: str) -> list[Token]:
    """Return the words of a question, without elisions and inverted pronouns."""

    def blank(found: re.Match[str]) -> str:
        return " " * len(found[0])

    plain = _INVERSION.sub(blank, ELISION.sub(blank, text))
    return [Token(w[0], fold(w[0]), w.start(), w.end()) for w in WORD.finditer(plain)]


def fold(text: str) -> str:
    """Return the text in lower case, without accents."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))
