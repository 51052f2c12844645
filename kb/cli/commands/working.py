"""The command `kb worker`."""

from typing import Annotated

import typer

from kb.cli.language import gettext
from kb.cli.options import ConfigPath
from kb.cli.terminal import say
from stores.errors import ConfigError


def worker(
    processes: Annotated[
        int, typer.Option(metavar="N", min=1, max=64, help="How many files are done at once.")
    ] = 1,
    config: ConfigPath = None,
) -> None:
    """Index for `kb index --workers` and servers.

    It takes workers.broker in the configuration, the same database, and the same directories at the
    same paths; uploaded files come from the database. Ctrl-C or SIGTERM lets it end what it has
    begun.

    \b
    kb worker
    kb worker --processes 4
    """
    from kb.assembly.open_database import open_database
    from kb.config.loading import load_config
    from stores.connection import read_server_info

    try:
        from kb.workers.broker import make_broker
        from kb.workers.worker_process import run_worker
    except ModuleNotFoundError as error:
        missing = gettext(
            "kb worker needs {package}, which is not installed. From a checkout: "
            "pip install '.[workers]'"
        )
        raise ConfigError(missing.format(package=error.name)) from error
    loaded = load_config(config)
    broker = make_broker(loaded)
    engine = open_database(loaded, say)  # what is wrong with it shows before there is work
    read_server_info(engine)
    engine.dispose()
    say(
        gettext("Waiting for work at {broker}, queue {queue}. Ctrl-C ends.").format(
            broker=broker.address, queue=broker.queue
        )
    )
    if status := run_worker(loaded, processes):
        raise typer.Exit(status)
