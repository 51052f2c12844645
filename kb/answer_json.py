"""Answers as the JSON that other programs read; their shapes are promises."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from llama_index.core.base.response.schema import Response
from llama_index.core.chat_engine.types import AgentChatResponse
from llama_index.core.schema import NodeWithScore

from engines.tables.query_result import as_json
from kb.indexing.report import IndexReport

_ANSWER = (
    *("route", "route_reason", "first", "names", "citations"),
    *("sql", "parameters", "columns", "rows", "truncated", "verified"),
    *("errors", "timings", "model", "search"),
)


def report_values(report: IndexReport) -> dict[str, Any]:
    return {
        **asdict(report),
        "failed": _with_reasons(report.failed),
        "passed_over": _with_reasons(report.passed_over),
    }


def _with_reasons(files: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"path": path, "reason": reason} for path, reason in files]


def passage_values(passage: NodeWithScore) -> dict[str, Any]:
    metadata = passage.metadata
    return {
        "id": passage.node_id,
        "path": metadata.get("path"),
        "title": metadata.get("title"),
        "score": passage.score,
        "text": passage.get_content(),
        "metadata": metadata,
    }


def answer_values(response: Response | AgentChatResponse) -> dict[str, Any]:
    metadata = response.metadata or {}
    values = {"answer": response.response, **{key: metadata.get(key) for key in _ANSWER}}
    if values["rows"]:
        values["rows"] = as_json(values["rows"])
    return values
