"""The tools: they read, and write nothing but the log of searches where that is switched on."""

import asyncio
import inspect
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import CallToolResult, ToolAnnotations
from pydantic import AfterValidator, Field

from kb.cli.filters import parsed
from kb.mcp_server import errors, results
from kb.mcp_server.results import as_result
from kb.mcp_server.shared import Shared
from kb.sources import Source

if TYPE_CHECKING:
    from kb.mcp_server.backend import Backend
    from kb.server.access import Caller

READ_ONLY = ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("it is empty")
    return text.encode(errors="replace").decode()


def _comparison(text: str) -> str:
    if parsed(text) is None:
        raise ValueError("it is not KEY=VALUE, KEY!=VALUE, KEY>=VALUE or KEY~TEXT")
    return text


Question: TypeAlias = Annotated[
    str, Field(max_length=20_000, description="In any language"), AfterValidator(_not_blank)
]
TopK: TypeAlias = Annotated[
    int, Field(ge=1, le=100, description="How many passages; without it, as configured")
]
Filters: TypeAlias = Annotated[
    list[Annotated[str, AfterValidator(_comparison)]],
    Field(
        max_length=20,
        description="Only passages whose metadata match them all: KEY=VALUE, also !=, >=, <=, >, < "
        "and KEY~TEXT for a part of a text; say language=fr, path~handbook, page>=10",
    ),
]
Profile: TypeAlias = Annotated[
    str, Field(max_length=200, description="A search profile; without it, as configured")
]
Limit: TypeAlias = Annotated[int, Field(ge=1, le=1000, description="How many rows at most")]
Statement: TypeAlias = Annotated[str, Field(max_length=20_000, description="One SELECT")]
Words: TypeAlias = Annotated[str, Field(max_length=1000)]


class Tools:
    """Each in its own words, which is what a model chooses it by."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    def register(self, server: MCPServer[Any]) -> None:
        for title, tool in (
            ("Search documents", self.search_documents),
            ("Ask", self.ask),
            ("Query the database", self.query_database),
            ("Describe the database", self.describe_database),
            ("List documents", self.list_documents),
        ):
            about = inspect.getdoc(tool)
            server.add_tool(tool, title=title, description=about, annotations=READ_ONLY)

    async def search_documents(
        self,
        context: Context,
        question: Question,
        top_k: TopK | None = None,
        filters: Filters | None = None,
        profile: Profile | None = None,
    ) -> Annotated[CallToolResult, results.Passages]:
        """Find the passages of the indexed documents that match a question best.

        Each comes with the address of its resource, to cite it or to read on.
        """
        async with self._asked(context) as (backend, caller):
            search = partial(backend.search, caller, question, top_k, filters or (), profile)
            return as_result(await asyncio.to_thread(search))

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
    ) -> Annotated[CallToolResult, results.Answer]:
        """Answer a question from the documents, the database, or both, with citations.

        The numbers in the answer are those of the citations; for an answer from the database the
        SQL and its rows are there too.
        """

        async def tell(step: int, message: str) -> None:
            await context.report_progress(step, 2, message)

        await tell(0, "Looking for the answer")
        async with self._asked(context) as (backend, caller):
            answer = await backend.ask(
                caller,
                question,
                source,
                top_k=top_k,
                filters=filters or (),
                profile=profile,
                on_found=partial(tell, 1),
            )
        failed = bool(answer.errors) and answer.route != "both"
        return as_result(answer, is_error=failed)

    async def query_database(
        self,
        context: Context,
        question: Question | None = None,
        sql: Statement | None = None,
        limit: Limit = 100,
    ) -> Annotated[CallToolResult, results.Rows]:
        """Get rows of the database: for a question, or for one SELECT statement of MariaDB.

        Give question or sql, and not both. Only the tables of describe_database can be read, and
        nothing can be changed.
        """
        if (question is None) == (sql is None):
            raise ToolError("Give question or sql, and not both.")
        async with self._asked(context) as (backend, caller):
            if sql is not None:
                return as_result(await asyncio.to_thread(backend.run, sql, limit))
            rows, failures = await backend.query(caller, question or "", limit)
        return as_result(rows, is_error=bool(failures))

    async def describe_database(
        self, context: Context
    ) -> Annotated[CallToolResult, results.Database]:
        """List the tables that can be queried, with their columns, comments and keys."""
        async with self._asked(context) as (backend, _):
            return as_result(await asyncio.to_thread(backend.describe))

    async def list_documents(
        self,
        context: Context,
        search: Annotated[Words, Field(description="A part of the path or title")] | None = None,
        root: Annotated[Words, Field(description="An indexed directory")] | None = None,
        status: Literal["indexed", "failed"] | None = None,
        offset: Annotated[int, Field(ge=0, le=10**9)] = 0,
        limit: Annotated[int, Field(ge=1, le=1000, description="How many at most")] = 100,
    ) -> Annotated[CallToolResult, results.Documents]:
        """List the documents that match, a page at a time; failed ones with the reason."""
        async with self._asked(context) as (backend, caller):
            page = partial(
                backend.documents,
                caller,
                search=search,
                root=root,
                status=status,
                offset=offset,
                limit=limit,
            )
            return as_result(await asyncio.to_thread(page))

    @asynccontextmanager
    async def _asked(self, context: Context) -> "AsyncIterator[tuple[Backend, Caller]]":
        with errors.of_a_tool():
            yield await self._shared.asked(context.request_context.request)
