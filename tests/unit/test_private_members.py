"""The private members of other libraries that kb uses: all of them, and what it takes them for.

They change without notice, so each has a test here, under the place that relies on it. A use
that is not listed fails. What uvicorn's protocol is taken for, which is public and undocumented, is
tested in test_api_connections.
"""

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pymysql
import pytest
import sqlalchemy as sa
from llama_index.core import SQLDatabase
from llama_index.core.indices.struct_store.sql_query import BaseSQLTableQueryEngine
from llama_index.core.indices.struct_store.sql_retriever import NLSQLRetriever
from llama_index.core.memory import Memory
from llama_index.embeddings.openai import OpenAIEmbedding
from openpyxl import Workbook, load_workbook
from openpyxl.worksheet import _read_only as openpyxl_read_only

ROOT = Path(__file__).parents[2]
PACKAGES = ("kb", "engines", "stores")
USES = {
    ("engines/chat/memory_updates.py", "_manage_queue"),
    ("engines/tables/guarded_database.py", "_engine"),
    ("engines/tables/guarded_database.py", "_result"),
    ("engines/tables/tables_engine.py", "_get_table_context"),
    ("engines/tables/tables_engine.py", "_llm"),
    ("engines/tables/tables_engine.py", "_synthesize_response"),
    ("engines/model_errors.py", "_request"),
    ("kb/assembly/integrations.py", "_aclient"),
    ("kb/assembly/integrations.py", "_client"),
    ("kb/assembly/models.py", "_async_client"),
    ("kb/indexing/readers/xlsx.py", "_get_source"),
    ("kb/indexing/readers/xlsx.py", "_read_only"),
    ("stores/connection.py", "_client"),
    ("stores/connection.py", "_configuration"),
    ("stores/connection.py", "_ensure_space"),
    ("stores/connection.py", "_recv_buf_capacity"),
    ("stores/connection.py", "_recv_len"),
}
# Public, and documented, although their names begin with an underscore.
DOCUMENTED = {
    *("_value_", "_asdict", "_make", "_replace", "_fields", "_exit", "_typeshed"),
    # what Semantic Kernel gives to the classes that make a store of it; tests/frameworks uses all
    *("_build_filter", "_generate_vector_from_values", "_get_vector_search_results_from_results"),
    "_log_exporter",  # as OpenTelemetry names what it has marked as experimental
}


def private_uses() -> Iterator[tuple[str, str]]:
    """Each use of a private name that neither its module nor one of ours below it defines."""
    trees = {
        path.relative_to(ROOT): ast.parse(path.read_text("utf-8"))
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
    }
    defined = {
        ".".join(path.with_suffix("").parts): set(_defined(tree)) for path, tree in trees.items()
    }
    for path, tree in trees.items():
        own = set(_defined(tree)).union(
            *(defined.get(module, set()) for module in _imported_modules(tree))
        )
        for node in ast.walk(tree):
            for name in _used(node):
                if _is_private(name) and name not in own | DOCUMENTED:
                    yield path.as_posix(), name


