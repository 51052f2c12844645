"""Answers from documents and tables together: at once, one after the other, and by halves."""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from fake_models import HashEmbedding, ScriptedLLM
from llama_index.core.base.response.schema import (
    AsyncStreamingResponse,
    Response,
    StreamingResponse,
)
from llama_index.core.query_engine import CustomQueryEngine
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

from engines.answer import Answer, TableResult
from engines.both.both_engine import Deadlines, JoinedQueryEngine
from engines.documents.document_engine import DocumentQueryEngine
from engines.question import Question
from engines.routing.route import Route
from engines.tables.entities import EntityIndex
from engines.tables.guarded_database import GuardedDatabase
from engines.tables.query_result import QueryResult
from engines.tables.tables_engine import DatabaseQueryEngine
from engines.verified.answer import describe_provenance
from engines.verified.matching import Match
from stores.connection import make_engine
from stores.errors import EngineError, ModelUnavailable, StoreUnavailable
from stores.verified_queries import VerifiedQuery

SCHEMA = """
CREATE TABLE customers (id INT PRIMARY KEY, name VARCHAR(80));
CREATE TABLE products (id INT PRIMARY KEY, name VARCHAR(80), sold INT);
CREATE TABLE orders (id INT PRIMARY KEY, customer_id INT, total DECIMAL(8,2));
INSERT INTO customers VALUES (1, 'Épicerie Ballon'), (2, 'Kiln & "Crumb"'), (3, 'Nobody Ltd');
INSERT INTO products VALUES (1, 'Rivage kettle', 52), (2, 'Brume 2', 7);
INSERT INTO orders VALUES (1, 1, 90), (2, 2, 50), (3, 3, 1)"""
TICKETS = {
    "ballon": "Épicerie Ballon complains that parcels arrive dented.",
    "crumb": "Kiln & Crumb complains of CB-121 on two machines.",
    "recall": "The Rivage kettle is recalled. Owners choose a refund or a new base.",
}
SOLD = "SELECT SUM(sold) AS sold FROM products"
BEST = (
    "SELECT c.id, c.name FROM customers c JOIN orders o ON o.customer_id = c.id "
    "ORDER BY o.total DESC LIMIT 2"
)
QUESTION = "What do our two best customers complain about?"
DIVIDED = {
    "documents_question": "What do they complain about?",
    "database_question": "Who are our two best customers?",
}


class Tickets(BaseRetriever):
    """Finds what holds the quoted phrases of a question; it remembers the questions."""

    def __init__(self, wait: float = 0, error: Exception | None = None, only: str = "") -> None:
        super().__init__()
        self.asked: list[str] = []
        self._wait = wait
        self._error = error
        self._only = only  # in questions that fail

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        self.asked.append(query_bundle.query_str)
        time.sleep(self._wait)
        if self._error and self._only in query_bundle.query_str:
            raise self._error
        phrases = [words(phrase) for phrase in re.findall('"(.*?)"', query_bundle.query_str)]
        return [
            NodeWithScore(node=TextNode(id_=name, text=text, metadata={"path": name}), score=0.5)
            for name, text in TICKETS.items()
            if all(phrase in words(text) for phrase in phrases)
        ]


class Rows(CustomQueryEngine):
    """Answers with these rows."""

    def __init__(self, result: QueryResult, verified: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self._result = result
        self._verified = verified

    def custom_query(self, query_str: str) -> Response:
        tables = TableResult("SELECT 1", verified=self._verified).with_rows(self._result)
        return Response("Two rows.", [], Answer(route="database", tables=tables).metadata())


def words(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))


@pytest.fixture
def guarded(engine: sa.Engine) -> Iterator[GuardedDatabase]:
    with engine.begin() as connection:
        for statement in SCHEMA.split(";\n"):
            connection.exec_driver_sql(statement)
    reader = make_engine(engine.url)
    yield GuardedDatabase(reader, ["customers", "products", "orders"])
    reader.dispose()


@pytest.fixture
def joined(guarded: GuardedDatabase) -> Callable[..., Any]:
    """An engine whose model gives these replies, and its model."""

    def joined(*replies: Any, retriever: Any = None, **options: Any) -> Any:
        llm = ScriptedLLM(replies=list(replies))
        embed_model = HashEmbedding()
        route = {"route": "both", "reason": "asked for", **options.pop("route", {})}
        documents = DocumentQueryEngine(retriever or Tickets(), llm=llm, embed_model=embed_model)
        database = DatabaseQueryEngine(
            guarded, llm=llm, embed_model=embed_model, synthesize_response=False
        )
        engine = JoinedQueryEngine(
            documents,
            options.pop("database", lambda: database),
            route=Route(**route),
            llm=llm,
            entities=lambda: EntityIndex(guarded),
            **options,
        )
        return engine, llm

    return joined


