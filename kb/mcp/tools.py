"""The tools of MCP: they read, and write only the log of searches where that is switched on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.tools import Tool
from mcp_types import CallToolResult
from pydantic import AfterValidator, Field

from kb.assembly.answer_sources import Source
from kb.assembly.way_in import way_in
from kb.filter_options import parse_filter
from kb.mcp import client_errors as errors
from kb.mcp import tool_results as results
from kb.mcp.reading_tool import ReadingTool
from kb.mcp.shared_knowledge_base import Shared
from kb.mcp.tool_results import to_tool_result
from stores.text.surrogates import replace_lone_surrogates

if TYPE_CHECKING:
    from kb.api.guards.access import Caller
    from kb.mcp.backend import Backend


def _check_not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("it is empty")
    return replace_lone_surrogates(text)


def _check_comparison(text: str) -> str:
    if parse_filter(text) is None:
        raise ValueError("it is not KEY=VALUE, KEY!=VALUE, KEY>=VALUE or KEY~TEXT")
    return text


Question: TypeAlias = Annotated[
    str, Field(max_length=20_000, description="In any language"), AfterValidator(_check_not_blank)
]
TopK: TypeAlias = Annotated[
    int, Field(ge=1, le=50, description="How many passages; without it, as configured")
]
Filters: TypeAlias = Annotated[
    list[Annotated[str, AfterValidator(_check_comparison)]],
    Field(
        max_length=20,
        description="Only passages whose metadata match them all: KEY=VALUE, also !=, >=, <=, >, < "
        "and KEY~TEXT for a part of a text. Keys are path, title, language, root, media_type, "
        "page, and those in the metadata of passages",
        examples=[["language=fr", "path~handbook", "page>=10"]],
    ),
]
Profile: TypeAlias = Annotated[
    str, Field(max_length=200, description="A search profile; without it, as configured")
]
Limit: TypeAlias = Annotated[int, Field(ge=1, le=1000, description="How many rows at most")]
Statement: TypeAlias = Annotated[
    str,
    Field(
        max_length=20_000,
        description="One SELECT in MariaDB's SQL, with its values written out",
        examples=["SELECT country, COUNT(*) FROM customers GROUP BY country"],
    ),
]
Words: TypeAlias = Annotated[str, Field(max_length=1000)]
Address: TypeAlias = Annotated[
    str,
    Field(
        max_length=10_000,
        pattern="^kb://",
        description="The kb:// address of a document or of a passage, as a result gave it",
        examples=["kb://documents/handbook/returns.md"],
    ),
]


class Tools:
    """The tools; a model chooses them by their docstrings."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    def list_tools(self) -> list[Tool]:
        return [
            ReadingTool.from_method(self.search_documents, "Search documents"),
            ReadingTool.from_method(self.read_document, "Read a document"),
            ReadingTool.from_method(self.list_documents, "List documents"),
            ReadingTool.from_method(self.ask, "Ask"),
            ReadingTool.from_method(self.describe_database, "Describe the database"),
            ReadingTool.from_method(self.query_database, "Query the database"),
        ]

    async def search_documents(
        self,
        context: Context,
        question: Question,
        top_k: TopK | None = None,
        filters: Filters | None = None,
        profile: Profile | None = None,
    ) -> Annotated[CallToolResult, results.Passages]:
        """Find the passages of the indexed documents that match a question best, with their text.

        They are found by meaning and by words: ask as a person would, and put codes and names in.
        Each comes with its kb:// address, to cite it or to read on with read_document.
        """
        async with self._open_request(context) as (backend, caller):
            search = partial(
                backend.search_passages, caller, question, top_k, filters or (), profile
            )
            return to_tool_result(await asyncio.to_thread(search))

    async def ask(
        self,
        context: Context,
        question: Question,
        source: Annotated[
            Source, Field(description="auto chooses between documents, database and both")
        ] = "auto",
        top_k: TopK | None = None,
        filters: Filters | None = None,
        profile: Profile | None = None,
    ) -> Annotated[CallToolResult, results.AnswerResult]:
        """Get a finished answer from the documents, the database, or both, with citations.

        The numbers in it are those of the citations; from the database the SQL and its rows come
        along. Where kb has no language model of its own it quotes: to write the answer yourself,
        use search_documents and query_database.
        """

        async def report_step(step: int, message: str) -> None:
            await context.report_progress(step, 2, message)

        await report_step(0, "Looking for the answer")
        async with self._open_request(context) as (backend, caller):
            answer = await backend.answer_question(
                caller,
                question,
                source,
                top_k=top_k,
                filters=filters or (),
                profile=profile,
                on_found=partial(report_step, 1),
            )
        failed = answer.route in answer.errors
        return to_tool_result(answer, is_error=failed)

    async def query_database(
        self,
        context: Context,
        sql: Statement | None = None,
        question: Question | None = None,
        limit: Limit = 100,
    ) -> Annotated[CallToolResult, results.Rows]:
        """Get rows of the database, by a SELECT of yours or by a question.

        Write sql from what describe_database tells of the tables. A question is answered by SQL
        that a person has verified for it, or that kb's own language model writes. Give one of them.
        Nothing can be changed.
        """
        if (question is None) == (sql is None):
            raise ToolError("Give question or sql, and not both.")
        async with self._open_request(context) as (backend, caller):
            if sql is not None:
                return to_tool_result(await backend.run_statement(caller, sql, limit))
            rows, failures = await backend.query_tables(caller, question or "", limit)
        return to_tool_result(rows, is_error=bool(failures))

    async def describe_database(
        self,
        context: Context,
        tables: Annotated[
            list[Words], Field(max_length=100, description="Only these; without it, all")
        ]
        | None = None,
    ) -> Annotated[CallToolResult, results.Database]:
        """List the tables that can be queried, with their columns, comments and keys.

        Where they are many, columns come only for the tables that you name.
        """
        async with self._open_request(context) as (backend, caller):
            return to_tool_result(await asyncio.to_thread(backend.describe_tables, caller, tables))

    async def read_document(
        self,
        context: Context,
        uri: Address,
        offset: Annotated[
            int, Field(ge=0, le=10**9, description="Where to read on: next_offset of the last part")
        ] = 0,
    ) -> Annotated[CallToolResult, results.Part]:
        """Read a document, or a passage with the addresses of its neighbours, part by part.

        Take an address from search_documents, ask or list_documents.
        """
        with errors.raise_as_tool_error():
            (content,) = await context.read_resource(uri)
            return to_tool_result(results.cut_part(uri, str(content.content), offset))

    async def list_documents(
        self,
        context: Context,
        search: Annotated[Words, Field(description="A part of the path or of the title")]
        | None = None,
        root: Annotated[Words, Field(description="An indexed directory")] | None = None,
        status: Annotated[
            Literal["indexed", "failed"], Field(description="Only those; without it, both")
        ]
        | None = None,
        offset: Annotated[int, Field(ge=0, le=10**9, description="How many to pass over")] = 0,
        limit: Annotated[int, Field(ge=1, le=200, description="How many at most")] = 50,
    ) -> Annotated[CallToolResult, results.Documents]:
        """List what is indexed by titles and paths, page by page.

        With status "failed", what could not be read, and why. What documents say is found by
        search_documents.
        """
        async with self._open_request(context) as (backend, caller):
            page = partial(
                backend.list_documents,
                caller,
                search=search,
                root=root,
                status=status,
                offset=offset,
                limit=limit,
            )
            return to_tool_result(await asyncio.to_thread(page))

    @asynccontextmanager
    async def _open_request(self, context: Context) -> "AsyncIterator[tuple[Backend, Caller]]":
        way_in.set("mcp")
        with errors.raise_as_tool_error():
            yield await self._shared.open_request(context.request_context.request)