def _imported_modules(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def _defined(tree: ast.Module) -> Iterator[str]:
    """The names that a module defines, and the attributes that its methods set on `self`."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.ClassDef(name=name) | ast.Name(id=name, ctx=ast.Store()):
                yield name
            case ast.Attribute(value=ast.Name(id="self"), attr=name, ctx=ast.Store()):
                yield name


def _used(node: ast.AST) -> Iterator[str]:
    """The attributes that a node reads or sets, by name or by getattr, and what it imports."""
    match node:
        case ast.Attribute(attr=name):
            yield name
        case ast.Call(
            func=ast.Name(id="getattr" | "setattr"), args=[_, ast.Constant(value=name), *_]
        ):
            yield str(name)
        case ast.ImportFrom(module=str() as module, names=names):
            yield from module.split(".")
            yield from (alias.name for alias in names)


def test_no_other_private_member_is_used() -> None:
    assert set(private_uses()) == USES


# stores/connection.py -----------------------------------------------------------------------------


def test_mariadbs_driver_sends_a_packet_that_it_is_given() -> None:
    """The call sends COM_SET_OPTION; what comes of it is in test_connection."""
    from mariadb.impl.client.sync_client import SyncClient  # noqa: PLC0415 - the pure part alone
    from mariadb.sync_connection import SyncConnection  # noqa: PLC0415 - the pure part alone

    assert list(inspect.signature(SyncClient.execute).parameters)[1:3] == ["message", "config"]
    source = inspect.getsource(SyncConnection)
    assert "self._client = SyncClient(self._configuration)" in source


def test_mariadbs_driver_makes_room_for_what_it_is_told_to() -> None:
    """By 16 KB at least; what comes of doubling that is in test_connection."""
    from mariadb.impl.client.sync_client import SyncClient  # noqa: PLC0415 - as above

    source = inspect.getsource(SyncClient._ensure_space)
    assert "self._recv_buf_capacity - self._recv_len >= needed" in source
    assert "self._recv_buf + bytearray(grow_size)" in source
    assert "self._ensure_space(" in inspect.getsource(SyncClient.read_payload)


# engines/tables/guarded_database.py ---------------------------------------------------------------


def test_pymysql_keeps_the_result_that_is_still_to_be_read() -> None:
    assert "self._result = None" in inspect.getsource(pymysql.cursors.Cursor.__init__)
    assert "unbuffered_active" in inspect.getsource(pymysql.connections.MySQLResult.__init__)


def test_llamaindex_keeps_the_engine() -> None:
    engine = sa.create_engine("sqlite://")
    assert SQLDatabase(engine)._engine is engine
    engine.dispose()


# engines/tables/tables_engine.py, engines/chat/memory_updates.py ----------------------------------


def test_llamaindexs_engine_keeps_its_model_and_whether_it_streams() -> None:
    source = inspect.getsource(BaseSQLTableQueryEngine.__init__)
    for member in ("_llm", "_streaming", "_synthesize_response"):
        assert f"self.{member} = " in source


def test_llamaindex_describes_the_tables_of_a_question() -> None:
    signature = inspect.signature(NLSQLRetriever._get_table_context)
    assert list(signature.parameters) == ["self", "query_bundle"]
    assert signature.return_annotation in (str, "str")


def test_llamaindexs_memory_moves_what_exceeds_its_limit() -> None:
    assert inspect.iscoroutinefunction(Memory._manage_queue)
    assert list(inspect.signature(Memory._manage_queue).parameters) == ["self"]


# engines/model_errors.py --------------------------------------------------------------------------


def test_httpx_keeps_the_request_of_an_error_that_may_have_none() -> None:
    request = httpx.Request("GET", "http://model.test")
    assert httpx.ConnectError("gone", request=request)._request is request
    assert httpx.ConnectError("gone")._request is None


# kb/assembly/integrations.py ----------------------------------------------------------------------
# What those of other providers are taken for is tested in test_providers, at the wire.


@pytest.mark.parametrize(
    ("member", "getter"), [("_client", "_get_client"), ("_aclient", "_get_aclient")]
)
def test_llamaindexs_embedder_asks_the_client_that_it_was_given(member: str, getter: str) -> None:
    embedder: Any = OpenAIEmbedding(api_key="none")
    given = object()
    setattr(embedder, member, given)
    assert getattr(embedder, getter)() is given


# kb/indexing/readers/xlsx.py ----------------------------------------------------------------------


def test_openpyxl_reads_sheets_one_row_after_the_other(tmp_path: Path) -> None:
    path = tmp_path / "book.xlsx"
    Workbook().save(path)
    book = load_workbook(path, read_only=True)
    assert isinstance(book.active, openpyxl_read_only.ReadOnlyWorksheet)
    with book.active._get_source() as source:
        assert b"<sheetData" in source.read()
    book.close()
