"""Lists of words, in files that keep each language by itself.

A line is a name, a colon, words of English, and behind | those of French; _ joins the words of a
phrase. A name may have several lines. What begins with # is a comment.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources

from stores.text.tokens import tokenize
from stores.text.translations import LANGUAGES


@cache
def load_word_list(file: str) -> Mapping[str, Sequence[tuple[str, tuple[str, ...]]]]:
    """Return by language the names of a list, each with a phrase in folded words.

    `file` is a path that begins with its package: stores/text/number_words.txt.
    """
    package, _, path = file.partition("/")
    entries: dict[str, list[tuple[str, tuple[str, ...]]]] = {name: [] for name in LANGUAGES}
    for line in resources.files(package).joinpath(path).read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            name, _, written = line.partition(": ")
            for language, words in zip(LANGUAGES, written.split("|"), strict=True):
                for word in words.split():
                    phrase = tuple(token.folded for token in tokenize(word.replace("_", " ")))
                    if phrase:
                        entries[language].append((name, phrase))
    return entries


@cache
def load_words(file: str) -> Mapping[str, frozenset[str]]:
    """Return by language the words of a list in which no phrase stands."""
    return {
        language: frozenset(word for _, (word,) in entries)
        for language, entries in load_word_list(file).items()
    }


def load_phrases(file: str) -> Mapping[tuple[str, ...], str]:
    """Return the name of each phrase of a list, whichever language it is of."""
    return {phrase: name for entries in load_word_list(file).values() for name, phrase in entries}
