"""Guarded SQL over the business tables."""

import time
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Self

from anyio.to_thread import run_sync
from fastapi import APIRouter, Query, Request
from pydantic import Field, model_validator
from starlette.responses import Response

from engines.answer import TableResult, answer_of
from engines.elapsed import milliseconds_since
from engines.model_calls import ModelCalls
from kb.answer_json import answer_to_values, table_to_values
from kb.api.answer_shapes import SqlValues
from kb.api.column_kinds import column_types
from kb.api.dependencies import KB, OneStatement, TheLimits, TheThreads, TheWork
from kb.api.described import Told
from kb.api.guards.access import Reading
from kb.api.json_bodies import StrictBody, Words
from kb.api.openapi_description import OF_ANSWERS, OF_STATEMENTS, problems
from kb.api.rows_file import MEDIA_TYPES, FileKind, send_rows
from stores.binding import list_parameters
from stores.values import Value

router = APIRouter(prefix="/api", tags=["tables"])
Statement = Annotated[str, Field(min_length=1, max_length=20_000)]
Parameters = Annotated[dict[str, Value], Field(max_length=100)]
_CSV: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/csv": {"schema": {"type": "string"}}}},
    **problems(*OF_STATEMENTS),
}
_XLSX: dict[int | str, dict[str, Any]] = {
    200: {"content": {MEDIA_TYPES["xlsx"]: {"schema": {"type": "string", "format": "binary"}}}},
    **problems(*OF_STATEMENTS),
}


class _WithParameters(StrictBody):
    """`parameters` are the values of the statement's :names, which are bound."""

    sql: Statement | None = None
    parameters: Parameters = Field(default_factory=dict)

    @model_validator(mode="after")
    def _require_parameters(self) -> Self:
        given, named = self.parameters, list_parameters(self.sql or "")
        if given and (missing := [name for name in named if name not in given]):
            raise ValueError(f"parameters lack {', '.join(missing)}")
        return self


class SqlBody(_WithParameters):
    """Either a question, for which SQL is found or written, or a statement of the caller.

    `parameters` are the values of the statement's :names, which are bound.
    """

    question: Words | None = None
    dry_run: bool = False

    @model_validator(mode="after")
    def _require_one(self) -> "SqlBody":
        if (self.question is None) == (self.sql is None):
            raise ValueError("give question or sql, and not both")
        if self.question is not None and self.parameters:
            raise ValueError("give parameters with sql alone")
        return self


class RowsBody(_WithParameters):
    """A statement of the caller, and the values of its :names, which are bound."""

    sql: Statement


class CsvBody(RowsBody):
    """With `escape_formulas` no spreadsheet computes a cell; here it is off, for programs."""

    escape_formulas: bool = False


@router.post("/sql", responses=problems(*OF_STATEMENTS, *OF_ANSWERS))
async def query_tables(
    body: SqlBody,
    request: Request,
    caller: Reading,
    kb: KB,
    limits: TheLimits,
    work: TheWork,
    threads: TheThreads,
) -> SqlValues:
    """Run a statement under the guard, or answer a question; with `dry_run` nothing runs."""
    if body.sql is not None:
        async with limits.take_statement():
            return await threads.querying.run(_run_statement, kb, body.sql, body, caller.name)
    await limits.require_tokens(caller)
    calls = ModelCalls()
    try:
        return await work.while_connected(
            request, caller, _answer_question(kb, body, calls, caller.name)
        )
    finally:
        await limits.count_tokens(caller, sum(calls.count_tokens() or (0, 0)))


async def _answer_question(
    kb: KB, body: SqlBody, calls: ModelCalls, user: str | None
) -> dict[str, Any]:
    make = partial(kb.database_engine, sql_only=body.dry_run, user=user)
    engine = await run_sync(make)
    with calls.listen():
        response: Any = await engine.aquery(body.question or "")
    answer = answer_of(response)
    types = column_types(answer.tables.columns, answer.tables.rows)
    return {**answer_to_values(answer), "types": types}


