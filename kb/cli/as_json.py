"""Answers as the JSON that other programs read; their shapes are promises."""

import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llama_index.core.base.response.schema import Response
    from llama_index.core.chat_engine.types import AgentChatResponse
    from llama_index.core.schema import NodeWithScore

    from kb.indexing.report import IndexReport

_ANSWER = (
    *("route", "route_reason", "first", "names", "citations"),
    *("sql", "parameters", "columns", "rows", "truncated", "verified"),
    *("errors", "timings", "model", "search"),
)


def print_json(value: Any, indent: int | None = 2) -> None:
    """One JSON value on standard output, in UTF-8 whatever the locale."""
    text = json.dumps(value, ensure_ascii=False, indent=indent, default=_plain)
    sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace") + b"\n")
    sys.stdout.buffer.flush()


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC).isoformat(timespec="seconds")
    return str(value)


def report_values(report: "IndexReport") -> dict[str, Any]:
    failed = [{"path": path, "reason": reason} for path, reason in report.failed]
    return {**asdict(report), "failed": failed}


def passage_values(passage: "NodeWithScore") -> dict[str, Any]:
    metadata = passage.metadata
    return {
        "id": passage.node_id,
        "path": metadata.get("path"),
        "title": metadata.get("title"),
        "score": passage.score,
        "text": passage.get_content(),
        "metadata": metadata,
    }


def answer_values(response: "Response | AgentChatResponse") -> dict[str, Any]:
    metadata = response.metadata or {}
    values = {"answer": response.response, **{key: metadata.get(key) for key in _ANSWER}}
    if values["rows"]:
        from engines.tables.query_result import as_json

        values["rows"] = as_json(values["rows"])
    return values
