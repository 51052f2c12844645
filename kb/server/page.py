"""The page to ask in: its files, and Markdown as it shows it."""

import mimetypes
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from kb.server.access import Reading
from kb.server.asking import Body
from kb.server.markdown import as_html

router = APIRouter(tags=["page"])
mimetypes.add_type("text/javascript", ".js")  # some systems say text/plain, which browsers refuse
_FILES: Final = StaticFiles(directory=Path(__file__).parent / "page")


class MarkdownBody(Body):
    texts: Annotated[list[Annotated[str, Field(max_length=200_000)]], Field(max_length=500)]


@router.get("/", include_in_schema=False)
async def page(request: Request) -> Response:
    return await _file("index.html", request)


@router.get("/page/{name}", include_in_schema=False)
async def file(name: str, request: Request) -> Response:
    return await _file(name, request)


@router.post("/api/markdown")
def markdown(body: MarkdownBody, caller: Reading) -> dict[str, Any]:  # noqa: ARG001 - only keys may ask
    """Texts as HTML without scripts, images and links."""
    return {"html": [as_html(text) for text in body.texts]}


async def _file(name: str, request: Request) -> Response:
    """One of the page; the browser keeps it, and asks each time whether it is still the same."""
    response = await _FILES.get_response(name, request.scope)
    response.headers["Cache-Control"] = "no-cache"
    return response
