"""What a model replied to a request for one question: the question, if there is one."""

import re
from collections.abc import Collection, Iterator
from typing import Final

from engines.follow_ups.carry_over import names_in
from engines.model_replies import without_thoughts
from engines.search.query_analysis import query_language
from stores.text.words import words

_MARKS: Final = re.compile(r"^[\s>*#`\-]+|[\s*`]+$")
_LABEL: Final = re.compile(
    r"^(?:(?:the )?(?:rewritten|standalone|new) question|question(?: r\u00e9\u00e9crite)?)\s*:\s*",
    re.IGNORECASE,
)
_QUOTES: Final = ('""', "''", "\u201c\u201d", "\u00ab\u00bb")
_ROOM: Final = 200  # characters beyond what was asked
_COMMON: Final = 0.5  # of its words, that the conversation holds too


def read_rewriting(reply: str, asked: str, conversation: str, names: Collection[str]) -> str:
    """A reply that is empty, too long, about something else or has names of its own is ""."""
    text = _question(reply, asked)
    if not names_in(text) <= {*names}:
        return ""
    return text if _is_about(text, f"{conversation} {asked}") else ""


def read_translation(reply: str, asked: str, language: str) -> str:
    """A reply that is empty, too long, the same or in another language is ""."""
    text = _question(reply, asked)
    is_other = text.casefold() != asked.casefold()
    return text if is_other and query_language(text) in ("", language) else ""


def _question(reply: str, asked: str) -> str:
    """The last line that asks, or else the first; "" for one too long."""
    lines = list(_lines(without_thoughts(reply)))
    questions = [line for line in lines if line.endswith("?")]
    text = questions[-1] if questions else next(iter(lines), "")
    return text if len(text) <= 2 * len(asked) + _ROOM else ""


def _lines(text: str) -> Iterator[str]:
    for line in text.splitlines():
        bare = _MARKS.sub("", _LABEL.sub("", _MARKS.sub("", line)))
        for opening, closing in _QUOTES:
            if bare.startswith(opening) and bare.endswith(closing) and len(bare) > 1:
                bare = bare[1:-1].strip()
        if bare:
            yield bare


def _is_about(text: str, conversation: str) -> bool:
    said, known = set(words(text)), set(words(conversation))
    return not said or len(said & known) >= _COMMON * len(said)
