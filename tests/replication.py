"""A private MariaDB and another one that follows it by GTID and is read-only."""

import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fetched import CACHE, MARIADBD

from stores.private_server import PrivateServer
from stores.private_server.home import ACCOUNT

_FOLLOWER = "CREATE USER IF NOT EXISTS follower@'127.0.0.1' IDENTIFIED BY 'follower';\n"
_GRANT = "GRANT REPLICATION SLAVE ON *.* TO follower@'127.0.0.1';\n"
_FOLLOW = (
    "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={port}, MASTER_USER='follower', "
    "MASTER_PASSWORD='follower', MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=1, MASTER_SSL=0;\n"
    "START SLAVE;\n"
    f"GRANT REPLICATION SLAVE ADMIN ON *.* TO {ACCOUNT}@localhost;\n"
)


@dataclass(frozen=True)
class Pair:
    primary: PrivateServer
    replica: PrivateServer


@contextmanager
def run_pair(*replica_options: str) -> Iterator[Pair]:
    """Run both; whatever is done in the primary is soon in the replica."""
    with run_primary() as (primary, port), run_replica(port, 2, *replica_options) as replica:
        yield Pair(primary, replica)


@contextmanager
def run_primary() -> Iterator[tuple[PrivateServer, int]]:
    """Run a server that others follow at a port of this machine."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    listening = ("--skip-networking=0", f"--port={port}", "--bind-address=127.0.0.1")
    changes = ("--log-bin=changes", "--server-id=1")
    with run_server(_FOLLOWER + _GRANT, *listening, *changes) as primary:
        yield primary, port


@contextmanager
def run_replica(primary_port: int, number: int, *options: str) -> Iterator[PrivateServer]:
    """Run a server that follows the one at a port; `number` is its own among all of them."""
    following = ("--read-only", "--relay-log=relayed", f"--server-id={number}")
    with run_server(_FOLLOW.format(port=primary_port), *following, *options) as replica:
        yield replica


@contextmanager
def run_server(script: str, *options: str) -> Iterator[PrivateServer]:
    """Run a server with more options, which does what the script says whenever it starts."""
    home = Path(tempfile.mkdtemp(prefix="kb-pair-", dir="/tmp"))
    file = home / "start.sql"
    file.write_text(script)
    server = PrivateServer(
        home,
        CACHE,
        mariadbd=MARIADBD,
        buffer_pool_mb=64,
        vector_cache_mb=64,
        options=[f"--init-file={file}", *options],
    )
    server.fetch(print)
    try:
        server.ensure_running()
        yield server
    finally:
        server.stop()
        shutil.rmtree(home)
