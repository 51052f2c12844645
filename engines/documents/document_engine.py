"""The document engine: retriever -> answer with citations, with a language model or without."""

import asyncio

from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_index.core.base.response.schema import RESPONSE_TYPE, Response
from llama_index.core.callbacks import CallbackManager
from llama_index.core.llms.llm import LLM
from llama_index.core.prompts import ChatPromptTemplate
from llama_index.core.prompts.mixin import PromptDictType, PromptMixinType
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle

from engines.documents.extract import quotes
from engines.documents.passage_answer import ANSWERING, OnAnswer, PassageAnswer
from engines.model_errors import model_errors
from engines.prompts import prompt
from engines.question import as_question
from engines.responses import answer_metadata, as_async_stream, as_stream
from engines.search.search_run import searches


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
            answer.retrieved(self.retrieve(query_bundle), made)
        answer.timed("retrieval")
        if not answer.passages or self._llm is None:
            quoted = self._without_model(answer)
            return as_stream(quoted) if self._streaming else quoted
        with model_errors(ANSWERING):
            if self._streaming:
                return answer.stream(self._llm.stream(self._prompt, **answer.prompt_values))
            return answer.written(self._llm.predict(self._prompt, **answer.prompt_values))

    async def _aquery(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        answer = self._answer(query_bundle)
        with searches() as made:
            answer.retrieved(await self.aretrieve(query_bundle), made)
        answer.timed("retrieval")
        if not answer.passages or self._llm is None:
            quoted = await asyncio.to_thread(self._without_model, answer)
            return as_async_stream(quoted) if self._streaming else quoted
        with model_errors(ANSWERING):
            if self._streaming:
                tokens = await self._llm.astream(self._prompt, **answer.prompt_values)
                return answer.astream(tokens)
            text = await self._llm.apredict(self._prompt, **answer.prompt_values)
            return await asyncio.to_thread(answer.written, text)

    def _answer(self, asked: QueryBundle) -> PassageAnswer:
        model = self._llm.metadata.model_name if self._llm else None
        metadata = answer_metadata("documents", self._route_reason, model)
        return PassageAnswer(as_question(asked), metadata, self._on_answer)

    def _without_model(self, answer: PassageAnswer) -> Response:
        with model_errors("comparing sentences with the question"):
            found = quotes(
                answer.question, answer.passages, self._embed_model, yielding=answer.yielding
            )
        return answer.quoted(found)
