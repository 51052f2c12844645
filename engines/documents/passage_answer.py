"""An answer from passages in the making: quoted or written, streamed or whole, always cited."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator, Sequence
from typing import Any, Final

from llama_index.core.base.response.schema import (
    AsyncStreamingResponse,
    Response,
    StreamingResponse,
)
from llama_index.core.schema import NodeWithScore

from engines.answer_language import phrase
from engines.documents.addresses import addresses
from engines.documents.citations import citation, numbered
from engines.documents.cited_text import CitedText, cleaned
from engines.documents.extract import Quote
from engines.model_errors import model_errors
from engines.question import Question
from engines.search.search_run import Search
from stores.errors import ModelUnavailable

ANSWERING: Final = "answering the question"

OnAnswer = Callable[[Search, Sequence[dict[str, Any]]], None]


class PassageAnswer:
    """One answer in the making: what was retrieved, what was cited, and how long it took.

    `metadata` become those of the response. `on_answer` gets each search with the citations of the
    answer, when that is complete.
    """

    def __init__(
        self, asked: Question, metadata: dict[str, Any], on_answer: OnAnswer | None
    ) -> None:
        self.question = asked.query_str
        self._asked = asked
        self.metadata = metadata
        self.footnote = ""  # what kb adds to a written answer
        self.passages: Sequence[NodeWithScore] = ()
        self._sources: list[NodeWithScore] = []
        self._searches: Sequence[Search] = ()
        self._on_answer = on_answer
        self._since = time.perf_counter()

    @property
    def prompt_values(self) -> dict[str, str]:
        return {"passages": numbered(self.passages), "question": self.question}

    @property
    def evidence(self) -> str:
        """What the answer is made from, whose addresses it may hold."""
        return numbered(self.passages)

    @property
    def yielding(self) -> bool:
        """Whether the search let the vectors decide where words say next to nothing."""
        return all(search.fusion.yielding for search in self._searches)

    def retrieved(self, passages: Sequence[NodeWithScore], made: Sequence[Search]) -> None:
        self.passages = passages
        self._searches = tuple(made)
        if made:
            self.metadata["search"] = made[-1].summary()

    def written(self, text: str) -> Response:
        cited = self._cited_text()
        text = cited.whole(text)
        self._cite_all(cited)
        return self._response(text + self.footnote)

    def stream(self, tokens: Iterator[str]) -> StreamingResponse:
        return StreamingResponse(self._streamed(tokens), self._sources, self.metadata)

    def astream(self, tokens: AsyncIterator[str]) -> AsyncStreamingResponse:
        return AsyncStreamingResponse(self._astreamed(tokens), self._sources, self.metadata)

    def quoted(self, found: Sequence[Quote]) -> Response:
        if not self.passages:
            return self._response(phrase("nothing_indexed", self._asked))
        if not found:
            return self._response(phrase("not_found", self._asked))
        best: dict[str, Quote] = {}
        for quote in found:
            best.setdefault(quote.passage.node_id, quote)
        numbers = {node_id: number for number, node_id in enumerate(best, start=1)}
        for node_id, quote in best.items():
            self._cite(numbers[node_id], quote.passage, quote.text)
        lines = [f"- “{cleaned(each.text)}” [{numbers[each.passage.node_id]}]" for each in found]
        text = "\n".join([phrase("extracts", self._asked), *lines])
        return self._response(CitedText(len(best), addresses(text)).whole(text))

    def _streamed(self, tokens: Iterator[str]) -> Generator[str, None, None]:
        cited = self._cited_text()
        with model_errors(ANSWERING):
            yield from (piece for piece in cited.clean(tokens) if piece)
        self._cite_all(cited)
        if self.footnote:
            yield self.footnote
        self._end()

    async def _astreamed(self, tokens: AsyncIterator[str]) -> AsyncGenerator[str, None]:
        cited = self._cited_text()
        with model_errors(ANSWERING):
            async for token in tokens:
                if piece := cited.feed(token):
                    yield piece
        yield cited.end()
        self._cite_all(cited)
        if self.footnote:
            yield self.footnote
        await asyncio.to_thread(self._end)

    def _cited_text(self) -> CitedText:
        return CitedText(len(self.passages), addresses(self.evidence))

    def _cite_all(self, cited: CitedText) -> None:
        if cited.is_blank:
            raise ModelUnavailable(
                f"Answering the question failed: {self.metadata['model']} sent an empty answer. "
                "Ask again, or choose another llm.model."
            )
        for number in sorted(cited.cited):
            self._cite(number, self.passages[number - 1])

    def _cite(self, number: int, passage: NodeWithScore, excerpt: str | None = None) -> None:
        self._sources.append(passage)
        self.metadata["citations"].append(citation(number, passage, excerpt))

    def _response(self, text: str) -> Response:
        self._end()
        return Response(text, self._sources, self.metadata)

    def _end(self) -> None:
        self.timed("answer")
        if self._on_answer:
            for search in self._searches:
                self._on_answer(search, self.metadata["citations"])

    def timed(self, step: str) -> None:
        now = time.perf_counter()
        self.metadata["timings"][step] = round((now - self._since) * 1000, 1)
        self._since = now
