"""The commands `kb init` and `kb setup`."""

import os
import re
from importlib import resources
from pathlib import Path
from typing import Annotated
from unicodedata import normalize

import typer

from kb.cli.language import gettext
from kb.cli.options import ConfigPath
from kb.cli.terminal import OUT, kb_command, say

_NAME_CHARACTERS = 64  # of a database in MariaDB


def init(
    path: Annotated[
        Path, typer.Argument(metavar="PATH", help="The directory, or the file.")
    ] = Path(),
) -> None:
    """Write a starting config.yaml, and set up.

    Its database is named after the directory. A file that is there already stays as it is. Safe to
    repeat.

    \b
    kb init                  config.yaml in this directory
    kb init ~/handbook       ~/handbook/config.yaml
    """
    file = path if path.suffix in (".yaml", ".yml") else path / "config.yaml"
    if file.exists():
        say(gettext("{file} is there already and stays as it is.").format(file=file))
    else:
        _write_starting_config(file)
        say(gettext("Wrote {file}.").format(file=file))
        _tell_of_namesake(file)
    setup(config=file)
    OUT.print(gettext("Next: {kb} index PATH").format(kb=kb_command(file)))


def _write_starting_config(file: Path) -> None:
    starting = resources.files("kb").joinpath("starting_config.yaml").read_text("utf-8")
    name = database_name(file.absolute().parent)
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)  # keys may follow
    with os.fdopen(descriptor, "w", encoding="utf-8") as target:
        target.write(starting.replace(f"{'name: kb':<30}", f"{f'name: {name}':<29} ", 1))


def database_name(folder: Path) -> str:
    """Name the database after a folder: each has one of its own on the private server."""
    plain = normalize("NFKD", folder.name.lower()).encode("ascii", "ignore").decode()
    words = re.findall(r"[a-z0-9]+", plain)
    return "_".join(words if words[:1] == ["kb"] else ["kb", *words])[:_NAME_CHARACTERS]


def _tell_of_namesake(file: Path) -> None:
    from kb.assembly.open_database import private_server
    from kb.config.loading import load_config

    config = load_config(file)
    name = config.database.name
    if (private_server(config).status().data_directory / name).is_dir():
        there = gettext(
            "The database {name} is there already, and is used here too. If it belongs to "
            "something else, change database.name in {file}."
        )
        say(there.format(name=name, file=file))


def setup(
    upgrade: Annotated[
        bool, typer.Option("--upgrade", help="Renew the private MariaDB that kb fetched.")
    ] = False,
    llm: Annotated[
        str | None,
        typer.Option(
            "--llm",
            metavar="NAME",
            help="Fetch a language model in a file: small, tiny or smollm2.",
        ),
    ] = None,
    config: ConfigPath = None,
) -> None:
    """Fetch and start what the configuration needs.

    That is the private MariaDB and the local embedding model, unless the configuration names
    others. Safe to repeat. With --upgrade the newest packages of MariaDB are fetched from Debian
    and take over the same data; if their server does not start, the former one goes on.
    """
    from kb.assembly.setup import set_up
    from kb.config.loading import load_config

    set_up(load_config(config), say, upgrade=upgrade, llm=llm)
