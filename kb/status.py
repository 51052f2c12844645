"""What a knowledge base holds, as `kb status` shows it, without LlamaIndex, which takes seconds."""

from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from kb.config import Config
from stores.connection import read_server_info
from stores.registry.collection import find_collection
from stores.registry.contents import list_failures, list_roots
from stores.registry.document_counts import count_totals
from stores.registry.inspection import inspect_health
from stores.registry.root_lock import list_roots_under_way


def read_status(engine: sa.Engine, config: Config) -> dict[str, Any]:
    """Read server, collection, counts and failures; of a collection None while there is none."""
    documents, chunks = count_totals(engine)
    collection = find_collection(engine, "default")
    return {
        "server": read_server_info(engine).version,
        "collection": collection.name if collection else None,
        "embedding": collection.embedding_model if collection else None,
        "dimension": collection.dimension if collection else None,
        "llm": None if config.llm.provider == "none" else config.llm.model or config.llm.provider,
        "documents": documents,
        "chunks": chunks,
        "indexing": list_roots_under_way(engine),
        "roots": list_roots(engine),
        "unfindable": asdict(inspect_health(engine, collection)) if collection else None,
        "failed": [
            {"path": failure.path, "reason": failure.reason, "root": failure.root}
            for failure in list_failures(engine)
        ],
    }
