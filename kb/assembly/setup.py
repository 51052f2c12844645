"""Fetch and start what a configuration needs, so that nothing is downloaded later."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from kb.assembly.models import FORMER_DEFAULT
from kb.assembly.open_database import open_database, private_server
from kb.config import Config
from stores.connection import read_server_info
from stores.errors import ConfigError
from stores.text.translations import Message

Say = Callable[[str], None]


def set_up(config: Config, say: Say, *, upgrade: bool = False) -> None:
    """Make the database and the embedding model ready, side by side; safe to repeat.

    `upgrade` renews the private MariaDB that kb fetched. Raises ConfigError, UnsupportedServer,
    StoreUnavailable or ModelUnavailable.
    """
    if upgrade:
        _upgrade_server(config, say)
    with ThreadPoolExecutor() as pool:
        steps = [pool.submit(step, config, say) for step in (_set_up_database, _set_up_embedding)]
    for step in steps:
        step.result()


def _upgrade_server(config: Config, say: Say) -> None:
    if config.database.url != "embedded":
        raise ConfigError(
            f"database.url is {config.database.url!r}: a server of your own, which kb does not "
            "renew. Run `kb setup` without --upgrade."
        )
    private_server(config).upgrade(say)


def _set_up_database(config: Config, say: Say) -> None:
    engine = open_database(config, say)
    version = read_server_info(engine).version.split("-")[0]
    engine.dispose()
    if config.database.url == "embedded":
        home = private_server(config).status().data_directory.parent
        say(Message("MariaDB {version} runs in {directory}", version=version, directory=home))
    else:
        url = engine.url.render_as_string()
        say(Message("MariaDB {version} answers at {url}", version=version, url=url))


def _set_up_embedding(config: Config, say: Say) -> None:
    if config.embedding.provider != "local" or config.embedding.model not in (None, FORMER_DEFAULT):
        model = config.embedding.model or config.embedding.provider
        say(Message("Embeddings come from {model}", model=model))
        return
    from kb.sentence_model import fetch, files  # noqa: PLC0415 - slow to import; the database goes first

    models = files.DEFAULT_MODELS if config.embedding.model is None else [files.MINILM]
    directory = fetch(config.cache, say, models)
    say(Message("The embedding model is in {directory}", directory=directory))
