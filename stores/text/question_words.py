"""The words that begin a question, by language, and the questions that a sentence asks."""

import re
from functools import cache
from typing import Final

from stores.text.word_lists import load_words

# Also in the middle of a text, as it is written: fewer, for most words there only go on.
QUESTION_WORDS: Final = {
    "en": (
        r"(?:what|which|who|whose|why|how|when|where|is|are|was|were|does|do|did|has|have|can|could"
        r"|may|must|should)\b"
    ),
    "fr": (
        r"(?:qu(?:e|i|oi|and|els?|elles?|['\u2019]\w+)|pourquoi|comment|combien|où|est-ce|peut-on"
        r"|y a-t-il)\b"
    ),
}
_AND: Final = {"en": "and|but|or", "fr": "et|mais|ou"}
_PREPOSITION: Final = {
    "en": "at|by|for|from|in|on|since|to|until",
    "fr": "à|chez|dans|de|depuis|en|par|pour",
}
_NEXT_QUESTION: Final = {
    language: re.compile(
        rf"[.?!;]\s+(?={begin})"
        rf"|,?\s+(?:{_AND[language]})\s+(?:(?:{_PREPOSITION[language]})\s+)?(?={begin})",
        re.IGNORECASE,
    )
    for language, begin in QUESTION_WORDS.items()
}


@cache
def load_first_words() -> frozenset[str]:
    """Return the folded words that a text begins with when it asks something."""
    return frozenset[str]().union(*load_words("stores/text/question_words.txt").values())


def split_questions(text: str, language: str) -> list[str]:
    """Return the questions that a text asks, in their order; the text where it asks one."""
    questions = (part.strip() for part in _NEXT_QUESTION[language].split(text))
    return list(filter(None, questions)) or [text]
