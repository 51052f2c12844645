"""The page to ask in: its files, and Markdown as it shows it."""

from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Request
from pydantic import Field, field_validator
from starlette.exceptions import HTTPException
from starlette.responses import Response

from kb.api.dependencies import TheLimits, TheThreads
from kb.api.described import Told
from kb.api.guards.access import Reading
from kb.api.json_bodies import StrictBody
from kb.api.page_files import load_page
from kb.api.safe_html import as_html
from stores.text.surrogates import replace_lone_surrogates

router = APIRouter(tags=["page"])
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
    return load_page().respond_with_index(request.headers)


@router.get("/page/{path:path}", include_in_schema=False)
async def file(path: str, request: Request) -> Response:
    response = load_page().respond(path, request.headers)
    if response is None:
        raise HTTPException(404)
    return response


@dataclass(frozen=True)
class RenderedTexts:
    html: list[str]


@router.post("/api/markdown")
async def render_markdown(
    body: MarkdownBody,
    caller: Reading,
    limits: TheLimits,
    threads: TheThreads,
) -> Told[RenderedTexts]:
    """Texts as HTML without scripts, images and links."""
    await limits.count_characters(caller, sum(map(len, body.texts)))
    async with limits.take_rendering(caller):
        html = await threads.rendering.run(lambda: [as_html(text) for text in body.texts])
    return RenderedTexts(html)
