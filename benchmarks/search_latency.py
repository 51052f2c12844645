"""How long a search takes among 50,000 chunks, by the kind of question, and what they weigh.

The chunks are those of the MariaDB documentation in ../shared/data, split and embedded by kb and
then repeated, each copy with a little noise in its vector. Times are of `KnowledgeBase.search`:
analysis, embedding of the question, both legs, fusion, and the passages.
"""

import argparse
import json
import os
import platform
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles

import numpy as np
from llama_index.core.schema import RelatedNodeInfo, TextNode

from kb import KnowledgeBase
from kb.config.loading import load_config
from kb.config.sections import Config

DATA = Path("../shared/data/mariadb-docs")
TOP_K, WARM_UP, QUESTIONS = 6, 10, 60
NOISE = 0.05
IDENTIFIER = re.compile(r"\b[a-z]+(?:_[a-z]+){2,}\b")
TARGETS = {"identifier": (10, 6), "short question": (25, 14), "long question": (65, 40)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunks", type=int, default=50_000)
    parser.add_argument("--data", type=Path, default=DATA)
    arguments = parser.parse_args()
    pages = _lines(arguments.data / "corpus.jsonl")
    descriptions = [each["text"] for each in _lines(arguments.data / "queries.jsonl")]
    with tempfile.TemporaryDirectory(prefix="kb-bench-", dir="/tmp") as home, _opened(home) as kb:
        _fill(kb, pages, Path(home), arguments.chunks)
        print(f"{kb.status()['server']}, {arguments.chunks} chunks, {_machine()}")
        for kind, questions in _questions(pages, descriptions).items():
            print(_row(kind, _timed(kb, questions)), flush=True)
        for table, size in _measure_tables(Path(home)).items():
            print(f"{table:25} {size / arguments.chunks:7.0f} bytes a chunk")


def _opened(home: str) -> KnowledgeBase:
    os.environ["KB_HOME"] = home
    return KnowledgeBase.open(Config(**{**dict(load_config()), "home": Path(home)}))


def _fill(kb: KnowledgeBase, pages: list[dict[str, str]], home: Path, count: int) -> None:
    """Index the pages as files, then repeat their chunks."""
    folder = home / "pages"
    folder.mkdir()
    for page in pages:
        text = f"# {page['title']}\n\n{page['text']}"
        (folder / f"{page['_id'].replace('/', '-')}.md").write_text(text, encoding="utf-8")
    kb.index(folder)
    nodes = kb.vector_store.get_nodes()
    random = np.random.default_rng(1)
    for batch in _copies(nodes, count - len(nodes), random):
        kb.vector_store.add(batch)


def _copies(nodes: list, count: int, random: np.random.Generator) -> Iterator[list[TextNode]]:
    for start in range(0, count, 500):
        batch = []
        for number in range(start, min(start + 500, count)):
            node = nodes[number % len(nodes)]
            vector = np.asarray(node.embedding)
            noisy = vector + random.normal(scale=NOISE * np.abs(vector).mean(), size=vector.shape)
            copied = f"{number // len(nodes)}-"
            related = {
                kind: RelatedNodeInfo(node_id=copied + each.node_id)
                for kind, each in node.relationships.items()
            }
            change = {
                "id_": copied + node.node_id,
                "embedding": noisy.tolist(),
                "relationships": related,
            }
            batch.append(node.model_copy(update=change))
        yield batch


def _questions(pages: list[dict[str, str]], descriptions: list[str]) -> dict[str, list[str]]:
    identifiers = sorted({each for page in pages for each in IDENTIFIER.findall(page["text"])})
    step = len(identifiers) // QUESTIONS
    return {
        "identifier": identifiers[::step][:QUESTIONS],
        "short question": [f"How do I use {page['title']}?" for page in pages][:QUESTIONS],
        "long question": [
            f"{left} {right}"
            for left, right in zip(descriptions[::2], descriptions[1::2], strict=True)
        ][:QUESTIONS],
    }


def _timed(kb: KnowledgeBase, questions: list[str]) -> list[float]:
    for question in questions[:WARM_UP]:
        kb.search(question, TOP_K)
    return [_milliseconds(kb, question) for question in questions]


def _milliseconds(kb: KnowledgeBase, question: str) -> float:
    began = time.perf_counter()
    found = kb.search(question, TOP_K)
    took = (time.perf_counter() - began) * 1000
    assert found, question
    return took


def _row(kind: str, times: list[float]) -> str:
    floor, goal = TARGETS[kind]
    p95 = quantiles(times, n=20)[-1]
    return f"{kind:15} p50 {median(times):5.1f} ms  p95 {p95:5.1f} ms  (floor {floor}, goal {goal})"


def _measure_tables(home: Path) -> dict[str, int]:
    """The size of each table's file, the vector index being one of its own (#i#)."""
    files = home.glob("data/*/kb_*.ibd")
    sizes = {file.stem: file.stat().st_size for file in files}
    large = {table: size for table, size in sorted(sizes.items()) if size > 2**20}
    return large | {"all": sum(sizes.values())}


def _lines(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _machine() -> str:
    load = os.getloadavg()[0]
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, load {load:.1f}"


if __name__ == "__main__":
    main()
