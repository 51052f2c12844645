"""kb's chunks beside those of LlamaIndex's splitters, ranked alike.

Articles: a question must find the place of its answer; "in 6,000" grants every splitter the same
context. Pages: a description must find its page.
"""

import argparse
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from hybrid import BM25, Embedder, ranked
from labelled import LANGUAGES, PAGES, Labelled, Question, Row, Source, labelled_set
from llama_index.core import Document
from llama_index.core.node_parser import MarkdownNodeParser, NodeParser, SentenceSplitter
from llama_index.core.schema import MetadataMode, TextNode

from kb.assembly.models import make_embedder
from kb.config.loading import load_config
from kb.indexing import chunks, pieces
from kb.indexing.read import read_document
from kb.indexing.split import split_document

DATA = Path(__file__).parents[2] / "shared" / "data"
CONTEXT = 6_000
"""Characters of context that every splitter may fill."""
VECTOR_WEIGHT = {"en": 0.2, "fr": 0.1}
COLUMNS = {"set": 14, "splitter": 28, "chunks": 8, "longest": 9}
COLUMNS |= {"hit@1": 7, "hit@5": 7, "in 6,000": 8}


@dataclass(frozen=True)
class Chunk:
    source: str
    start: int
    node: TextNode

    def answers(self, question: Question, room: int) -> bool:
        """Whether the first `room` characters hold the whole answer."""
        if self.source != question.source or question.span is None:
            return self.source == question.source
        start, end = question.span
        return self.start <= start and end <= self.start + min(len(self.node.text), room)


Splitter = Callable[[Source], list[TextNode]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, nargs="?", default=DATA, help="directory of the sets")
    parser.add_argument("--sets", nargs="*", choices=LANGUAGES, default=list(LANGUAGES))
    parser.add_argument("--limit", type=int, help="articles and pages of each set")
    parser.add_argument("--sizes", type=int, nargs="*", default=[], help="other sizes to try")
    parser.add_argument("--vectors", type=Path, help="an .npz that keeps vectors between runs")
    parser.add_argument("--json", action="store_true", help="print one JSON object a row")
    arguments = parser.parse_args()
    embedder = local_embedder(arguments.vectors)
    if not arguments.json:
        print(line(list(COLUMNS)))
    for name in arguments.sets:
        labelled = labelled_set(arguments.data / name, arguments.limit)
        for row in rows(labelled, embedder, arguments.sizes):
            cells = [row.get(column, "") for column in COLUMNS]
            print(json.dumps(row) if arguments.json else line(cells), flush=True)


def line(cells: Sequence[object]) -> str:
    shown = [f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in cells]
    widths = COLUMNS.values()
    return "".join(cell.ljust(width) for cell, width in zip(shown, widths, strict=True)).rstrip()


def local_embedder(vectors: Path | None) -> Embedder:
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "config.yaml")
        config.write_text("embedding: {provider: local}\n", encoding="utf-8")
        return Embedder(make_embedder(load_config(config)), vectors)


# Splitters


def rows(labelled: Labelled, embedder: Embedder, sizes: Sequence[int]) -> Iterator[Row]:
    for name, splitter in splitters(sizes).items():
        found = placed(labelled.sources, splitter)
        yield {"set": labelled.name, "splitter": name} | measured(
            labelled, found, MetadataMode.EMBED, embedder
        )
        if splitter is of_kb:
            yield {"set": labelled.name, "splitter": f"{name}, no header"} | measured(
                labelled, found, MetadataMode.NONE, embedder
            )


def splitters(sizes: Sequence[int]) -> dict[str, Splitter]:
    of_sentences: dict[str, NodeParser] = {
        f"SentenceSplitter {size}": SentenceSplitter(chunk_size=size, chunk_overlap=size // 10)
        for size in (256, 512)
    }
    parsers = {**of_sentences, "MarkdownNodeParser": MarkdownNodeParser()}
    return {
        f"kb {pieces.TARGET}": of_kb,
        **{f"kb {size}": partial(of_kb_at, size) for size in sizes},
        **{name: partial(of_llama_index, parser) for name, parser in parsers.items()},
    }


def of_kb(source: Source) -> list[TextNode]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "page.md")
        path.write_text(source.text, encoding="utf-8")
        return split_document(read_document(path), source.title)


def of_kb_at(size: int, source: Source) -> list[TextNode]:
    sizes: dict[str, Any] = {"TARGET": size, "CAP": 2 * size}
    with patch.multiple(pieces, **sizes), patch.multiple(chunks, **sizes):
        return of_kb(source)


def of_llama_index(parser: NodeParser, source: Source) -> list[TextNode]:
    document = Document(
        text=source.text, metadata={"title": source.title}, metadata_template="{value}"
    )
    nodes = parser.get_nodes_from_documents([document])
    return [node for node in nodes if isinstance(node, TextNode) and node.text.strip()]


def placed(sources: dict[str, Source], splitter: Splitter) -> list[Chunk]:
    """Put past the end what is nowhere as it stands: parts of tables that repeat the header."""
    found: list[Chunk] = []
    for name, source in sources.items():
        at = -1
        for node in splitter(source):
            place = source.text.find(node.text, at + 1)
            at = max(place, at)
            found.append(Chunk(name, place if place >= 0 else len(source.text), node))
    return found


# Measuring


def measured(labelled: Labelled, found: list[Chunk], mode: MetadataMode, embedder: Embedder) -> Row:
    texts = [chunk.node.get_content(mode) for chunk in found]
    bm25, vectors = BM25(texts, labelled.language), embedder.vectors(texts)
    embedded = embedder.vectors([question.text for question in labelled.questions])
    weight = VECTOR_WEIGHT[labelled.language]
    results = []
    for question, vector in zip(labelled.questions, embedded, strict=True):
        order = ranked(bm25, vectors, question.text, vector, weight)
        results.append(outcome(question, [found[at] for at in order]))
    row: Row = {"chunks": len(found), "longest": max(len(chunk.node.text) for chunk in found)}
    means = np.mean(results, axis=0)
    row |= {"hit@1": float(means[0]), "hit@5": float(means[1])}
    if labelled.name != PAGES:
        row["in 6,000"] = float(means[2])
    return row


def outcome(question: Question, best: Sequence[Chunk]) -> tuple[bool, bool, bool]:
    """Hit at 1, hit at 5, hit within the context."""
    if question.span is None:  # the best chunk of each page stands for it
        first: dict[str, Chunk] = {}
        for chunk in best:
            first.setdefault(chunk.source, chunk)
        best = list(first.values())
    hits = [chunk.answers(question, room=len(chunk.node.text)) for chunk in best[:5]]
    return hits[0], any(hits), in_context(question, best)


def in_context(question: Question, best: Sequence[Chunk]) -> bool:
    room = CONTEXT
    for chunk in best:
        if chunk.answers(question, room):
            return True
        room -= len(chunk.node.text)
        if room <= 0:
            break
    return False


if __name__ == "__main__":
    main()
