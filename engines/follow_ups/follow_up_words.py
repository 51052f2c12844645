"""The words of a question one by one, and the lists that tell what part they play."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

from stores.text.words import folded

_WORD: Final = re.compile(
    r"(?:\b(?:[cdjlmnst]|qu|lorsqu|puisqu|jusqu)['\u2019](?=\w))"
    r"|(?<=\w)-(?:t-)?(?:ils?|elles?|on|je|tu|nous|vous|ce|moi|le|les)\b"
    r"|(?<=\w)['\u2019](?:s|re|ll|ve|d|t)\b"
    r"|(?<![^\s(]):\w+"
    r"|\w+(?:[.&]\w+|-(?!(?:t-)?(?:ils?|elles?|on|je|tu|nous|vous|ce|moi|les?)\b)\w+)*"
    r"|[?!.,;:]",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Word:
    """A word, a :name, an elided article, an inverted pronoun or a mark, and where it stands."""

    text: str
    folded: str
    start: int
    end: int

    @property
    def is_mark(self) -> bool:
        return not self.folded.strip("?!.,;:")

    @property
    def is_name(self) -> bool:
        """With a capital, or letters and digits; a number alone is none."""
        coded = any(letter.isdigit() for letter in self.text) and not self.text.isdigit()
        return self.text[:1].isupper() or coded


def words_of(text: str) -> list[Word]:
    return [Word(w[0], _plain(w[0]), w.start(), w.end()) for w in _WORD.finditer(text)]


def _plain(written: str) -> str:
    """Folded, but for the accents that tell où from ou and à from a."""
    if written.lower() in ("o\u00f9", "\u00e0"):
        return written.lower()
    return folded(written).replace("\u2019", "'").replace("-t-", "-")


@cache
def listed(name: str) -> frozenset[tuple[str, ...]]:
    """The entries of a list in both languages, each a tuple of folded words."""
    return _lists()[name]


@cache
def singles(name: str) -> frozenset[str]:
    """The entries of one word."""
    return frozenset(entry[0] for entry in listed(name) if len(entry) == 1)


def begins(words: Sequence[Word], name: str) -> int:
    """How many of the first words are an entry of the list, the longest that fits."""
    fitting = (len(e) for e in listed(name) if e == tuple(w.folded for w in words[: len(e)]))
    return max(fitting, default=0)


def before(words: Sequence[Word], at: int) -> str:
    return words[at - 1].folded if at else ""


def behind(words: Sequence[Word], at: int) -> str:
    """The word after, "" at the end of a sentence."""
    following = words[at + 1] if at + 1 < len(words) else None
    return "" if following is None or following.is_mark else following.folded


@cache
def _lists() -> Mapping[str, frozenset[tuple[str, ...]]]:
    file = resources.files("engines.follow_ups").joinpath("follow_up_words.txt")
    lists: dict[str, frozenset[tuple[str, ...]]] = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        name, _, entries = line.partition("#")[0].partition(":")
        found = entries.replace("|", " ").split()
        lists[name] = frozenset(tuple(entry.split("_")) for entry in found)
    return lists
