"""How the cost of a search, of writing and of the tables grows with the number of chunks.

The processor's milliseconds of server and client, which other work on the machine hardly changes;
the mean of 40 questions or more. A collection in --home grows from size to size, and from run to
run; measurements of --label are added to those that are there.
"""

import argparse
import json
import math
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import zip_longest
from pathlib import Path
from statistics import linear_regression
from typing import Any

import numpy as np
import sqlalchemy as sa
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores import MetadataFilter, MetadataFilters, VectorStoreQuery
from llama_index.core.vector_stores.types import VectorStoreQueryMode as Mode
from numpy.typing import NDArray
from platformdirs import user_cache_dir
from processor_clock import Clock
from recombined import (
    CHUNKS_A_DOCUMENT,
    Recombined,
    Sample,
    make_metadata,
    name_document,
    project,
    read_sample,
)

from kb.assembly.models import make_embedder
from kb.config.sections import Config
from stores import MariaDBVectorStore, make_engine
from stores.chunks.chunk_rows import node_to_row
from stores.chunks.fusion import Fusion
from stores.chunks.vector_index import build_index_after
from stores.connection import run_transaction
from stores.private_server import PrivateServer
from stores.registry.access import Audience, set_audiences
from stores.registry.document_registry import (
    DocumentRegistry,
    IndexedDocument,
    StorableDocument,
)
from stores.registry.schema import create_database, migrate

DATA = Path("../shared/data")
TOP_K, HYBRID_TOP_K = 10, 24
FUSION = Fusion(vector_weight=0.2, candidates=50)
FILTER_KEYS = ("language", "declared_tenant", "declared_most_asked")
FILTERS: dict[str, tuple[str, Any]] = {
    "1 % declared": ("declared_tenant", 7),
    "1 % undeclared": ("tenant", "tenant 7"),
    "30 % declared": ("declared_most_asked", "yes"),
    "30 % undeclared": ("most_asked", "yes"),
}
WRITINGS = {
    "8,000 a commit": 8000,
    "4,000 a commit": 4000,
    "500 a commit": 500,
    "a document a commit": CHUNKS_A_DOCUMENT,
}
LEFT_TO_WRITE = {
    "8,000 a commit": 6500,
    "4,000 a commit": 2500,
    "500 a commit": 500,
    "a document a commit": 0,
}
DOCUMENTS_A_GROUP = 2000  # of those whose writing is not measured
LEAST_RECALL, NEVER = 0.99, ("none of the ten", "rows missing")
REPLACED = 20  # documents
REPLACED_OF, DOCUMENTS_A_REPLACEMENT = 100, 400  # one in so many of all, so many at once
SEEN_ONE_OF = {"1 %": 100, "100 %": 1, "50 %": 2}  # so many documents does a group see one

Ask = Callable[[int], Any]


