"""Builds an answer: its facts, the time of each step, and its words, whole or streamed."""

import asyncio
import logging
import threading
import time
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Generator,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from llama_index.core.base.response.schema import (
    RESPONSE_TYPE,
    AsyncStreamingResponse,
    Response,
    StreamingResponse,
)
from llama_index.core.llms.llm import LLM
from llama_index.core.prompts import BasePromptTemplate
from llama_index.core.schema import NodeWithScore

from engines.answer import Answer, Citation, RouteName
from engines.answer_language import load_texts, question_language
from engines.documents.addresses import find_addresses
from engines.documents.citations import make_citation
from engines.documents.cited_numbers import find_unsupported_numbers
from engines.documents.cited_text import CitedText
from engines.documents.statements import cite_statements
from engines.elapsed import milliseconds_since
from engines.model_calls import find_listening
from engines.model_errors import model_errors
from engines.question import Question
from engines.route_reasons import say_reason
from stores.errors import ModelUnavailable

if TYPE_CHECKING:  # an answer only tells of searches
    from engines.search.search_run import Search

_log = logging.getLogger(__name__)
OnAnswer = Callable[["Search", Sequence[Citation]], None]
InferSources = Callable[[str, Sequence[NodeWithScore]], Mapping[int, str]]
"""Finds the numbers of the passages that a text rests on, each with what says the same."""
QuoteEvidence = Callable[["AnswerBuilder"], str]
"""Quotes what an answer is made of: rows, or passages by their numbers in it, which it cites.

"" for no quote.
"""


