"""What every test stands on: a real MariaDB, a clean environment, and no network."""

import ipaddress
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import platformdirs
import pytest
import sqlalchemy as sa

from stores.connection import make_engine
from stores.private_server import PrivateServer

CACHE = Path(os.environ.get("KB_CACHE") or platformdirs.user_cache_dir("kb"))
MARIADBD = os.environ.get("KB_MARIADBD")
OUTSIDE = ("KB_", "DB_", "OPENAI_", "OLLAMA_", "ANTHROPIC_", "VOYAGE_", "HF_")

left_loopback: list[str] = []


def _guard_network(event: str, arguments: tuple[Any, ...]) -> None:
    """Refuse to connect, send or resolve anywhere but this machine."""
    if event in {"socket.connect", "socket.sendto"} and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    elif event == "socket.getaddrinfo":
        host = arguments[0]
    else:
        return
    if not _is_local(host):
        left_loopback.append(f"{event} {host}")
        raise PermissionError(f"a test reaches for the network: {event} {host}")


def _is_local(host: Any) -> bool:
    name = host.decode() if isinstance(host, bytes) else host
    if not name or name == "localhost":
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


sys.addaudithook(_guard_network)


@pytest.fixture(autouse=True)
def hermetic(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No key, proxy or setting of the developer reaches a test; what is fetched is shared."""
    for name in os.environ:
        if name.startswith(OUTSIDE) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("KB_HOME", str(tmp_path / "kb-home"))
    monkeypatch.setenv("KB_CACHE", str(CACHE))
    if MARIADBD:
        monkeypatch.setenv("KB_MARIADBD", MARIADBD)
    left_loopback.clear()
    yield
    assert not left_loopback, f"the test reached for the network: {left_loopback}"


@pytest.fixture(scope="session")
def server() -> Iterator[PrivateServer]:
    """One throw-away MariaDB for the whole run."""
    _remove_left_overs()
    home = Path(tempfile.mkdtemp(prefix=f"kb-test-{os.getpid()}-", dir="/tmp"))
    server = PrivateServer(home, CACHE, mariadbd=MARIADBD, buffer_pool_mb=128)
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
            PrivateServer(home, CACHE).stop()
            shutil.rmtree(home)


@pytest.fixture(scope="session")
def _administration(server: PrivateServer) -> Iterator[sa.Engine]:
    engine = make_engine(server.url("mysql"), before_connect=server.ensure_running)
    yield engine.execution_options(isolation_level="AUTOCOMMIT")
    engine.dispose()


@pytest.fixture
def database(server: PrivateServer, _administration: sa.Engine) -> Iterator[sa.URL]:
    """An empty database of its own for each test."""
    name = f"test_{uuid4().hex[:12]}"
    with _administration.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    yield server.url(name)
    with _administration.connect() as connection:
        # A test that leaves a transaction open shows itself here, after seconds.
        connection.exec_driver_sql(f"SET STATEMENT lock_wait_timeout=5 FOR DROP DATABASE {name}")


@pytest.fixture
def engine(server: PrivateServer, database: sa.URL) -> Iterator[sa.Engine]:
    engine = make_engine(database, before_connect=server.ensure_running)
    yield engine
    engine.dispose()