def test_one_answer_is_written_from_passages_and_rows(joined):
    engine, llm = joined(SOLD, "We sold 59 [tables]; one is recalled [3], says [9].")
    response = engine.query("How many did we sell, and what is recalled?")
    assert str(response) == "We sold 59 [tables]; one is recalled [3], says."
    found = response.metadata
    assert found["route"] == "both"
    assert found["sql"] == SOLD
    assert found["rows"] == [[Decimal(59)]]
    assert [each["document"] for each in found["citations"]] == ["recall"]
    assert [node.node_id for node in response.source_nodes] == ["recall"]
    assert found["errors"] == {}
    assert {"database and documents", "answer"} <= set(found["timings"])
    for told in (SOLD, "sold\n59", "[3] recall\nThe Rivage kettle", "How many did we sell"):
        assert told in llm.prompts[-1]


async def test_it_is_written_asynchronously_and_streamed(joined):
    engine, _ = joined(SOLD, "We sold 59 [tables], one is recalled [3].", streaming=True)
    response = engine.query("How many?")
    assert isinstance(response, StreamingResponse)
    assert "".join(response.response_gen) == "We sold 59 [tables], one is recalled [3]."
    assert [each["number"] for each in response.metadata["citations"]] == [3]
    engine, _ = joined(SOLD, "We sold 59 [tables], one is recalled [3].", streaming=True)
    response = await engine.aquery("How many?")
    assert isinstance(response, AsyncStreamingResponse)
    assert [piece async for piece in response.async_response_gen()][-1]
    assert response.metadata["rows"] == [[Decimal(59)]]
    engine, _ = joined(SOLD, "We sold 59 [tables].")
    assert str(await engine.aquery("How many?")) == "We sold 59 [tables]."


async def test_both_are_asked_at_once(joined):
    def slow(_: str) -> str:
        time.sleep(0.5)
        return SOLD

    engine, _ = joined(slow, "59", retriever=Tickets(wait=0.5))
    begin = time.monotonic()
    engine.query("How many?")
    assert 0.5 <= time.monotonic() - begin < 0.95


def test_rows_name_what_is_searched_for(joined):
    tickets = Tickets()
    engine, llm = joined(
        BEST,
        "Dented parcels [1], CB-121 [2].",
        retriever=tickets,
        route={"first": "database", **DIVIDED},
    )
    response = engine.query(QUESTION)
    assert tickets.asked == [
        'What do they complain about? "Épicerie Ballon"',
        'What do they complain about? "Kiln & Crumb"',
    ]
    assert [each["document"] for each in response.metadata["citations"]] == ["ballon", "crumb"]
    assert response.metadata["first"] == "database"
    assert response.metadata["names"] == ["Épicerie Ballon", 'Kiln & "Crumb"']
    assert "recalled" not in llm.prompts[-1]
    assert "Who are our two best customers?" in llm.prompts[0]
    assert QUESTION in llm.prompts[-1]


async def test_names_that_no_document_holds_leave_the_plain_search(joined):
    tickets = Tickets()
    engine, _ = joined(
        "SELECT name FROM customers WHERE id = 3",
        "Nothing of them.",
        retriever=tickets,
        route={"first": "database", **DIVIDED},
    )
    await engine.aquery(QUESTION)
    assert tickets.asked == [
        'What do they complain about? "Nobody Ltd"',
        "What do they complain about?",
    ]


def test_documents_name_what_is_looked_up_and_no_model_reads_the_name(joined):
    sql = "SELECT sold FROM products WHERE name = :found_products_name_1"
    engine, llm = joined(
        "The Rivage kettle [3].",
        sql,
        "We sold 52 [tables] of it [1].",
        route={
            "first": "documents",
            "documents_question": "Which kettle is recalled?",
            "database_question": "How many of it did we sell?",
        },
    )
    response = engine.query("How many of the recalled kettle did we sell?")
    assert str(response) == "We sold 52 [tables] of it [1]."
    assert response.metadata["rows"] == [[52]]
    assert response.metadata["sql"] == sql
    assert response.metadata["parameters"] == {"found_products_name_1": "Rivage kettle"}
    assert [each["number"] for each in response.metadata["citations"]] == [1]
    written = llm.prompts[1]
    assert ":found_products_name_1" in written
    assert "Rivage" not in written


