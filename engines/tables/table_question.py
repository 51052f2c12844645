"""One question to the tables: what was tried, what was found, and the answer with both."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from engines.answer import Attempt, TableResult
from engines.answer_builder import AnswerBuilder
from engines.answer_language import question_language
from engines.documents.cited_text import CitedText, clean_quotation
from engines.prompts import load_prompt
from engines.question import Question, write_values
from engines.tables.placeholders import explain_names, reason_for_the_model
from engines.tables.query_result import QueryResult
from engines.tables.result_text import as_lines, as_text, tell_age
from engines.visible_text import hide_places
from stores.errors import QueryFailed, TookTooLong, UnsafeQuery
from stores.text.translations import load_translations
from stores.values import Value

REPAIRS: Final = 2


class TableQuestion:
    """A question on its way through the engine.

    `words` is an answer that no model has to write.
    """

    def __init__(self, answer: AnswerBuilder, schema: str, examples: str) -> None:
        self.answer = answer
        self.question: Question = answer.question
        self.words: str | None = None
        self._language = question_language(answer.question)
        self._schema = schema
        self._examples = examples
        self._failures: list[tuple[str, str]] = []
        self._is_found = False
        answer.note(tables=TableResult(attempts=()))

    @property
    def wants_sql(self) -> bool:
        return self.words is None and not self._is_found

    def sql_values(self) -> dict[str, str]:
        failures = (
            load_prompt("sql_failure").format(sql=sql, reason=reason)
            for sql, reason in self._failures
        )
        return {
            "dialect": "MariaDB",
            "today": datetime.now(UTC).date().isoformat(),
            "schema": self._schema,
            "examples": self._examples_section(),
            "query_str": self.question.for_tables,
            "names": explain_names(self.question),
            "failures": "\n\n".join(failures),
        }

    def _examples_section(self) -> str:
        if not self._examples:
            return ""
        return "\n" + load_prompt("sql_examples").format(examples=self._examples)

    def answer_values(self) -> dict[str, str]:
        return {
            "query_str": self.question.query_str,
            "sql_query": self._tables.sql or "",
            "context_str": as_lines(self._tables),
        }

    def tell_age(self) -> None:
        """Say below what a model writes of rows that they were kept, and since when."""
        if age := tell_age(self._tables, self._language):
            self.answer.footnote = f"\n\n{age}"

    def take_result(self, sql: str, values: Mapping[str, Value], result: QueryResult) -> None:
        """Note that the statement ran, its :names bound to the values."""
        self._is_found = True
        tables = replace(self._tables, sql=sql, parameters=dict(values))
        self.answer.note(tables=tables.with_rows(result))

    def take_failure(self, sql: str, error: UnsafeQuery | QueryFailed, columns: str = "") -> None:
        """Note why a statement did not work; `columns` are those that its tables have."""
        reason = reason_for_the_model(error, sql)
        told = f"{reason}\nThe columns are:\n{columns}" if columns else reason
        self._failures.append((sql, told))
        self._note_tables(attempts=[*(self._tables.attempts or ()), Attempt(sql, str(error))])
        is_late = isinstance(error, TookTooLong)  # another attempt would take as long
        if is_late or len(self._failures) > REPAIRS:
            self.answer.note(errors={"database": str(error)})
            texts = load_translations(self._language)
            late = texts.gettext(
                "The tables did not answer in time: the statement took too long, and was stopped."
            )
            failed = texts.gettext("The tables could not be asked: no statement worked. {reason}")
            self.words = (
                late if is_late else failed.format(reason=clean_quotation(hide_places(str(error))))
            )

    def end_with_words(self, words: str) -> None:
        """End with what the model asks back, or with its word that the tables do not say."""
        clean = CitedText(0).clean_whole(write_values(words, self.question.values)).strip()
        nothing = load_translations(self._language).gettext("The tables do not say.")
        self.words = clean or nothing

    def end_with_sql(self, sql: str, values: Mapping[str, Value]) -> None:
        self._note_tables(sql=sql, parameters=dict(values))
        self.words, self.answer.preface = sql, ""  # whoever runs it wants nothing else

    def end_with_rows(self) -> None:
        self.words = self.write_rows()

    def write_rows(self, _: AnswerBuilder | None = None) -> str:
        """Write the rows themselves, which no model has to put into words."""
        return as_text(self._tables, self._language)

    @property
    def _tables(self) -> TableResult:
        return self.answer.facts.tables

    def _note_tables(self, **facts: Any) -> None:
        self.answer.note(tables=replace(self._tables, **facts))
