"""Fetch and start what a configuration needs, so that nothing is downloaded later."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from kb.assembly.open_database import open_database, private_server
from kb.config.sections import Config
from kb.model_file.fetch_file import fetch_model_file
from kb.model_file.known_files import DEFAULT_FILE, KNOWN_FILES
from stores.connection import read_server_info
from stores.errors import ConfigError
from stores.text.translations import Message

Say = Callable[[str], None]


def set_up(config: Config, say: Say, *, upgrade: bool = False, llm: str | None = None) -> None:
    """Make the database and the embedding models ready, side by side; safe to repeat.

    `upgrade` renews the private MariaDB that kb fetched; `llm` names a model file to fetch, besides
    the one that the configuration names. Raises ConfigError, UnsupportedServer, StoreUnavailable or
    ModelUnavailable.
    """
    wanted = [_require_known_file(llm)] if llm else []
    if upgrade:
        _upgrade_server(config, say)
    with ThreadPoolExecutor() as pool:
        steps = [pool.submit(step, config, say) for step in (_set_up_database, _set_up_embedding)]
    for step in steps:
        step.result()
    for known in dict.fromkeys([*wanted, *_find_configured_files(config)]):
        _set_up_model_file(config, known, say)


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
    """Fetch the embedding model, and the one to change to where there is one."""
    for embedding in filter(None, [config.embedding, config.next_embedding.to_embedding()]):
        if not embedding.is_fetched:
            model = embedding.model or embedding.provider
            say(Message("Embeddings come from {model}", model=model))
            continue
        from kb.sentence_model import fetch, files  # noqa: PLC0415 - slow to import; the database goes first

        directory = fetch(config.cache, say, files.FETCHED_BY[embedding.model])
        say(Message("The embedding model is in {directory}", directory=directory))


def _require_known_file(name: str) -> str:
    if name not in KNOWN_FILES:
        raise ConfigError(f"--llm is {name!r}; kb can fetch {', '.join(KNOWN_FILES)}.")
    return name


def _find_configured_files(config: Config) -> list[str]:
    models = config.llm.list_models()
    names = [llm.model or DEFAULT_FILE for llm in models if llm.provider == "llama-cpp"]
    return [name for name in names if name in KNOWN_FILES]


def _set_up_model_file(config: Config, name: str, say: Say) -> None:
    known = KNOWN_FILES[name]
    path = fetch_model_file(config.cache, known, say)
    say(
        Message(
            "The language model {title} is {path}; answering takes {memory} MB of memory",
            title=known.title,
            path=path,
            memory=known.memory_mb,
        )
    )
    if all(llm.provider != "llama-cpp" for llm in config.llm.list_models()):
        setting = f"llm: {{provider: llama-cpp, model: {name}}}"
        say(Message("config.yaml makes it answer with {setting}", setting=setting))
