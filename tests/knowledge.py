"""An indexer over an empty database, and a small directory for it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from fake_models import HashEmbedding
from llama_index.core.vector_stores.types import VectorStoreQuery, VectorStoreQueryMode

from kb.indexing.embed import ChunkEmbedder
from kb.indexing.indexing_run import Indexer
from kb.indexing.reading_options import ReadingOptions
from kb.indexing.report import IndexReport
from stores.chunks.vector_store import MariaDBVectorStore
from stores.registry.collection import open_collection
from stores.registry.document_registry import DocumentRegistry
from stores.registry.embedding_cache import EmbeddingCache
from stores.registry.schema import migrate


@dataclass
class Knowledge:
    """An indexer over an empty database, and what its tests look at."""

    engine: sa.Engine
    embed_model: HashEmbedding = field(default_factory=HashEmbedding)
    reading: ReadingOptions = field(default_factory=ReadingOptions)

    def __post_init__(self) -> None:
        migrate(self.engine)
        collection = open_collection(self.engine, "hash", lambda: self.embed_model.dimensions)
        self.store = MariaDBVectorStore(
            self.engine, collection.chunk_table, embed_dim=collection.dimension
        )
        self.store.set_up()
        self.registry = DocumentRegistry(self.engine, self.store.table)
        self.cache = EmbeddingCache(self.engine, "hash", collection.dimension, self.store.table)

    def index(self, path: Path, **options: Any) -> IndexReport:
        embedder = ChunkEmbedder(self.embed_model, self.cache)
        return Indexer(self.registry, embedder, options=self.reading).index(path, **options)

    def state(self) -> list[tuple[str, ...]]:
        """Everything that answers come from, without times and places."""
        return sorted(
            (node.node_id, node.get_content(), str(node.embedding), str(sorted(node.metadata)))
            for node in self.store.get_nodes()
        )

    def found_by_words(self, words: str) -> list[str]:
        query = VectorStoreQuery(
            query_str=words, mode=VectorStoreQueryMode.TEXT_SEARCH, similarity_top_k=10
        )
        return [node.metadata["path"] for node in self.store.query(query).nodes or []]


def write_handbook(folder: Path) -> Path:
    """Write three files, one in Latin-1 and one with front matter."""
    root = folder / "handbook"
    (root / "policies").mkdir(parents=True)
    (root / "policies" / "returns.md").write_text(
        "---\ntitle: Returns\ncategory: policy\n---\n\n# Returns\n\nThirty days, unopened.\n"
    )
    (root / "délais.txt").write_bytes(
        "Livraison à Liège : 48 heures, été comme hiver.".encode("latin-1")
    )
    (root / "faq.html").write_text("<title>FAQ</title><p>Ask the <b>support</b> team.</p>")
    return root


def counts(report: IndexReport) -> tuple[int, int, int, int, int]:
    return report.added, report.changed, report.removed, report.unchanged, len(report.failed)
