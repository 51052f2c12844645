"""Reads replies of models: an SQL statement, wherever it stands in the reply, or a question."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

from engines.question import find_names
from stores.text.text_language import detect_question_language
from stores.text.words import stem_words

_THOUGHT = re.compile(r"<(think|thinking|reasoning)>.*?</\1>", re.DOTALL | re.IGNORECASE)
_END_OF_THOUGHT = re.compile(r".*</(?:think|thinking|reasoning)>", re.DOTALL | re.IGNORECASE)
_UNENDING_THOUGHT = re.compile(r"<(?:think|thinking|reasoning)>.*", re.DOTALL | re.IGNORECASE)
_FENCE = re.compile(r"```[ \t]*(?:sql\b|\w+[ \t]*\n)?(.*?)(?:```|\Z)", re.DOTALL | re.IGNORECASE)
_LABEL = re.compile(r"\ASQL(?:[ ]?Query)?:\s*", re.IGNORECASE | re.MULTILINE)
_AFTER = re.compile(
    r"^(?:SQLResult|Answer|Explanation|Note):.*", re.DOTALL | re.IGNORECASE | re.MULTILINE
)
_READING = re.compile(
    r"[ \t]*\(*\s*(?:SELECT|EXPLAIN|WITH\s+(?:RECURSIVE\s+)?[\w`]+\s*(?:\([^)]*\)\s*)?AS)\b",
    re.IGNORECASE,
)
_BEGINNING = re.compile(rf"^{_READING.pattern}", re.IGNORECASE | re.MULTILINE)
_PROSE = re.compile(r";[ \t]*\n+(?=[ \t]*[A-Z][a-zé']+[ ,])|\n[ \t]*\n(?=[ \t]*[A-Z][a-zé']+[ ,])")
_MARKS = "*` \t>-"  # of Markdown
_WORDS = re.compile(
    rf"^[{_MARKS}]*(?:NO_ANSWER|QUESTION)\b[{_MARKS}]*:?(.*)", re.DOTALL | re.MULTILINE
)

_LINE_MARKS: Final = re.compile(r"^[\s>*#`\-]+|[\s*`]+$")
_QUESTION_LABEL: Final = re.compile(
    r"^(?:(?:the )?(?:rewritten|standalone|new) question|question(?: r\u00e9\u00e9crite)?)\s*:\s*",
    re.IGNORECASE,
)
_QUOTES: Final = ('""', "''", "\u201c\u201d", "\u00ab\u00bb")
_ROOM: Final = 200  # characters beyond what was asked
_COMMON: Final = 0.5  # of its words, that the conversation holds too


@dataclass(frozen=True)
class Reply:
    """A reply with either `sql` or `words`: a question back, or that the tables do not say.

    Words may be empty: then the model has only said that there is no answer.
    """

    sql: str = ""
    words: str | None = None


def read_reply(text: str) -> Reply:
    """Read a reply to a question about tables: its first statement, or else words."""
    text = without_thoughts(text)
    candidates = [part for part in _FENCE.findall(text) if part.strip()]
    reading = [part for part in candidates if _READING.match(_LABEL.sub("", part.strip()))]
    bare = _LABEL.sub("", text.strip())
    beginning = _BEGINNING.search(bare)
    if not (reading or beginning) and (words := _WORDS.search(bare)):
        return Reply(words=words[1].strip(f"{_MARKS}\n"))
    if found := reading or candidates:
        return Reply(sql=_strip_terminator(_LABEL.sub("", found[0].strip())))
    return Reply(sql=_cut_off_prose(bare[beginning.start() :] if beginning else bare))


def without_thoughts(text: str) -> str:
    """Remove thoughts from a reply, of which some servers send only the end, some models no end."""
    text = _END_OF_THOUGHT.sub("", _THOUGHT.sub("", text))
    return _UNENDING_THOUGHT.sub("", text)


def _cut_off_prose(text: str) -> str:
    """Cut off the prose behind a statement; a second statement is kept, to be refused."""
    return _strip_terminator(_PROSE.split(_AFTER.sub("", text), maxsplit=1)[0])


def _strip_terminator(sql: str) -> str:
    return sql.strip().removesuffix(";").strip()


def read_rewriting(reply: str, asked: str, conversation: str, names: Collection[str]) -> str:
    """Read a rewritten question; "" if it is empty, too long, off the subject or has new names."""
    text = _read_question(reply, asked)
    if not find_names(text) <= {*names}:
        return ""
    return text if _is_about(text, f"{conversation} {asked}") else ""


def read_translation(reply: str, asked: str, language: str) -> str:
    """Read a translated question; "" if it is empty, too long, the same or in another language."""
    text = _read_question(reply, asked)
    is_other = text.casefold() != asked.casefold()
    return text if is_other and detect_question_language(text) in ("", language) else ""


def _read_question(reply: str, asked: str) -> str:
    """Read the last line that asks, or else the first; "" if it is too long."""
    lines = list(_read_lines(without_thoughts(reply)))
    questions = [line for line in lines if line.endswith("?")]
    text = questions[-1] if questions else next(iter(lines), "")
    return text if len(text) <= 2 * len(asked) + _ROOM else ""


def _read_lines(text: str) -> Iterator[str]:
    """Yield the lines that say something, without labels, quotation marks and Markdown."""
    for line in text.splitlines():
        bare = _LINE_MARKS.sub("", _QUESTION_LABEL.sub("", _LINE_MARKS.sub("", line)))
        for opening, closing in _QUOTES:
            if bare.startswith(opening) and bare.endswith(closing) and len(bare) > 1:
                bare = bare[1:-1].strip()
        if bare:
            yield bare


def _is_about(text: str, conversation: str) -> bool:
    """Tell whether a text shares enough of its words with the conversation."""
    said, known = set(stem_words(text)), set(stem_words(conversation))
    return not said or len(said & known) >= _COMMON * len(said)
