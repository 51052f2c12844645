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

    def register_with(self, server: MCPServer[Any]) -> None:
        for address, name, read in (
            ("kb://documents/{root}/{+path}", "document", self.read_document),
            ("kb://chunks/{+chunk}", "passage", self.read_passage),
        ):
            server.resource(address, name=name, mime_type=_MARKDOWN, security=_NAMES_ONLY)(read)
        server.middleware.append(self.fill_in_documents)

    async def read_document(self, context: Context, root: str, path: str) -> str:
        """An indexed document: its metadata, then its text."""
        async with self._open_request(context) as (backend, caller):
            return await asyncio.to_thread(backend.read_document, caller, root, path)

    async def read_passage(self, context: Context, chunk: str) -> str:
        """A passage of a document: its metadata and neighbours, then its text."""
        async with self._open_request(context) as (backend, caller):
            return await asyncio.to_thread(backend.read_passage, caller, chunk)

    async def fill_in_documents(
        self, ctx: ServerRequestContext[Any, Any], call_next: CallNext
    ) -> HandlerResult:
        """Fill in the documents, page by page: the SDK lists only what was registered."""
        listed = await call_next(ctx)
        if ctx.method != "resources/list" or not isinstance(listed, dict):
            return listed
        page = await self._read_page(ctx.request, (ctx.params or {}).get("cursor"))
        return {
            **listed,
            **page.model_dump(
                mode="json", by_alias=True, include={"resources", "next_cursor"}, exclude_none=True
            ),
        }

    async def _read_page(self, request: Any, cursor: str | None) -> ListResourcesResult:
        if cursor is not None and not _CURSOR.fullmatch(cursor):
            raise MCPError(INVALID_PARAMS, "The cursor is not one of this server.")
        try:
            with errors.raise_as_resource_error():
                backend, caller = await self._shared.open_request(request)
                page = await asyncio.to_thread(
                    backend.list_documents,
                    caller,
                    status="indexed",
                    offset=int(cursor or 0),
                    limit=_PAGE,
                )
        except ResourceError as error:
            raise MCPError(INTERNAL_ERROR, str(error)) from error
        following = None if page.next_offset is None else str(page.next_offset)
        return ListResourcesResult(
            resources=list(map(_document_to_resource, page.documents)), next_cursor=following
        )

    @asynccontextmanager
    async def _open_request(self, context: Context) -> "AsyncIterator[tuple[Backend, Caller]]":
        with errors.raise_as_resource_error():
            yield await self._shared.open_request(context.request_context.request)


def _document_to_resource(document: results.Document) -> Resource:
    return Resource(
        uri=document.uri,
        name=document.path,
        title=document.title or None,
        mime_type=_MARKDOWN,
        annotations=Annotations(last_modified=document.modified_at),
    )
