"""What Prometheus is told: of answers and models as they end, of everything else when it asks.

Labels are routes, steps, kinds, purposes and the models that are configured: never words, users or
documents, whose number has no bound.
"""

import logging
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from kb.api.sse import Work
from kb.evaluation.marked_questions import NAME as MARKS
from kb.statistics import read_costs
from stores.answers.answer_log import LoggedCalls
from stores.errors import KBError
from stores.evaluations import Evaluations
from stores.jobs import Jobs
from stores.registry.document_counts import count_totals
from stores.replicas import measure_lags

if TYPE_CHECKING:
    from kb.app import KnowledgeBase

DIRECTORY: Final = "PROMETHEUS_MULTIPROC_DIR"
"""The variable by which the processes of one server share their counts, as the library has it."""
_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_log = logging.getLogger(__name__)


class Metrics:
    """The counts of a process; what it tells is of all processes of its server."""

    def __init__(self, kb: "KnowledgeBase", work: Work) -> None:
        self._kb, self._work = kb, work
        self._own = own = CollectorRegistry()
        of_route, of_model = ["route"], ["kind", "model"]
        self._answers = Counter(
            "kb_answers", "Answers that ended.", [*of_route, "outcome", "way"], registry=own
        )
        self._answer_seconds = Histogram(
            "kb_answer_seconds",
            "Seconds from a question to the last word of its answer.",
            of_route,
            buckets=_SECONDS,
            registry=own,
        )
        self._step_seconds = Histogram(
            "kb_step_seconds",
            "Seconds of the steps of answers.",
            [*of_route, "step"],
            buckets=_SECONDS,
            registry=own,
        )
        self._errors = Counter(
            "kb_errors", "Answers that failed, or had to do without a source.", ["error"],
            registry=own,
        )  # fmt: skip
        self._searches = Counter("kb_searches", "Searches that were no answers.", registry=own)
        self._lookups = Counter(
            "kb_cache_lookups", "What caches were asked for.", ["cache", "result"], registry=own
        )
        self._calls = Counter(
            "kb_model_calls", "Calls of models.", [*of_model, "purpose"], registry=own
        )
        self._tokens = Counter(
            "kb_model_tokens", "Tokens of models.", [*of_model, "direction"], registry=own
        )
        self._model_seconds = Counter(
            "kb_model_seconds", "Seconds that models took.", of_model, registry=own
        )
        self._cost = Counter("kb_cost", "What models cost.", ["model", "currency"], registry=own)
        self._unpriced = Counter(
            "kb_model_calls_unpriced", "Calls of models without a price.", ["model"], registry=own
        )
        self._gauges = {
            name: Gauge(name, text, multiprocess_mode="livesum", registry=own)
            for name, text in (
                ("kb_answers_under_way", "Answers that are being made."),
                ("kb_log_waiting", "Entries of the logs that are still to be written."),
                ("kb_database_connections", "Connections to the database that are in use."),
            )
        }
        kb.components.books.on_logged.append(self.count)
        for cache in kb.components.caches:
            cache.on_lookup.append(partial(self._count_lookup, cache.kind))

    def count(self, logged: LoggedCalls) -> None:
        """Count an entry of the log of answers."""
        if answer := logged.answer:
            self._answers.labels(answer.route, answer.outcome, answer.way).inc()
            self._answer_seconds.labels(answer.route).observe(answer.milliseconds / 1000)
            for step, milliseconds in answer.steps.items():
                self._step_seconds.labels(answer.route, step).observe(milliseconds / 1000)
            if answer.error:
                self._errors.labels(answer.error).inc()
        if logged.purpose == "search":
            self._searches.inc()
        for use in logged.uses:
            self._calls.labels(use.kind, use.model, logged.purpose).inc(use.calls)
            self._tokens.labels(use.kind, use.model, "prompt").inc(use.prompt_tokens)
            self._tokens.labels(use.kind, use.model, "completion").inc(use.completion_tokens)
            self._tokens.labels(use.kind, use.model, "cached").inc(use.cached_tokens)
            self._model_seconds.labels(use.kind, use.model).inc(use.milliseconds / 1000)
            if use.cost is None:
                self._unpriced.labels(use.model).inc(use.calls)
            else:
                self._cost.labels(use.model, logged.currency).inc(float(use.cost))

    def _count_lookup(self, kind: str, is_known: bool) -> None:  # noqa: FBT001 - a callback
        self._lookups.labels(kind, "hit" if is_known else "miss").inc()

    def note_state(self) -> None:
        """Note what this process has under way, for whichever process is asked."""
        used = self._kb.components
        waiting = used.search_log.waiting + used.books.writer.waiting
        self._gauges["kb_answers_under_way"].set(self._work.under_way)
        self._gauges["kb_log_waiting"].set(waiting)
        in_use = getattr(used.engine.pool, "checkedout", int)
        self._gauges["kb_database_connections"].set(in_use())

    def write(self) -> bytes:
        """Write everything as Prometheus reads it."""
        self.note_state()
        registry = self._own
        if directory := os.environ.get(DIRECTORY):
            _forget_dead_processes(Path(directory))
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # it has no types
        state = CollectorRegistry()
        state.register(_State(self._kb))
        return generate_latest(registry) + generate_latest(state)


