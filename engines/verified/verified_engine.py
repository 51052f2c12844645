"""The query engine that answers from verified queries, and leaves the rest to another one."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.base.response.schema import RESPONSE_TYPE
from llama_index.core.callbacks import CallbackManager
from llama_index.core.prompts.mixin import PromptMixinType
from llama_index.core.schema import QueryBundle

from engines.answer import TableResult
from engines.answer_builder import AnswerBuilder
from engines.answer_language import load_texts
from engines.documents.cited_text import make_inert
from engines.question import Question, as_question
from engines.tables.query_result import Run
from engines.verified.answer import answer_with_match, describe_provenance
from engines.verified.matching import VerifiedMatcher
from stores.errors import QueryFailed, UnsafeQuery

_LIKE: Final = 0.5  # cosine; what is further away is not worth naming
_NAMED: Final = 3
_log = logging.getLogger(__name__)


class VerifiedQueryEngine(BaseQueryEngine):
    """Answers with the verified query that a question asks for; else `otherwise` answers.

    So does it for one that does not run any more. `Response.metadata["verified"]` tells who
    verified what, and the values that were bound. With `sql_only` the statement is the answer, and
    nothing but names is looked up; without `synthesize_response` the rows alone are. `in_thread`
    runs what waits for the tables when it is asked asynchronously.
    """

    def __init__(
        self,
        matcher: VerifiedMatcher,
        run: Run,
        otherwise: BaseQueryEngine | None = None,
        *,
        streaming: bool = False,
        sql_only: bool = False,
        synthesize_response: bool = True,
        in_thread: Callable[..., Awaitable[str | None]] = asyncio.to_thread,
        callback_manager: CallbackManager | None = None,
    ) -> None:
        super().__init__(callback_manager or CallbackManager())
        self._matcher = matcher
        self._run = run
        self._otherwise = otherwise
        self._streaming = streaming
        self._sql_only = sql_only
        self._synthesize_response = synthesize_response
        self._in_thread = in_thread

    def _get_prompt_modules(self) -> PromptMixinType:
        return {"otherwise": self._otherwise} if self._otherwise else {}

    def _query(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        answer = AnswerBuilder(as_question(query_bundle), "database", streaming=self._streaming)
        text = self._write_answer(answer)
        if text is None:
            assert self._otherwise  # noqa: S101 - without another engine there is an answer
            return self._otherwise.query(query_bundle)
        return answer.respond(text)

    async def _aquery(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        answer = AnswerBuilder(as_question(query_bundle), "database", streaming=self._streaming)
        text = await self._in_thread(self._write_answer, answer)
        if text is None:
            assert self._otherwise  # noqa: S101 - as above
            return await self._otherwise.aquery(query_bundle)
        return await answer.arespond(text)

    def _write_answer(self, answer: AnswerBuilder) -> str | None:
        """Return what the answer says, and note its rows; None where the other engine answers."""
        question = answer.question
        match = self._matcher.match(question)
        if match is None:
            return None if self._otherwise else self._write_refusal(question)
        tables = TableResult(
            sql=match.query.sql, parameters=dict(match.values), verified=describe_provenance(match)
        )
        if self._sql_only:
            answer.note(tables=tables)
            return match.query.sql
        try:
            found = answer_with_match(question, match, self._run)
        except (UnsafeQuery, QueryFailed) as error:
            failure = f"The verified query {match.query.name!r} does not run: {error}".rstrip(".")
            if self._otherwise is None:
                advice = "Correct it, or remove it; `kb sql --verify` runs all."
                raise type(error)(f"{failure}. {advice}") from error
            _log.warning("%s.", failure)
            return None
        answer.note(tables=tables.with_rows(found.result))
        return found.text if self._synthesize_response else found.rows

    def _write_refusal(self, question: Question) -> str:
        texts = load_texts(question)
        none = texts.gettext(
            "No verified query answers this, and there is no language model to write one."
        )
        near = [
            f"- {make_inert(query.question)}"
            for query, likeness in self._matcher.find_nearest(question.query_str, _NAMED)
            if likeness >= _LIKE
        ]
        if not near:
            return none
        return "\n".join([none, texts.gettext("Questions that can be answered:"), *near])
