"""What a knowledge base holds, as `kb status` shows it, without LlamaIndex, which takes seconds."""

from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from kb.config.sections import Config
from stores.audiences import Groups
from stores.connection import read_server_info
from stores.registry.collection import find_collection
from stores.registry.contents import list_failures, list_roots
from stores.registry.document_counts import count_totals
from stores.registry.inspection import inspect_health
from stores.registry.root_lock import list_roots_under_way


def read_status(engine: sa.Engine, config: Config, groups: Groups | None = None) -> dict[str, Any]:
    """Read server, collection, counts and failures; of a collection None while there is none.

    With `groups`, of documents that these may see.
    """
    documents, chunks = count_totals(engine, groups)
    roots = list_roots(engine, groups)
    names = {root["name"] for root in roots}
    collection = find_collection(engine, "default")
    return {
        "server": read_server_info(engine).version,
        "collection": collection.name if collection else None,
        "embedding": collection.embedding_model if collection else None,
        "dimension": collection.dimension if collection else None,
        "llm": None if config.llm.provider == "none" else config.llm.model or config.llm.provider,
        "documents": documents,
        "chunks": chunks,
        "indexing": [
            name for name in list_roots_under_way(engine) if groups is None or name in names
        ],
        "roots": roots,
        "unfindable": asdict(inspect_health(engine, collection))
        if collection and groups is None
        else None,
        "failed": [
            {"path": failure.path, "reason": failure.reason, "root": failure.root}
            for failure in list_failures(engine, groups)
        ],
    }