def _forget_dead_processes(directory: Path) -> None:
    """Have the gauges of processes that are gone, as by a kill, count no more."""
    for file in directory.glob("gauge_live*_*.db"):
        number = file.stem.rpartition("_")[2]
        if not Path(f"/proc/{number}").exists():
            mark_process_dead(number)  # type: ignore[no-untyped-call]  # as above


class _State(Collector):
    """What the database knows, which is the same for every process."""

    def __init__(self, kb: "KnowledgeBase") -> None:
        self._kb = kb

    def collect(self) -> Iterator[Metric]:
        try:
            yield from list(self._read_database())
            is_up = True
        except KBError as error:
            _log.warning("Metrics leave out what the database knows: %s", error)
            is_up = False
        yield GaugeMetricFamily("kb_database_up", "Whether the database answers.", int(is_up))

    def _read_database(self) -> Iterator[Metric]:
        used = self._kb.components
        documents, chunks = count_totals(used.engine)
        yield GaugeMetricFamily("kb_documents", "Documents that are indexed.", documents)
        yield GaugeMetricFamily("kb_chunks", "Chunks of these documents.", chunks)
        jobs = GaugeMetricFamily("kb_jobs", "Jobs of indexing, by their state.", labels=["status"])
        for status, number in Jobs(used.engine).count_by_status().items():
            jobs.add_metric([status], number)
        yield jobs
        lags = GaugeMetricFamily(
            "kb_replica_lag_seconds", "Seconds that replicas are behind.", labels=["replica"]
        )
        for number, lag in enumerate(measure_lags(used.engine), start=1):
            lags.add_metric([str(number)], lag)
        yield lags
        last = GaugeMetricFamily(
            "kb_marks_ndcg", "The last nDCG of `kb eval --marks`.", labels=["profile"]
        )
        before = GaugeMetricFamily(
            "kb_marks_ndcg_before", "The nDCG before it, of the same marks.", labels=["profile"]
        )
        for pair in Evaluations(used.engine).list_last(MARKS):
            for family, stored in zip((last, before), pair, strict=True):
                if stored:
                    family.add_metric([stored.run.profile], stored.run.metrics["ndcg"])
        yield last
        yield before
        month = read_costs(used.engine, used.config, 1)["month"]
        if month["cost"] is not None:
            yield GaugeMetricFamily("kb_month_cost", "What this month cost.", month["cost"])
        if month["budget"] is not None:
            yield GaugeMetricFamily("kb_month_budget", "The month's budget.", month["budget"])
