"""What every test stands on: a real MariaDB, a clean environment, and no network."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa
from fetched import CACHE, MARIADBD
from network_guard import left_loopback

from kb.assembly.way_in import way_in
from stores.connection import make_engine
from stores.private_server import PrivateServer

OUTSIDE = ("KB_", "DB_", "OPENAI_", "OLLAMA_", "ANTHROPIC_", "VOYAGE_", "HF_", "LANGSMITH_")


@pytest.fixture(scope="session")
def no_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of programs: an apt-get that reaches nothing, as without a network."""
    programs = tmp_path_factory.mktemp("programs")
    (programs / "apt-get").write_text("#!/bin/sh\necho 'E: no test asks an archive'; exit 100\n")
    (programs / "apt-get").chmod(0o755)
    return programs


@pytest.fixture(autouse=True)
def hermetic(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, no_archive: Path) -> Iterator[None]:
    """No key, proxy or setting of the developer reaches a test; what is fetched is shared."""
    monkeypatch.setenv("PATH", f"{no_archive}{os.pathsep}{os.environ['PATH']}")
    for name in os.environ:
        if name.startswith(OUTSIDE) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("KB_LANGUAGE", "en")
    monkeypatch.setenv("KB_HOME", str(tmp_path / "kb-home"))
    monkeypatch.setenv("KB_CACHE", str(CACHE))
    if MARIADBD:
        monkeypatch.setenv("KB_MARIADBD", MARIADBD)
    left_loopback.clear()
    way_in.set("python")  # a command that ran in this process has left its own
    if settings := sys.modules.get("llama_index.core.settings"):
        # Every manager that is made later would share its handlers, those of other tests as well.
        settings.Settings._callback_manager = None
    yield
    assert not left_loopback, f"the test reached for the network: {left_loopback}"


@pytest.fixture(scope="session")
def server() -> Iterator[PrivateServer]:
    """One throw-away MariaDB for the whole run."""
    _remove_left_overs()
    home = Path(tempfile.mkdtemp(prefix=f"kb-test-{os.getpid()}-", dir="/tmp"))
    server = PrivateServer(home, CACHE, mariadbd=MARIADBD, buffer_pool_mb=128, vector_cache_mb=256)
    server.fetch(print)
    server.ensure_running()
    yield server
    server.stop()
    shutil.rmtree(home)


def _remove_left_overs() -> None:
    """Servers of test runs that were killed."""
    for home in Path("/tmp").glob("kb-test-*"):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(int(home.name.split("-")[2]), 0)
            continue
        if home.owner() == Path.home().owner():
            with suppress(FileNotFoundError):  # the other worker of this run removes it too
                PrivateServer(home, CACHE).stop()
            shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def administration(server: PrivateServer) -> Iterator[sa.Engine]:
    engine = make_engine(server.url("mysql"), before_connect=server.ensure_running)
    yield engine.execution_options(isolation_level="AUTOCOMMIT")
    engine.dispose()


@pytest.fixture
def database(server: PrivateServer, administration: sa.Engine) -> Iterator[sa.URL]:
    """An empty database of its own for each test."""
    name = f"test_{uuid4().hex[:12]}"
    with administration.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    yield server.url(name)
    with administration.connect() as connection:
        # A test that leaves a transaction open shows itself here, after seconds.
        connection.exec_driver_sql(f"SET STATEMENT lock_wait_timeout=5 FOR DROP DATABASE {name}")


@pytest.fixture
def engine(server: PrivateServer, database: sa.URL) -> Iterator[sa.Engine]:
    engine = make_engine(database, before_connect=server.ensure_running)
    yield engine
    engine.dispose()
