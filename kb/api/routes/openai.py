"""The API that clients of OpenAI speak."""

import base64
import secrets
import struct
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Final

import numpy as np
from fastapi import APIRouter, Request
from llama_index.core.utils import get_tokenizer

from engines.answer import Answer
from engines.chat.model_calls import ModelCalls
from engines.model_errors import model_errors
from kb.api.answer_events import AnswerUnderWay, begin_answer, http_values
from kb.api.dependencies import KB, TheLimits, TheThreads, TheWork
from kb.api.guards.access import Caller, Reading
from kb.api.guards.limits import Limits
from kb.api.json_filters import metadata_filters
from kb.api.openai_history import read_standalone
from kb.api.openai_messages import EMBEDDING, MODELS, Completion, Embedding, format_sources
from kb.api.openapi_description import STREAMED
from kb.api.problem_codes import Code
from kb.api.problems import Problem, error_to_problem, problem_to_openai_error
from kb.api.search_profiles import require_profile
from kb.api.sse import to_json_line
from kb.assembly.searching import AnswerOptions
from stores.errors import InvalidVector

router = APIRouter(prefix="/v1", tags=["OpenAI-compatible"])
# What is no extra field: it stands elsewhere, has another meaning there, or is for programs of kb.
_NO_EXTRA: Final = (
    *("answer", "model", "first", "names", "timings", "search"),
    *("parameters", "types", "verified"),
)


@router.get("/models")
async def models(caller: Reading) -> dict[str, Any]:
    """A model for each source that the caller may ask, and one that chooses."""
    data = [
        {"id": name, "object": "model", "created": 0, "owned_by": "kb"}
        for name, source in MODELS.items()
        if caller.may_use(source)
    ]
    return {"object": "list", "data": data}


@router.get("/models/{name}")
async def model(name: str, caller: Reading) -> dict[str, Any]:
    if name not in MODELS or not caller.may_use(MODELS[name]):
        raise Problem(Code.NO_SUCH_MODEL)
    return {"id": name, "object": "model", "created": 0, "owned_by": "kb"}


@router.post("/chat/completions", responses=STREAMED)
async def completions(
    body: Completion, request: Request, caller: Reading, kb: KB, limits: TheLimits, work: TheWork
) -> Any:
    """Answer the last message; the sources are an extra field, and notes below the text."""
    reply = _Reply(body, caller, kb, limits)
    await limits.require_tokens(caller)
    if body.stream:
        return work.stream(caller, reply.stream_chunks(), _format_problem)
    return await work.while_connected(request, caller, reply.make_whole())


class _Reply:
    """One completion, whole or in chunks. Raises Problem for what cannot be answered."""

    def __init__(self, body: Completion, caller: Caller, kb: KB, limits: Limits) -> None:
        require_profile(kb.config, body.profile)
        self._body = body
        self._source = caller.choose_source(body.source)
        self._question, self._past = body.read_question()
        self._filters = metadata_filters(body.filters, caller)
        self._caller = caller
        self._kb = kb
        self._limits = limits
        self._calls = ModelCalls()
        self._about = {
            "id": f"chatcmpl-{secrets.token_hex(12)}",
            "created": int(time.time()),
            "model": body.model,
        }

    async def make_whole(self) -> dict[str, Any]:
        try:
            under_way = await self._begin_answer()
            answer = await under_way.read_whole()
        finally:
            await self._count_tokens()
        text = answer.text + format_sources(answer.citations)
        message = {"role": "assistant", "content": text}
        choice = {
            "index": 0,
            "message": message,
            "finish_reason": self._finish_reason,
            "logprobs": None,
        }
        return {
            **self._about,
            "object": "chat.completion",
            "choices": [choice],
            "usage": self._usage,
            **_extra_fields(answer),
        }

    async def stream_chunks(self) -> AsyncGenerator[bytes, None]:
        try:
            under_way = await self._begin_answer()
            async with aclosing(self._make_chunks(under_way)) as chunks:
                async for chunk in chunks:
                    yield _format_event(chunk)
        except Exception as error:  # noqa: BLE001 - whatever it is, the client is told
            yield _format_problem(error_to_problem(error))
        finally:
            await self._count_tokens()
        yield b"data: [DONE]\n\n"

    async def _make_chunks(self, under_way: AnswerUnderWay) -> AsyncGenerator[dict[str, Any], None]:
        yield self._make_chunk({"role": "assistant", "content": ""})
        async with aclosing(under_way.stream_words()) as words:
            async for word in words:
                yield self._make_chunk({"content": word})
        answer = under_way.answer
        if notes := format_sources(answer.citations):
            yield self._make_chunk({"content": notes})
        yield self._make_chunk({}, self._finish_reason) | _extra_fields(answer)
        if self._body.wants_usage:
            yield self._make_chunk({}) | {"choices": [], "usage": self._usage}

    def _make_chunk(
        self, delta: Mapping[str, Any], finish_reason: str | None = None
    ) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason, "logprobs": None}
        return {**self._about, "object": "chat.completion.chunk", "choices": [choice]}

    async def _begin_answer(self) -> AnswerUnderWay:
        with self._calls.listen():
            options = AnswerOptions(
                source=self._source, filters=self._filters, profile=self._body.profile
            )
            question = await read_standalone(
                self._kb.components, self._question, self._past, options
            )
        return await begin_answer(
            self._kb,
            question,
            self._source,
            top_k=self._body.top_k,
            filters=self._filters,
            profile=self._body.profile,
            user=self._caller.name,
            calls=self._calls,
        )

    @property
    def _finish_reason(self) -> str:
        return "length" if self._calls.limit else "stop"

    @property
    def _tokens(self) -> tuple[int, int]:
        return self._calls.count_tokens() or (0, 0)

    @property
    def _usage(self) -> dict[str, int]:
        prompt, completion = self._tokens
        return {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
        }

    async def _count_tokens(self) -> None:
        await self._limits.count_tokens(self._caller, sum(self._tokens))


def _extra_fields(answer: Answer) -> dict[str, Any]:
    values = http_values(answer)
    return {key: value for key, value in values.items() if key not in _NO_EXTRA}


def _format_problem(problem: Problem) -> bytes:
    return _format_event(problem_to_openai_error(problem))


def _format_event(value: Mapping[str, Any]) -> bytes:
    return f"data: {to_json_line(value)}\n\n".encode()


@router.post("/embeddings")
async def embeddings(
    body: Embedding, caller: Reading, kb: KB, limits: TheLimits, threads: TheThreads
) -> dict[str, Any]:
    """Vectors of the model that the documents are found by."""
    caller.require_subject("documents")
    if body.model not in (EMBEDDING, kb.components.collection.embedding_model):
        raise Problem(Code.NO_SUCH_EMBEDDING_MODEL, {"known": EMBEDDING})
    if body.dimensions not in (None, kb.components.collection.dimension):
        raise Problem(Code.DIMENSIONS_DIFFER, {"known": kb.components.collection.dimension})
    await limits.require_tokens(caller)
    async with limits.take_embedding(caller):
        reply = await threads.embedding.run(_embed_texts, kb, body)
    await limits.count_tokens(caller, reply["usage"]["total_tokens"])
    return reply


def _embed_texts(kb: KB, body: Embedding) -> dict[str, Any]:
    with model_errors("embedding texts"):
        vectors = kb.components.embed_model.get_text_embedding_batch(body.texts)
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
    tokens = sum(len(get_tokenizer()(text)) for text in body.texts)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": body.model, "usage": usage}


def _encode_vector(vector: Sequence[float], encoding: str | None) -> Sequence[float] | str:
    if encoding != "base64":
        return vector
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
