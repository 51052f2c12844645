"""Start a private server, know whether it lives, stop it."""

import fcntl
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from stores.errors import StoreUnavailable
from stores.private_server.bootstrap import list_root_options
from stores.private_server.find_binary import ENVIRONMENT, ServerProgram
from stores.private_server.home import Home
from stores.text.translations import Message

DEADLINE = 60.0
"""Seconds; recovery after a crash takes a few."""
GRACE = 20.0
"""Seconds; a server that can stop does so in one to three, and no longer wait makes it safer."""


def is_answering(home: Home) -> bool:
    """Whether the server greets; it opens its socket some time before it is ready."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(home.socket))
            return bool(probe.recv(1))
        except (FileNotFoundError, ConnectionError, BlockingIOError, TimeoutError):
            return False


def is_alive(home: Home) -> bool:
    if not home.life_lock.exists():
        return False
    with home.life_lock.open("rb") as lock:
        try:
            # Shared, so that two who ask at once do not take each other for the server.
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def launch_server(program: ServerProgram, home: Home, options: list[str]) -> None:
    """Start a server that outlives this process."""
    home.pid_file.unlink(missing_ok=True)
    home.socket.unlink(missing_ok=True)
    command = program.make_command(*_list_options(home), *options, *list_root_options())
    with home.life_lock.open("ab") as lock, home.log.open("ab") as log:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # The shell goes at once and leaves the server to init: it outlives us and is no
        # zombie of ours when it dies. It inherits the lock, and only its death frees it.
        subprocess.run(  # noqa: S603 - the command is ours
            ["/bin/sh", "-c", '"$@" &', "sh", *command],
            env=ENVIRONMENT,
            cwd=home.path,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(lock.fileno(),),
            start_new_session=True,
            check=True,
        )


def wait_until_up(home: Home) -> bool:
    """Wait until a living server answers; False when it is dead."""
    _wait_until(lambda: is_answering(home) or not is_alive(home), home, "answers on its socket")
    return is_alive(home)


def stop_server(home: Home, say: Callable[[str], None]) -> None:
    """Ask the living server to stop, and kill it when it does not; wait until it is gone."""
    _wait_until(lambda: home.pid_file.exists() or not is_alive(home), home, "writes its pid")
    pid = find_living_pid(home)
    if pid is not None:
        os.kill(pid, signal.SIGTERM)
        _kill_if_it_stays(home, pid, say)
    elif home.pid_file.exists():
        raise StoreUnavailable(
            f"the private MariaDB in {home.path} was started where this process cannot reach it, "
            "such as another container; stop it there"
        )
    _wait_until(lambda: not is_alive(home), home, "stops")


def _kill_if_it_stays(home: Home, pid: int, say: Callable[[str], None]) -> None:
    """Some statements hear neither KILL nor a shutdown; InnoDB recovers from the end of both."""
    end = time.monotonic() + GRACE
    while is_alive(home):
        if time.monotonic() > end:
            say(
                Message(
                    "The private MariaDB did not stop within {seconds:.0f} s (a statement may hold "
                    "it), so it is killed. Nothing that was committed is lost.",
                    seconds=GRACE,
                )
            )
            with suppress(ProcessLookupError):  # it has just stopped
                os.kill(pid, signal.SIGKILL)
            return
        time.sleep(0.02)


def find_living_pid(home: Home) -> int | None:
    """Find the pid of the living server, if it is a process that we can see."""
    if not is_alive(home):
        return None
    try:
        pid = home.pid_file.read_text("utf-8").strip()
    except FileNotFoundError:  # it has just begun, or is just ending
        return None
    return int(pid) if f"--datadir={home.data}" in _read_command_line(pid) else None


def _read_command_line(pid: str) -> str:
    if Path("/proc/self/cmdline").exists():
        path = Path("/proc", pid, "cmdline")
        return path.read_text("utf-8", "replace") if path.exists() else ""
    ps = ["/bin/ps", "-ww", "-o", "args=", "-p", pid]
    return subprocess.run(ps, capture_output=True, text=True, check=False).stdout  # noqa: S603 - a pid


def read_end_of_log(log: Path, lines: int = 15) -> str:
    if not log.exists():
        return "(empty)"
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 20_000))
        text = file.read().decode("utf-8", "replace")
    return "\n".join(text.splitlines()[-lines:])


def _wait_until(reached: Callable[[], bool], home: Home, what: str) -> None:
    end = time.monotonic() + DEADLINE
    while not reached():
        if time.monotonic() > end:
            raise StoreUnavailable(
                f"after {DEADLINE:.0f} s the private MariaDB in {home.path} neither {what} nor "
                f"dies. The end of its log {home.log}:\n{read_end_of_log(home.log)}"
            )
        time.sleep(0.02)


def _list_options(home: Home) -> list[str]:
    return [
        f"--datadir={home.data}",
        f"--socket={home.socket}",
        f"--pid-file={home.pid_file}",
        f"--tmpdir={home.temporary}",
        "--skip-networking",
        "--skip-ssl",  # nothing leaves the machine, and a certificate costs start time
        "--local-infile=OFF",
        "--character-set-server=utf8mb4",
        "--innodb-flush-log-at-trx-commit=1",
        "--max-allowed-packet=64M",
        "--max-connections=256",
        "--wait-timeout=604800",
        "--interactive-timeout=604800",
        "--log-warnings=1",  # 2 would log each probe of the socket
        "--performance-schema=OFF",
        "--query-cache-size=0",
        "--key-buffer-size=1M",
        "--aria-pagecache-buffer-size=32M",
    ]