async def test_without_a_model_each_name_has_its_own_quotes(guarded):
    rows = QueryResult(("name",), [("Épicerie Ballon",), ('Kiln & "Crumb"',)])
    engine = JoinedQueryEngine(
        DocumentQueryEngine(Tickets(), llm=None, embed_model=HashEmbedding()),
        lambda: Rows(rows),
        route=Route(route="both", reason="asked for", first="database", **DIVIDED),
        llm=None,
        entities=lambda: EntityIndex(guarded),
    )
    for response in (engine.query(QUESTION), await engine.aquery(QUESTION)):
        assert str(response) == (
            "From the tables:\nTwo rows.\n\n"
            "Épicerie Ballon\nFrom the documents:\n"
            "- “Épicerie Ballon complains that parcels arrive dented.” [1]\n\n"
            'Kiln & "Crumb"\nFrom the documents:\n'
            "- “Kiln & Crumb complains of CB-121 on two machines.” [2]"
        )
        cited = [(each["number"], each["document"]) for each in response.metadata["citations"]]
        assert cited == [(1, "ballon"), (2, "crumb")]
        assert [node.node_id for node in response.source_nodes] == ["ballon", "crumb"]


@pytest.mark.parametrize("llm", [None, ScriptedLLM(reply=lambda _: "Both say so.")])
async def test_rows_of_a_verified_query_come_with_who_has_verified_it(guarded, llm):
    sql = "SELECT name FROM customers WHERE :year = 2025"
    query = VerifiedQuery("who", "Who?", sql, "en", "ana", date(2026, 6, 12), key="ana")
    verified = describe_provenance(Match(query, {"year": 2025}, frozenset()))
    rows = QueryResult(("name",), [("Épicerie Ballon",)])
    engine = JoinedQueryEngine(
        DocumentQueryEngine(Tickets(), llm=None, embed_model=HashEmbedding()),
        lambda: Rows(rows, verified),
        route=Route(route="both", reason="asked for"),
        llm=llm,
    )
    for response in (engine.query(QUESTION), await engine.aquery(QUESTION)):
        assert str(response).endswith(
            "\n\nVerified by ana on June 12, 2026: “Who?”, year = 2025 assumed."
        )
        assert response.metadata["verified"]["key"] == "ana"


@pytest.mark.parametrize("names", [("Nobody Ltd",), ("Nobody Ltd", "No One")])
def test_without_a_model_names_that_no_document_holds_leave_the_plain_search(guarded, names):
    rows = QueryResult(("name",), [(name,) for name in names])
    engine = JoinedQueryEngine(
        DocumentQueryEngine(Tickets(), llm=None, embed_model=HashEmbedding()),
        lambda: Rows(rows),
        route=Route(route="both", reason="asked for", first="database", **DIVIDED),
        llm=None,
        entities=lambda: EntityIndex(guarded),
    )
    response = engine.query(QUESTION)
    assert str(response).startswith("From the tables:\nTwo rows.\n\nFrom the documents:\n")
    assert (response.metadata["names"], response.metadata["errors"]) == ([], {})


def test_a_search_for_names_that_fails_leaves_the_plain_one(joined):
    tickets = Tickets(error=ModelUnavailable("Embedding failed."), only='"')
    engine, _ = joined(
        BEST, "Dented parcels [1].", retriever=tickets, route={"first": "database", **DIVIDED}
    )
    response = engine.query(QUESTION)
    assert str(response) == "Dented parcels [1]."
    assert len(tickets.asked) == 2
    assert response.metadata["errors"] == {}


def test_each_step_has_its_own_time(joined):
    engine, _ = joined(SOLD, "59", retriever=Tickets(wait=0.2))
    timings = engine.query("How many?").metadata["timings"]
    assert set(timings) == {"database and documents", "answer"}
    assert timings["database and documents"] >= 200


