"""A knowledge base used without blocking the event loop."""

import asyncio
import inspect
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from llama_index.core import Document
from model_server import FakeModels

from engines.answer import answer_of
from kb.app import KnowledgeBase
from kb.config.sections import Config
from stores.connection import make_engine
from stores.private_server import PrivateServer
from stores.registry.schema import create_database

# What waits for nothing, and what gives LlamaIndex's own engines, which have async methods.
AT_ONCE = {"chat", "database_engine", "query_engine", "retriever", "seen_by"}


@pytest.fixture
def config(server: PrivateServer) -> Iterator[Config]:
    name = f"async_{uuid4().hex[:12]}"
    admin = make_engine(server.url("mysql"))
    create_database(admin, name)
    with FakeModels() as models:
        embedding = {"provider": "openai-like", "base_url": models.openai_url, "model": "fake"}
        url = server.url(name).render_as_string(hide_password=False)
        yield Config.model_validate({"database": {"url": url}, "embedding": embedding})
    with admin.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name}")
    admin.dispose()


def test_each_method_that_waits_has_a_twin() -> None:
    methods = dict(inspect.getmembers(KnowledgeBase, inspect.isfunction))
    own = {name for name in methods if not name.startswith("_")}
    twins = {name for name in own if inspect.iscoroutinefunction(methods[name])}
    assert {f"a{name}" for name in own - twins - AT_ONCE} == twins
    for name in twins:
        method = methods[name.removeprefix("a")]
        assert [*inspect.signature(methods[name]).parameters] == [
            *inspect.signature(method).parameters
        ]


async def test_all_of_it_can_be_awaited(config: Config, tmp_path: Path) -> None:
    (tmp_path / "returns.md").write_text("# Returns\n\nGoods go back within 30 days.\n")
    async with await KnowledgeBase.aopen(config) as kb:
        report = await kb.aindex(tmp_path, name="shop")
        assert report.added == 1
        await kb.aadd([Document(text="Lamps do not go back.", id_="lamps")], root="notes")
        assert [each.path for each in await kb.alist_documents(root="shop")] == ["returns.md"]
        answer = await kb.aask("When do goods go back?", source="documents")
        assert answer_of(answer).citations[0].document == "returns.md"
        found, (lamps, *_) = await asyncio.gather(
            kb.asearch("goods", top_k=1), kb.asearch('"Lamps do not"')
        )
        assert len(found) == 1
        assert lamps.get_content() == "Lamps do not go back."
        await kb.aremove_document("shop/returns.md")
        assert await kb.aforget_root("notes") == 1
        assert (await kb.astatus())["documents"] == 0
