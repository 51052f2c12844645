"""The HAProxy of deploy/haproxy.cfg, before servers of a test."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PROGRAM = shutil.which("haproxy", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
FILE = Path(__file__).parents[1] / "deploy" / "haproxy.cfg"
installed = pytest.mark.skipif(PROGRAM is None, reason="haproxy is not installed")


def name_places(port: int, a: str, b: str, folder: Path) -> dict[str, str]:
    return {
        **os.environ,
        "KB_HAPROXY_BIND": f"127.0.0.1:{port}",
        "KB_HAPROXY_SOCKET": str(folder / "admin.sock"),
        "KB_SERVER_A": a,
        "KB_SERVER_B": b,
    }


@contextmanager
def before(a: str, b: str, folder: Path) -> Iterator[str]:
    """The address by which others reach the servers at two addresses, `host:port` each."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert PROGRAM
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(
            [PROGRAM, "-db", "-f", str(FILE)],
            env=name_places(port, a, b, folder),
            stderr=log,
            stdout=log,
        ) as process,
    ):
        try:
            while True:
                assert process.poll() is None, (folder / "log").read_text()
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                except ConnectionRefusedError:
                    time.sleep(0.05)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
