"""A MariaDB older than kb's own, as tables may lie on: the 10.11 of Debian 12, run in private."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from fetched import CACHE
from filelock import FileLock

from stores.connection import make_engine

SERIES = "10.11"
DEADLINE = 60.0  # seconds
PACKAGES = (
    *("mariadb-server-core", "libaio1", "libsnappy1v5", "liburing2", "libpmem1", "libnuma1"),
)
TABLES = ("mysql_system_tables.sql", "mysql_performance_tables.sql", "mysql_system_tables_data.sql")
ADMINISTRATOR = """
DELETE FROM mysql.global_priv;
FLUSH PRIVILEGES;
CREATE USER dba@'%' IDENTIFIED BY 'dba';
GRANT ALL ON *.* TO dba@'%' WITH GRANT OPTION;
"""


@contextmanager
def run_older_server(*options: str) -> Iterator[sa.URL]:
    """Run a server of SERIES on a port of its own; the URL is that of an account with all rights.

    Skips the test where the archive of this machine has no such server.
    """
    prefix = _find_or_fetch()
    libraries = ":".join(map(str, prefix.glob("**/*-linux-gnu")))
    environment = {"PATH": os.defpath, "LC_ALL": "C", "LD_LIBRARY_PATH": libraries}
    share = prefix / "usr/share/mysql"
    home = Path(tempfile.mkdtemp(prefix="kb-older-", dir="/tmp"))
    (home / "data").mkdir()
    command = [
        *(str(prefix / "usr/sbin/mariadbd"), "--no-defaults", f"--datadir={home / 'data'}"),
        # A server that starts empties its temporary directory, also of what another has open.
        f"--tmpdir={home}",
        *(f"--lc-messages-dir={share}", f"--character-sets-dir={share / 'charsets'}"),
        *(["--user=root"] if os.geteuid() == 0 else []),
    ]
    try:
        _make_data(command, share, environment)
        with _serve([*command, *options], home, environment) as port:
            yield sa.URL.create(
                *("mariadb+mariadbconnector", "dba", "dba", "127.0.0.1", port, "mysql")
            )
    finally:
        shutil.rmtree(home)


def _find_or_fetch() -> Path:
    prefix = CACHE / f"mariadb-{SERIES}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with FileLock(CACHE / f"mariadb-{SERIES}.lock"):
        if not prefix.exists():
            _fetch(prefix)
    return prefix


def _fetch(prefix: Path) -> None:
    policy = subprocess.run(
        ["apt-cache", "policy", PACKAGES[0]], capture_output=True, text=True, check=False
    )
    if f"Candidate: 1:{SERIES}." not in policy.stdout:
        pytest.skip(f"the archive of this machine has no MariaDB {SERIES}")
    with tempfile.TemporaryDirectory(dir=CACHE) as work:
        asked = ["apt-get", "download", *PACKAGES]
        done = subprocess.run(asked, cwd=work, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"apt-get download gives no MariaDB {SERIES}: {done.stderr[-300:]}")
        for package in Path(work).glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", package, Path(work, "prefix")], check=True)
        Path(work, "prefix").rename(prefix)


def _make_data(command: list[str], share: Path, environment: dict[str, str]) -> None:
    tables = "\n".join((share / name).read_text("utf-8") for name in TABLES)
    done = subprocess.run(
        [*command, "--bootstrap", "--skip-grant-tables", "--skip-networking"],
        input=f"CREATE DATABASE mysql;\nUSE mysql;\n{tables}\n{ADMINISTRATOR}",
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]


@contextmanager
def _serve(command: list[str], home: Path, environment: dict[str, str]) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = [f"--socket={home / 'sock'}", f"--port={port}", "--bind-address=127.0.0.1"]
    options += ["--character-set-server=utf8mb4", "--collation-server=utf8mb4_general_ci"]
    with (home / "log").open("wb") as log:
        server = subprocess.Popen([*command, *options], env=environment, stdout=log, stderr=log)
    try:
        end = time.monotonic() + DEADLINE
        while not _is_answering(port):
            log_says = (home / "log").read_text("utf-8", "replace")
            assert server.poll() is None, log_says
            assert time.monotonic() < end, log_says
            time.sleep(0.05)
        yield port
    finally:
        server.terminate()
        server.wait()


def _is_answering(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as probe:
            return bool(probe.recv(1))
    except OSError:
        return False


@pytest.fixture(scope="module")
def older() -> Iterator[sa.URL]:
    with run_older_server() as url:
        yield url


@pytest.fixture(scope="module")
def administration(older: sa.URL) -> Iterator[sa.Engine]:
    engine = make_engine(older)
    with engine.connect() as connection:
        assert str(connection.scalar(sa.text("SELECT VERSION()"))).startswith(f"{SERIES}.")
    yield engine.execution_options(isolation_level="AUTOCOMMIT")
    engine.dispose()


@pytest.fixture
def database(older: sa.URL, administration: sa.Engine) -> Iterator[sa.URL]:
    """An empty database on the older server, for the tests that import this in its stead."""
    with administration.connect() as connection:
        connection.exec_driver_sql("CREATE DATABASE shop")
    yield older.set(database="shop")
    with administration.connect() as connection:
        connection.exec_driver_sql("DROP DATABASE shop")


@pytest.fixture
def engine(database: sa.URL) -> Iterator[sa.Engine]:
    engine = make_engine(database)
    yield engine
    engine.dispose()
