"""Passages, answers, tables and documents of a knowledge base as the results of tools."""

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any, Final

import sqlalchemy as sa
from llama_index.core.schema import NodeWithScore

from engines.answer import Answer, Citation, TableResult
from engines.shortening import cut
from engines.visible_text import hide_places
from kb.answer_json import answer_to_values, table_to_values
from kb.api.plain_json import to_plain
from kb.mcp import tool_results as results
from kb.mcp.document_text import chunk_document_uri, chunk_text
from kb.mcp.tool_results import chunk_uri, document_uri
from stores.registry.document_list import ListedDocument

_CELL_CHARACTERS: Final = 10_000
_ROWS_CHARACTERS: Final = 50_000  # of a result, which a model is to read
_TABLES_IN_FULL: Final = 30


def passage_to_result(number: int, found: NodeWithScore) -> results.Passage:
    metadata = found.metadata
    return results.Passage(
        number=number,
        uri=chunk_uri(found.node_id),
        document=chunk_document_uri(found.node),
        title=metadata.get("title") or metadata.get("path") or "",
        path=metadata.get("path"),
        headings=metadata.get("headings"),
        page=metadata.get("page"),
        lines=metadata.get("lines"),
        score=found.get_score(),
        text=chunk_text(found.node),
        metadata={
            key: value for key, value in metadata.items() if key not in results.Passage.model_fields
        },
    )


def answer_to_result(found: Answer) -> results.AnswerResult:
    values = to_plain(answer_to_values(found))
    values["rows"], is_cut = _cut_rows(values["rows"])
    values["truncated"] = values["truncated"] or is_cut
    values["citations"] = list(map(_citation_to_result, found.citations))
    return results.AnswerResult(**values)


def _citation_to_result(cited: Citation) -> results.Citation:
    return results.Citation(
        number=cited.number,
        uri=chunk_uri(cited.chunk),
        document=document_uri(cited.root, cited.document),
        title=cited.title,
        path=cited.document,
        page=cited.page,
        lines=cited.lines,
        sheet=cited.sheet,
        score=cited.score,
        excerpt=cited.excerpt,
        inferred=cited.inferred,
    )


def rows_to_result(found: TableResult, limit: int, note: str = "") -> results.Rows:
    values = to_plain(table_to_values(found))
    cells, is_cut = _cut_rows(values["rows"][:limit])
    is_cut = is_cut or found.truncated or len(found.rows) > limit
    return results.Rows(**values | {"rows": cells, "truncated": is_cut, "note": note})


def _cut_rows(rows: Sequence[Sequence[Any]]) -> tuple[list[list[Any]], bool]:
    """As much of the rows as a client can be expected to read, and whether that is not all."""
    short = [
        [cut(cell, _CELL_CHARACTERS) if isinstance(cell, str) else cell for cell in row]
        for row in rows
    ]
    sizes = accumulate(sum(len(str(cell)) for cell in row) for row in short)
    count = max(1, sum(size <= _ROWS_CHARACTERS for size in sizes))
    texts = (cell for row in rows for cell in row if isinstance(cell, str))
    is_cut = count < len(short) or any(len(text) > _CELL_CHARACTERS for text in texts)
    return short[:count], is_cut


def tables_to_result(
    tables: Sequence[sa.Table], descriptions: Mapping[str, str], *, are_named: bool
) -> results.Database:
    in_full = are_named or len(tables) <= _TABLES_IN_FULL
    return results.Database(
        tables=[_table_to_result(table, descriptions, in_full=in_full) for table in tables],
        note="" if in_full else "Name tables, and their columns come too.",
    )


def _table_to_result(
    found: sa.Table, descriptions: Mapping[str, str], *, in_full: bool
) -> results.Table:
    columns = [
        results.Column(
            name=column.name,
            type=str(column.type),
            nullable=bool(column.nullable),
            comment=descriptions.get(f"{found.key}.{column.name}") or column.comment or "",
        )
        for column in (found.columns if in_full else ())
    ]
    return results.Table(
        name=found.key,
        comment=descriptions.get(found.key) or found.comment or "",
        columns=columns,
        primary_key=[column.name for column in found.primary_key] if in_full else [],
        foreign_keys=list(map(_foreign_key_to_result, found.foreign_key_constraints))
        if in_full
        else [],
    )


def _foreign_key_to_result(key: sa.ForeignKeyConstraint) -> results.ForeignKey:
    """Describe a foreign key by names alone: its table may not be one that can be asked."""
    referred = [element.target_fullname.rsplit(".", 1) for element in key.elements]
    return results.ForeignKey(
        columns=list(key.column_keys),
        table=referred[0][0],
        referred_columns=[column for _, column in referred],
    )


def document_to_result(found: ListedDocument) -> results.Document:
    return results.Document(
        uri=document_uri(found.root, found.path),
        root=found.root,
        path=found.path,
        title=found.title,
        status=found.status,
        reason=found.reason and hide_places(found.reason),
        media_type=found.media_type,
        language=found.language,
        size=found.size,
        modified_at=found.modified_at and f"{found.modified_at.isoformat()}Z",
        indexed_at=found.indexed_at and f"{found.indexed_at.isoformat()}Z",
    )
