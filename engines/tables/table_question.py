"""One question to the tables: what was tried, what was found, and the answer with both."""

import time
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator, Mapping
from datetime import UTC, datetime
from typing import Final

from llama_index.core.base.response.schema import (
    AsyncStreamingResponse,
    Response,
    StreamingResponse,
)

from engines.answer_language import question_language
from engines.documents.addresses import addresses
from engines.documents.cited_text import CitedText, cleaned
from engines.model_errors import model_errors
from engines.prompts import prompt
from engines.question import Question
from engines.responses import answer_metadata
from engines.tables.placeholders import explained, reason_for_the_model, written_out
from engines.tables.query_result import QueryResult, as_lines, as_text
from stores.errors import ModelUnavailable, QueryFailed, TookTooLong, UnsafeQuery
from stores.verified_queries import Value

REPAIRS: Final = 2
ANSWERING: Final = "answering from rows"
_PHRASES = {
    "en": {
        "failed": "The tables could not be asked: no statement worked. {reason}",
        "late": "The tables did not answer in time: the statement took too long, and was stopped.",
        "nothing": "The tables do not say.",
    },
    "fr": {
        "failed": "Les tables n'ont pas pu être interrogées : aucune requête n'a abouti. {reason}",
        "late": (
            "Les tables n'ont pas répondu à temps : la requête a pris trop de temps et a été "
            "interrompue."
        ),
        "nothing": "Les tables ne le disent pas.",
    },
}


class TableQuestion:
    """A question on its way through the engine.

    `words` is an answer that no model has to write.
    """

    def __init__(
        self, question: Question, schema: str, examples: str, route_reason: str, model: str
    ) -> None:
        self.question = question
        self.words: str | None = None
        self._schema = schema
        self._examples = examples
        self._failures: list[tuple[str, str]] = []
        self._result: QueryResult | None = None
        self._since = time.perf_counter()
        self._metadata = answer_metadata("database", route_reason, model) | {"attempts": []}

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
            "examples": self._examples_section(),
            "query_str": self.question.for_tables,
            "names": explained(self.question),
            "failures": "\n\n".join(failures),
        }

    def _examples_section(self) -> str:
        if not self._examples:
            return ""
        return "\n" + prompt("sql_examples").format(examples=self._examples)

    def answer_values(self) -> dict[str, str]:
        return {
            "query_str": self.question.query_str,
            "sql_query": self._metadata["sql"],
            "context_str": as_lines(self._rows),
        }

    def found(self, sql: str, values: Mapping[str, Value], result: QueryResult) -> None:
        """The statement ran, its :names bound to the values."""
        self._result = result
        self._metadata["sql"] = sql
        self._metadata["parameters"] = dict(values)
        self._metadata["columns"] = list(result.columns)
        self._metadata["rows"] = [list(row) for row in result.rows]
        self._metadata["truncated"] = result.truncated

    def failed(self, sql: str, error: UnsafeQuery | QueryFailed) -> None:
        self._failures.append((sql, reason_for_the_model(error, sql)))
        self._metadata["attempts"].append({"sql": sql, "error": str(error)})
        is_late = isinstance(error, TookTooLong)  # another attempt would take as long
        if is_late or len(self._failures) > REPAIRS:
            self._metadata["errors"]["database"] = str(error)
            phrase = self._phrase("late" if is_late else "failed")
            self.words = phrase.format(reason=cleaned(str(error)))

    def end(self, words: str) -> None:
        """The model asks back, or says that the tables do not hold the answer."""
        clean = CitedText(0).whole(written_out(words, self.question)).strip()
        self.words = clean or self._phrase("nothing")

    def end_with_sql(self, sql: str, values: Mapping[str, Value]) -> None:
        self._metadata["sql"] = self.words = sql
        self._metadata["parameters"] = dict(values)

    def end_with_rows(self) -> None:
        self.words = as_text(self._rows, self._language)

    def own_response(self) -> Response:
        """The `words` as they are."""
        assert self.words is not None  # noqa: S101 - asked for only when there are some
        self.timed("answer")
        return Response(self.words, [], self._metadata)

    def response(self, text: str) -> Response:
        text = self._cited_text().whole(text)
        self._finish(text)
        return Response(text, [], self._metadata)

    def stream(self, tokens: Iterator[str]) -> StreamingResponse:
        def pieces() -> Generator[str, None, None]:
            cited, said = self._cited_text(), ""
            with model_errors(ANSWERING):
                for piece in cited.clean(tokens):
                    said += piece
                    yield piece
            self._finish(said)

        return StreamingResponse(pieces(), [], self._metadata)

    def astream(self, tokens: AsyncIterator[str]) -> AsyncStreamingResponse:
        async def pieces() -> AsyncGenerator[str, None]:
            cited, said = self._cited_text(), ""
            with model_errors(ANSWERING):
                async for token in tokens:
                    piece = cited.feed(token)
                    said += piece
                    yield piece
            yield (last := cited.end())
            self._finish(said + last)

        return AsyncStreamingResponse(pieces(), [], self._metadata)

    def _cited_text(self) -> CitedText:
        return CitedText(0, addresses(as_lines(self._rows)))

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
        return _PHRASES[self._language][name]

    @property
    def _language(self) -> str:
        return question_language(self.question)

    @property
    def _rows(self) -> QueryResult:
        assert self._result is not None  # noqa: S101 - asked for only when there is one
        return self._result
