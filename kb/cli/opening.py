"""Opening the knowledge base for the time of one command."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from kb.cli.language import gettext
from kb.cli.terminal import say, show_waiting
from stores.errors import ConfigError

if TYPE_CHECKING:
    import sqlalchemy as sa

    from kb.app import KnowledgeBase
    from kb.config.sections import Config

Expected = Literal["nothing", "documents", "sources"]


@contextmanager
def open_knowledge_base(
    config: Path | None,
    *,
    profile: str | None = None,
    model: str | None = None,
    expects: Expected = "nothing",
) -> Iterator["KnowledgeBase"]:
    """Open the knowledge base of a configuration.

    The configuration, `profile` and `model` are checked before LlamaIndex is imported, which takes
    seconds.
    What only asks `expects` documents, or documents or tables: where there are none, none is begun.
    """
    with show_waiting(gettext("Opening the knowledge base")):
        loaded = _load_config(config)
        if profile:
            _check_name("--profile", loaded.profile, profile)
        if model:
            _check_name("--model", loaded.llm.choose, model)
        if expects == "documents" or (expects == "sources" and not loaded.tables.include):
            from kb.assembly.open_database import require_begun

            require_begun(loaded)
        with _pause_garbage_collection():
            from kb.app import KnowledgeBase
            from kb.assembly.way_in import way_in

        way_in.set("cli")

        knowledge_base = KnowledgeBase.open(loaded, say=say)
    with knowledge_base:
        yield knowledge_base


@contextmanager
def open_only_database(config: Path | None) -> Iterator[tuple["sa.Engine", "Config"]]:
    """Open the database of a configuration without its models, for what needs no LlamaIndex.

    Where no knowledge base was begun, none is: raises ConfigError.
    """
    with show_waiting(gettext("Opening the knowledge base")):
        from kb.assembly.open_database import open_database, require_begun
        from stores.connection import read_server_info
        from stores.registry.schema import migrate

        loaded = _load_config(config)
        require_begun(loaded)
        engine = open_database(loaded, say)
        try:
            read_server_info(engine)
            migrate(engine)
        except BaseException:
            engine.dispose()
            raise
    try:
        yield engine, loaded
    finally:
        engine.dispose()


def _load_config(path: Path | None) -> "Config":
    from kb.config.loading import load_config

    loaded = load_config(path)
    if loaded.file is None:
        say(gettext("There is no config.yaml here, so the defaults hold. `kb init` writes one."))
    return loaded


@contextmanager
def _pause_garbage_collection() -> Iterator[None]:
    """Pause the garbage collection: imports leave none, and it takes a fifth of their time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _check_name(option: str, find: Callable[[str], object], name: str) -> None:
    try:
        find(name)
    except ConfigError as error:
        raise typer.BadParameter(str(error), param_hint=f"'{option}'") from error
