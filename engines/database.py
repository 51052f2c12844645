"""The database engine: question -> guarded SQL -> rows -> answer, with the SQL as its evidence."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from datetime import UTC, datetime
from typing import Any, Final

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_index.core.base.response.schema import (
    RESPONSE_TYPE,
    AsyncStreamingResponse,
    Response,
    StreamingResponse,
)
from llama_index.core.callbacks import CallbackManager
from llama_index.core.indices.struct_store.sql_query import NLSQLTableQueryEngine
from llama_index.core.llms.llm import LLM
from llama_index.core.prompts import ChatPromptTemplate, PromptTemplate
from llama_index.core.schema import QueryBundle

from engines.citations import CitedText
from engines.guarded_database import GuardedDatabase
from engines.language import question_language
from engines.model_errors import model_errors
from engines.prompts import prompt
from engines.query_result import QueryResult
from engines.sql_reply import read_reply
from engines.table_choice import table_choice
from stores.errors import ModelUnavailable, QueryFailed, UnsafeQuery

REPAIRS: Final = 2
_WRITING, _ANSWERING = "writing SQL", "answering from rows"
_ROWS_READ = 50  # by the model; all of them are in the metadata
_CELL_CHARACTERS = 300
_PHRASES = {
    "en": {
        "failed": "The tables could not be asked: no statement worked. {reason}",
        "nothing": "The tables do not say.",
    },
    "fr": {
        "failed": "Les tables n'ont pas pu être interrogées : aucune requête n'a abouti. {reason}",
        "nothing": "Les tables ne le disent pas.",
    },
}


class DatabaseQueryEngine(NLSQLTableQueryEngine):
    """Answers from the tables of a guarded database.

    A statement that is refused or fails goes back to the model with the reason, at most twice.
    `Response.metadata` holds the SQL as it ran, its columns and rows and what was tried before;
    with `sql_only` the statement passes the guard and is the answer, and nothing runs.
    """

    def __init__(
        self,
        database: GuardedDatabase,
        *,
        llm: LLM,
        embed_model: BaseEmbedding,
        streaming: bool = False,
        sql_only: bool = False,
        route_reason: str = "the database was asked for",
        callback_manager: CallbackManager | None = None,
    ) -> None:
        super().__init__(
            database,
            llm=llm,
            text_to_sql_prompt=ChatPromptTemplate(
                [
                    ChatMessage(role=MessageRole.SYSTEM, content=prompt("sql_system")),
                    ChatMessage(role=MessageRole.USER, content=prompt("sql_user")),
                ]
            ),
            response_synthesis_prompt=PromptTemplate(prompt("rows_answer")),
            table_retriever=table_choice(database, llm, embed_model),
            embed_model=embed_model,
            sql_only=sql_only,
            callback_manager=callback_manager,
            streaming=streaming,
        )
        self._database = database
        self._sql_only = sql_only
        self._route_reason = route_reason

    def _query(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        run = self._begin(query_bundle)
        while run.wants_sql:
            with model_errors(_WRITING):
                reply = self._llm.predict(self._sql_prompt, **run.sql_values())
            self._take(run, reply)
        if run.words is not None:
            return run.stream(iter([run.words])) if self._streaming else run.response(run.words)
        with model_errors(_ANSWERING):
            if self._streaming:
                return run.stream(self._llm.stream(self._answer_prompt, **run.answer_values()))
            return run.response(self._llm.predict(self._answer_prompt, **run.answer_values()))

    async def _aquery(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        run = await asyncio.to_thread(self._begin, query_bundle)
        while run.wants_sql:
            with model_errors(_WRITING):
                reply = await self._llm.apredict(self._sql_prompt, **run.sql_values())
            await asyncio.to_thread(self._take, run, reply)
        if run.words is not None:
            words = _one(run.words)
            return run.astream(words) if self._streaming else run.response(run.words)
        with model_errors(_ANSWERING):
            values = run.answer_values()
            if self._streaming:
                return run.astream(await self._llm.astream(self._answer_prompt, **values))
            return run.response(await self._llm.apredict(self._answer_prompt, **values))

    @property
    def _sql_prompt(self) -> Any:
        return self.sql_retriever.get_prompts()["text_to_sql_prompt"]

    @property
    def _answer_prompt(self) -> Any:
        return self.get_prompts()["response_synthesis_prompt"]

    def _begin(self, asked: QueryBundle) -> "_Asking":
        schema = self.sql_retriever._get_table_context(asked)  # noqa: SLF001 - its one use is here
        model = self._llm.metadata.model_name
        return _Asking(asked.query_str, schema, self._route_reason, model)

    def _take(self, run: "_Asking", reply: str) -> None:
        read = read_reply(reply)
        run.timed("sql")
        if read.words:
            run.end(read.words)
            return
        try:
            self._database.check(read.sql)
            if self._sql_only:
                run.found(read.sql, None)
            else:
                run.found(read.sql, self._database.run(read.sql))
        except (UnsafeQuery, QueryFailed) as error:
            run.failed(read.sql, error)
        run.timed("rows")


async def _one(words: str) -> AsyncIterator[str]:
    yield words


class _Asking:
    """One question on its way: the statements that were tried, what was found, what it took."""

    def __init__(self, question: str, schema: str, route_reason: str, model: str) -> None:
        self.words: str | None = None  # an answer that no model has to write
        self._question = question
        self._schema = schema
        self._failures: list[tuple[str, str]] = []
        self._result: QueryResult | None = None
        self._since = time.perf_counter()
        self._metadata: dict[str, Any] = {
            "route": "database",
            "route_reason": route_reason,
            "citations": [],
            "sql": None,
            "columns": [],
            "rows": [],
            "truncated": False,
            "attempts": [],
            "errors": {},
            "timings": {},
            "model": model,
        }

    @property
    def wants_sql(self) -> bool:
        return self.words is None and self._result is None

    def sql_values(self) -> dict[str, str]:
        failures = (
            prompt("sql_failure").format(sql=sql, reason=reason) for sql, reason in self._failures
        )
        return {
            "dialect": "MariaDB",
            "today": datetime.now(UTC).date().isoformat(),
            "schema": self._schema,
            "query_str": self._question,
            "failures": "\n\n".join(failures),
        }

    def answer_values(self) -> dict[str, str]:
        assert self._result is not None  # noqa: S101 - asked for only when there is one
        rows = _for_the_model(self._result)
        sql = self._metadata["sql"]
        return {"query_str": self._question, "sql_query": sql, "context_str": rows}

    def found(self, sql: str, result: QueryResult | None) -> None:
        """The statement passed and, if there is a result, ran."""
        self._metadata["sql"] = sql
        if result is None:
            self.words = sql
            return
        self._result = result
        self._metadata["columns"] = list(result.columns)
        self._metadata["rows"] = [list(row) for row in result.rows]
        self._metadata["truncated"] = result.truncated

    def failed(self, sql: str, error: UnsafeQuery | QueryFailed) -> None:
        self._failures.append((sql, str(error)))
        self._metadata["attempts"].append({"sql": sql, "error": str(error)})
        if len(self._failures) > REPAIRS:
            self._metadata["errors"]["database"] = str(error)
            self.words = self._phrase("failed").format(reason=error)

    def end(self, words: str) -> None:
        """The model asks back, or says that the tables do not hold the answer."""
        clean = "".join(CitedText(0).clean([words])).strip()
        self.words = clean or self._phrase("nothing")

    def response(self, text: str) -> Response:
        cited = CitedText(0)
        text = text if text == self._metadata["sql"] else "".join(cited.clean([text]))
        self._finish(text)
        return Response(text, [], self._metadata)

    def stream(self, tokens: Iterator[str]) -> StreamingResponse:
        def cleaned() -> Generator[str, None, None]:
            cited, said = CitedText(0), ""
            with model_errors(_ANSWERING):
                for piece in cited.clean(tokens):
                    said += piece
                    yield piece
            self._finish(said)

        return StreamingResponse(cleaned(), [], self._metadata)

    def astream(self, tokens: AsyncIterator[str]) -> AsyncStreamingResponse:
        async def cleaned() -> AsyncGenerator[str, None]:
            cited, said = CitedText(0), ""
            with model_errors(_ANSWERING):
                async for token in tokens:
                    piece = cited.feed(token)
                    said += piece
                    yield piece
            yield (last := cited.end())
            self._finish(said + last)

        return AsyncStreamingResponse(cleaned(), [], self._metadata)

    def timed(self, step: str) -> None:
        now = time.perf_counter()
        timings = self._metadata["timings"]
        timings[step] = round(timings.get(step, 0) + (now - self._since) * 1000, 1)
        self._since = now

    def _finish(self, said: str) -> None:
        self.timed("answer")
        if not said.strip():
            raise ModelUnavailable(
                f"Answering from rows failed: {self._metadata['model']} sent an empty answer. "
                "Ask again, or choose another llm.model."
            )

    def _phrase(self, name: str) -> str:
        return _PHRASES[question_language(self._question)][name]


def _for_the_model(result: QueryResult) -> str:
    """The first rows, a line each; cells as SQL writes them."""
    lines = [" | ".join(result.columns)]
    lines += [" | ".join(map(_cell, row)) for row in result.rows[:_ROWS_READ]]
    more = len(result.rows) - _ROWS_READ
    if more > 0 or result.truncated:
        lines.append(f"({'more than ' if result.truncated else ''}{max(more, 0)} more rows)")
    return "\n".join(lines) if result.rows else "(no rows)"


def _cell(value: object) -> str:
    text = "NULL" if value is None else " ".join(str(value).split())
    return text if len(text) <= _CELL_CHARACTERS else f"{text[:_CELL_CHARACTERS]} …"
