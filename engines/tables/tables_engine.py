"""The database engine: question -> guarded SQL -> rows -> answer, with the SQL as its evidence."""

from collections.abc import Callable
from typing import Any

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.base.response.schema import RESPONSE_TYPE
from llama_index.core.callbacks import CallbackManager
from llama_index.core.indices.struct_store.sql_query import NLSQLTableQueryEngine
from llama_index.core.llms.llm import LLM
from llama_index.core.prompts import PromptTemplate
from llama_index.core.schema import QueryBundle

from engines.answer_builder import AnswerBuilder
from engines.model_errors import model_errors
from engines.model_replies import read_reply
from engines.prompts import add_instructions, chat_prompt, load_prompt
from engines.question import as_question
from engines.tables.entities import EntityIndex
from engines.tables.guarded_database import GuardedDatabase
from engines.tables.placeholders import bind_values, lacks_column
from engines.tables.table_choice import make_table_choice
from engines.tables.table_question import TableQuestion
from stores.errors import QueryFailed, UnsafeQuery

_WRITING = "writing SQL"


class DatabaseQueryEngine(NLSQLTableQueryEngine):
    """Answers from the tables of a guarded database.

    A statement that is refused or fails goes back to the model with the reason, at most twice.
    `Response.metadata` holds the SQL as it ran, the values that were bound, columns and rows and
    what was tried before. With `sql_only` the statement passes the guard and is the answer, and
    nothing runs; without `synthesize_response` the rows are the answer. `examples` gives questions
    with their SQL that are like a question, as text for the prompt. `sql_llm` writes the SQL, and
    `llm` what else is written; it writes both where there is no other. When that, the
    `last_model`, fails to put rows into words, they stand as they are.
    """

    def __init__(
        self,
        database: GuardedDatabase,
        *,
        llm: LLM,
        sql_llm: LLM | None = None,
        embed_model: BaseEmbedding,
        entities: EntityIndex | None = None,
        examples: Callable[[str], str] | None = None,
        streaming: bool = False,
        sql_only: bool = False,
        synthesize_response: bool = True,
        last_model: bool = False,
        instructions: str = "",
        callback_manager: CallbackManager | None = None,
    ) -> None:
        super().__init__(
            database,
            llm=llm,
            text_to_sql_prompt=chat_prompt("sql"),
            response_synthesis_prompt=PromptTemplate(_write_rows_prompt(instructions)),
            table_retriever=make_table_choice(database, llm, entities),
            embed_model=embed_model,
            sql_only=sql_only,
            synthesize_response=synthesize_response,
            callback_manager=callback_manager,
            streaming=streaming,
        )
        self._database = database
        self._sql_llm = sql_llm or llm
        self._examples = examples
        self._sql_only = sql_only
        self._is_last_model = last_model

    def _query(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        run = self._begin_question(query_bundle)
        while run.wants_sql:
            with model_errors(_WRITING):
                reply = self._sql_llm.predict(self._sql_prompt, **run.sql_values())
            self._take_reply(run, reply)
        if run.words is not None:
            return run.answer.respond(run.words)
        values = run.answer_values()
        run.tell_age()
        return run.answer.write(
            self._llm, self._answer_prompt, values, values["context_str"], run.write_rows
        )

    async def _aquery(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        run = await self._database.in_thread(self._begin_question, query_bundle)
        while run.wants_sql:
            with model_errors(_WRITING):
                reply = await self._sql_llm.apredict(self._sql_prompt, **run.sql_values())
            await self._database.in_thread(self._take_reply, run, reply)
        if run.words is not None:
            return await run.answer.arespond(run.words)
        values = run.answer_values()
        run.tell_age()
        return await run.answer.awrite(
            self._llm, self._answer_prompt, values, values["context_str"], run.write_rows
        )

    @property
    def _sql_prompt(self) -> Any:
        return self.sql_retriever.get_prompts()["text_to_sql_prompt"]

    @property
    def _answer_prompt(self) -> Any:
        return self.get_prompts()["response_synthesis_prompt"]

    def _begin_question(self, asked: QueryBundle) -> TableQuestion:
        question = as_question(asked)
        seen = QueryBundle(question.for_tables)  # the tables, too, are chosen by this alone
        schema = self.sql_retriever._get_table_context(seen)  # noqa: SLF001 - its one use is here
        examples = self._examples(question.for_tables) if self._examples else ""
        answer = AnswerBuilder(
            question,
            "database",
            model=self._llm.metadata.model_name,
            doing="answering from rows",
            streaming=self._streaming,
            quotes_at_once=self._is_last_model,
        )
        return TableQuestion(answer, schema, examples)

    def _take_reply(self, run: TableQuestion, reply: str) -> None:
        read = read_reply(reply)
        run.answer.end_step("sql")
        if read.words is not None:
            run.end_with_words(read.words)
            return
        try:
            self._run_statement(run, read.sql)
        except (UnsafeQuery, QueryFailed) as error:
            run.take_failure(read.sql, error, self._name_columns(read.sql, error))
        run.answer.end_step("rows")

    def _name_columns(self, sql: str, error: UnsafeQuery | QueryFailed) -> str:
        """Name the columns that there are, where a statement may have failed by inventing some."""
        if isinstance(error, UnsafeQuery):  # it may know no table at all
            return self._database.describe_columns(sql) or self._database.outline()
        return self._database.describe_columns(sql) if lacks_column(error) else ""

    def _run_statement(self, run: TableQuestion, sql: str) -> None:
        values = bind_values(sql, run.question)
        self._database.check_of_model(sql, values)
        if self._sql_only:
            run.end_with_sql(sql, values)
            return
        run.take_result(sql, values, self._database.run(sql, values))
        if not self._synthesize_response:
            run.end_with_rows()


def _write_rows_prompt(instructions: str) -> str:
    """Write the prompt of an answer from rows, with the instructions behind its rules."""
    rules, question, rest = load_prompt("rows_answer").partition("\n\nQuestion:")
    return add_instructions(rules, instructions) + question + rest
