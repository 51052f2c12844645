"""Finds names in a question by the capitals that it writes in mid-sentence."""

import re

from stores.text.tokens import WORD

_MID_SENTENCE = re.compile(rf"(?<=[\w,;][ '\u2019]){WORD.pattern}")
_CAPITALS_FOR_EVERY_NOUN = "de"


def find_capitalized_names(question: str, language: str) -> list[str]:
    """Return the words with a capital in mid-sentence; none in German, whose nouns all have one."""
    if language == _CAPITALS_FOR_EVERY_NOUN:
        return []
    return [word for word in _MID_SENTENCE.findall(question) if word[0].isupper()]
