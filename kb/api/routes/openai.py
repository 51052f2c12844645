"""The API that clients of OpenAI speak."""

import asyncio
import base64
import secrets
import struct
from collections.abc import Sequence
from typing import Annotated, Any, Final

import numpy as np
import tiktoken
from fastapi import APIRouter, Depends, Request
from llama_index.core.utils import get_tokenizer

from engines.model_errors import model_errors
from kb.api.caller_sessions import find_stored_id
from kb.api.dependencies import KB, TheLimits, TheThreads, TheWork
from kb.api.guards.access import Caller, Reading
from kb.api.json_filters import metadata_filters
from kb.api.named_choices import require_profile
from kb.api.openai.bodies import (
    EMBEDDING,
    MODELS,
    ChatCompletionBody,
    CompletionBody,
    EmbeddingBody,
    ResponseBody,
    Steering,
)
from kb.api.openai.completions import Completing, format_problem
from kb.api.openai.limited_text import TextLimit
from kb.api.openai.replies import (
    AnyModel,
    ChatCompletion,
    Completion,
    Embeddings,
    Models,
    ResponseObject,
)
from kb.api.openai.reply import Asked, Reply
from kb.api.openai.responses import (
    Responding,
    make_response_id,
    make_turn_id,
    read_response_id,
)
from kb.api.openapi_description import OF_ANSWERS, describe_stream, problems
from kb.api.problem_codes import Code
from kb.api.problems import Problem
from stores.errors import InvalidVector

router = APIRouter(prefix="/v1", tags=["OpenAI-compatible"])
_ENCODING: Final = "cl100k_base"  # of OpenAI's embedding models, and of clients that know no model


_OF_CHUNKS: Final = (
    "chunks without names, of which the last with a choice tells what the answer rests on, or an "
    "error; then `[DONE]`, which is no JSON."
)
_OF_RESPONSES: Final = (
    "in their order created, in_progress, the item and its part that are added, the text, what it "
    "cites, all three done, and completed or incomplete; or failed instead, or error."
)


def _describe_streamed(
    reply: Any, event: str, order: str, *codes: Code
) -> dict[int | str, dict[str, Any]]:
    """Describe a reply that comes whole, or as events when the body asks for a stream."""
    return {
        200: {"model": reply, "content": describe_stream(event, order)},
        **problems(Code.NO_SUCH_CHAT_MODEL, *OF_ANSWERS, *codes),
    }


async def find_page(request: Request, kb: KB) -> str:
    """Find the address of the page, where links to passages lead."""
    return f"{str(kb.config.serve.public_url or request.base_url).rstrip('/')}/"


ThePage = Annotated[str, Depends(find_page)]


@router.get("/models", response_model=Models)
async def list_openai_models(caller: Reading) -> dict[str, Any]:
    """A model for each source that the caller may ask, one that chooses, and that of embeddings."""
    data = [_describe_model(name) for name in (*MODELS, EMBEDDING) if _may_use(caller, name)]
    return {"object": "list", "data": data}


@router.get("/models/{name}", response_model=AnyModel, responses=problems(Code.NO_SUCH_MODEL))
async def find_openai_model(name: str, caller: Reading) -> dict[str, Any]:
    """One of the models, by its name."""
    if not _may_use(caller, name):
        raise Problem(Code.NO_SUCH_MODEL, more={"param": "model"})
    return _describe_model(name)


def _may_use(caller: Caller, name: str) -> bool:
    if name == EMBEDDING:
        return caller.may_use("documents")
    return name in MODELS and caller.may_use(MODELS[name])


def _describe_model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "kb"}


@router.post(
    "/chat/completions",
    responses=_describe_streamed(ChatCompletion, "ChatCompletionEvent", _OF_CHUNKS),
)
async def complete_chat(
    body: ChatCompletionBody,
    request: Request,
    caller: Reading,
    kb: KB,
    limits: TheLimits,
    work: TheWork,
    page: ThePage,
) -> Any:
    """Answer the last message; its sources are annotations, extra fields, and notes in the text."""
    question, past = body.read_question()
    asked = _make_asked(
        body, kb, caller, question=question, past=past, limit=body.limit, form=body.form
    )
    reply = Reply(asked, caller, kb, limits, page)
    return await _complete(body, reply, request, work)


@router.post(
    "/completions", responses=_describe_streamed(Completion, "CompletionEvent", _OF_CHUNKS)
)
async def complete_prompt(
    body: CompletionBody,
    request: Request,
    caller: Reading,
    kb: KB,
    limits: TheLimits,
    work: TheWork,
    page: ThePage,
) -> Any:
    """Answer a prompt, which is a question, as clients of the older API ask."""
    asked = _make_asked(body, kb, caller, question=body.question, limit=body.make_limit())
    reply = Reply(asked, caller, kb, limits, page)
    return await _complete(body, reply, request, work)


async def _complete(
    body: ChatCompletionBody | CompletionBody, reply: Reply, request: Request, work: TheWork
) -> Any:
    completing = Completing(body, reply)
    await reply.limits.require_tokens(reply.caller)
    if body.stream:
        return work.stream(reply.caller, completing.stream_chunks(), format_problem)
    return await work.while_connected(request, reply.caller, completing.make_whole())


