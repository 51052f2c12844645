"""What questions and their answers are made of in languages that kb does not speak."""

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Final, Literal

from stores.text.tokens import WORD, fold

_FILE: Final = "asked_languages.txt"

Kind = Literal["function", "number"]


@cache
def load_asked_words(kind: Kind) -> Mapping[str, frozenset[str]]:
    """Return by language the folded words of a kind that the list has.

    Words of `function` say how a sentence is built or that something is asked, and not what about.
    """
    found: dict[str, frozenset[str]] = {}
    for line in resources.files("stores.text").joinpath(_FILE).read_text("utf-8").splitlines():
        name, _, words = line.partition(": ")
        if not line.startswith("#") and name.endswith(f" {kind}"):
            found[name.removesuffix(f" {kind}")] = frozenset(map(fold, words.split()))
    return found


def find_function_words(language: str) -> frozenset[str]:
    """Return the function words of a language, but for those that no index holds."""
    return load_asked_words("function").get(language, frozenset())


def drop_function_words(text: str, language: str) -> str:
    """Return a question without the function words of its language; itself if no more is left.

    A word in capitals may be a name, and stays.
    """
    dropped = find_function_words(language)
    if not dropped:
        return text

    def is_kept(word: str) -> bool:
        return fold(word) not in dropped or (len(word) > 1 and word.isupper())

    kept = WORD.sub(lambda found: found[0] if is_kept(found[0]) else " ", text)
    return kept if WORD.search(kept) else text
