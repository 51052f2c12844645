"""A chat session as a document: Markdown to read, JSON for programs."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from engines.answer import Answer, Citation, TableResult
from engines.documents.cited_text import make_inert
from engines.tables.query_result import as_json, cell_as_json
from kb.plain_markdown import code, escaped, fenced
from stores.chats.chat_sessions import SessionInfo, Turn
from stores.errors import ConfigError
from stores.text.translations import Message, gettext_noop

Format = Literal["markdown", "json"]
_FENCES = re.compile(r"^ {0,3}(`{3,}|~{3,})", re.MULTILINE)
_STATES = {
    "complete": "",
    "open": gettext_noop("Not answered yet."),
    "partial": gettext_noop("Cut: {error}"),
    "failed": gettext_noop("No answer: {error}"),
}


def transcript(info: SessionInfo, turns: Sequence[Turn], format: str = "markdown") -> str:  # noqa: A002 - the public interface's name
    """A session in the format `markdown` or `json`. Raises ConfigError for any other."""
    match format:
        case "markdown":
            return "\n\n".join([*_heading(info, turns), *(_turn(turn) for turn in turns)]) + "\n"
        case "json":
            values = session_values(info, turns)
            return json.dumps(values, ensure_ascii=False, indent=2) + "\n"
    known = " and ".join(get_args(Format))
    raise ConfigError(f"There is no format {format!r}; there are {known}.")


def session_values(info: SessionInfo, turns: Sequence[Turn]) -> dict[str, Any]:
    """A session with its turns, of what JSON knows."""
    return {**info_values(info), "turns": [turn_values(turn) for turn in turns]}


def info_values(info: SessionInfo) -> dict[str, Any]:
    """Without what a search found, when none was made."""
    values = asdict(info)
    if info.excerpt is None:
        del values["excerpt"]
    return _plain(values)


def turn_values(turn: Turn) -> dict[str, Any]:
    return _plain({**asdict(turn), "evidence": _evidence_values(turn.evidence)})


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _utc(value).isoformat() if isinstance(value, datetime) else value
        for name, value in values.items()
    }


def _evidence_values(evidence: Mapping[str, Any]) -> Any:
    text = json.dumps(dict(evidence), ensure_ascii=False, default=cell_as_json)
    return json.loads(text)


def _utc(time: datetime) -> datetime:
    return time.replace(tzinfo=UTC)


def _heading(info: SessionInfo, turns: Sequence[Turn]) -> Iterator[str]:
    yield f"# {escaped(info.title or info.id)}"
    questions = "1 question" if len(turns) == 1 else f"{len(turns)} questions"
    times = f"{_minute(info.created)} to {_minute(info.updated)} UTC"
    yield f"Session {code(info.id)}, {times}, {questions}."


def _turn(turn: Turn) -> str:
    answer = Answer.from_metadata(turn.evidence, turn.answer)
    parts = [
        f"## {turn.number}. {_minute(turn.asked_at)}",
        make_inert(_quoted(turn.question)),
        f"*Understood as: {escaped(turn.standalone)}*" if turn.standalone else "",
        _closed(make_inert(answer.text.strip())),
        _state(turn),
        *map(_failure, answer.errors.items()),
        _sources(answer.citations),
        *(_statement(answer.tables.sql, answer.tables) if answer.tables.sql else ()),
    ]
    return "\n\n".join(filter(None, parts))


def _minute(time: datetime) -> str:
    return time.isoformat(" ", "minutes")


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.splitlines() or [""])


def _closed(answer: str) -> str:
    """An answer that was cut within code does not swallow what follows."""
    fences = _FENCES.findall(answer)
    return f"{answer}\n{fences[-1]}" if len(fences) % 2 else answer


def state(turn: Turn) -> Message:
    """What is to be said of an answer that is not whole."""
    return Message(_STATES[turn.status], error=turn.error or Message("no reason is known."))


def _state(turn: Turn) -> str:
    said = escaped(state(turn))
    return f"*{said}*" if said else ""


def _failure(branch_and_reason: tuple[str, str]) -> str:
    branch, reason = branch_and_reason
    return f"*{escaped(branch)} could not answer: {escaped(str(reason))}*"


def _sources(citations: Sequence[Citation]) -> str:
    lines = [f"{cited.number}. {_source(cited)}" for cited in citations]
    return "\n".join(["Sources:", "", *lines]) if lines else ""


def _source(cited: Citation) -> str:
    title = escaped(cited.title or cited.document)
    return ", ".join(filter(None, [title, code(cited.document), escaped(cited.place)]))


def _statement(sql: str, found: TableResult) -> Iterator[str]:
    yield fenced(sql.strip(), "sql")
    bound = found.parameters.items()
    yield "\n".join(f"- {code(f':{name}')} = {escaped(str(value))}" for name, value in bound)
    yield _rows(found)


def _rows(found: TableResult) -> str:
    rows, columns = found.rows, found.columns
    lines = [_line(columns), f"|{'---|' * len(columns)}", *map(_line, as_json(rows))]
    cut = f"Cut at {len(rows)} rows; there were more." if found.truncated else ""
    return "\n\n".join(filter(None, ["\n".join(lines) if rows else "No rows.", cut]))


def _line(cells: Sequence[Any]) -> str:
    written = ("" if cell is None else escaped(str(cell)) for cell in cells)
    return f"| {' | '.join(written)} |"
