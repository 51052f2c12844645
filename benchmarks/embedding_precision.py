"""Embeddings by whole numbers beside those by float32: their time, likeness, and what is found.

    python benchmarks/embedding_precision.py
    python benchmarks/embedding_precision.py --model e5
    python benchmarks/embedding_precision.py --sets ../shared/data/scifact --ways rows
    python benchmarks/embedding_precision.py --runs

The ways take turns on the same texts. A cosine is to the vector that float32 makes of the same
text; shared is what a text's ten nearest texts have in common with its ten by float32. With
`--sets` kb searches them by words and vectors, and by vectors alone; a difference is in nDCG@10 to
float32. `--runs` tries how many tokens are run at once, by a session of all cores or one of each.
"""

import argparse
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import islice, product
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import numpy as np
import onnxruntime as ort
from labelled import json_lines
from numpy.typing import NDArray
from quantised_graph import FEED_FORWARD, NOT_ATTENDING, Way, quantise_graph

from kb import KnowledgeBase, load_config
from kb.assembly.models import make_embedder
from kb.assembly.open_database import private_server
from kb.config.models import EmbeddingConfig
from kb.config.sections import Config
from kb.evaluation.search_evaluation import Plan, evaluate_profiles, read_questions
from kb.sentence_model import SentenceModel, sentence_embedding

FLOAT32 = "float32"
MIXED = ", questions float32"
WAYS = {
    "a tensor": Way("tensor"),
    "a tensor, 7 bits": Way("tensor", bits=7),
    "a tensor, feed-forward": Way("tensor", FEED_FORWARD),
    "rows": Way("rows"),
    "rows, not attending": Way("rows", NOT_ATTENDING),
    "rows, not attending, tokens 7 bits": Way("rows", NOT_ATTENDING, token_bits=7),
    "blocks of 32": Way("blocks"),
    "blocks of 128": Way("blocks", block=128),
    "blocks of 32, 4 bits": Way("blocks", bits=4),
}
QUESTION = "What is the name of the river that flows through the old town?"
ASKED = 20  # times in a round
A_CALL = 64  # texts, as kb gives them to the model
ROOT = Path(__file__).parents[1]
TEXTS = ROOT.parent / "shared" / "data" / "squad-en" / "corpus.jsonl"
Vectors = NDArray[Any]
Models = Mapping[str, SentenceModel]


class Mixed(SentenceModel):
    """A model whose questions are embedded by float32."""

    def _get_query_embedding(self, query: str) -> list[float]:
        exact = SentenceModel(
            directory=self.directory,
            model_name=FLOAT32,
            query_instruction=self.query_instruction,
        )
        return exact.get_query_embedding(query)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", choices=("e5",), help="instead of all-MiniLM-L6-v2")
    names = [name + end for name in WAYS for end in ("", MIXED)]
    parser.add_argument("--ways", nargs="*", choices=names, default=list(WAYS), metavar="WAY")
    parser.add_argument("--file", type=Path, default=TEXTS, help="a corpus.jsonl with the texts")
    parser.add_argument("--texts", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sets", nargs="*", type=Path, help="directories, as kb eval takes them")
    parser.add_argument("--limit", type=int, default=800, help="questions of each set")
    parser.add_argument("--runs", action="store_true")
    told = parser.parse_args()
    embedding = EmbeddingConfig(provider="local", model=told.model)
    config = load_config(ROOT / "config.yaml").model_copy(update={"embedding": embedding})
    exact = make_embedder(config)
    assert isinstance(exact, SentenceModel)
    texts = [row["text"] for row in islice(json_lines(told.file), told.texts)]
    length = np.mean([len(text) for text in texts])
    print(f"{len(texts)} texts of {length:.0f} characters, {os.cpu_count()} cores, ", end="")
    print(f"ONNX Runtime {ort.__version__}\n")
    if told.runs:
        compare_runs(exact, texts, told.rounds)
        return
    with loaded(exact, told.ways) as models:
        if told.sets:
            search_sets(config, models, told.sets, told.limit)
        else:
            compare_vectors(models, texts)
            compare_times(models, texts, told.rounds)


@contextmanager
def loaded(exact: SentenceModel, ways: Sequence[str]) -> Iterator[Models]:
    """Have the models of the ways by their names, which stand for their graphs meanwhile."""
    session, tokenizer = sentence_embedding._load_model(exact.file, exact.model_name)  # noqa: SLF001 - the file is the model's own
    sessions = {FLOAT32: session}
    for name in ways:
        graph = quantise_graph(exact.file, WAYS[name.removesuffix(MIXED)])
        sessions[name] = sentence_embedding.open_session(graph)
    models = {}
    for name in (FLOAT32, *ways):
        kind = Mixed if name.endswith(MIXED) else SentenceModel
        models[name] = kind(**dict(exact) | {"model_name": name})
    with patch.object(
        sentence_embedding, "_load_model", lambda _, name: (sessions.get(name, session), tokenizer)
    ):
        yield models


# Without a search


def compare_vectors(models: Models, texts: Sequence[str]) -> None:
    vectors = {name: embed(model, texts) for name, model in models.items()}
    exact, nearest = vectors[FLOAT32], find_nearest(vectors[FLOAT32])
    print("| way | cosine | the least | shared |\n|---|---|---|---|")
    for name, made in vectors.items():
        cosines = (made * exact).sum(axis=1)
        shared = [len({*a} & {*b}) / 10 for a, b in zip(find_nearest(made), nearest, strict=True)]
        print(f"| {name} | {cosines.mean():.4f} | {cosines.min():.4f} | {np.mean(shared):.3f} |")


def find_nearest(vectors: Vectors) -> Vectors:
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -1)
    nearest: Vectors = np.argsort(-cosines, axis=1)[:, :10]
    return nearest


