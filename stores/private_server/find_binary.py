"""A MariaDB server program that is new enough, wherever it comes from."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

from stores.errors import UnsupportedServer
from stores.server_version import MINIMUM_VERSION, join_version

PLACES = (
    "/usr/sbin",
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/libexec",
    "/opt/homebrew/bin",
    "/opt/homebrew/opt/mariadb@11.8/bin",
    "/usr/local/opt/mariadb@11.8/bin",
)
WAYS_OUT = """\
There are three ways to give kb a database:
  1. install MariaDB 11.8 or later (the package is usually named mariadb-server);
  2. set KB_MARIADBD to the path of a mariadbd 11.8 or later;
  3. set database.url in config.yaml to a MariaDB 11.8 or later that runs elsewhere."""

# The server outlives its starter: it gets none of its variables, and the probe no more than it.
ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C"}


@dataclass(frozen=True)
class ServerProgram:
    path: Path
    version: str
    share: Path
    """Holds the system tables, messages and character sets."""
    launcher: tuple[str, ...] = ()
    """The loader and library path of a program that brings its own libraries."""

    @property
    def base(self) -> Path:
        return self.path.parent.parent

    @property
    def series(self) -> tuple[int, ...]:
        """The series of its system tables: 11.8 of 11.8.6."""
        return tuple(map(int, self.version.split(".")[:2]))

    def make_command(self, *options: str) -> list[str]:
        return [
            *self.launcher,
            str(self.path),
            "--no-defaults",
            f"--basedir={self.base}",
            f"--lc-messages-dir={self.share}",
            f"--character-sets-dir={self.share / 'charsets'}",
            *options,
        ]

    def make_client_command(self, *options: str) -> list[str]:
        program = self.base / "bin" / "mariadb"
        if not program.is_file():
            raise UnsupportedServer(f"no client program at {program}; install mariadb-client")
        return [*self.launcher, str(program), *options]


def find_program(explicit: str | None, places: Sequence[str] = PLACES) -> ServerProgram | None:
    """Find the explicit program, or else the first installed one that kb can use."""
    if explicit is not None:
        return _find_named(explicit)
    for path in _find_candidates(places):
        with suppress(UnsupportedServer):
            return inspect_program(path)
    return None


def inspect_program(path: Path, launcher: tuple[str, ...] = ()) -> ServerProgram:
    """Ask the program for its version; UnsupportedServer says why kb cannot use it."""
    path = path.resolve()
    version = _read_version([*launcher, str(path)])
    if version < MINIMUM_VERSION:
        raise UnsupportedServer(
            f"{path} is MariaDB {join_version(version)}; kb needs "
            f"{join_version(MINIMUM_VERSION)} or later, for the VECTOR type.\n{WAYS_OUT}"
        )
    return ServerProgram(path, join_version(version), _find_share(path), launcher)


def _find_named(name: str) -> ServerProgram:
    path = shutil.which(Path(name).expanduser())
    if path is None:
        raise UnsupportedServer(f"the server program {name} is not there.\n{WAYS_OUT}")
    return inspect_program(Path(path))


def _find_candidates(places: Sequence[str]) -> Iterator[Path]:
    for folder in dict.fromkeys((*os.get_exec_path(), *places)):
        path = shutil.which("mariadbd", path=folder)
        if path is not None:
            yield Path(path)


def run_program(command: Sequence[str], *, timeout: float, **options: Any) -> CompletedProcess[str]:
    """Run a program to its end, without our variables; what it says comes together, as text."""
    return subprocess.run(  # noqa: S603 - the command is ours
        command,
        **{"env": ENVIRONMENT, "stdin": subprocess.DEVNULL, **options},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=timeout,
        check=False,
    )


def _read_version(command: list[str]) -> tuple[int, ...]:
    try:
        done = run_program([*command, "--no-defaults", "--version"], timeout=30)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnsupportedServer(f"{command[-1]} does not run: {error}.\n{WAYS_OUT}") from error
    match = re.search(r"Ver (\d+)\.(\d+)\.(\d+)-MariaDB", done.stdout)
    if match is None:
        raise UnsupportedServer(
            f"{command[-1]} is no MariaDB server; it says: {done.stdout.strip()[-300:]}\n{WAYS_OUT}"
        )
    return tuple(int(number) for number in match.groups())


def _find_share(path: Path) -> Path:
    share = path.parent.parent / "share"
    for folder in (share / "mariadb", share / "mysql", share):
        if (folder / "mariadb_system_tables.sql").is_file():
            return folder
    raise UnsupportedServer(f"{path} has no system tables below {share}.\n{WAYS_OUT}")
