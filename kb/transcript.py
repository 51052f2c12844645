"""A chat session as a document: Markdown to read, JSON for programs."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Literal, get_args

from engines.answer import Answer, Citation, TableResult
from engines.documents.cited_text import make_inert
from engines.documents.code_spans import write_code
from engines.tables.query_result import as_json, cell_as_json
from kb.plain_markdown import escape_markdown, fence_text
from kb.session_values import info_values, write_times_in_utc
from stores.chats.chat_sessions import Turn
from stores.chats.session_list import SessionInfo
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


def write_transcript(info: SessionInfo, turns: Sequence[Turn], format: str = "markdown") -> str:  # noqa: A002 - the public interface's name
    """Write a session in the format `markdown` or `json`. Raises ConfigError for any other."""
    match format:
        case "markdown":
            parts = [*_write_heading(info, turns), *(_write_turn(turn) for turn in turns)]
            return "\n\n".join(parts) + "\n"
        case "json":
            values = session_values(info, turns)
            return json.dumps(values, ensure_ascii=False, indent=2) + "\n"
    known = " and ".join(get_args(Format))
    raise ConfigError(f"There is no format {format!r}; there are {known}.")


def session_values(info: SessionInfo, turns: Sequence[Turn]) -> dict[str, Any]:
    """Return a session with its turns, of what JSON knows."""
    return {**info_values(info), "turns": [turn_values(turn) for turn in turns]}


def turn_values(turn: Turn) -> dict[str, Any]:
    """Return a turn of what JSON knows."""
    evidence = json.dumps(dict(turn.evidence), ensure_ascii=False, default=cell_as_json)
    return write_times_in_utc({**asdict(turn), "evidence": json.loads(evidence)})


def _write_heading(info: SessionInfo, turns: Sequence[Turn]) -> Iterator[str]:
    yield f"# {escape_markdown(info.title or info.id)}"
    questions = "1 question" if len(turns) == 1 else f"{len(turns)} questions"
    times = f"{_format_minute(info.created)} to {_format_minute(info.updated)} UTC"
    yield f"Session {write_code(info.id)}, {times}, {questions}."


def _write_turn(turn: Turn) -> str:
    answer = Answer.from_metadata(turn.evidence, turn.answer)
    question = "\n".join(f"> {line}".rstrip() for line in turn.question.splitlines() or [""])
    text = make_inert(answer.text.strip())
    fences = _FENCES.findall(text)
    if len(fences) % 2:  # an answer that was cut within code does not swallow what follows
        text = f"{text}\n{fences[-1]}"
    state = escape_markdown(describe_state(turn))
    parts = [
        f"## {turn.number}. {_format_minute(turn.asked_at)}",
        make_inert(question),
        f"*Understood as: {escape_markdown(turn.standalone)}*" if turn.standalone else "",
        text,
        f"*{state}*" if state else "",
        *(
            f"*{escape_markdown(branch)} could not answer: {escape_markdown(str(reason))}*"
            for branch, reason in answer.errors.items()
        ),
        _write_sources(answer.citations),
        *(_write_statement(answer.tables.sql, answer.tables) if answer.tables.sql else ()),
    ]
    return "\n\n".join(filter(None, parts))


def _format_minute(time: datetime) -> str:
    return time.isoformat(" ", "minutes")


def describe_state(turn: Turn) -> Message:
    """Return what is to be said of an answer that is not whole."""
    return Message(_STATES[turn.status], error=turn.error or Message("no reason is known."))


def _write_sources(citations: Sequence[Citation]) -> str:
    if not citations:
        return ""
    lines = ["Sources:", ""]
    for cited in citations:
        title = escape_markdown(cited.title or cited.document)
        source = ", ".join(
            filter(
                None,
                [
                    title,
                    write_code(cited.document),
                    escape_markdown(cited.place),
                    "found by the words of the answer" if cited.inferred else "",
                ],
            )
        )
        lines.append(f"{cited.number}. {source}")
    return "\n".join(lines)


def _write_statement(sql: str, found: TableResult) -> Iterator[str]:
    yield fence_text(sql.strip(), "sql")
    bound = found.parameters.items()
    yield "\n".join(
        f"- {write_code(f':{name}')} = {escape_markdown(str(value))}" for name, value in bound
    )
    yield _write_rows(found)


def _write_rows(found: TableResult) -> str:
    rows, columns = found.rows, found.columns
    heading = [_write_line(columns), f"|{'---|' * len(columns)}"]
    lines = [*heading, *map(_write_line, as_json(rows))]
    cut = f"Cut at {len(rows)} rows; there were more." if found.truncated else ""
    return "\n\n".join(filter(None, ["\n".join(lines) if rows else "No rows.", cut]))


def _write_line(cells: Sequence[Any]) -> str:
    written = ("" if cell is None else escape_markdown(str(cell)) for cell in cells)
    return f"| {' | '.join(written)} |"
