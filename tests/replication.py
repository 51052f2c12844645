"""A private MariaDB and another one that follows it by GTID and is read-only."""

import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
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
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    listening = ("--skip-networking=0", f"--port={port}", "--bind-address=127.0.0.1")
    with ExitStack() as servers:
        primary = servers.enter_context(
            run_server(_FOLLOWER + _GRANT, *listening, "--log-bin=changes", "--server-id=1")
        )
        replica = servers.enter_context(
            run_server(
                _FOLLOW.format(port=port),
                "--server-id=2",
                "--read-only",
                "--relay-log=relayed",
                *replica_options,
            )
        )
        yield Pair(primary, replica)


@contextmanager
def run_server(script: str, *options: str) -> Iterator[PrivateServer]:
    """Run a server with more options, which does what the script says whenever it starts."""
    home = Path(tempfile.mkdtemp(prefix="kb-pair-", dir="/tmp"))
    file = home / "start.sql"
    file.write_text(script)
    server = PrivateServer(home, CACHE, mariadbd=MARIADBD, buffer_pool_mb=64)
    server._options += [f"--init-file={file}", *options]
    server.fetch(print)
    try:
        server.ensure_running()
        yield server
    finally:
        server.stop()
        shutil.rmtree(home)
