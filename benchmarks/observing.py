"""What it costs to log answers and to count for Prometheus: searches and answers with and without.

Both ways take turns, question by question, over the documents of `data/`, quoted without a language
model: what is observed is then the largest part that it can be. Of each question the median of its
repetitions counts, and the mean of all questions is told. Behind it stands the time of this process
on its processors, that of all its threads: a repetition is then as many questions in a row as a
busy process answers while the log waits to be written, and that is part of it. Last come traces of
OpenTelemetry, encoded as they are sent, and not sent.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from kb import KnowledgeBase, load_config
from kb.api.metrics import Metrics
from kb.api.sse import Work
from kb.api.traces import Traces
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
_IN_A_ROW = {"search": 20, "answer": 2, "traced search": 20}  # times all questions
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

        pairs: dict[str, tuple[Callable[[str], Any], ...]]
        pairs = {"search": (search_unobserved, kb.search)}
        pairs["answer"] = engines[0].query, engines[1].query
        in_a_row = max(3, arguments.repetitions // 10)
        for what, (without, with_it) in pairs.items():
            compare(what, without, with_it, arguments.repetitions)
            ways = ask_all(without), ask_all(with_it)
            compare_processors(kb, what, ways, in_a_row)
        ways = ask_all(kb.search), Traced(kb).search_all
        compare_processors(kb, "traced search", ways, in_a_row)


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


class _Nowhere(SpanExporter):
    """Encodes spans as they are sent."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        encode_spans(spans).SerializeToString()
        return SpanExportResult.SUCCESS


class Traced:
    """Searches as requests do whose traces are exported."""

    def __init__(self, kb: KnowledgeBase) -> None:
        with patch("kb.api.traces._make_exporter", _Nowhere):
            self._traces = Traces()
        self._kb = kb

    def search_all(self, questions: Sequence[str]) -> None:
        self._traces.begin()
        for question in questions:
            with self._traces.tracer.start_as_current_span("POST /api/search"):
                self._kb.search(question)
        self._traces.end()


def ask_all(ask: Callable[[str], Any]) -> Callable[[Sequence[str]], None]:
    def ask_them(questions: Sequence[str]) -> None:
        for question in questions:
            ask(question)

    return ask_them


def compare_processors(
    kb: KnowledgeBase,
    what: str,
    ways: tuple[Callable[[Sequence[str]], None], ...],
    repetitions: int,
) -> None:
    taken: tuple[list[float], list[float]] = ([], [])
    for number in range(repetitions + 1):
        order = list(enumerate(ways))
        for place, ask in order if number % 2 else reversed(order):
            since = time.process_time()
            ask(QUESTIONS * _IN_A_ROW[what])
            kb.components.search_log.flush()
            kb.components.books.writer.flush()
            each = (time.process_time() - since) / len(QUESTIONS) / _IN_A_ROW[what]
            taken[place].append(each * 1000)
    before, after = (median(each[1:]) for each in taken)
    told = f"{before:.2f} ms of processors without, {after:.2f} ms with"
    print(f"{what}: {told}: {after / before - 1:+.1%}")


if __name__ == "__main__":
    main()
