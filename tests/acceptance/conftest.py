"""What the acceptance tests share: the sample knowledge base, and one to chat with."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
import yaml
from model_server import FakeModels
from typer.testing import CliRunner, Result

from kb import KnowledgeBase, load_config
from kb.cli import app
from kb.config.databases import DatabaseConfig
from kb.sentence_model import fetch
from stores.connection import make_engine
from stores.private_server import PrivateServer
from stores.registry.schema import create_database
from stores.registry.script import run_script

ROOT = Path(__file__).parents[2]
DATABASE = "test_sample_knowledge"


@pytest.fixture(scope="session")
def sample_knowledge(server: PrivateServer) -> Iterator[KnowledgeBase]:
    """The real model, and the shop's tables in the same database; for tests that only read."""
    admin = make_engine(server.url(""))
    create_database(admin, DATABASE)
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ.keys() - {"KB_CACHE"}:
            if name.startswith(("KB_", "DB_", "OPENAI_", "OLLAMA_")):
                patch.delenv(name)
        sample = load_config(ROOT / "config.yaml")
    fetch(sample.cache, print)
    url = server.url(DATABASE)
    with KnowledgeBase.open(sample.model_copy(update={"database": DatabaseConfig(url=url)})) as kb:
        run_script(kb.components.engine, (ROOT / "data" / "shop.sql").read_text("utf-8"))
        assert kb.index().failed == []
        yield kb
    with admin.begin() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {DATABASE}")
    admin.dispose()


@dataclass(frozen=True)
class Shop:
    """A directory with a config.yaml and one indexed document, and the models that answer."""

    folder: Path
    home: Path
    models: FakeModels

    def environment(self) -> dict[str, str]:
        state = str(self.folder / "state")
        return {**os.environ, "KB_HOME": str(self.home), "XDG_STATE_HOME": state, "TERM": "xterm"}


@pytest.fixture(scope="session")
def indexed_shop(tmp_path_factory: pytest.TempPathFactory, server: PrivateServer) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("chat")
    (folder / "docs").mkdir()
    (folder / "docs" / "returns.md").write_text("# Returns\n\nYou have 30 days.\n", "utf-8")
    home = server.status().data_directory.parent
    with (
        FakeModels(default="You have 30 days [1].") as models,
        pytest.MonkeyPatch.context() as patch,
    ):
        model = {"provider": "openai-like", "base_url": models.openai_url, "model": "fake"}
        config = {
            "database": {"url": "embedded", "name": f"chat_{uuid4().hex[:12]}"},
            "documents": {"path": "docs"},
            "embedding": model,
            "llm": {**model, "max_retries": 0},
        }
        (folder / "config.yaml").write_text(yaml.safe_dump(config), "utf-8")
        patch.chdir(folder)
        patch.setenv("KB_HOME", str(home))
        assert CliRunner().invoke(app, ("index",)).exit_code == 0
        yield Shop(folder, home, models)


@pytest.fixture
def shop(indexed_shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.chdir(indexed_shop.folder)
    monkeypatch.setenv("KB_HOME", str(indexed_shop.home))
    indexed_shop.models.script.clear()
    return indexed_shop


@pytest.fixture
def kb(shop: Shop) -> Callable[..., Result]:
    """A command in this process, in the directory of the shop, with lines to read."""
    return lambda *arguments, lines=(): CliRunner().invoke(
        app, arguments, input="".join(f"{line}\n" for line in lines)
    )


@pytest.fixture
def session() -> str:
    return f"s-{uuid4().hex[:8]}"
