"""While the model does not answer another engine does; what has begun is not begun again."""

from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any

import pytest
from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.base.response.schema import (
    AsyncStreamingResponse,
    Response,
    StreamingResponse,
)
from llama_index.core.schema import QueryBundle

from engines.answer_builder import AnswerBuilder
from engines.model_fallback import FallbackQueryEngine
from engines.question import as_question
from stores.errors import ConfigError, ModelUnavailable

AWAY = ModelUnavailable("Answering the question failed: the LLM m is away.")
FIRST = "The language model does not answer"


class Failing(BaseQueryEngine):
    """Gives these words, then fails; without a stream at once."""

    def __init__(self, *words: str, streaming: bool = False) -> None:
        super().__init__(None)
        self._words, self._streaming = words, streaming

    def _get_prompt_modules(self) -> dict[str, Any]:
        return {}

    def _query(self, query_bundle: QueryBundle) -> StreamingResponse:
        def say() -> Generator[str, None, None]:
            yield from self._words
            raise AWAY

        if not self._streaming:
            raise AWAY
        return StreamingResponse(say(), [], {"model": "m", "text": "of the model"})

    async def _aquery(self, query_bundle: QueryBundle) -> AsyncStreamingResponse:
        async def say() -> AsyncGenerator[str, None]:
            for word in self._words:
                yield word
            raise AWAY

        if not self._streaming:
            raise AWAY
        return AsyncStreamingResponse(say(), [], {"model": "m", "text": "of the model"})


class Quoting(BaseQueryEngine):
    def __init__(self, *, streaming: bool = False) -> None:
        super().__init__(None)
        self._streaming = streaming

    def _get_prompt_modules(self) -> dict[str, Any]:
        return {}

    def _answer(self, asked: QueryBundle) -> AnswerBuilder:
        return AnswerBuilder(as_question(asked), "documents", streaming=self._streaming)

    def _query(self, query_bundle: QueryBundle) -> Any:
        return self._answer(query_bundle).respond("“30 days”")

    async def _aquery(self, query_bundle: QueryBundle) -> Any:
        return await self._answer(query_bundle).arespond("“30 days”")


def make_engine(*words: str, streaming: bool = False) -> FallbackQueryEngine:
    return FallbackQueryEngine(
        Failing(*words, streaming=streaming), lambda: Quoting(streaming=streaming)
    )


async def test_the_other_engine_answers_and_the_answer_says_why():
    for response in make_engine().query("How long?"), await make_engine().aquery("How long?"):
        assert isinstance(response, Response)
        assert str(response).startswith(FIRST)
        assert str(response).endswith("“30 days”")
        assert response.metadata["errors"] == {"model": str(AWAY)}


async def test_a_stream_that_fails_before_its_first_word_goes_on_as_the_other():
    response = make_engine(streaming=True).query("How long?")
    held = response.metadata
    assert "".join(response.response_gen).endswith("“30 days”")
    asynchronous: Any = await make_engine(streaming=True).aquery("How long?")
    pieces = [piece async for piece in asynchronous.response_gen]
    assert "".join(pieces).startswith(FIRST)
    for metadata in held, asynchronous.metadata:
        assert metadata["errors"] == {"model": str(AWAY)}
        assert (metadata["model"], "text" in metadata) == (None, False)


async def test_a_stream_that_fails_later_is_an_error():
    pieces = make_engine("Thirty", streaming=True).query("How long?").response_gen
    assert next(pieces) == "Thirty"
    with pytest.raises(ModelUnavailable):
        next(pieces)
    asynchronous: Any = await make_engine("Thirty", streaming=True).aquery("How long?")
    assert await anext(asynchronous.response_gen) == "Thirty"
    with pytest.raises(ModelUnavailable):
        await anext(asynchronous.response_gen)


def test_where_nothing_can_answer_without_a_model_its_error_is_raised():
    def refuse() -> BaseQueryEngine:
        raise ConfigError("The search profile reranks by the LLM.")

    without: Callable[[], BaseQueryEngine] = refuse
    with pytest.raises(ModelUnavailable, match="the LLM m is away"):
        FallbackQueryEngine(Failing(), without).query("How long?")
