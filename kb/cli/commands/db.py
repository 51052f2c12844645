"""The commands `kb db start`, `stop`, `status`, `shell` and `account`."""

import os
import shutil
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kb.cli.language import gettext
from kb.cli.options import AsJson, ConfigPath
from kb.cli.terminal import OUT, say, show_waiting
from stores.errors import ConfigError, UnsupportedServer

if TYPE_CHECKING:
    import sqlalchemy as sa

    from kb.config.sections import Config
    from stores.private_server import PrivateServer

db = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Start, stop and open the database."
)


@db.command()
def start(config: ConfigPath = None) -> None:
    """Start the private MariaDB; other commands do so by themselves."""
    server = _private_server(_load_config(config))
    server.fetch(say)
    server.ensure_running()
    OUT.print(gettext("The private MariaDB runs."))


@db.command()
def stop(config: ConfigPath = None) -> None:
    """Stop the private MariaDB; the next command starts it again.

    One that does not stop within 20 seconds is killed; it loses nothing that was committed.
    """
    was_running = _private_server(_load_config(config)).stop(say)
    OUT.print(gettext("Stopped.") if was_running else gettext("It was not running."))


@db.command()
def status(as_json: AsJson = False, config: ConfigPath = None) -> None:
    """Show whether the server runs, where its data are, and its log."""
    from kb.cli.print_json import print_json
    from kb.cli.rendering.state import show_server

    state = _describe_server(_load_config(config))
    if as_json:
        print_json(state)
    else:
        show_server(OUT, state)


@db.command()
def shell(
    execute: Annotated[
        str | None,
        typer.Option("--execute", "-e", metavar="SQL", help="Run this SQL, and end."),
    ] = None,
    config: ConfigPath = None,
) -> None:
    """Open an SQL shell on the database; statements may be piped in.

    \b
    kb db shell
    kb db shell -e "SELECT COUNT(*) FROM kb_chunk"
    echo "SELECT COUNT(*) FROM kb_chunk" | kb db shell
    """
    loaded = _load_config(config)
    url = loaded.database.url
    if url == "embedded":
        from kb.assembly.open_database import open_private_database

        open_private_database(loaded, loaded.database.name, say).dispose()
        command = _private_server(loaded).shell_command(loaded.database.name)
    else:
        command = _client_command(url)
    if execute is not None:
        command.append(f"--execute={execute}")
    sys.stdout.flush()
    os.execvp(command[0], command)  # noqa: S606 - the command is ours


@db.command()
def account(
    own: Annotated[
        bool,
        typer.Option(
            "--own",
            help="The account of database.url instead, which writes rows and changes no table.",
        ),
    ] = False,
    config: ConfigPath = None,
) -> None:
    """Print the SQL that makes an account which only reads the tables of tables.include.

    An administrator runs it on the server that holds them. Its password is a new one each time.

    \b
    kb db account
    kb db account --own
    kb db account | mariadb --host db.example.com --user admin --password
    """
    loaded = _load_config(config)
    if own:
        from kb.assembly.open_database import write_own_account_script

        OUT.print(write_own_account_script(loaded), soft_wrap=True)
        return
    with show_waiting(gettext("Writing the SQL")):
        from kb.assembly.business_tables import write_account_script

        script = write_account_script(loaded)
    if loaded.tables.url == "embedded":
        say(gettext("On the private server kb makes this account itself; on another one run:"))
    OUT.print(script, soft_wrap=True)


def _load_config(config: "ConfigPath") -> "Config":
    from kb.config.loading import load_config

    return load_config(config)


def _private_server(config: "Config") -> "PrivateServer":
    from kb.assembly.open_database import private_server

    if config.database.url != "embedded":
        other = gettext(
            "database.url is {url!r}: a server of your own, which kb neither starts nor stops. "
            "`kb db status` and `kb db shell` work with it."
        )
        raise ConfigError(other.format(url=config.database.url))
    return private_server(config)


def _describe_server(config: "Config") -> dict[str, Any]:
    if config.database.url == "embedded":
        from dataclasses import asdict

        return asdict(_private_server(config).status())
    from stores.connection import make_engine, read_server_info

    engine = make_engine(config.database.url)
    version = read_server_info(engine).version
    engine.dispose()
    return {"running": True, "version": version, "url": repr(config.database.url)}


def _client_command(url: "sa.URL") -> list[str]:
    """Return how this machine's client is started; the password goes by the environment."""
    program = shutil.which("mariadb") or shutil.which("mysql")
    if program is None:
        raise UnsupportedServer(
            gettext(
                "There is no `mariadb` program on PATH. Install MariaDB's client; the package is "
                "usually named mariadb-client."
            )
        )
    from stores.tls import list_client_options

    os.environ["MYSQL_PWD"] = url.password or ""
    socket = url.query.get("unix_socket")
    where = (
        [f"--socket={socket}"] if socket else [f"--host={url.host}", f"--port={url.port or 3306}"]
    )
    options = ["--no-defaults", *where, *list_client_options(url), f"--user={url.username}"]
    return [program, *options, str(url.database or "")]
