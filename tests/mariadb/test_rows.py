"""Rows become objects by the names of their columns, whatever the order of a statement."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from nodes import DIMENSION, node
from sqlalchemy import event

from stores import MariaDBVectorStore, make_engine
from stores.api_keys import ApiKeys
from stores.chats.chat_sessions import SessionStore
from stores.connection import read_server_info
from stores.evaluations import EvaluationRun, Evaluations
from stores.index_batches import BatchFile, IndexBatches
from stores.jobs import Jobs
from stores.private_server import PrivateServer
from stores.registry.collection import find_collection, open_collection
from stores.registry.document_list import DocumentList
from stores.registry.document_registry import DocumentRegistry, IndexedDocument, document_id
from stores.registry.embedding_cache import EmbeddingCache
from stores.registry.inspection import inspect_collection
from stores.registry.schema import migrate
from stores.searches.search_log import Hit, LoggedSearch, SearchLog
from stores.sql_tokens import tokenize_sql
from stores.verified_queries import Editor, VerifiedQueries, VerifiedQuery

TABLE = "kb_chunk"
BEGUN = datetime(2026, 11, 1, 12, 30, tzinfo=UTC).replace(tzinfo=None)


def with_columns_reversed(sql: str) -> str:
    """The same SELECT with the last of its columns first; other statements as they are."""
    columns: list[str] = [""]
    before, depth = "", 0
    tokens = list(tokenize_sql(sql))
    for place, token in enumerate(tokens):
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0 and token.text in ("SELECT", "FROM"):
            if token.text == "FROM" and before:
                rest = "".join(later.text for later in tokens[place:])
                reversed_columns = ", ".join(column.strip() for column in columns[::-1])
                return f"{before} {reversed_columns} {rest}"
            before, columns = "".join(earlier.text for earlier in tokens[: place + 1]), [""]
        elif depth == 0 and token.text == ",":
            columns.append("")
        else:
            columns[-1] += token.text
    return sql


def reverse_columns(engine: sa.Engine) -> None:
    """Have every statement of an engine list its columns the other way round."""

    @event.listens_for(engine, "before_execute", retval=True)
    def reverse(
        _connection: Any, statement: Any, many: Any, values: Any, _options: Any
    ) -> tuple[Any, Any, Any]:
        if isinstance(statement, sa.TextClause):
            parameters = statement._bindparams.values()
            statement = sa.text(with_columns_reversed(statement.text)).bindparams(*parameters)
        return statement, many, values


def test_columns_are_reversed_for_the_test() -> None:
    assert with_columns_reversed("SELECT a, (SELECT 1 FROM c) AS b FROM d WHERE e = :f") == (
        "SELECT (SELECT 1 FROM c) AS b, a FROM d WHERE e = :f"
    )
    assert with_columns_reversed("DELETE FROM a") == "DELETE FROM a"


@pytest.fixture(scope="module")
def filled(server: PrivateServer, administration: sa.Engine) -> Iterator[sa.Engine]:
    """One row or more in every table from which objects are read."""
    with administration.connect() as connection:
        connection.exec_driver_sql("CREATE DATABASE test_rows")
    engine = make_engine(server.url("test_rows"))
    fill(engine)
    yield engine
    engine.dispose()
    with administration.connect() as connection:
        connection.exec_driver_sql("DROP DATABASE test_rows")


def fill(engine: sa.Engine) -> None:
    migrate(engine)
    open_collection(engine, "model", lambda: DIMENSION)
    store = MariaDBVectorStore(engine, TABLE, embed_dim=DIMENSION, filter_keys=["colour"])
    store.set_up()
    registry = DocumentRegistry(engine, store.table)
    document = IndexedDocument(
        id=document_id("docs", "a.md"),
        root="docs",
        path="a.md",
        content_hash="1" * 64,
        size=7,
        modified_at=BEGUN,
        media_type="text/markdown",
        title="A title",
        language="en",
    )
    registry.set_root("docs", "/srv/docs")
    registry.replace(document, [node(f"{document.id}:00000", document.id, text="words")])
    registry.fail("docs", "b.pdf", "It cannot be read.", "2" * 64)
    EmbeddingCache(engine, "model", 2).remember({"text": [1.0, 2.0]})
    sessions = SessionStore(engine)
    sessions.begin("session", "turn", "How long?", user="ana")
    sessions.finish(
        "session",
        "turn",
        answer="Two years.",
        status="complete",
        standalone="How long, in years?",
        rewritten_by="rule",
        evidence={"route": "documents"},
        model="small",
        prompt_tokens=3,
        completion_tokens=4,
    )
    log = SearchLog(engine)
    hits = [Hit("chunk", "document", 0.5, 1), Hit("other", None, 0.25)]
    log.add([LoggedSearch("default", 12.5, hits, "How long?", "en", "question", id="a" * 12)])
    log.rate("a" * 12, 1, "Good.", clicked="chunk")
    ApiKeys(engine).create(
        "ana", "write", collections=["docs"], only="documents", requests_per_minute=5
    )
    Jobs(engine).add("/srv/docs", root="docs", only_files=["a.md"], prune=True, asked_by="ana")
    file = BatchFile("a.md", "/srv/docs/a.md", "4" * 32, "5" * 64, 7, is_new=True)
    IndexBatches(engine).add("6" * 12, 0, "docs", "/srv/docs", [file])
    run = EvaluationRun("set", "3" * 64, 10, "default", {"top_k": 6}, "model", {"ndcg": 0.5})
    Evaluations(engine).add(run, {"question": {"ndcg": 0.5}})
    query = VerifiedQuery(
        name="late",
        question="Which orders are late?",
        sql="SELECT 1",
        language="en",
        verified_by="ines",
        verified_at=date(2026, 11, 1),
        parameters={"days": 3},
        wordings=("What is late?",),
        descriptions={"days": "how many"},
        units={"total": "EUR"},
    )
    VerifiedQueries(engine).save(query, Editor("ines"))


READERS: dict[str, Callable[[sa.Engine], Any]] = {
    "server": read_server_info,
    "collection": find_collection,
    "facts of a collection": inspect_collection,
    "listed documents": lambda e: DocumentList(e).list_page(),
    "known documents": lambda e: _registry(e).find_known("docs"),
    "failed documents": lambda e: _registry(e).list_failures(),
    "roots": lambda e: _registry(e).list_roots(),
    "totals": lambda e: _registry(e).count_totals(),
    "languages": lambda e: _registry(e).measure_language_shares(),
    "embeddings": lambda e: EmbeddingCache(e, "model", 2).find_known(["text"]),
    "sessions": lambda e: SessionStore(e).list_sessions(),
    "one session": lambda e: SessionStore(e).one("session"),
    "found sessions": lambda e: SessionStore(e).list_sessions(search="years"),
    "turns": lambda e: SessionStore(e).list_turns("session"),
    "logged search": lambda e: SearchLog(e).find("a" * 12),
    "hits": lambda e: SearchLog(e).list_hits("a" * 12),
    "outcomes": lambda e: SearchLog(e).list_outcomes(days=1),
    "keys": lambda e: [vars(key) for key in ApiKeys(e).list_keys()],
    "jobs": lambda e: Jobs(e).all(),
    "batches": lambda e: IndexBatches(e).list_states("6" * 12),
    "evaluations": lambda e: Evaluations(e).list_runs(),
    "one evaluation": lambda e: Evaluations(e).find_run(1),
    "verified queries": lambda e: VerifiedQueries(e).list_queries(),
    "versions": lambda e: VerifiedQueries(e).list_versions("late"),
    "chunks": lambda e: MariaDBVectorStore(e, TABLE, embed_dim=DIMENSION).get_nodes(),
}


def _registry(engine: sa.Engine) -> DocumentRegistry:
    return DocumentRegistry(engine, MariaDBVectorStore(engine, TABLE, embed_dim=DIMENSION).table)


@pytest.mark.parametrize("name", READERS)
def test_the_order_of_a_statements_columns_does_not_matter(filled: sa.Engine, name: str) -> None:
    other = make_engine(filled.url)
    reverse_columns(other)
    try:
        expected = READERS[name](filled)
        assert expected
        assert READERS[name](other) == expected
    finally:
        other.dispose()