@dataclass
class Collection:
    """A collection that grows, the vectors of its chunks in the order of their documents."""

    server: PrivateServer
    engine: sa.Engine
    store: MariaDBVectorStore
    sample: Sample
    documents: Recombined
    home: Path
    registry: DocumentRegistry = field(init=False)

    def __post_init__(self) -> None:
        self.registry = DocumentRegistry(self.engine, self.store.table)

    def count_documents(self) -> int:
        with self.engine.connect() as connection:
            return int(connection.exec_driver_sql("SELECT COUNT(*) FROM kb_document").scalar_one())

    def sweep(self) -> None:
        if postings := self.store.table.postings:
            postings.tables.sweep(self.engine)

    def read_vectors(self) -> NDArray[np.float32]:
        dimension = self.store.embed_dim
        vectors = np.memmap(self.home / "vectors.f32", np.float32, "r").reshape(-1, dimension)
        return vectors[: self.count_documents() * CHUNKS_A_DOCUMENT]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="10000,50000", help="chunks: 10000,50000,…")
    parser.add_argument("--data", type=Path, default=DATA, help="a directory of texts")
    parser.add_argument("--home", type=Path, default=Path("/tmp/kb-growth"))
    parser.add_argument("--label", default="now", help="names these measurements")
    parser.add_argument("--dimension", type=int, help="fewer dimensions than the model has")
    parser.add_argument("--passages", type=int, default=1500)
    parser.add_argument("--buffer-pool-mb", type=int, default=4096)
    parser.add_argument("--vector-cache-mb", type=int, default=2048)
    arguments = parser.parse_args()
    arguments.home.mkdir(parents=True, exist_ok=True)
    results = arguments.home / "results.jsonl"
    missed: set[str] = set()
    with open_collection(arguments) as collection:
        for size in map(int, arguments.sizes.split(",")):
            figures = grow(collection, size) | measure_all(collection)
            line = {"label": arguments.label, "chunks": size, "figures": figures}
            with results.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
            print_table(results, arguments.label)
            missed |= {
                f"{size:,} chunks: {name} is {worst}" for name, worst in find_missed(figures)
            }
    print(f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores")
    if missed:
        sys.exit("Missed bars:\n" + "\n".join(sorted(missed)))


@contextmanager
def open_collection(arguments: argparse.Namespace) -> Iterator[Collection]:
    home: Path = arguments.home
    kept = home / "sample.npy"
    model = make_embedder(Config())
    sample = read_sample(arguments.data, model, kept, arguments.passages)
    if arguments.dimension:
        sample = project(sample, arguments.dimension)
    server = PrivateServer(
        home / "server",
        Path(os.environ.get("KB_CACHE") or user_cache_dir("kb")),
        mariadbd=os.environ.get("KB_MARIADBD"),
        buffer_pool_mb=arguments.buffer_pool_mb,
        vector_cache_mb=arguments.vector_cache_mb,
    )
    server.ensure_running()
    try:
        create_database(make_engine(server.url("mysql")), "growth")
        engine = make_engine(server.url("growth"))
        migrate(engine)
        dimension = sample.vectors.shape[1]
        store = MariaDBVectorStore(
            engine, embed_dim=dimension, m=16, ef_search=128, filter_keys=FILTER_KEYS
        )
        store.set_up()
        yield Collection(server, engine, store, sample, Recombined(sample), home)
        engine.dispose()
    finally:
        server.stop()


# Growing ------------------------------------------------------------------------------------------


def grow(collection: Collection, size: int) -> dict[str, list[float]]:
    """Add documents up to a number of chunks; measure what the last thousands of them cost."""
    costs = {}
    cost = fill_quickly(collection, (size - sum(WRITINGS.values()) - 2500) // CHUNKS_A_DOCUMENT)
    if cost:
        costs["write, from empty (a chunk)"] = cost
    for kind, chunks in WRITINGS.items():
        until = (size - LEFT_TO_WRITE[kind]) // CHUNKS_A_DOCUMENT
        cost = fill(collection, until, chunks // CHUNKS_A_DOCUMENT)
        if cost:
            costs[f"write, {kind} (a chunk)"] = cost
    return costs


def fill_quickly(collection: Collection, until: int) -> list[float] | None:
    """Add documents by large commits, the next of which another process makes meanwhile.

    Returns what a chunk cost where nothing was there before, its making left out.
    """
    first = collection.count_documents()
    starts = range(first, until, DOCUMENTS_A_GROUP)
    groups = [range(start, min(start + DOCUMENTS_A_GROUP, until)) for start in starts]
    chunks, clock = (until - first) * CHUNKS_A_DOCUMENT, Clock(collection.server)
    table = collection.store.table
    with build_index_after(collection.engine, table, chunks), ProcessPoolExecutor(1) as other:
        sample, dimension = collection.sample, collection.store.embed_dim
        ahead = [other.submit(make_rows, sample, dimension, group) for group in groups[:1]]
        for group, following in zip_longest(groups, groups[1:]):
            rows = ahead.pop().result()
            if following:
                ahead.append(other.submit(make_rows, sample, dimension, following))
            write_rows(collection, group, rows)
            print(f"{(group[-1] + 1) * CHUNKS_A_DOCUMENT} chunks", flush=True)
    if first or chunks <= 0:
        return None
    return [clock.read_server() / chunks, clock.read_client() / chunks]


def make_rows(sample: Sample, dimension: int, numbers: Sequence[int]) -> list[dict[str, Any]]:
    """Make the rows of the chunks of documents."""
    recombined = Recombined(sample)
    nodes = (node for number in numbers for node in recombined.make_document(number))
    return [node_to_row(node, dimension) for node in nodes]


def fill(collection: Collection, until: int, documents_a_commit: int) -> list[float] | None:
    """Add documents up to a number; return what a chunk cost, None when they were there."""
    first = start = collection.count_documents()
    server = client = 0.0
    while first < until:
        numbers = range(first, min(first + documents_a_commit, until))
        documents = [collection.documents.make_document(number) for number in numbers]
        clock = Clock(collection.server)
        write_documents(collection, numbers, documents)
        server, client = server + clock.read_server(), client + clock.read_client()
        first = numbers[-1] + 1
    written = (until - start) * CHUNKS_A_DOCUMENT
    return [server / written, client / written] if written > 0 else None


def keep_vectors(home: Path, first: int, rows: Sequence[dict[str, Any]]) -> None:
    """Keep the vectors by their places, where those of a commit that was broken off come again."""
    vectors = b"".join(row["embedding"] for row in rows)
    path = home / "vectors.f32"
    path.touch()
    with path.open("r+b") as file:
        file.seek(first * CHUNKS_A_DOCUMENT * len(vectors) // len(rows))
        file.write(vectors)


def write_documents(
    collection: Collection, numbers: Sequence[int], documents: list[list[TextNode]]
) -> None:
    """Make the rows of documents and write them in one transaction."""
    dimension = collection.store.embed_dim
    rows = [node_to_row(node, dimension) for nodes in documents for node in nodes]
    write_rows(collection, numbers, rows)


def write_rows(
    collection: Collection, numbers: Sequence[int], rows: Sequence[dict[str, Any]]
) -> None:
    """Write the chunks of documents with what the registry knows of them, in one transaction."""
    keep_vectors(collection.home, numbers[0], rows)
    documents = [
        StorableDocument(
            IndexedDocument(
                id=f"d{number}",
                root="growth",
                path=f"document {number}.txt",
                content_hash=f"{number:064x}",
                size=10_000,
                modified_at=datetime(2026, 1, 1),  # noqa: DTZ001 - in UTC, as the column is
                media_type="text/plain",
                title=name_document(number),
                language="en",
            ),
            list(rows[place * CHUNKS_A_DOCUMENT : (place + 1) * CHUNKS_A_DOCUMENT]),
        )
        for place, number in enumerate(numbers)
    ]
    collection.registry.replace_all(documents)


# Measuring ----------------------------------------------------------------------------------------


def measure_all(collection: Collection) -> dict[str, list[float]]:
    """Measure what a search costs, by its kind, with recall and bytes."""
    store, sample = collection.store, collection.sample
    vectors = sample.question_vectors.tolist()
    five, forty = (list(draw_words(sample.passages, count)) for count in (5, 40))
    documents = collection.count_documents()
    names = [name_document(number) for number in range(3, documents, documents // 60)]

    def search(
        mode: Mode,
        words: Sequence[str],
        filters: MetadataFilters | None = None,
        store: MariaDBVectorStore = store,
    ) -> Ask:
        def ask(number: int) -> Any:
            query = VectorStoreQuery(
                query_embedding=vectors[number % len(vectors)],
                query_str=words[number % len(words)],
                mode=mode,
                similarity_top_k=TOP_K,
                hybrid_top_k=HYBRID_TOP_K,
                filters=filters,
            )
            options = {"fusion": FUSION} if mode is Mode.HYBRID else {}
            return store.query(query, **options)

        return ask

    kinds = {
        "vector": search(Mode.DEFAULT, five),
        "words, five": search(Mode.TEXT_SEARCH, five),
        "words, forty": search(Mode.TEXT_SEARCH, forty),
        "words, a name": search(Mode.TEXT_SEARCH, names),
        "hybrid, five": search(Mode.HYBRID, five),
        "hybrid, forty": search(Mode.HYBRID, forty),
    }
    for name, (key, value) in FILTERS.items():
        filters = MetadataFilters(filters=[MetadataFilter(key=key, value=value)])
        kinds[f"vector, {name}"] = search(Mode.DEFAULT, five, filters)
        kinds[f"hybrid, {name}"] = search(Mode.HYBRID, five, filters)
    kinds["count documents"] = lambda _: collection.registry.count_totals()
    kinds["shares of languages"] = lambda _: collection.registry.measure_language_shares()
    collection.sweep()  # what an earlier run replaced
    for kind in ("hybrid, five", "hybrid, forty"):
        for number in range(len(vectors)):
            kinds[kind](number)  # so that the graph, and what is found, are in memory
    costs = {name: time_searches(collection.server, ask) for name, ask in kinds.items()}
    costs["vector, after a document"] = ask_after_writes(collection, kinds["vector"], warm=True)
    count_word = partial(store.count_chunks_with, ["word"])
    costs["count words after a write"] = ask_after_writes(collection, lambda _: count_word())
    asks = {
        name: search(Mode.HYBRID, five, None, store.seen_by(frozenset({name})))
        for name in SEEN_ONE_OF
    }
    costs |= measure_groups(collection, {"everything": kinds["hybrid, five"], **asks})
    costs |= measure_recall(collection, kinds) | measure_bytes(collection)
    replace_some(collection)
    return costs | {
        f"{name}, one of {REPLACED_OF} replaced": time_searches(collection.server, kinds[name])
        for name in ("words, five", "words, forty")
    }


def measure_groups(collection: Collection, asks: dict[str, Ask]) -> dict[str, list[float]]:
    """Measure what searches of groups cost that see a share of the documents."""
    documents = [
        (
            f"d{number}",
            Audience(tuple(name for name, one in SEEN_ONE_OF.items() if not number % one)),
        )
        for number in range(collection.count_documents())
    ]
    run_transaction(collection.engine, lambda connection: set_audiences(connection, documents))
    costs = {}
    for name, ask in asks.items():
        kind = f"hybrid, five, who sees {name}"
        costs[f"{kind}, after a write"] = ask_after_writes(collection, ask)
        costs[kind] = time_searches(collection.server, ask)
    return costs


def replace_some(collection: Collection) -> None:
    """Write a part of the documents again, as they are: the postings of those before are gone."""
    until = collection.count_documents() // REPLACED_OF
    for start in range(0, until, DOCUMENTS_A_REPLACEMENT):
        numbers = range(start, min(start + DOCUMENTS_A_REPLACEMENT, until))
        documents = [collection.documents.make_document(number) for number in numbers]
        write_documents(collection, numbers, documents)


def ask_after_writes(collection: Collection, ask: Ask, *, warm: bool = False) -> list[float]:
    """Measure what is asked just after a document was replaced.

    With `warm` it was asked much before, and the document's place is warmed up as by indexing.
    """
    server = client = 0.0
    for number in range(REPLACED):
        for other in range(len(collection.sample.question_vectors) if warm else 0):
            ask(other)
        with collection.registry.warm_up_after() if warm else nullcontext():
            write_documents(collection, [number], [collection.documents.make_document(number)])
        clock = Clock(collection.server)
        ask(number)
        server, client = server + clock.read_server(), client + clock.read_client()
    return [server / REPLACED, client / REPLACED]


def draw_words(passages: Sequence[str], count: int, questions: int = 100) -> Iterator[str]:
    """Draw words of passages, as many a question."""
    random = np.random.default_rng(count)
    words = [word for text in passages for word in text.split() if word.isalpha()]
    for start in random.integers(len(words) - count, size=questions).tolist():
        yield " ".join(words[start : start + count])


def time_searches(server: PrivateServer, ask: Ask) -> list[float]:
    """Measure the mean cost of a search: of the server, and of the client."""
    for number in range(5):
        ask(number)
    clock = Clock(server)
    began, asked = time.monotonic(), 0
    while asked < 40 or (asked < 200 and time.monotonic() - began < 2):  # noqa: PLR2004 - searches, seconds
        ask(asked + 5)
        asked += 1
    return [clock.read_server() / asked, clock.read_client() / asked]


def measure_recall(collection: Collection, kinds: dict[str, Ask]) -> dict[str, list[float]]:
    """Compare with the true ten: their mean share, questions with none, and rows missing."""
    stored = collection.read_vectors()
    questions = collection.sample.question_vectors
    passing = {"vector": np.ones(len(stored), bool)}
    for name, (key, value) in FILTERS.items():
        own = [
            make_metadata(number)[key] == value for number in range(collection.count_documents())
        ]
        passing[f"vector, {name}"] = np.repeat(own, CHUNKS_A_DOCUMENT)
    similarities = [stored @ question for question in questions]
    figures = {}
    for kind, passes in passing.items():
        shares, missing = [], 0
        for number, similarity in enumerate(similarities):
            best = np.argpartition(np.where(passes, -similarity, 9), TOP_K)[:TOP_K]
            true = {f"d{place // CHUNKS_A_DOCUMENT}:{place % CHUNKS_A_DOCUMENT}" for place in best}
            found = kinds[kind](number).ids
            shares.append(len(true.intersection(found)) / TOP_K)
            missing += TOP_K - len(found)
        figures[f"recall@10: {kind}"] = [float(np.mean(shares))]
        figures[f"none of the ten, of 100: {kind}"] = [float(shares.count(0))]
        figures[f"rows missing: {kind}"] = [float(missing)]
    return figures


def measure_bytes(collection: Collection) -> dict[str, list[float]]:
    """Measure what a chunk weighs in the file of each table, and in that of the vector index."""
    chunks = collection.count_documents() * CHUNKS_A_DOCUMENT
    files = sorted(collection.home.glob("server/data/growth/kb_chunk*.ibd"))
    named = {"the vector index" if "#i#" in file.name else file.stem: file for file in files}
    return {f"bytes a chunk: {name}": [it.stat().st_size / chunks] for name, it in named.items()}


# Telling ------------------------------------------------------------------------------------------


def print_table(results: Path, label: str) -> None:
    """Print the figures of each size in a row, and the exponent of those that grow."""
    by_size: dict[int, dict[str, list[float]]] = {}
    for line in results.read_text("utf-8").splitlines():
        told = json.loads(line)
        if told["label"] == label:
            by_size.setdefault(told["chunks"], {}).update(told["figures"])
    sizes = sorted(by_size)
    print(
        f"\n| {label}: ms of server + client | {' | '.join(f'{n:,}' for n in sizes)} | exponent |"
    )
    print("|---|" + "---|" * (len(sizes) + 1))
    for name in dict.fromkeys(name for size in sizes for name in by_size[size]):
        cells = [by_size[size].get(name) for size in sizes]
        written = (" + ".join(f"{each:.3g}" for each in cell) if cell else "" for cell in cells)
        print(f"| {name} | {' | '.join(written)} | {find_exponent(sizes, cells)} |", flush=True)


def find_missed(figures: dict[str, list[float]]) -> Iterator[tuple[str, float]]:
    """Find what is worse than it may be: a search that finds nothing right is one too many."""
    for name, [figure, *_] in figures.items():
        is_recall = name.startswith("recall")
        if (is_recall and figure < LEAST_RECALL) or (name.startswith(NEVER) and figure > 0):
            yield name, figure


def find_exponent(sizes: Sequence[int], cells: Sequence[list[float] | None]) -> str:
    """Find the slope of the logarithm of a cost over that of the size."""
    known = [
        (math.log(size), math.log(sum(cell)))
        for size, cell in zip(sizes, cells, strict=True)
        if cell and len(cell) > 1 and sum(cell) > 0
    ]
    if len(known) < 2:  # noqa: PLR2004 - no line goes through one point
        return ""
    sizes_and_costs = zip(*known, strict=True)
    return f"{linear_regression(*sizes_and_costs).slope:.2f}"


if __name__ == "__main__":
    main()
