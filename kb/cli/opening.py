"""A knowledge base for the time of one command."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from kb.cli.terminal import say, waiting

if TYPE_CHECKING:
    from kb.app import KnowledgeBase


@contextmanager
def opened(config: Path | None) -> Iterator["KnowledgeBase"]:
    """The configuration is checked before LlamaIndex is imported, which takes seconds."""
    with waiting("Opening the knowledge base"):
        from kb.config import load_config

        loaded = load_config(config)
        from kb.app import KnowledgeBase

        knowledge_base = KnowledgeBase.open(loaded, say=say)
    with knowledge_base:
        yield knowledge_base
