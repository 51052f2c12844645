"""The page to ask in: its files, and Markdown as it shows it."""

import hashlib
import json
import mimetypes
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import APIRouter, Request
from pydantic import Field, field_validator
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from kb.api.dependencies import TheLimits, TheThreads
from kb.api.guards.access import Reading
from kb.api.json_bodies import StrictBody
from kb.api.safe_html import as_html
from stores.text.surrogates import replace_lone_surrogates
from stores.text.translations import LANGUAGES, SOURCE_LANGUAGE, load_catalogue

router = APIRouter(tags=["page"])
mimetypes.add_type("text/javascript", ".js")  # some systems say text/plain, which browsers refuse
mimetypes.add_type("text/javascript", ".mjs")
_CONTEXT: Final = "page"  # of the texts of kb/page in the catalogues
_FILES: Final = StaticFiles(directory=Path(__file__).parents[2] / "page")


_MOST_CHARACTERS: Final = 200_000  # of all texts, which take two seconds at the worst


class MarkdownBody(StrictBody):
    texts: Annotated[list[str], Field(max_length=500)]

    @field_validator("texts")
    @classmethod
    def _require_few(cls, texts: list[str]) -> list[str]:
        if (given := sum(map(len, texts))) > _MOST_CHARACTERS:
            raise ValueError(f"{given} characters are given; {_MOST_CHARACTERS} are read")
        return [replace_lone_surrogates(text) for text in texts]


@router.get("/", include_in_schema=False)
async def page(request: Request) -> Response:
    return await _send_file("index.html", request)


@router.get("/page/texts/{language}.json", include_in_schema=False)
async def translated_texts(language: str, request: Request) -> Response:
    if language not in LANGUAGES:
        raise HTTPException(404)
    content = _list_page_texts(language)
    headers = {"Cache-Control": "no-cache", "ETag": f'"{hashlib.sha256(content).hexdigest()}"'}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type="application/json")


@cache
def _list_page_texts(language: str) -> bytes:
    """List the forms of each text of the page, by the first of its English ones."""
    texts = {}
    if language != SOURCE_LANGUAGE:
        for message in load_catalogue(language):
            if message.context == _CONTEXT:
                english, *_ = _list_forms(message.id)
                texts[english] = _list_forms(message.string)
    return json.dumps(texts, ensure_ascii=False).encode()


def _list_forms(text: Any) -> list[str]:
    """List the plural forms of a text; Babel gives one without forms alone."""
    return [text] if isinstance(text, str) else list(text)


@router.get("/page/{name:path}", include_in_schema=False)
async def file(name: str, request: Request) -> Response:
    return await _send_file(name, request)


@router.post("/api/markdown")
async def markdown(
    body: MarkdownBody,
    caller: Reading,
    limits: TheLimits,
    threads: TheThreads,
) -> dict[str, Any]:
    """Texts as HTML without scripts, images and links."""
    await limits.count_characters(caller, sum(map(len, body.texts)))
    async with limits.take_rendering(caller):
        html = await threads.rendering.run(lambda: [as_html(text) for text in body.texts])
    return {"html": html}


async def _send_file(name: str, request: Request) -> Response:
    """Respond with a file of the page, which the browser keeps, and asks each time for changes."""
    response = await _FILES.get_response(name, request.scope)
    response.headers["Cache-Control"] = "no-cache"
    return response