@router.post(
    "/responses",
    responses=_describe_streamed(
        ResponseObject,
        "ResponseEvent",
        _OF_RESPONSES,
        *(Code.NO_SUCH_RESPONSE, Code.RESPONSE_CONTINUED, Code.TURN_UNDER_WAY),
    ),
)
async def respond(
    body: ResponseBody,
    request: Request,
    caller: Reading,
    kb: KB,
    limits: TheLimits,
    work: TheWork,
    page: ThePage,
) -> Any:
    """Answer the input; unless `store` is false, a chat session keeps it for the next one."""
    question, past = body.read_question()
    stored = None
    response_id = f"resp_{secrets.token_hex(12)}"
    if body.previous_response_id or (body.store is not False and not past):
        session, turn = await asyncio.to_thread(_choose_turn, body, question, kb, caller)
        response_id = make_response_id(session, turn)
        stored = (await asyncio.to_thread(find_stored_id, kb, session, caller), turn)
    limit = TextLimit(body.max_output_tokens)
    how = {"past": past, "turn": stored, "limit": limit, "form": body.form}
    asked = _make_asked(body, kb, caller, question=question, **how)
    responding = Responding(body, Reply(asked, caller, kb, limits, page), response_id)
    await limits.require_tokens(caller)
    if body.stream:
        return work.stream(caller, responding.stream_events(), responding.format_problem)
    return await work.while_connected(request, caller, responding.make_whole())


def _choose_turn(body: ResponseBody, question: str, kb: KB, caller: Caller) -> tuple[str, str]:
    """Choose the session and the turn of a response that is stored, as the caller knows them.

    Raises Problem for a response before it that is not there, or not the last of its session.
    """
    previous = body.previous_response_id
    turn = make_turn_id(previous, question)
    if previous is None:
        return secrets.token_urlsafe(12), turn
    session, before = read_response_id(previous)
    stored = find_stored_id(kb, session, caller)
    sessions = kb.components.session_store
    sessions.check_owner(stored, caller.name)
    turns = [stored_turn.id for stored_turn in sessions.list_turns(stored)]
    if before not in turns:
        raise Problem(Code.NO_SUCH_RESPONSE, more={"param": "previous_response_id"})
    if turns[turns.index(before) + 1 :] not in ([], [turn]):
        raise Problem(Code.RESPONSE_CONTINUED, more={"param": "previous_response_id"})
    return session, turn


def _make_asked(body: Steering, kb: KB, caller: Caller, **asked: Any) -> Asked:
    """Make what is asked of what a body says. Raises Problem for what it may not ask."""
    require_profile(kb.config, body.profile)
    return Asked(
        source=caller.choose_source(body.source),
        top_k=body.top_k,
        profile=body.profile,
        filters=metadata_filters(body.filters, caller),
        **asked,
    )


@router.post(
    "/embeddings",
    response_model=Embeddings,
    responses=problems(Code.BUDGET_SPENT, Code.NO_SUCH_EMBEDDING_MODEL, Code.NO_USABLE_VECTOR),
)
async def embed_texts(
    body: EmbeddingBody, caller: Reading, kb: KB, limits: TheLimits, threads: TheThreads
) -> dict[str, Any]:
    """Vectors of the model that the documents are found by."""
    caller.require_subject("documents")
    if body.model not in (EMBEDDING, kb.components.collection.embedding_model):
        raise Problem(Code.NO_SUCH_EMBEDDING_MODEL, {"known": EMBEDDING}, more={"param": "model"})
    if body.dimensions not in (None, kb.components.collection.dimension):
        known = kb.components.collection.dimension
        raise Problem(Code.DIMENSIONS_DIFFER, {"known": known}, more={"param": "dimensions"})
    texts = [_read_tokens(given) for given in body.inputs]
    await limits.require_tokens(caller)
    async with limits.take_embedding(caller):
        reply = await threads.embedding.run(_embed_texts, kb, body, texts, caller.name)
    await limits.count_tokens(caller, reply["usage"]["total_tokens"])
    return reply


def _read_tokens(given: str | list[int]) -> str:
    """Return a text, or that of its tokens. Raises Problem 422 for numbers that are none."""
    if isinstance(given, str):
        return given
    try:
        return tiktoken.get_encoding(_ENCODING).decode(given)
    except (KeyError, OverflowError) as error:
        raise Problem(
            Code.TOKENS_UNREADABLE, {"encoding": _ENCODING}, more={"param": "input"}
        ) from error


def _embed_texts(
    kb: KB, body: EmbeddingBody, texts: Sequence[str], user: str | None
) -> dict[str, Any]:
    model = kb.components.embed_model
    observing = kb.components.books.observe_embedding(model.model_name, "embeddings", user)
    with observing, model_errors("embedding texts"):
        vectors = model.get_text_embedding_batch(list(texts))
    if not np.isfinite(vectors).all():
        raise InvalidVector("The embedding holds NaN or infinity; the embedding model is at fault.")
    data = [
        {
            "object": "embedding",
            "index": index,
            "embedding": _encode_vector(vector, body.encoding_format),
        }
        for index, vector in enumerate(vectors)
    ]
    tokens = sum(len(get_tokenizer()(text)) for text in texts)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": body.model, "usage": usage}


def _encode_vector(vector: Sequence[float], encoding: str | None) -> Sequence[float] | str:
    if encoding != "base64":
        return vector
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
