"""The account of database.url that reads and writes rows, and changes no table."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from api_server import configured, database_of
from model_server import FakeModels

from engines.answer import answer_of
from kb.app import KnowledgeBase
from kb.assembly.open_database import write_own_account_script
from kb.config.sections import Config
from stores.connection import make_engine, run_transaction
from stores.errors import ConfigError, StoreError
from stores.private_server import PrivateServer


@pytest.fixture
def config(server: PrivateServer, tmp_path: Path) -> Iterator[Config]:
    """One whose database was not begun yet, by the account that may do everything."""
    with (
        database_of(server) as url,
        FakeModels() as embeddings,
        FakeModels(default="They go back [1].") as llm,
    ):
        yield configured(url, tmp_path, embeddings, llm)


@pytest.fixture
def limited(config: Config, server: PrivateServer) -> Iterator[Config]:
    """The same by the account that `kb db account --own` prints."""
    written = write_own_account_script(config)
    sql = [line for line in written.splitlines() if not line.startswith("--")]
    url = sa.make_url(written.splitlines()[-1].removeprefix("--   url: "))
    admin = make_engine(server.url(""))
    run_transaction(admin, lambda c: [c.exec_driver_sql(each.rstrip(";")) for each in sql])
    yield _with_url(config, url)
    run_transaction(admin, lambda c: c.exec_driver_sql("DROP USER kb_writer@'%'"))
    admin.dispose()


def _with_url(config: Config, url: sa.URL) -> Config:
    database = config.database.model_copy(update={"url": url})
    return config.model_copy(update={"database": database})


def test_it_does_everything_once_the_tables_are_there(config, limited, tmp_path):
    KnowledgeBase.open(config).close()
    documents = tmp_path / "documents"
    with KnowledgeBase.open(limited) as kb:
        assert kb.index().failed == []
        for number in range(300):  # so many that their postings are merged
            (documents / f"{number}.md").write_text(f"# Part {number}\n" + f"word{number} x " * 50)
        assert kb.index().failed == []
        (documents / "1.md").write_text("# Another kettle\nIt boils quickly.\n")
        (documents / "2.md").unlink()
        assert kb.index().failed == []
        assert kb.search("Another kettle")[0].metadata["path"] == "1.md"
        assert answer_of(kb.ask("When do goods go back?", "documents")).citations
        chat = kb.chat("s", source="documents")
        assert str(chat.chat("When do goods go back?")) == "They go back [1]."
        [turn] = kb.components.session_store.list_turns("s")
        kb.feedback(session_id="s", turn_id=turn.id, rating=1)
        kb.delete_session("s")
        assert kb.forget_root("documents") > 290
        assert kb.index().failed == []
        kb.backup(tmp_path / "all.kb")
    assert (tmp_path / "all.kb").stat().st_size > 0


def test_it_cannot_begin_and_says_what_it_lacks(limited):
    with pytest.raises(StoreError, match="kb db account --own"):
        KnowledgeBase.open(limited)


def test_it_reaches_no_database_whose_name_is_like_it(config, limited, server):
    url = limited.database.url
    twin = url.database.replace("_", "x")
    admin = make_engine(server.url(""))
    run_transaction(admin, lambda c: c.exec_driver_sql(f"CREATE DATABASE {twin}"))
    try:
        with pytest.raises(StoreError, match="Access denied"):
            KnowledgeBase.open(_with_url(limited, url.set(database=twin)))
    finally:
        run_transaction(admin, lambda c: c.exec_driver_sql(f"DROP DATABASE {twin}"))
        admin.dispose()


def test_on_the_private_server_there_is_no_such_account():
    with pytest.raises(ConfigError, match="embedded"):
        write_own_account_script(Config())
