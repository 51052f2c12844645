"""What stands below an answer where clients show text alone, and links for those that take them."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final
from urllib.parse import quote

from engines.answer import Answer, Citation, TableResult
from engines.documents.code_spans import write_code
from engines.tables.result_text import as_text
from kb.plain_markdown import escape_markdown, fence_text

_SQL: Final = "\n\nSQL:"
_SOURCES: Final = "\n\nSources:"
_NUMBER: Final = re.compile(r"\[(\d{1,4})\]")


def write_notes(answer: Answer, language: str) -> str:
    """Write the statement, the rows that a model has read, and the sources; "" for none."""
    shows_rows = answer.model and answer.tables.rows
    rows = f"\n\n{as_text(answer.tables, language)}" if shows_rows else ""
    return f"{_write_statement(answer.tables)}{rows}{write_sources(answer.citations)}"


def write_sources(citations: Sequence[Citation]) -> str:
    """Write the numbered notes below an answer, none for an answer without citations."""
    if not citations:
        return ""
    notes = [_SOURCES]
    for citation in citations:
        where = ", ".join(filter(None, [citation.title, citation.place]))
        found = ", not cited by the answer, found by its words" if citation.inferred else ""
        notes.append(
            f"[{citation.number}] {escape_markdown(where)} ({write_code(citation.document)}{found})"
        )
    return "\n".join(notes)


def remove_notes(text: str) -> str:
    """Return an answer that a client sends back without what stands below it."""
    return text.partition(_SQL)[0].partition(_SOURCES)[0]


def _write_statement(tables: TableResult) -> str:
    if not tables.sql:
        return ""
    bound = [
        f":{name} = {escape_markdown(str(value))}" for name, value in tables.parameters.items()
    ]
    return "\n".join([_SQL, fence_text(tables.sql, "sql"), *bound])


def list_links(text: str, citations: Iterable[Citation], page: str) -> list[dict[str, Any]]:
    """List each [number] of a text as OpenAI's citation of an address, which the page opens.

    Positions are in characters. What is cited and has no number in the text stands at its end.
    """
    return list(_find_links(text, {citation.number: citation for citation in citations}, page))


def _find_links(text: str, cited: dict[int, Citation], page: str) -> Iterator[dict[str, Any]]:
    places = [(int(found[1]), found.span()) for found in _NUMBER.finditer(text)]
    named = {number for number, _ in places}
    places += [(number, (len(text), len(text))) for number in cited if number not in named]
    for number, (start, end) in places:
        if citation := cited.get(number):
            yield {
                "type": "url_citation",
                "start_index": start,
                "end_index": end,
                "title": ", ".join(filter(None, [citation.title, citation.place])),
                "url": f"{page}#/passage/{quote(citation.chunk, safe='')}",
                **({"inferred": True} if citation.inferred else {}),
            }
