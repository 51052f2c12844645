"""Names in a question: the words that it writes with a capital in mid-sentence."""

import re

_MID_SENTENCE = re.compile(r"(?<=[\w,;][ '\u2019])\w+(?:[-_.]\w+)*")
_CAPITALS_FOR_EVERY_NOUN = "de"


def names(question: str, language: str) -> list[str]:
    if language == _CAPITALS_FOR_EVERY_NOUN:
        return []
    return [word for word in _MID_SENTENCE.findall(question) if word[0].isupper()]
