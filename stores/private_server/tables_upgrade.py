"""The system tables of data that an earlier series of MariaDB made, by MariaDB's own tool."""

import shlex
import tempfile
from pathlib import Path

from stores.errors import StoreUnavailable, UnsupportedServer
from stores.private_server import server_process as run
from stores.private_server.find_binary import ServerProgram, run_program
from stores.private_server.home import Home
from stores.server_version import join_version

TOOL = "mariadb-upgrade"
CALLED_TOOLS = ("mariadb", "mariadb-check")
SECONDS = 900


def fit_tables(program: ServerProgram, home: Home, options: list[str]) -> None:
    """Before the server starts: bring its data to the series of the program, if they are older.

    Raises StoreUnavailable, UnsupportedServer.
    """
    series = _read_series(home) or program.series
    if series > program.series:
        raise UnsupportedServer(
            f"the data in {home.data} are of MariaDB {join_version(series)}, and {program.path} is "
            f"{program.version}, which cannot go back; name a newer server by KB_MARIADBD"
        )
    if series < program.series:
        _upgrade_tables(program, home, options)
    home.tables_version.write_text(f"{program.version}-MariaDB", "utf-8")


def _read_series(home: Home) -> tuple[int, ...] | None:
    """Read the series of the data; None for what kb made before it kept note."""
    if not home.tables_version.exists():
        return None
    return tuple(map(int, home.tables_version.read_text("utf-8").split(".")[:2]))


def _upgrade_tables(program: ServerProgram, home: Home, options: list[str]) -> None:
    """Upgrade with a server that asks for no account, on its private socket: none may do this."""
    run.launch_server(program, home, [*options, "--skip-grant-tables"])
    if not run.wait_until_up(home):
        raise StoreUnavailable(
            f"MariaDB {program.version} died on data of an earlier series. "
            f"The end of its log {home.log}:\n{run.read_end_of_log(home.log)}"
        )
    try:
        _run_tool(program, home)
    finally:
        run.stop_server(home, lambda _: None)


def _run_tool(program: ServerProgram, home: Home) -> None:
    with tempfile.TemporaryDirectory(dir=home.temporary) as folder:
        command = _make_command(program, Path(folder))
        options = ["--no-defaults", f"--socket={home.socket}", "--skip-ssl"]
        done = run_program([*command, *options], timeout=SECONDS)
    if done.returncode:
        raise StoreUnavailable(
            f"{TOOL} of MariaDB {program.version} ended with status {done.returncode} on the data "
            f"in {home.data}. It said:\n{done.stdout.strip()[-1500:]}"
        )


def _make_command(program: ServerProgram, folder: Path) -> list[str]:
    """The tool calls others that lie beside it, by the name that it was called by.

    Those of a program with its own loader would not run so; scripts beside it start them.
    """
    tools = program.base / "bin"
    if not (tools / TOOL).is_file():
        raise UnsupportedServer(
            f"the data are of an earlier series, and there is no {TOOL} in {tools}; install it "
            "(on Debian it is in mariadb-server-core)"
        )
    if not program.launcher:
        return [str(tools / TOOL)]
    for name in CALLED_TOOLS:
        start = shlex.join([*program.launcher, str(tools / name)])
        (folder / name).write_text(f'#!/bin/sh\nexec {start} "$@"\n', "utf-8")
        (folder / name).chmod(0o700)
    return [*program.launcher, "--argv0", str(folder / TOOL), str(tools / TOOL)]
