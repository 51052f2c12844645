"""Answers from documents with citations, by a language model or, without one, by quotations."""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Final

from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.base.response.schema import RESPONSE_TYPE
from llama_index.core.callbacks import CallbackManager
from llama_index.core.llms.llm import LLM
from llama_index.core.prompts import BasePromptTemplate
from llama_index.core.prompts.mixin import PromptDictType, PromptMixinType
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle

from engines.answer_builder import AnswerBuilder, OnAnswer
from engines.answer_language import load_texts
from engines.documents.addresses import find_addresses
from engines.documents.asked_words import CountWords, find_stems
from engines.documents.citations import name_passage, number_passages
from engines.documents.cited_text import CitedText, clean_quotation, make_inert
from engines.documents.extract import Quote, find_quotes
from engines.model_errors import model_errors
from engines.prompts import chat_prompt
from engines.question import as_question
from engines.search.search_run import Search, collect_searches, knows_languages, note_search
from stores.errors import ModelUnavailable
from stores.text.text_language import detect_question_language

_log = logging.getLogger(__name__)
_NEAREST: Final = 3  # passages that are named where none answers


class DocumentQueryEngine(BaseQueryEngine):
    """Answers from retrieved passages; without an `llm`, by quoting them.

    `Response.source_nodes` are the cited passages; while a stream runs, they and the citations
    in its metadata are still empty. `embed_model` compares sentences with the
    question; `languages` are those that it knows, None for all. `count_words` tells how common
    words are in the collection.
    `on_answer` gets each search with the citations of its answer, when that is complete. `suggest`
    gives questions to ask instead of one that the passages do not answer.
    """

    def __init__(
        self,
        retriever: BaseRetriever,
        *,
        llm: LLM | None,
        embed_model: BaseEmbedding,
        languages: Collection[str] | None = None,
        streaming: bool = False,
        count_words: CountWords | None = None,
        suggest: Callable[[str, Sequence[str]], Sequence[str]] = lambda *_: (),
        on_answer: OnAnswer | None = None,
        instructions: str = "",
        callback_manager: CallbackManager | None = None,
    ) -> None:
        super().__init__(callback_manager)
        self._retriever = retriever
        self._llm = llm
        self._embed_model = embed_model
        self._languages = languages
        self._streaming = streaming
        self._count_words = count_words
        self._suggest = suggest
        self._on_answer = on_answer
        self._prompt: BasePromptTemplate = chat_prompt("answer", instructions)

    def _get_prompts(self) -> PromptDictType:
        return {"answer": self._prompt}

    def _update_prompts(self, prompts: PromptDictType) -> None:
        self._prompt = prompts.get("answer", self._prompt)

    def _get_prompt_modules(self) -> PromptMixinType:
        return {}

    def retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        if search := _search_of_router(query_bundle):
            return list(search.passages)
        with model_errors("embedding the question"):
            return self._retriever.retrieve(query_bundle)

    async def aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        if search := _search_of_router(query_bundle):
            return list(search.passages)
        with model_errors("embedding the question"):
            return await self._retriever.aretrieve(query_bundle)

    def _query(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        answer = self._start_answer(query_bundle)
        with collect_searches() as made:
            answer.take_passages(self.retrieve(query_bundle), made)
        answer.end_step("retrieval")
        if not answer.passages or self._llm is None:
            return answer.respond(self._quote_sentences(answer))
        values = _prompt_values(answer)
        return answer.write(
            self._llm, self._prompt, values, values["passages"], self.quote_passages
        )

    async def _aquery(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        answer = self._start_answer(query_bundle)
        with collect_searches() as made:
            answer.take_passages(await self.aretrieve(query_bundle), made)
        answer.end_step("retrieval")
        if not answer.passages or self._llm is None:
            return await answer.arespond(await asyncio.to_thread(self._quote_sentences, answer))
        values = _prompt_values(answer)
        return await answer.awrite(
            self._llm, self._prompt, values, values["passages"], self.quote_passages
        )

    def _start_answer(self, asked: QueryBundle) -> AnswerBuilder:
        return AnswerBuilder(
            as_question(asked),
            "documents",
            model=self._llm.metadata.model_name if self._llm else None,
            streaming=self._streaming,
            on_answer=self._on_answer,
            infer_sources=partial(self._find_repeated, asked.query_str),
        )

    def _find_repeated(
        self, question: str, text: str, passages: Sequence[NodeWithScore]
    ) -> dict[int, str]:
        """Find the sentences that an answer repeats, by the numbers of their passages.

        What the question says itself supports nothing: an answer that the passages do not tell
        something repeats it too.
        """
        try:
            found = find_quotes(text, passages, self._embed_model, count_words=self._count_words)
        except ModelUnavailable as error:  # the answer is there already
            _log.warning("No source is named for an answer that cites none: %s", error)
            return {}
        language = detect_question_language(text)
        added = find_stems(text, language) - find_stems(question, language)
        numbers = {passage.node_id: number for number, passage in enumerate(passages, start=1)}
        repeated: dict[int, str] = {}
        for quote in found:
            if added & find_stems(quote.text, language):
                repeated.setdefault(numbers[quote.passage.node_id], quote.text)
        return repeated

    def _quote_sentences(self, answer: AnswerBuilder) -> str:
        """Write the sentences that answer best as a text that cites their passages."""
        asked, texts = answer.question, load_texts(answer.question)
        if not answer.passages:
            return texts.gettext(
                "No indexed document could be searched for this: nothing is indexed yet, or no "
                "document passes the filter. `kb status` shows what is indexed, `kb index PATH` "
                "adds documents."
            )
        found = self._find_quotes(answer)
        if not found:
            said = [texts.gettext("The documents do not say.")]
            passages = [passage.get_content(MetadataMode.NONE) for passage in answer.passages]
            if near := self._suggest(asked.query_str, passages):
                said += ["", texts.gettext("These questions have checked answers:")]
                said += [f"- {make_inert(question)}" for question in near]
            named = dict.fromkeys(name_passage(passage, texts) for passage in answer.passages)
            said += ["", texts.gettext("The nearest passages, which may not answer it:")]
            said += [f"- {clean_quotation(name)}" for name in islice(named, _NEAREST)]
            return "\n".join(said)
        quoted = dict.fromkeys(quote.passage.node_id for quote in found)
        return _write_quotes(answer, found, {chunk: n for n, chunk in enumerate(quoted, start=1)})

    def quote_passages(self, answer: AnswerBuilder) -> str:
        """Quote the passages of an answer that a model began, by their numbers in it.

        It is "" where no sentence answers. Raises ModelUnavailable for the embedding model.
        """
        found = self._find_quotes(answer)
        numbers = {passage.node_id: n for n, passage in enumerate(answer.passages, start=1)}
        return _write_quotes(answer, found, numbers) if found else ""

    def _find_quotes(self, answer: AnswerBuilder) -> list[Quote]:
        return find_quotes(
            answer.question.query_str,
            answer.passages,
            self._embed_model,
            adaptive=knows_languages(self._languages, answer.languages),
            count_words=self._count_words,
        )


def _write_quotes(answer: AnswerBuilder, found: Sequence[Quote], numbers: Mapping[str, int]) -> str:
    """Write a list of quotes, and cite their passages by the numbers of the chunks."""
    cited = {citation.number for citation in answer.facts.citations}
    lines = [load_texts(answer.question).gettext("From the documents:")]
    for quote in found:
        number = numbers[quote.passage.node_id]
        if number not in cited:
            cited.add(number)
            answer.cite(number, quote.passage, quote.text)
        lines.append(f"- “{clean_quotation(quote.text)}” [{number}]")
    text = "\n".join(lines)
    return CitedText(max(numbers.values()), find_addresses(text)).clean_whole(text)


def _prompt_values(answer: AnswerBuilder) -> dict[str, str]:
    return {"passages": number_passages(answer.passages), "question": answer.question.query_str}


def _search_of_router(asked: QueryBundle) -> Search | None:
    """Return the search that a question brings along; it counts as made for the answer."""
    search = as_question(asked).search
    if search:
        note_search(search)
    return search
