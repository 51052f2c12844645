"""Documents and passages as resources, which clients read by their addresses."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ResourceError
from mcp.server.mcpserver.resources import ResourceSecurity
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS, Annotations, ListResourcesResult, Resource

from kb.mcp import client_errors as errors
from kb.mcp import tool_results as results
from kb.mcp.shared_knowledge_base import Shared

if TYPE_CHECKING:
    from kb.api.guards.access import Caller
    from kb.mcp.backend import Backend

_MARKDOWN: Final = "text/markdown"
_PAGE: Final = 100
_CURSOR: Final = re.compile(r"[0-9]{1,9}")
_NAMES_ONLY: Final = ResourceSecurity(exempt_params={"path", "chunk"})  # they are only looked up


class Resources:
    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    def register(self, server: MCPServer[Any]) -> None:
        for address, name, read in (
            ("kb://documents/{root}/{+path}", "document", self.document),
            ("kb://chunks/{+chunk}", "passage", self.passage),
        ):
            server.resource(address, name=name, mime_type=_MARKDOWN, security=_NAMES_ONLY)(read)
        server.middleware.append(self.listing)

    async def document(self, context: Context, root: str, path: str) -> str:
        """An indexed document: its metadata, then its text."""
        async with self._asked(context) as (backend, caller):
            return await asyncio.to_thread(backend.document, caller, root, path)

    async def passage(self, context: Context, chunk: str) -> str:
        """A passage of a document: its metadata and neighbours, then its text."""
        async with self._asked(context) as (backend, caller):
            return await asyncio.to_thread(backend.passage, caller, chunk)

    async def listing(
        self, ctx: ServerRequestContext[Any, Any], call_next: CallNext
    ) -> HandlerResult:
        """Fill in the documents, page by page: the SDK lists only what was registered."""
        listed = await call_next(ctx)
        if ctx.method != "resources/list" or not isinstance(listed, dict):
            return listed
        page = await self._page(ctx.request, (ctx.params or {}).get("cursor"))
        return {
            **listed,
            **page.model_dump(
                mode="json", by_alias=True, include={"resources", "next_cursor"}, exclude_none=True
            ),
        }

    async def _page(self, request: Any, cursor: str | None) -> ListResourcesResult:
        if cursor is not None and not _CURSOR.fullmatch(cursor):
            raise MCPError(INVALID_PARAMS, "The cursor is not one of this server.")
        try:
            with errors.of_a_resource():
                backend, caller = await self._shared.asked(request)
                page = await asyncio.to_thread(
                    backend.documents,
                    caller,
                    status="indexed",
                    offset=int(cursor or 0),
                    limit=_PAGE,
                )
        except ResourceError as error:
            raise MCPError(INTERNAL_ERROR, str(error)) from error
        following = None if page.next_offset is None else str(page.next_offset)
        return ListResourcesResult(
            resources=list(map(_resource, page.documents)), next_cursor=following
        )

    @asynccontextmanager
    async def _asked(self, context: Context) -> "AsyncIterator[tuple[Backend, Caller]]":
        with errors.of_a_resource():
            yield await self._shared.asked(context.request_context.request)


def _resource(document: results.Document) -> Resource:
    return Resource(
        uri=document.uri,
        name=document.path,
        title=document.title or None,
        mime_type=_MARKDOWN,
        annotations=Annotations(last_modified=document.modified_at),
    )
