"""What a model replied: a statement, wherever it stands in the reply, or words instead of one."""

import re
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Reply:
    """Either `sql`, or `words` for the user: a question back, or that the tables do not say.

    Words may be empty: then the model has only said that there is no answer.
    """

    sql: str = ""
    words: str | None = None


def read_reply(text: str) -> Reply:
    text = without_thoughts(text)
    candidates = [part for part in _FENCE.findall(text) if part.strip()]
    reading = [part for part in candidates if _READING.match(_LABEL.sub("", part.strip()))]
    bare = _LABEL.sub("", text.strip())
    beginning = _BEGINNING.search(bare)
    if not (reading or beginning) and (words := _WORDS.search(bare)):
        return Reply(words=words[1].strip(f"{_MARKS}\n"))
    if found := reading or candidates:
        return Reply(sql=_unterminated(_LABEL.sub("", found[0].strip())))
    return Reply(sql=_statement(bare[beginning.start() :] if beginning else bare))


def without_thoughts(text: str) -> str:
    """Some servers send only the end of a thought, some models never end it."""
    text = _END_OF_THOUGHT.sub("", _THOUGHT.sub("", text))
    return _UNENDING_THOUGHT.sub("", text)


def _statement(text: str) -> str:
    """Up to the prose behind it; a second statement is no prose, and is kept to be refused."""
    return _unterminated(_PROSE.split(_AFTER.sub("", text), maxsplit=1)[0])


def _unterminated(sql: str) -> str:
    return sql.strip().removesuffix(";").strip()
