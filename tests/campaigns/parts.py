"""The parts of a knowledge base on several servers, each of which can be killed and come back."""

import os
import signal
import socket
import subprocess
import time
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from stores.errors import StoreError
from stores.private_server import PrivateServer

_START_SECONDS = 120


class Part(Protocol):
    """Something that is killed in its turn, with all of its processes."""

    name: str

    @abstractmethod
    def find_pid(self) -> int: ...

    @abstractmethod
    def start(self) -> None:
        """Start it, and return when it does its work again."""

    @abstractmethod
    def kill(self) -> None:
        """End it by SIGKILL, and return when it is gone. Raises AssertionError if it is not."""


@dataclass
class Program:
    """A program with its children, in a process group of its own; its log goes on over restarts."""

    name: str
    command: Sequence[str]
    log: Path
    is_up: Callable[[], bool]
    environment: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    def find_pid(self) -> int:
        assert self.process
        return self.process.pid

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.environment},
                start_new_session=True,
            )
        for _ in range(_START_SECONDS * 10):
            assert self.process.poll() is None, f"{self.name} ended: see {self.log}"
            if self.is_up():
                return
            time.sleep(0.1)
        raise AssertionError(f"{self.name} does not come up: see {self.log}")

    def kill(self) -> None:
        assert self.process
        assert self.process.poll() is None, f"{self.name} has ended by itself: see {self.log}"
        os.killpg(self.process.pid, signal.SIGKILL)
        assert self.process.wait(10) == -signal.SIGKILL


@dataclass
class Database:
    """A MariaDB of the campaign's own."""

    name: str
    server: PrivateServer

    def find_pid(self) -> int:
        pid = self.server.status().pid
        assert pid, f"{self.name} has ended by itself: see {self.server.status().log}"
        return pid

    def start(self) -> None:
        for _ in range(3):  # what it repairs at first may take longer than kb waits
            try:
                self.server.ensure_running()
            except StoreError:
                continue
            return
        raise AssertionError(f"{self.name} does not come up: see {self.server.status().log}")

    def kill(self) -> None:
        pid = self.find_pid()
        os.kill(pid, signal.SIGKILL)
        for _ in range(100):
            if not is_running(pid):
                return
            time.sleep(0.1)
        raise AssertionError(f"{self.name} outlives SIGKILL")


def is_running(pid: int) -> bool:
    """Tell whether there is a process of that number that is more than a zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"


def processor_ms(pid: int) -> float:
    """Return the milliseconds of processor that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")


def find_free_ports(number: int) -> list[int]:
    """Find ports that differ: they stay free until programs of the campaign take them."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return ports


def accepts_connections(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


_BLIND = """
hostname "$1" && mount -t tmpfs none "$2" && test -z "$(ls -A "$2")" || exit 9
shift 2
exec "$@"
"""


def put_on_machine(name: str, unseen: Path, command: Sequence[str]) -> list[str]:
    """Return a command that runs as on a machine of that name, which does not see a folder.

    Its namespaces need no root where users may have their own; raises SystemExit where neither
    goes.
    """
    for options in (["-Urmu"], ["-mu"]):
        trial = ["unshare", *options, "true"]
        if subprocess.run(trial, stderr=subprocess.DEVNULL, check=False).returncode == 0:
            return ["unshare", *options, "sh", "-c", _BLIND, "sh", name, str(unseen), *command]
    raise SystemExit(
        "The campaign puts each server into namespaces of its own, and this system allows that to "
        "nobody but root: set kernel.unprivileged_userns_clone=1 and user.max_user_namespaces, or "
        "run it in a container that has CAP_SYS_ADMIN."
    )
