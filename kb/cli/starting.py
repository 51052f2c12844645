"""`kb init` and `kb setup`."""

import shutil
from importlib import resources
from pathlib import Path
from typing import Annotated

import typer

from kb.cli.options import ConfigPath
from kb.cli.terminal import OUT, command, say


def init(
    path: Annotated[
        Path, typer.Argument(metavar="PATH", help="The directory, or the file.  [default: .]")
    ] = Path(),
) -> None:
    """Write a starting config.yaml, and set up.

    A file that is there already stays as it is. Safe to repeat.

    \b
    kb init                  config.yaml in this directory
    kb init ~/handbook       ~/handbook/config.yaml
    """
    file = path if path.suffix in (".yaml", ".yml") else path / "config.yaml"
    if file.exists():
        say(f"{file} is there already and stays as it is.")
    else:
        _write_starting_config(file)
        say(f"Wrote {file}.")
    setup(file)
    OUT.print(f"Next: {command(file)} index PATH")


def _write_starting_config(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    starting = resources.files("kb").joinpath("starting_config.yaml")
    with starting.open("rb") as source, file.open("xb") as target:
        shutil.copyfileobj(source, target)


def setup(config: ConfigPath = None) -> None:
    """Fetch and start what the configuration needs.

    That is the private MariaDB and the local embedding model, unless the configuration names
    others. Safe to repeat.
    """
    from kb.config import load_config
    from kb.setup import set_up

    set_up(load_config(config), say)
