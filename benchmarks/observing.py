"""What it costs to log answers and to count for Prometheus: searches and answers with and without.

Both ways take turns, question by question, over the documents of `data/`, quoted without a language
model: what is observed is then the largest part that it can be. Of each question the median of its
repetitions counts, and the mean of all questions is told. Behind it stands the time of this process
on its processors, that of all its threads: a repetition is then as many questions in a row as a
busy process answers while the log waits to be written, and that is part of it. Last come traces of
OpenTelemetry, as requests to two servers have them.
"""

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple
from unittest.mock import patch

import httpx
from processor_clock import read_processor_time

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
_IN_A_ROW = {"search": 20, "answer": 2, "traced search": 4}  # times all questions
_TURNS = 20  # of two servers
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
        compare_traces(kb, arguments.repetitions // 4)


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


class Traced(NamedTuple):
    """A server of kb's own, and what sends it searches."""

    process: int
    client: httpx.Client

    def search(self, times: int) -> None:
        for question in QUESTIONS * times:
            self.client.post("/api/search", json={"question": question}).raise_for_status()


def compare_traces(kb: KnowledgeBase, repetitions: int) -> None:
    """Tell what requests of searches take of the server's processors and of MariaDB's.

    Two servers take turns, one of which traces each of them and sends that to a collector.
    """
    database = private_server(kb.config).status().pid
    assert database, "MariaDB does not run"
    with collector() as address, ExitStack() as stack:
        traced = {"OTEL_EXPORTER_OTLP_ENDPOINT": address}
        servers = [stack.enter_context(served(kb.config.home, each)) for each in ({}, traced)]
        taken: tuple[list[float], list[float]] = ([], [])
        for _ in range(repetitions + 1):
            since = [read_processor_time(server.process) for server in servers]
            of_database = [0.0, 0.0]
            for turn in range(_TURNS):
                order = list(enumerate(servers))
                for place, server in order if turn % 2 else reversed(order):
                    begun = read_processor_time(database)
                    server.search(_IN_A_ROW["traced search"])
                    of_database[place] += read_processor_time(database) - begun
            time.sleep(6)  # logs and spans are sent every five seconds
            for place, server in enumerate(servers):
                spent = read_processor_time(server.process) - since[place] + of_database[place]
                searches = _TURNS * len(QUESTIONS) * _IN_A_ROW["traced search"]
                taken[place].append(spent / searches)
    before, after = (median(each[1:]) for each in taken)
    ratios = sorted(b / a - 1 for a, b in zip(taken[0][1:], taken[1][1:], strict=True))
    pairs = f"pair by pair {ratios[0]:+.1%} to {ratios[-1]:+.1%}, median {median(ratios):+.1%}"
    print(f"traced request: {before:.2f} ms of processors without, {after:.2f} ms with: {pairs}")


@contextmanager
def served(home: Path, environment: Mapping[str, str]) -> Iterator[Traced]:
    """Run `kb serve` over the base in `home`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    base, token = f"http://127.0.0.1:{port}", "b" * 16
    process = subprocess.Popen(
        [sys.executable, "-m", "kb", "--config", "config.yaml", "serve", "--port", str(port)],
        env={**os.environ, "KB_HOME": str(home), "KB_SERVE_TOKEN": token, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    headers = {"Authorization": f"Bearer {token}"}
    try:
        with httpx.Client(base_url=base, headers=headers, timeout=30) as client:
            for _ in range(300):
                with suppress(httpx.TransportError):
                    client.get("/readyz").raise_for_status()
                    break
                time.sleep(0.1)
            yield Traced(process.pid, client)
    finally:
        process.terminate()
        process.wait()


@contextmanager
def collector() -> Iterator[str]:
    """Take what is exported, and forget it."""

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


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
