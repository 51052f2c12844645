"""kb's vector store beside the public LlamaIndex integration for MariaDB.

The same rows, one server, one run; the stores take turns at every step.
"""

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import numpy as np
from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.vector_stores import MetadataFilter, MetadataFilters, VectorStoreQuery
from llama_index.vector_stores.mariadb import MariaDBVectorStore as PublicStore
from numpy.typing import NDArray
from platformdirs import user_cache_dir
from processor_clock import Clock

from stores import MariaDBVectorStore, make_engine
from stores.private_server import PrivateServer
from stores.registry.schema import create_database

DIMENSION, CHUNKS_A_DOCUMENT, BLOCK = 256, 13, 500
QUERIES, WARM_UP = 300, 50
DELETIONS, DELETIONS_A_TURN = 60, 15  # of documents
SHARES = {"tenth": 10, "hundredth": 100, "thousandth": 1000}  # metadata key: one row in so many
TARGETS = {
    "ingest, rows/s": "1.7 / 1.3",
    "ingest a row, CPU ms": "0.59 / 0.77",
    "query p50, ms": "0.33",
    "query recall@10": "0.95 of 1",
    "delete a document, ms": "0.067",
    "delete a document, CPU ms": "0.067",
}

Vectors = NDArray[np.float32]
Stores = dict[str, Any]
Results = defaultdict[str, dict[str, float]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    vectors = clustered_vectors(arguments.rows + WARM_UP + QUERIES)
    rows, queries = vectors[: arguments.rows], vectors[arguments.rows :]
    with a_server() as server:
        results = compared(server, open_stores(server), rows, queries)
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, load {load}"
    if arguments.json:
        print(json.dumps({"rows": len(rows), "machine": machine, "results": results}))
    else:
        print_table(results, f"{len(rows)} rows of {DIMENSION} dimensions; {machine}")


@contextmanager
def a_server() -> Iterator[PrivateServer]:
    home = Path(tempfile.mkdtemp(prefix="kb-benchmark-"))
    cache = Path(os.environ.get("KB_CACHE") or user_cache_dir("kb"))
    server = PrivateServer(home, cache, mariadbd=os.environ.get("KB_MARIADBD"))
    try:
        server.fetch(lambda line: print(line, file=sys.stderr))
        server.ensure_running()
        yield server
    finally:
        server.stop()
        shutil.rmtree(home)


def open_stores(server: PrivateServer) -> Stores:
    """Each with its own defaults."""
    create_database(make_engine(server.url("mysql")), "benchmark")
    url = server.url("benchmark")
    public = PublicStore.from_params(
        connection_string=url.set(drivername="mysql+pymysql").render_as_string(hide_password=False),
        connection_args={"read_timeout": 30},
        table_name="public_chunk",
        embed_dim=DIMENSION,
    )
    engine = make_engine(url)
    return {
        "public": public,
        "kb, vectors only": MariaDBVectorStore(
            engine, "kb_vector", embed_dim=DIMENSION, words="none"
        ),
        "kb, words, filter keys": MariaDBVectorStore(
            engine, embed_dim=DIMENSION, filter_keys=tuple(SHARES)
        ),
    }


def clustered_vectors(count: int) -> Vectors:
    """Clusters with a decaying spectrum: about as hard for the index as real embeddings."""
    random = np.random.default_rng(11)
    scale = np.arange(1, DIMENSION + 1) ** -0.3
    centres = random.normal(size=(count // 25, DIMENSION)) * scale
    vectors = centres[random.integers(len(centres), size=count)]
    vectors += random.normal(size=(count, DIMENSION)) * scale
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype("<f4")


def compared(server: PrivateServer, stores: Stores, rows: Vectors, queries: Vectors) -> Results:
    results: Results = defaultdict(dict)
    compare_ingest(results, server, stores, nodes_of(rows))
    compare_queries(results, stores, rows, queries)
    for key, share in SHARES.items():
        compare_queries(results, stores, rows, queries, key, share)
    compare_deletes(results, server, stores, len(rows) // CHUNKS_A_DOCUMENT)
    return results


def nodes_of(rows: Vectors) -> list[TextNode]:
    """Chunks of 688 characters, their words as unevenly frequent as those of a language."""
    random = np.random.default_rng(12)
    words = [f"{stem}{ending}" for stem in range(1000, 7000) for ending in ("a", "er", "ing")]
    places = random.zipf(1.3, size=(len(rows), 110)) % len(words)
    return [
        TextNode(
            id_=chunk(row),
            text=" ".join(words[place] for place in places[row])[:688],
            metadata=metadata(row),
            relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=document(row))},
            embedding=vector.tolist(),
        )
        for row, vector in enumerate(rows)
    ]


def chunk(row: int) -> str:
    return f"chunk-{row:08}"


def document(row: int) -> str:
    return f"document-{row // CHUNKS_A_DOCUMENT:06}"


def metadata(row: int) -> dict[str, str]:
    return {
        "path": f"handbook/volume-{row % 7}/{document(row)}.md",
        "title": f"Chapter {row // CHUNKS_A_DOCUMENT} of the handbook",
        "headings": "Handbook > Administration > Storage engines > Settings",
        "language": "en",
        "lines": f"{row % 500}-{row % 500 + 20}",
        **{key: str(row % share) for key, share in SHARES.items()},
    }


def in_turn(stores: Stores, turn: int) -> list[tuple[str, Any]]:
    """All stores, each time another one first."""
    items = list(stores.items())
    first = turn % len(items)
    return items[first:] + items[:first]


def timed(work: Callable[..., Any], *arguments: Any) -> tuple[float, Any]:
    start = time.perf_counter()
    answer = work(*arguments)
    return time.perf_counter() - start, answer


def compare_ingest(
    results: Results, server: PrivateServer, stores: Stores, nodes: list[TextNode]
) -> None:
    seconds, processor = dict.fromkeys(stores, 0.0), dict.fromkeys(stores, 0.0)
    for start in range(0, len(nodes), BLOCK):
        for name, store in in_turn(stores, start // BLOCK):
            clock = Clock(server)
            seconds[name] += timed(store.add, nodes[start : start + BLOCK])[0]
            processor[name] += clock.read_server() + clock.read_client()
    for name in stores:
        results["ingest, rows/s"][name] = len(nodes) / seconds[name]
        results["ingest a row, CPU ms"][name] = processor[name] / len(nodes)


def compare_queries(
    results: Results,
    stores: Stores,
    rows: Vectors,
    queries: Vectors,
    key: str | None = None,
    share: int = 1,
) -> None:
    milliseconds: dict[str, list[float]] = {name: [] for name in stores}
    recalls: dict[str, list[float]] = {name: [] for name in stores}
    for turn, vector in enumerate(queries):
        wanted = nearest(rows, vector, turn % share, share)
        query = query_for(vector, key, str(turn % share))
        for name, store in in_turn(stores, turn):
            seconds, answer = timed(store.query, query)
            milliseconds[name].append(seconds * 1000)
            recalls[name].append(len(wanted.intersection(answer.ids)) / len(wanted))
    label = f"filter {100 / share:g} %" if key else "query"
    for name in stores:
        after_warm_up = milliseconds[name][WARM_UP:]
        results[f"{label} p50, ms"][name] = median(after_warm_up)
        results[f"{label} p95, ms"][name] = quantiles(after_warm_up, n=20)[-1]
        results[f"{label} recall@10"][name] = sum(recalls[name]) / len(recalls[name])


def nearest(rows: Vectors, vector: Vectors, first: int, share: int) -> set[str]:
    """The true ten among every `share`th row."""
    order = np.argsort(-(rows[first::share] @ vector))[:10]
    return {chunk(first + share * int(place)) for place in order}


def query_for(vector: Vectors, key: str | None, value: str) -> VectorStoreQuery:
    filters = MetadataFilters(filters=[MetadataFilter(key=key, value=value)]) if key else None
    return VectorStoreQuery(query_embedding=vector.tolist(), similarity_top_k=10, filters=filters)


def compare_deletes(
    results: Results, server: PrivateServer, stores: Stores, documents: int
) -> None:
    milliseconds: dict[str, list[float]] = {name: [] for name in stores}
    processor = dict.fromkeys(stores, 0.0)
    deletions = min(DELETIONS, documents)
    for first in range(0, deletions, DELETIONS_A_TURN):
        for name, store in in_turn(stores, first // DELETIONS_A_TURN):
            clock = Clock(server)
            for number in range(first, min(first + DELETIONS_A_TURN, deletions)):
                seconds, _ = timed(store.delete, document(number * CHUNKS_A_DOCUMENT))
                milliseconds[name].append(seconds * 1000)
            time.sleep(0.5)  # the server removes deleted rows a little later: that is this store's
            processor[name] += clock.read_server() + clock.read_client()
    for name in stores:
        results["delete a document, ms"][name] = median(milliseconds[name])
        results["delete a document, CPU ms"][name] = processor[name] / deletions


def print_table(results: Results, title: str) -> None:
    public, *ours = next(iter(results.values()))
    print(title)
    print(f"{'':24}{public:>10}" + "".join(f"{name:>26}" for name in ours) + f"{'target':>12}")
    for label, row in results.items():
        cells = "".join(f"{row[name]:14.3g}  x {row[name] / row[public]:<8.3g}" for name in ours)
        print(f"{label:24}{row[public]:10.3g}{cells}{TARGETS.get(label, ''):>12}")


if __name__ == "__main__":
    main()