class AnswerBuilder:
    """Collects what an engine learns for one question, and gives the response.

    `facts` is the answer as far as it is known. The route of a question that brings none was asked
    for where no other `reason` is given. The metadata of a response are made of it when the
    response is given, and again when its text has ended, since only then the citations are known.
    A text that a model writes is cleaned, and may cite the `passages`; kb adds the `preface`
    and the `footnote`. `doing` says in errors what failed. `on_answer` gets each search with the
    citations of the answer, when that is complete. `infer_sources` is asked about a text of a model
    that cites no passage. With `quotes_at_once` a model that fails before its first word is not
    raised: what its text was to be made of is quoted instead.
    """

    def __init__(
        self,
        question: Question,
        route: RouteName | None,
        reason: str = "",
        *,
        model: str | None = None,
        doing: str = "answering the question",
        streaming: bool = False,
        on_answer: OnAnswer | None = None,
        infer_sources: InferSources = lambda *_: {},
        quotes_at_once: bool = False,
    ) -> None:
        asked_for = say_reason(f"{route}_asked", question_language(question)) if route else ""
        self.question = question
        self.facts = Answer(
            route=route,
            route_reason=question.route.reason if question.route else reason or asked_for,
            timings=question.timings,
            model=model,
            errors=dict(question.troubles),
        )
        self.passages: Sequence[NodeWithScore] = ()
        self.preface = "".join(_write_troubles(question, route, model))
        self.footnote = ""
        self._doing = doing
        self._streaming = streaming
        self._on_answer = on_answer
        self._infer_sources = infer_sources
        self._quotes_at_once = quotes_at_once
        self._searches: Sequence[Search] = ()
        self._sources: list[NodeWithScore] = []
        self._metadata: dict[str, Any] = {}
        self._said = ""  # so far, of a text that is streamed
        self._since = time.perf_counter()

    def note(self, **facts: Any) -> None:
        """Add to the facts, by the names of the fields of an answer."""
        self.facts = replace(self.facts, **facts)

    def end_step(self, step: str) -> None:
        """Note how long a step took that ends now and began when the one before it ended."""
        self.note(timings=self.facts.timings.add(step, milliseconds_since(self._since)))
        self._since = time.perf_counter()

    def take_passages(self, passages: Sequence[NodeWithScore], made: Sequence["Search"]) -> None:
        """Take what may be cited, and the searches that found it."""
        self.passages = passages
        self._searches = tuple(made)
        if made:
            self.note(search=made[-1].summary())

    @property
    def languages(self) -> set[str]:
        """The languages of what was searched for; "" is one that is not known."""
        return {search.query.language for search in self._searches}

    def cite(
        self,
        number: int,
        passage: NodeWithScore,
        excerpt: str | None = None,
        *,
        inferred: bool | None = None,
    ) -> None:
        """Give a passage with the answer, as what this number cites."""
        self._sources.append(passage)
        citation = replace(make_citation(number, passage, excerpt), inferred=inferred)
        self.note(citations=[*self.facts.citations, citation])

    def add_sources(self, passages: Sequence[NodeWithScore]) -> None:
        """Give passages with the answer that are cited already."""
        self._sources.extend(passages)

    def respond(self, text: str) -> RESPONSE_TYPE:
        """Answer with a text that is ready."""
        text = self.preface + text
        self._end_answer(text)
        if not self._streaming:
            return Response(text, self._sources, self._metadata)
        return StreamingResponse(_yield_text(text), self._sources, self._metadata)

    async def arespond(self, text: str) -> RESPONSE_TYPE:
        text = self.preface + text
        await self._end_answer_async(text)
        if not self._streaming:
            return Response(text, self._sources, self._metadata)
        return AsyncStreamingResponse(_yield_text_async(text), self._sources, self._metadata)

    def write(
        self,
        llm: LLM,
        prompt: BasePromptTemplate,
        values: dict[str, str],
        evidence: str = "",
        quote: QuoteEvidence = lambda _: "",
    ) -> RESPONSE_TYPE:
        """Answer with what the model writes; addresses in it must stand in the evidence.

        What `quote` gives stands below a text that is streamed and breaks off, before its error.
        """
        try:
            with model_errors(self._doing):
                if self._streaming:
                    pieces = self._stream_pieces(
                        llm.stream(prompt, **values), self._make_cited_text(evidence), quote
                    )
                    self._publish_metadata()
                    return StreamingResponse(pieces, self._sources, self._metadata)
                text = llm.predict(prompt, **values)
            text = self._clean_whole_text(text, self._make_cited_text(evidence))
        except ModelUnavailable as error:
            if quotes := self._quote_instead(quote, error):
                return self.respond(quotes)
            raise
        self._end_answer(text)
        return Response(text, self._sources, self._metadata)

    async def awrite(
        self,
        llm: LLM,
        prompt: BasePromptTemplate,
        values: dict[str, str],
        evidence: str = "",
        quote: QuoteEvidence = lambda _: "",
    ) -> RESPONSE_TYPE:
        try:
            with model_errors(self._doing):
                if self._streaming:
                    tokens = await llm.astream(prompt, **values)
                    self._publish_metadata()
                    apieces = self._stream_pieces_async(
                        tokens, self._make_cited_text(evidence), quote
                    )
                    return AsyncStreamingResponse(apieces, self._sources, self._metadata)
                text = await llm.apredict(prompt, **values)
            text = await asyncio.to_thread(
                self._clean_whole_text, text, self._make_cited_text(evidence)
            )
        except ModelUnavailable as error:
            if quotes := await asyncio.to_thread(self._quote_instead, quote, error):
                return await self.arespond(quotes)
            raise
        await self._end_answer_async(text)
        return Response(text, self._sources, self._metadata)

    def _make_cited_text(self, evidence: str) -> CitedText:
        return CitedText(len(self.passages), find_addresses(evidence))

    def _clean_whole_text(self, text: str, cited: CitedText) -> str:
        text = cited.clean_whole(text)
        self._cite_sources(cited, text)
        return self.preface + text + self.footnote

    def _stream_pieces(
        self, tokens: Iterator[str], cited: CitedText, quote: QuoteEvidence
    ) -> Generator[str, None, None]:
        self._said = self.preface
        if self.preface:
            yield self.preface
        try:
            with model_errors(self._doing), self._cite_what_was_said(cited):
                for piece in filter(None, cited.clean_pieces(tokens)):
                    self._say(piece, cited)
                    yield piece
                self._require_whole()
            self._cite_sources(cited, self._said.removeprefix(self.preface))
        except GeneratorExit:  # who stops an answer may still look at what it was made of
            self._tell_searches()
            raise
        except ModelUnavailable as error:
            if self._said == self.preface and (quotes := self._quote_instead(quote, error)):
                yield quotes
                self._end_answer(self._said + quotes)
                return
            if quotes := self._write_quotes_below(cited, quote, error):
                yield quotes
            raise
        self._publish_metadata()
        if self.footnote:
            yield self.footnote
        self._end_answer(self._said + self.footnote)

    async def _stream_pieces_async(
        self, tokens: AsyncIterator[str], cited: CitedText, quote: QuoteEvidence
    ) -> AsyncGenerator[str, None]:
        self._said = self.preface
        if self.preface:
            yield self.preface
        try:
            with model_errors(self._doing), self._cite_what_was_said(cited):
                async for token in tokens:
                    if piece := cited.feed(token):
                        self._say(piece, cited)
                        yield piece
                self._require_whole()
            last = cited.end()
            written = self._said.removeprefix(self.preface) + last
            await asyncio.to_thread(self._cite_sources, cited, written)
        except (
            asyncio.CancelledError,
            GeneratorExit,
        ):  # as above; a loop that ends waits for nobody
            threading.Thread(target=self._tell_searches).start()
            raise
        except ModelUnavailable as error:
            if self._said == self.preface and (
                quotes := await asyncio.to_thread(self._quote_instead, quote, error)
            ):
                yield quotes
                await self._end_answer_async(self._said + quotes)
                return
            if quotes := await asyncio.to_thread(self._write_quotes_below, cited, quote, error):
                yield quotes
            raise
        self._publish_metadata()
        if last := last + self.footnote:
            yield last
        await self._end_answer_async(self._said + last)

    def _require_whole(self) -> None:
        """Require that no server broke off the text without an error. Raises ModelUnavailable."""
        if (calls := find_listening()) and calls.is_cut:
            raise ModelUnavailable(
                f"{self._doing.capitalize()} failed: {self.facts.model} broke off its answer. "
                "Ask again; if it happens again, its server's log says why."
            )

    def _quote_instead(self, quote: QuoteEvidence, error: ModelUnavailable) -> str:
        """Quote the evidence of an answer whose model failed at once; "" for what is not quoted."""
        if not self._quotes_at_once or not (quotes := quote(self)):
            return ""
        told = load_texts(self.question).gettext(
            "The language model gave no words for this; it is what they were to be made of."
        )
        self.note(errors={**self.facts.errors, "model": str(error)})
        return f"{told}\n\n{quotes}"

    def _write_quotes_below(
        self, cited: CitedText, quote: QuoteEvidence, error: ModelUnavailable
    ) -> str:
        """Write the quotes that stand below a text which its model broke off, "" for none.

        There are none below a text that has not begun: another answer takes its place.
        """
        if self._said == self.preface:
            return ""
        try:
            quotes = quote(self)
        except ModelUnavailable as also:  # that of the embeddings
            _log.warning("Nothing is quoted below an answer that broke off: %s", also)
            quotes = ""
        if quotes:
            mark = load_texts(self.question).gettext("*The language model broke off here.*")
            quotes = f"{cited.close_code()}\n\n{mark}\n\n{quotes}"
            self._said += quotes
            self.note(errors={**self.facts.errors, "model": str(error)})
            self._note_statements(self._said)
        self._publish_metadata()
        self._tell_searches()
        return quotes

    def _say(self, piece: str, cited: CitedText) -> None:
        """Note a piece of a text, and publish what it cites first: nobody may come to its end."""
        self._said += piece
        if len(cited.cited) > len(self.facts.citations):
            self._cite_numbers(cited)
            self._publish_metadata()

    @contextmanager
    def _cite_what_was_said(self, cited: CitedText) -> Iterator[None]:
        """Publish the citations of a text also when it is stopped, or fails, before its end."""
        try:
            yield
        except BaseException:
            self._cite_numbers(cited)
            self._note_statements(self._said)
            self._publish_metadata()
            raise

    def _cite_sources(self, cited: CitedText, text: str) -> None:
        """Cite the passages whose numbers a text kept, or where it kept none what it rests on.

        Raises ModelUnavailable for an empty text.
        """
        if cited.is_blank:
            raise ModelUnavailable(
                f"{self._doing.capitalize()} failed: {self.facts.model} sent an empty answer. "
                "Ask again, or choose another llm.model."
            )
        self._cite_numbers(cited)
        self.footnote = self._write_unsupported_numbers(text) + self.footnote
        if not cited.cited and self.passages:
            for number, excerpt in sorted(self._infer_sources(text, self.passages).items()):
                self.cite(number, self.passages[number - 1], excerpt, inferred=True)

    def _write_unsupported_numbers(self, text: str) -> str:
        """Write which numbers of a text its cited passages do not hold; rows may hold them."""
        if self.facts.tables.sql:
            return ""
        numbers = find_unsupported_numbers(text, self.passages, self.question.query_str)
        told = load_texts(self.question).gettext(
            "Not in the passages that are cited for it: {numbers}. Compare with the originals."
        )
        return f"\n\n{told.format(numbers='; '.join(numbers))}" if numbers else ""

    def _cite_numbers(self, cited: CitedText) -> None:
        """Cite the passages whose numbers a text has kept so far, in the order of the numbers."""
        self._sources.clear()
        self.note(citations=[])
        for number in sorted(cited.cited):
            self.cite(number, self.passages[number - 1])

    def _note_statements(self, text: str) -> None:
        """Note which statements of the text each citation follows, and on which words they rest."""
        if self.facts.citations:
            cited = {passage.node_id: passage for passage in self._sources}
            self.note(citations=cite_statements(text, self.facts.citations, cited))

    def _end_answer(self, text: str) -> None:
        """Note the whole text, publish the metadata, and tell `on_answer` of each search."""
        self.end_step("answer")
        self.note(text=text)
        self._note_statements(text)
        self._publish_metadata()
        self._tell_searches()

    def _tell_searches(self) -> None:
        if self._on_answer:
            for search in self._searches:
                self._on_answer(search, self.facts.citations)

    async def _end_answer_async(self, text: str) -> None:
        if self._on_answer:  # which may write to a database
            await asyncio.to_thread(self._end_answer, text)
        else:
            self._end_answer(text)

    def _publish_metadata(self) -> None:
        """Fill the metadata of the response, which its reader holds already when it streams."""
        self._metadata.update(self.facts.metadata())


def _write_troubles(
    question: Question, route: RouteName | None, model: str | None
) -> Iterator[str]:
    """Write what the answer has to do without, which stands first; the errors tell why."""
    texts = load_texts(question)
    if "model" in question.troubles:
        if model:
            told = texts.gettext(
                "The first language model does not answer; this is the answer of {model}."
            ).format(model=model)
        else:
            told = texts.gettext(
                "The language model does not answer, so this is without it: quotes of the "
                "documents, and verified queries."
            )
        yield f"{told}\n\n"
    if "database" in question.troubles:
        if route == "documents":
            told = texts.gettext("The tables could not be asked; this is what the documents say.")
        else:
            told = texts.gettext("The tables could not be asked.")
        yield f"{told}\n\n"


def _yield_text(text: str) -> Generator[str, None, None]:
    yield text


async def _yield_text_async(text: str) -> AsyncGenerator[str, None]:
    yield text
