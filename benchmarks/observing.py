"""What it costs to log answers and to count for Prometheus: searches and answers with and without.

Both ways take turns, question by question, over the documents of `data/`, quoted without a language
model: what is observed is then the largest part that it can be. Of each question the median of its
repetitions counts, and the medians of all questions are added up.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

from kb import KnowledgeBase, load_config
from kb.api.metrics import Metrics
from kb.api.sse import Work
from kb.assembly.answering import make_answer_engine, make_unlogged_engine
from kb.assembly.open_database import private_server
from kb.assembly.searching import AnswerOptions

DATA = Path("data")
QUESTIONS = (
    "How long can a customer return a machine?",
    "Which warranty does the Galet have?",
    "Comment détartrer la machine ?",
    "espresso too sour",
    "What does error E31 mean?",
)
OPTIONS = AnswerOptions(source="documents")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=60)
    arguments = parser.parse_args()
    with opened() as kb:
        Metrics(kb, Work(1))
        engines = [
            make(kb.components, OPTIONS) for make in (make_unlogged_engine, make_answer_engine)
        ]
        unobserved = lambda *_: nullcontext()  # noqa: E731 - in the place of a method

        def search_unobserved(question: str) -> None:
            with patch.object(kb.components.books, "observe", unobserved):
                kb.search(question)

        compare("search", search_unobserved, kb.search, arguments.repetitions)
        compare("answer", engines[0].query, engines[1].query, arguments.repetitions)


@contextmanager
def opened() -> Iterator[KnowledgeBase]:
    """A knowledge base of its own over the sample documents."""
    with tempfile.TemporaryDirectory(prefix="kb-bench-", dir="/tmp") as home:
        config = load_config("config.yaml").model_copy(update={"home": Path(home)})
        with KnowledgeBase.open(config, say=print) as kb:
            kb.index(DATA / "documents")
            try:
                yield kb
            finally:
                private_server(config).stop()


def compare(
    what: str, without: Callable[[str], Any], with_it: Callable[[str], Any], repetitions: int
) -> None:
    sums = [0.0, 0.0]
    for question in QUESTIONS:
        taken: tuple[list[float], list[float]] = ([], [])
        for number in range(repetitions):
            order = ((0, without), (1, with_it))
            for place, run in order if number % 2 else reversed(order):
                since = time.perf_counter()
                run(question)
                taken[place].append((time.perf_counter() - since) * 1000)
        for place in (0, 1):
            sums[place] += median(taken[place][5:])
    mean = [total / len(QUESTIONS) for total in sums]
    print(f"{what}: {mean[0]:.2f} ms without, {mean[1]:.2f} ms with: {mean[1] / mean[0] - 1:+.1%}")


if __name__ == "__main__":
    main()