def compare_times(models: Models, texts: Sequence[str], rounds: int) -> None:
    taken: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
    for _ in range(rounds):
        for name, model in models.items():
            wall, processor = measure(partial(embed, model, texts))
            asked = measure(partial(ask_again, model))[1]
            taken[name].append((len(texts) / wall, processor / len(texts), asked / ASKED))
    print("\n| way | texts/s | ms of the processor, a text | times as fast | a question |")
    print("|---|---|---|---|---|")
    for name, rows in taken.items():
        rate, text, question = map(median, zip(*rows, strict=True))
        turns = zip(taken[FLOAT32], rows, strict=True)
        faster = median(exact[1] / row[1] for exact, row in turns)
        cells = f"{rate:.0f} | {text * 1000:.1f} | {faster:.2f} | {question * 1000:.1f}"
        print(f"| {name} | {cells} |")


def measure(work: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds that work takes, and those of the processor."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - processor


def embed(model: SentenceModel, texts: Sequence[str]) -> Vectors:
    calls = (list(texts[start : start + A_CALL]) for start in range(0, len(texts), A_CALL))
    return np.vstack([model.get_text_embedding_batch(call) for call in calls])


def ask_again(model: SentenceModel) -> None:
    """Embed a question as a text, as kb remembers questions."""
    for _ in range(ASKED):
        model.get_text_embedding(QUESTION)


def compare_runs(exact: SentenceModel, texts: Sequence[str], rounds: int) -> None:
    session, tokenizer = sentence_embedding._load_model(exact.file, exact.model_name)  # noqa: SLF001 - the file is the model's own
    cores = sentence_embedding._count_cores()  # noqa: SLF001 - as kb counts them
    with patch.object(sentence_embedding, "_count_cores", return_value=1):
        singles = [sentence_embedding.open_session(str(exact.file)) for _ in range(cores)]

    def embed_part(own: ort.InferenceSession, part: Sequence[str]) -> None:
        for start in range(0, len(part), A_CALL):
            call = part[start : start + A_CALL]
            sentence_embedding._embed_texts(own, tokenizer, call)  # noqa: SLF001 - by that session

    def embed_in_parts(sessions: Sequence[ort.InferenceSession], tokens: int) -> None:
        parts = [texts[place :: len(sessions)] for place in range(len(sessions))]
        with (
            patch.object(sentence_embedding, "TOKENS_PER_RUN", tokens),
            ThreadPoolExecutor(len(sessions)) as pool,
        ):
            list(pool.map(embed_part, sessions, parts))

    taken: dict[tuple[int, int], list[tuple[float, float]]] = defaultdict(list)
    for _ in range(rounds):
        for sessions, tokens in product(([session], singles), (512, 1024, 2048, 4096)):
            measured = measure(partial(embed_in_parts, sessions, tokens))
            taken[len(sessions), tokens].append(measured)
    print("| sessions | tokens | texts/s | ms of the processor, a text |\n|---|---|---|---|")
    for (count, tokens), rows in taken.items():
        wall, processor = map(median, zip(*rows, strict=True))
        each = processor / len(texts) * 1000
        print(f"| {count} | {tokens} | {len(texts) / wall:.1f} | {each:.1f} |")


# By searches


def search_sets(config: Config, models: Models, sets: Sequence[Path], limit: int) -> None:
    print("| set | way | words and vectors | difference | p | vectors | difference | p |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory(prefix="kb-bench-", dir="/tmp") as home:
        config = config.model_copy(update={"home": Path(home)})
        try:
            with KnowledgeBase.open(config) as kb:
                for folder in sets:
                    compare_found(kb, models, folder, limit)
        finally:
            private_server(config).stop()


def compare_found(kb: KnowledgeBase, models: Models, folder: Path, limit: int) -> None:
    """Search a set by each model, in a table of its own; a mixed model shares that of its way."""
    labelled, used = read_questions(folder), kb.components
    exact: dict[str, int | None] = {}
    for name, model in models.items():
        collection = replace(used.collection, embedding_model=name.removesuffix(MIXED))
        by_model = KnowledgeBase(used.copy_with(embed_model=model, collection=collection))
        cells = [labelled.name, name]
        for profile in ("default", "semantic"):
            plan = Plan((profile,), limit=limit, answers=False, against=exact.get(profile))
            [outcome] = evaluate_profiles(by_model, labelled, plan)
            exact.setdefault(profile, outcome.run)
            to = outcome.comparison
            cells.append(f"{outcome.figures['ndcg']:.3f}")
            cells += [f"{to.difference:+.4f}", f"{to.p_value:.2f}"] if to else ["", ""]
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
