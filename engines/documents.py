"""The document engine: retriever -> answer with citations, with a language model or without."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator, Sequence
from typing import Any

from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_index.core.base.response.schema import (
    RESPONSE_TYPE,
    AsyncStreamingResponse,
    Response,
    StreamingResponse,
)
from llama_index.core.callbacks import CallbackManager
from llama_index.core.llms.llm import LLM
from llama_index.core.prompts import ChatPromptTemplate
from llama_index.core.prompts.mixin import PromptDictType, PromptMixinType
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle

from engines.citations import CitedText, addresses, citation, numbered
from engines.extract import Quote, quotes
from engines.language import phrase
from engines.model_errors import model_errors
from engines.prompts import prompt
from engines.searching import Search, searches
from stores.errors import ModelUnavailable

_ANSWERING = "answering the question"

OnAnswer = Callable[[Search, Sequence[dict[str, Any]]], None]


class DocumentQueryEngine(BaseQueryEngine):
    """Answers from retrieved passages; without an `llm`, by quoting them.

    `Response.source_nodes` are the cited passages; while a stream runs, they and the citations
    in its metadata are still empty. `on_answer` gets each search with the citations of its answer,
    when that is complete.
    """

    def __init__(
        self,
        retriever: BaseRetriever,
        *,
        llm: LLM | None,
        embed_model: BaseEmbedding,
        streaming: bool = False,
        route_reason: str = "documents were asked for",
        on_answer: OnAnswer | None = None,
        callback_manager: CallbackManager | None = None,
    ) -> None:
        super().__init__(callback_manager)
        self._retriever = retriever
        self._llm = llm
        self._embed_model = embed_model
        self._streaming = streaming
        self._route_reason = route_reason
        self._on_answer = on_answer
        self._prompt = ChatPromptTemplate(
            [
                ChatMessage(role=MessageRole.SYSTEM, content=prompt("answer_system")),
                ChatMessage(role=MessageRole.USER, content=prompt("answer_user")),
            ]
        )

    def _get_prompts(self) -> PromptDictType:
        return {"answer": self._prompt}

    def _update_prompts(self, prompts: PromptDictType) -> None:
        self._prompt = prompts.get("answer", self._prompt)  # type: ignore[assignment]  # LlamaIndex types it as any prompt

    def _get_prompt_modules(self) -> PromptMixinType:
        return {}

    def retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        with model_errors("embedding the question"):
            return self._retriever.retrieve(query_bundle)

    async def aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        with model_errors("embedding the question"):
            return await self._retriever.aretrieve(query_bundle)

    def _query(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        answer = self._answer(query_bundle)
        with searches() as made:
            passages = answer.retrieved(self.retrieve(query_bundle), made)
        if not passages or self._llm is None:
            quoted = self._without_model(answer)
            return _as_stream(quoted) if self._streaming else quoted
        with model_errors(_ANSWERING):
            if self._streaming:
                return answer.stream(self._llm.stream(self._prompt, **answer.prompt_values))
            return answer.written(self._llm.predict(self._prompt, **answer.prompt_values))

    async def _aquery(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        answer = self._answer(query_bundle)
        with searches() as made:
            passages = answer.retrieved(await self.aretrieve(query_bundle), made)
        if not passages or self._llm is None:
            quoted = await asyncio.to_thread(self._without_model, answer)
            return _as_async_stream(quoted) if self._streaming else quoted
        with model_errors(_ANSWERING):
            if self._streaming:
                tokens = await self._llm.astream(self._prompt, **answer.prompt_values)
                return answer.astream(tokens)
            text = await self._llm.apredict(self._prompt, **answer.prompt_values)
            return await asyncio.to_thread(answer.written, text)

    def _answer(self, asked: QueryBundle) -> "_Answer":
        return _Answer(asked.query_str, self._route_reason, self._llm, self._on_answer)

    def _without_model(self, answer: "_Answer") -> Response:
        with model_errors("comparing sentences with the question"):
            found = quotes(
                answer.question, answer.passages, self._embed_model, yielding=answer.yielding
            )
        return answer.quoted(found)


def _as_stream(response: Response) -> StreamingResponse:
    pieces = (piece for piece in [str(response)])
    return StreamingResponse(pieces, response.source_nodes, response.metadata)


def _as_async_stream(response: Response) -> AsyncStreamingResponse:
    async def pieces() -> AsyncGenerator[str, None]:
        yield str(response)

    return AsyncStreamingResponse(pieces(), response.source_nodes, response.metadata)


class _Answer:
    """One answer in the making: what was retrieved, what was cited, and how long it took."""

    def __init__(
        self, question: str, route_reason: str, llm: LLM | None, on_answer: OnAnswer | None
    ) -> None:
        self.question = question
        self.passages: Sequence[NodeWithScore] = ()
        self._sources: list[NodeWithScore] = []
        self._search: Search | None = None
        self._on_answer = on_answer
        self._since = time.perf_counter()
        self._metadata: dict[str, Any] = {
            "route": "documents",
            "route_reason": route_reason,
            "citations": [],
            "errors": {},
            "timings": {},
            "model": llm.metadata.model_name if llm else None,
        }

    @property
    def prompt_values(self) -> dict[str, str]:
        return {"passages": numbered(self.passages), "question": self.question}

    @property
    def yielding(self) -> bool:
        """Whether the search let the vectors decide where words say next to nothing."""
        return self._search is None or self._search.fusion.yielding

    def retrieved(
        self, passages: Sequence[NodeWithScore], made: Sequence[Search]
    ) -> Sequence[NodeWithScore]:
        self.passages = passages
        if made:
            self._search = made[-1]
            self._metadata["search"] = self._search.summary()
        self._time("retrieval")
        return passages

    def written(self, text: str) -> Response:
        cited = CitedText(len(self.passages), addresses(self.passages))
        text = "".join(cited.clean([text]))
        self._cite_all(cited)
        return self._response(text)

    def stream(self, tokens: Iterator[str]) -> StreamingResponse:
        return StreamingResponse(self._streamed(tokens), self._sources, self._metadata)

    def astream(self, tokens: AsyncIterator[str]) -> AsyncStreamingResponse:
        return AsyncStreamingResponse(self._astreamed(tokens), self._sources, self._metadata)

    def quoted(self, found: Sequence[Quote]) -> Response:
        if not self.passages:
            return self._response(phrase("nothing_indexed", self.question))
        if not found:
            return self._response(phrase("not_found", self.question))
        best: dict[str, Quote] = {}
        for quote in found:
            best.setdefault(quote.passage.node_id, quote)
        numbers = {node_id: number for number, node_id in enumerate(best, start=1)}
        for node_id, quote in best.items():
            self._cite(numbers[node_id], quote.passage, quote.text)
        lines = [f"- “{quote.text}” [{numbers[quote.passage.node_id]}]" for quote in found]
        return self._response("\n".join([phrase("extracts", self.question), *lines]))

    def _streamed(self, tokens: Iterator[str]) -> Generator[str, None, None]:
        cited = CitedText(len(self.passages), addresses(self.passages))
        with model_errors(_ANSWERING):
            yield from (piece for piece in cited.clean(tokens) if piece)
        self._cite_all(cited)
        self._end()

    async def _astreamed(self, tokens: AsyncIterator[str]) -> AsyncGenerator[str, None]:
        cited = CitedText(len(self.passages), addresses(self.passages))
        with model_errors(_ANSWERING):
            async for token in tokens:
                if piece := cited.feed(token):
                    yield piece
        yield cited.end()
        self._cite_all(cited)
        await asyncio.to_thread(self._end)

    def _cite_all(self, cited: CitedText) -> None:
        if cited.is_blank:
            raise ModelUnavailable(
                f"Answering the question failed: {self._metadata['model']} sent an empty answer. "
                "Ask again, or choose another llm.model."
            )
        for number in sorted(cited.cited):
            self._cite(number, self.passages[number - 1])

    def _cite(self, number: int, passage: NodeWithScore, excerpt: str | None = None) -> None:
        self._sources.append(passage)
        self._metadata["citations"].append(citation(number, passage, excerpt))

    def _response(self, text: str) -> Response:
        self._end()
        return Response(text, self._sources, self._metadata)

    def _end(self) -> None:
        self._time("answer")
        if self._on_answer and self._search:
            self._on_answer(self._search, self._metadata["citations"])

    def _time(self, step: str) -> None:
        now = time.perf_counter()
        self._metadata["timings"][step] = round((now - self._since) * 1000, 1)
        self._since = now
