"""The words that begin a question, by language."""

from functools import cache
from typing import Final

from stores.text.word_lists import load_words

# Also in the middle of a text, as it is written: fewer, for most words there only go on.
QUESTION_WORDS: Final = {
    "en": (
        r"(?:what|which|who|whose|why|how|when|where|is|are|was|were|does|do|did|has|have|can|could"
        r"|may|must|should)\b"
    ),
    "fr": r"(?:qu\w+|pourquoi|comment|combien|où|est-ce|peut-on|y a-t-il)\b",
}


@cache
def load_first_words() -> frozenset[str]:
    """Return the folded words that a text begins with when it asks something."""
    return frozenset[str]().union(*load_words("stores/text/question_words.txt").values())
