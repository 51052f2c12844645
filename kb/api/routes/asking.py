"""Questions and searches."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import AfterValidator, ConfigDict, Field

from engines.answer import Answer
from engines.search.profiles import READY
from kb.answer_json import passage_values
from kb.api.answer_events import AnswerUnderWay, asked, http_values
from kb.api.dependencies import KB, TheLimits, TheThreads, TheWork
from kb.api.guards.access import Caller, Reading
from kb.api.guards.limits import Limits
from kb.api.json_bodies import Sent
from kb.api.json_filters import Filters, metadata_filters
from kb.api.openapi_description import STREAMED
from kb.api.problem_codes import Code
from kb.api.problems import Problem, problem_of
from kb.api.sse import event
from kb.assembly.answer_sources import Source

router = APIRouter(prefix="/api", tags=["asking"])


def _not_blank(text: str) -> str:
    if all(each <= " " or each.isspace() for each in text):
        raise ValueError("It is empty")
    return without_halves(text)


def without_halves(text: str) -> str:
    """Without halves of characters, which JSON can hold and UTF-8 cannot."""
    return text.encode(errors="replace").decode()


Words = Annotated[
    str,
    Field(max_length=20_000, json_schema_extra={"minLength": 1, "pattern": r"[^\s\x00-\x20]"}),
    AfterValidator(_not_blank),
]
TopK = Annotated[int, Field(ge=1, le=100)]


Begin = Callable[[], Awaitable[AnswerUnderWay]]


class Body(Sent):
    model_config = ConfigDict(extra="forbid", strict=True)


class AskBody(Body):
    question: Words
    source: Source = "auto"
    profile: str | None = None
    top_k: TopK | None = None
    filters: Filters = Field(default_factory=dict)
    stream: bool = False


class SearchBody(Body):
    question: Words
    top_k: TopK | None = None
    profile: str | None = None
    filters: Filters = Field(default_factory=dict)


@router.post("/ask", responses=STREAMED)
async def ask(
    body: AskBody, request: Request, caller: Reading, kb: KB, limits: TheLimits, work: TheWork
) -> Any:
    """Answer a question; with `stream`, as events.

    Their order is route, retrieval, token…, citations, rows, and done or error.
    """
    require_profile(kb, body.profile)
    source, filters = caller.source(body.source), metadata_filters(body.filters, caller)

    async def begin() -> AnswerUnderWay:
        return await asked(
            kb,
            body.question,
            source,
            top_k=body.top_k,
            filters=filters,
            profile=body.profile,
            user=caller.name,
        )

    await limits.require_tokens(caller)
    if body.stream:
        return work.stream(caller, events(begin, caller, limits))
    return await work.while_connected(request, caller, whole_values(begin, caller, limits))


async def whole(begin: Begin, caller: Caller, limits: Limits) -> Answer:
    under_way = await begin()
    try:
        return await under_way.whole()
    finally:
        await limits.count_tokens(caller, sum(under_way.tokens()))


async def whole_values(begin: Begin, caller: Caller, limits: Limits) -> dict[str, Any]:
    return http_values(await whole(begin, caller, limits))


async def events(begin: Begin, caller: Caller, limits: Limits) -> AsyncGenerator[bytes, None]:
    try:
        under_way = await begin()
    except Exception as error:  # noqa: BLE001 - whatever it is, the reader is told
        yield event("error", {"problem": problem_of(error).document()})
        return
    try:
        async with aclosing(under_way.events()) as told:
            async for each in told:
                yield each
    finally:
        await limits.count_tokens(caller, sum(under_way.tokens()))


@router.post("/search")
async def search(
    body: SearchBody, caller: Reading, kb: KB, threads: TheThreads
) -> list[dict[str, Any]]:
    """The passages that match best, the best first."""
    caller.require("documents")
    require_profile(kb, body.profile)
    filters = metadata_filters(body.filters, caller)

    def found() -> list[dict[str, Any]]:
        passages = kb.search(
            *(body.question, body.top_k),
            filters=filters,
            profile=body.profile,
            user=caller.name,
        )
        return [passage_values(each) for each in passages]

    return await threads.searching.run(found)


def require_profile(kb: KB, name: str | None) -> None:
    known = profiles(kb)
    if name is not None and name not in known:
        raise Problem(Code.NO_SUCH_PROFILE, {"known": ", ".join(known)})


def profiles(kb: KB) -> list[str]:
    return list(dict.fromkeys((*READY, *kb.config.profiles)))
