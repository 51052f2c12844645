"""Opening the knowledge base for the time of one command."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from kb.cli.language import gettext
from kb.cli.terminal import say, show_waiting
from stores.errors import ConfigError

if TYPE_CHECKING:
    from kb.app import KnowledgeBase
    from kb.config import Config


@contextmanager
def open_knowledge_base(
    config: Path | None, *, profile: str | None = None, only_existing: bool = False
) -> Iterator["KnowledgeBase"]:
    """Open the knowledge base of a configuration.

    The configuration and `profile` are checked before LlamaIndex is imported, which takes seconds.
    With `only_existing` no private database is begun where there is no configuration either: raises
    ConfigError.
    """
    with show_waiting(gettext("Opening the knowledge base")):
        from kb.config import load_config

        loaded = load_config(config)
        if loaded.file is None:
            say(
                gettext("There is no config.yaml here, so the defaults hold. `kb init` writes one.")
            )
            if only_existing and loaded.database.url == "embedded":
                _require_data(loaded)
        if profile:
            _check_profile(loaded, profile)
        with _pause_garbage_collection():
            from kb.app import KnowledgeBase

        knowledge_base = KnowledgeBase.open(loaded, say=say)
    with knowledge_base:
        yield knowledge_base


@contextmanager
def _pause_garbage_collection() -> Iterator[None]:
    """Pause the garbage collection: imports leave none, and it takes a fifth of their time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _require_data(config: "Config") -> None:
    from kb.assembly.open_database import private_server

    if not private_server(config).has_data():
        raise ConfigError(
            f"There is no knowledge base: no config.yaml here, and nothing in {config.home}. "
            "`kb init` writes a config.yaml, `kb index PATH` begins one, and `kb demo` shows one."
        )


def _check_profile(config: "Config", name: str) -> None:
    try:
        config.profile(name)
    except ConfigError as error:
        raise typer.BadParameter(str(error), param_hint="'--profile'") from error
