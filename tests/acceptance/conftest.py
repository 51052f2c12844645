"""What the acceptance tests share: the sample knowledge base, indexed once."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from kb import KnowledgeBase, load_config
from kb.config import DatabaseConfig
from kb.sentence_model import fetch
from stores.connection import make_engine
from stores.private_server import PrivateServer
from stores.schema import create_database
from stores.script import run_script

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
        run_script(kb.engine, (ROOT / "data" / "shop.sql").read_text("utf-8"))
        assert kb.index().failed == []
        yield kb
    with admin.begin() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {DATABASE}")
    admin.dispose()