def _run_statement(kb: KB, sql: str, body: SqlBody, user: str | None) -> dict[str, Any]:
    values: dict[str, Any] = {"answer": None, "route": "database", "errors": {}}
    found = TableResult(sql, body.parameters)
    if body.dry_run:
        kb.components.tables.check(sql, body.parameters)
        return {**values, **table_to_values(found), "types": []}
    begin = time.perf_counter()
    with kb.components.books.audit.observe("sql", sql, user):
        result = kb.components.tables.run(sql, body.parameters)
    values["timings"] = {"rows": milliseconds_since(begin)}
    types = column_types(result.columns, result.rows)
    return {**values, **table_to_values(found.with_rows(result)), "types": types}


@router.get("/sql.csv", responses=_CSV, response_class=Response, dependencies=[OneStatement])
async def download_csv(
    sql: Annotated[Statement, Query()],
    caller: Reading,
    kb: KB,
    threads: TheThreads,
    escape_formulas: Annotated[bool, Query()] = True,  # noqa: FBT002 - by its name in an address
) -> Response:
    """All rows of a statement as CSV; the header `X-Truncated` says whether there were more.

    They are at most `tables.export_limit`; `X-Rows` says how many. With `escape_formulas` an
    apostrophe stands before each cell that a spreadsheet would compute.
    """
    body = CsvBody(sql=sql, escape_formulas=escape_formulas)
    return await threads.exporting.run(_send_rows, kb, body, "csv", caller.name)


@router.post("/sql.csv", responses=_CSV, response_class=Response, dependencies=[OneStatement])
async def export_csv(
    body: CsvBody,
    caller: Reading,
    kb: KB,
    threads: TheThreads,
) -> Response:
    """The same, for programs and for statements that are too long for an address."""
    return await threads.exporting.run(_send_rows, kb, body, "csv", caller.name)


@router.post("/sql.xlsx", responses=_XLSX, response_class=Response, dependencies=[OneStatement])
async def export_xlsx(
    body: RowsBody,
    caller: Reading,
    kb: KB,
    threads: TheThreads,
) -> Response:
    """All rows of a statement as a sheet, of which no cell is computed; headers as those of CSV."""
    return await threads.exporting.run(_send_rows, kb, body, "xlsx", caller.name)


def _send_rows(kb: KB, body: RowsBody, kind: FileKind, user: str | None) -> Response:
    with kb.components.books.audit.observe("sql", body.sql, user):
        return send_rows(
            kb.components.tables,
            (body.sql, body.parameters),
            kb.config.tables,
            kind,
            escape_formulas=isinstance(body, CsvBody) and body.escape_formulas,
        )


@dataclass(frozen=True)
class DescribedColumn:
    name: str
    type: str
    comment: str


@dataclass(frozen=True)
class DescribedTable:
    """A business table, and what is said of it and of its columns."""

    name: str
    comment: str
    columns: list[DescribedColumn]


@router.get("/tables", responses=problems(*OF_STATEMENTS))
def list_tables(caller: Reading, kb: KB) -> Told[list[DescribedTable]]:  # noqa: ARG001 - only keys may read
    """The tables that may be asked, with their columns and comments."""
    return [
        _describe_table(kb, name) for name in sorted(kb.components.tables.get_usable_table_names())
    ]


def _describe_table(kb: KB, name: str) -> DescribedTable:
    table, descriptions = (
        kb.components.tables.metadata_obj.tables[name],
        kb.config.tables.descriptions,
    )
    columns = [
        DescribedColumn(
            name=column.name,
            type=str(column.type),
            comment=descriptions.get(f"{name}.{column.name}") or column.comment or "",
        )
        for column in table.columns
    ]
    return DescribedTable(name, descriptions.get(name) or table.comment or "", columns)
