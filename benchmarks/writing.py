"""What writing costs at a size: the server's processor a chunk, by documents a transaction.

A table is filled without its vector index, which is then built. Documents of ten chunks are added
in ever larger transactions; last are searches after a restart, cold and warmed up. Vectors are
mixtures of a few of 2,000 directions, with noise.
"""

import argparse
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import sqlalchemy as sa
from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.vector_stores import VectorStoreQuery
from numpy.typing import NDArray
from platformdirs import user_cache_dir
from processor_clock import Clock

from stores import MariaDBVectorStore, make_engine
from stores.private_server import PrivateServer
from stores.registry.document_registry import DocumentRegistry, IndexedDocument, StorableDocument
from stores.registry.schema import create_database, migrate

DIMENSION, CHUNKS_A_DOCUMENT, SEARCHES = 384, 10, 60
TRANSACTIONS = {1: 20, 6: 60, 50: 100, 100: 200, 400: 400}  # documents in each, and in all
WORDS = [f"{first}{second}" for first in "bcdfgklmnprst" for second in ("ala", "ero", "imu", "ote")]
RANDOM = np.random.default_rng(1)
DIRECTIONS = RANDOM.normal(size=(2000, DIMENSION))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunks", type=int, default=60_000)
    chunks = parser.parse_args().chunks
    with tempfile.TemporaryDirectory(prefix="kb-bench-", dir="/tmp") as home:
        cache = Path(user_cache_dir("kb"))
        server = PrivateServer(Path(home), cache, buffer_pool_mb=3000, vector_cache_mb=1000)
        try:
            measure(server, chunks)
        finally:
            server.stop()


def measure(server: PrivateServer, chunks: int) -> None:
    server.ensure_running()
    create_database(make_engine(server.url("")), "bench")
    engine = make_engine(server.url("bench"))
    migrate(engine)
    store = MariaDBVectorStore(engine, embed_dim=DIMENSION, m=16, ef_search=128)
    store.set_up()
    fill(engine, chunks)
    with count_cost(server, "build the vector index", chunks):
        change(engine, "ADD VECTOR INDEX nearest (embedding) M=16 DISTANCE=cosine")
    registry = DocumentRegistry(engine, store.table)
    for size, total in TRANSACTIONS.items():
        documents = [make_document(registry) for _ in range(total)]
        label = f"{size * CHUNKS_A_DOCUMENT} chunks a transaction"
        with count_cost(server, label, total * CHUNKS_A_DOCUMENT):
            for start in range(0, total, size):
                registry.replace_all(documents[start : start + size])
    for warmed in (False, True):
        server.stop()
        server.ensure_running()
        if warmed:
            with count_cost(server, "warm up", 1):
                store.warm_up()
        with count_cost(server, f"search after a restart, warmed up: {warmed}", SEARCHES):
            search(store, SEARCHES)
    with count_cost(server, "search", SEARCHES):
        search(store, SEARCHES)


def fill(engine: sa.Engine, chunks: int) -> None:
    """Write chunks without words into a table without its vector index."""
    change(engine, "DROP INDEX nearest")
    insert = sa.text(
        "INSERT INTO kb_chunk (chunk_id, document_id, text, metadata, node, embedding) "
        "VALUES (:id, :document, :text, '{}', '{}', :vector)"
    )
    for start in range(0, chunks, 2000):
        vectors = make_vectors(2000)
        rows = [
            {
                "id": f"{start + i:032x}",
                "document": f"{(start + i) // CHUNKS_A_DOCUMENT:032x}",
                "text": make_text(),
                "vector": vectors[i].tobytes(),
            }
            for i in range(2000)
        ]
        with engine.begin() as connection:
            connection.execute(insert, rows)


def change(engine: sa.Engine, change: str) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(f"ALTER TABLE kb_chunk {change}")


def make_document(registry: DocumentRegistry) -> StorableDocument:
    name = secrets.token_hex(16)
    nodes = [
        TextNode(
            id_=f"{name}:{number:05}",
            text=make_text(),
            metadata={"title": "A title", "path": name, "root": "bench"},
            embedding=vector.tolist(),
            relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=name)},
        )
        for number, vector in enumerate(make_vectors(CHUNKS_A_DOCUMENT))
    ]
    hashed = "0" * 64
    document = IndexedDocument(
        name, "bench", name, hashed, 7000, None, "text/plain", "A title", "en"
    )
    return registry.prepare(document, nodes)


def make_vectors(count: int) -> NDArray[np.float32]:
    weights = RANDOM.dirichlet([0.3] * 6, size=count)
    chosen = DIRECTIONS[RANDOM.integers(0, len(DIRECTIONS), size=(count, 6))]
    mixed = np.einsum("nk,nkd->nd", weights, chosen)
    mixed += RANDOM.normal(size=mixed.shape) * 0.25
    return (mixed / np.linalg.norm(mixed, axis=1, keepdims=True)).astype("<f4")


def make_text() -> str:
    return " ".join(WORDS[i] + WORDS[j] for i, j in RANDOM.integers(0, len(WORDS), size=(80, 2)))


def search(store: MariaDBVectorStore, count: int) -> None:
    for vector in make_vectors(count):
        store.query(VectorStoreQuery(query_embedding=vector.tolist(), similarity_top_k=10))


@contextmanager
def count_cost(server: PrivateServer, label: str, count: int) -> Iterator[None]:
    """Print the milliseconds of the server's processor for each of `count`."""
    clock = Clock(server)
    yield
    spent = clock.read_server() / count
    print(f"{label:45} {spent:8.2f} ms", flush=True)


if __name__ == "__main__":
    main()
