"""Questions and searches."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import StreamingResponse

from engines.search.retrieval import name_document
from kb.answer_json import FoundPassage, passages_to_values
from kb.api.answer_events import AnswerUnderWay, begin_answer
from kb.api.answer_shapes import AnswerValues
from kb.api.counted_answers import make_answer_values, stream_answer
from kb.api.dependencies import KB, TheLimits, TheThreads, TheWork
from kb.api.described import Told
from kb.api.guards.access import Reading
from kb.api.json_bodies import SearchId, StrictBody, TopK, Words
from kb.api.json_filters import Filters, metadata_filters
from kb.api.named_choices import require_model, require_profile
from kb.api.openapi_description import (
    CACHED,
    EXACT,
    MODEL,
    OF_ANSWERS,
    OF_SEARCHES,
    STREAMED,
    problems,
)
from kb.api.problem_codes import Code
from kb.api.problems import translate_missing
from kb.api.sse import format_attempt
from kb.assembly.answer_sources import Source

router = APIRouter(prefix="/api", tags=["asking"])


class AskBody(StrictBody):
    question: Words
    source: Source = "auto"
    profile: str | None = None
    top_k: TopK | None = None
    filters: Filters = Field(default_factory=dict)
    stream: bool = False
    exact: bool = Field(default=False, description=EXACT)
    model: str | None = Field(default=None, description=MODEL)
    cached: bool = Field(default=True, description=CACHED)


class SearchBody(StrictBody):
    question: Words
    top_k: TopK | None = None
    profile: str | None = None
    filters: Filters = Field(default_factory=dict)
    exact: bool = Field(default=True, description=EXACT)
    cached: bool = Field(default=True, description=CACHED)


@router.post("/ask", response_model=AnswerValues, responses=STREAMED | problems(*OF_ANSWERS))
async def ask(
    body: AskBody, request: Request, caller: Reading, kb: KB, limits: TheLimits, work: TheWork
) -> dict[str, Any] | StreamingResponse:
    """Answer a question; with `stream`, as events.

    Their order is route, retrieval, token…, citations, rows, and done or error; attempt stands
    anywhere before the first token: a model's server is asked for the second time, or more.
    """
    require_profile(kb.config, body.profile)
    require_model(kb.config, body.model)
    source, filters = caller.choose_source(body.source), metadata_filters(body.filters, caller)

    async def begin() -> AnswerUnderWay:
        return await begin_answer(
            kb,
            body.question,
            source,
            top_k=body.top_k,
            filters=filters,
            profile=body.profile,
            user=caller.name,
            exact=body.exact,
            model=body.model,
            cached=body.cached,
        )

    await limits.require_tokens(caller)
    if body.stream:
        answering = stream_answer(begin, caller, limits)
        return work.stream(caller, answering, format_attempt=format_attempt)
    return await work.while_connected(request, caller, make_answer_values(begin, caller, limits))


@router.post("/search", responses=problems(*OF_SEARCHES))
async def search(
    body: SearchBody, caller: Reading, kb: KB, threads: TheThreads
) -> Told[list[FoundPassage]]:
    """The passages that match best, the best first."""
    caller.require_subject("documents")
    require_profile(kb.config, body.profile)
    filters = metadata_filters(body.filters, caller)

    def find_passages() -> list[FoundPassage]:
        passages = kb.search(
            *(body.question, body.top_k),
            filters=filters,
            profile=body.profile,
            user=caller.name,
            exact=body.exact,
            cached=body.cached,
        )
        return passages_to_values(body.question, passages)

    return await threads.searching.run(find_passages)


@dataclass(frozen=True)
class ConsideredPassage:
    """A passage that a search found; `passage` is null where it is not there any more."""

    rank: int
    score: float
    citation: int | None
    passage: FoundPassage | None


@router.get("/searches/{search_id}", responses=problems(Code.NO_SUCH_SEARCH))
def list_considered(
    search_id: SearchId, caller: Reading, kb: KB, question: Annotated[str, Query()] = ""
) -> Told[list[ConsideredPassage]]:
    """What a search found, the best first: of an answer what it was made of.

    `question` chooses the excerpts of the passages.
    """
    caller.require_subject("documents")
    filters = metadata_filters({}, caller)
    with translate_missing(Code.NO_SUCH_SEARCH):
        found = kb.considered(search_id, filters=filters, user=caller.name)
    shown = {name_document(each.passage) for each in found if each.passage}
    kb.components.books.audit.note_reading("passages", search_id, caller.name, shown)
    return [
        ConsideredPassage(
            rank=each.rank,
            score=each.score,
            citation=each.citation,
            passage=passages_to_values(question, [each.passage])[0] if each.passage else None,
        )
        for each in found
    ]