@pytest.mark.parametrize("streaming", [False, True])
def test_without_the_tables_the_documents_answer_with_a_note(joined, streaming):
    def closed() -> Any:
        raise StoreUnavailable("MariaDB at /run/kb/server.sock does not answer.")

    engine, _ = joined("It is recalled [3].", database=closed, streaming=streaming)
    response = engine.query("How many, and which?")
    text = "".join(response.response_gen) if streaming else str(response)
    assert text == (
        "(The tables could not be asked: MariaDB does not answer.)\n\nIt is recalled [3]."
    )  # which others may read: the errors are for who runs it, and name the place
    reason = "MariaDB at /run/kb/server.sock does not answer."
    assert response.metadata["errors"] == {"database": reason}


async def test_without_the_documents_the_rows_answer_with_a_note(joined):
    away = Tickets(error=ModelUnavailable("Embedding failed."))
    for ask in ("query", "aquery"):
        engine, _ = joined(SOLD, "59 [tables].", retriever=away)
        response = engine.query("How many?") if ask == "query" else await engine.aquery("How many?")
        told = "(The documents could not be asked: Embedding failed.)"
        assert str(response) == f"{told}\n\n59 [tables]."
        assert response.metadata["errors"] == {"documents": "Embedding failed."}


def test_a_source_that_is_late_is_left_alone(joined):
    engine, _ = joined(
        SOLD, "59 [tables].", retriever=Tickets(wait=3), deadlines=Deadlines(documents=0.2)
    )
    begin = time.monotonic()
    response = engine.query("Combien en avons-nous vendu ?")
    assert time.monotonic() - begin < 2.5
    assert response.metadata["errors"] == {"documents": "No answer within 0.2 s."}
    assert "Les documents n'ont pas pu être consultés" in str(response)


def test_when_both_fail_so_does_the_question(joined):
    def closed() -> Any:
        raise StoreUnavailable("MariaDB is away.")

    engine, _ = joined(database=closed, retriever=Tickets(error=ModelUnavailable("No model.")))
    with pytest.raises(EngineError, match=r"MariaDB is away\. Documents: No model\."):
        engine.query("How many?")


def test_tables_that_do_not_say_leave_the_documents(joined):
    engine, llm = joined("NO_ANSWER: They hold no complaints.", "Dented parcels [1].")
    response = engine.query("What do they complain about?")
    assert str(response) == "Dented parcels [1]."
    assert response.metadata["sql"] is None
    assert "They hold no complaints." in llm.prompts[-1]


def test_without_a_model_documents_and_tables_are_asked_at_once_and_so_it_is_told():
    asked = []

    def open_tables() -> Any:
        asked.append("tables")
        return Rows(QueryResult(("name",), [("Brume 2",)]))

    class First(Tickets):
        def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
            asked.append("documents")
            return super()._retrieve(query_bundle)

    engine = JoinedQueryEngine(
        DocumentQueryEngine(First(), llm=None, embed_model=HashEmbedding()),
        open_tables,
        route=Route(route="both", reason="asked for", first="documents"),
        llm=None,
    )
    response = engine.query("Which kettle is recalled?")
    assert sorted(asked) == ["documents", "tables"]
    assert response.metadata["first"] is None
    assert set(response.metadata["timings"]) == {"database and documents", "answer"}


def test_tables_for_which_no_statement_works_are_told_of_once(joined, monkeypatch):
    monkeypatch.setattr(Tickets, "_retrieve", lambda *_: [])
    engine, _ = joined(*["SELECT nothing FROM customers"] * 3)
    response = engine.query("How many?")
    reason = response.metadata["errors"]["database"]
    assert str(response) == (
        f"(The tables could not be asked: {reason})\n\nThe documents do not say."
    )


async def test_quotes_about_names_are_in_the_language_of_the_question(guarded):
    engine = JoinedQueryEngine(
        DocumentQueryEngine(Tickets(), llm=None, embed_model=HashEmbedding()),
        lambda: Rows(QueryResult(("name",), [('Kiln & "Crumb"',)])),
        route=Route(route="both", reason="asked for", first="database"),
        llm=None,
        entities=lambda: EntityIndex(guarded),
    )
    response = engine.query(Question("CB-121?", language="fr"))
    assert "D'après les documents :\n- “Kiln & Crumb complains" in str(response)
    assert "From the documents" not in str(response)


def test_without_evidence_no_model_writes(joined, monkeypatch):
    monkeypatch.setattr(Tickets, "_retrieve", lambda *_: [])
    engine, llm = joined("NO_ANSWER: They hold no such thing.")
    response = engine.query("What is the meaning of it?")
    assert "They hold no such thing." in str(response)
    assert "The documents do not say." in str(response)
    assert len(llm.prompts) == 1
