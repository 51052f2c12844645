"""Indexing by workers ends as indexing in one process does, whatever dies meanwhile."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from api_server import database_of
from indexing_workers import (
    POISONED,
    SLOW,
    Setting,
    read_everything,
    with_children,
    without_time,
    working,
    write_documents,
)
from model_server import FakeModels
from rabbitmq import RABBITMQ, running_rabbitmq
from redis_server import REDIS, running_redis

from kb.app import KnowledgeBase
from kb.config.loading import load_config
from kb.config.serving import WorkersConfig
from kb.indexing.indexing_run import Scope
from kb.indexing.report import IndexReport, Progress
from stores.errors import ConfigError, WorkersUnavailable
from stores.index_batches import BatchFile, IndexBatches
from stores.private_server import PrivateServer
from stores.registry.schema import migrate

needs_redis = pytest.mark.skipif(REDIS is None, reason="redis-server is not installed")
pytestmark = [needs_redis, pytest.mark.timeout(300)]


@pytest.fixture
def setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Setting]:
    pytest.importorskip("celery")
    monkeypatch.setattr("kb.workers.dispatch._MOST_FILES", 4)  # several batches of few files
    with FakeModels() as models, running_redis(tmp_path) as redis:
        write_documents(tmp_path / "handbook", 20)
        yield Setting(tmp_path, models, redis)


@pytest.fixture
def alone(setting: Setting, server: PrivateServer) -> Iterator[Path]:
    """A configuration whose knowledge base one process indexes."""
    with database_of(server) as url:
        yield setting.configure(url, "alone")


@pytest.fixture
def shared(setting: Setting, server: PrivateServer) -> Iterator[Path]:
    """A configuration whose knowledge base workers index."""
    with database_of(server) as url:
        yield setting.configure(url, "shared")


def index(file: Path, **options: Any) -> IndexReport:
    with KnowledgeBase.open(load_config(file)) as kb:
        return kb.index(**options)


def count_batches(file: Path) -> int:
    with KnowledgeBase.open(load_config(file)) as kb, kb.components.engine.connect() as connection:
        return int(connection.exec_driver_sql("SELECT COUNT(*) FROM kb_index_batch").scalar_one())


def find_child(worker: subprocess.Popen[str]) -> int:
    """The process of a worker that does batches, not the one that reads files for it."""
    children = Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text().split()
    return int(children[0])


class Interruption:
    """Does something once, when a run says something or so many chunks are embedded."""

    def __init__(self, act: Callable[[str], object], after: int = 0) -> None:
        self.act, self.after, self.is_done = act, after, False

    def __call__(self, seen: Progress | str) -> None:
        if not self.is_done and (isinstance(seen, str) or seen.chunks >= self.after):
            self.is_done = True
            self.act(str(seen))


def test_workers_write_what_one_process_does(setting: Setting, alone: Path, shared: Path) -> None:
    expected = index(alone)
    seen: list[Progress] = []
    with working(shared) as worker:
        report = index(shared, by_workers=True, on_progress=seen.append)
        assert without_time(report) == without_time(expected)
        assert read_everything(shared) == read_everything(alone)
        assert (seen[-1].files, seen[-1].chunks) == (24, report.chunks)
        again = index(shared, by_workers=True)
        assert (again.unchanged, again.added, again.changed) == (22, 0, 0)
        for number in (3, 4):
            (setting.documents / f"machine-00{number}.md").write_text("# Another\n\nIt flies.\n")
        changed = index(shared, by_workers=True)
    assert worker.returncode == 0
    assert without_time(changed) == without_time(index(alone))
    assert changed.changed == 2
    assert read_everything(shared) == read_everything(alone)
    assert count_batches(shared) == 0


@pytest.mark.slow
def test_a_run_that_is_broken_off_leaves_the_rest_to_the_next(alone: Path, shared: Path) -> None:
    index(alone)

    def interrupt(_: str) -> None:
        raise KeyboardInterrupt

    with working(shared, program=SLOW):
        with pytest.raises(KeyboardInterrupt):
            index(shared, by_workers=True, on_progress=Interruption(interrupt, after=4))
        assert count_batches(shared) == 0
        rest = index(shared, by_workers=True)
    assert 0 < rest.added < 22
    assert read_everything(shared) == read_everything(alone)


def test_workers_that_were_not_set_up_are_an_error_that_says_what_to_do(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_broker = load_config(shared).model_copy(update={"workers": WorkersConfig()})
    with KnowledgeBase.open(without_broker) as kb:
        with pytest.raises(ConfigError, match=r"set workers\.broker"):
            kb.index(by_workers=True)
        monkeypatch.setitem(sys.modules, "kb.workers.broker", None)
        with pytest.raises(ConfigError, match=r"mariadb-kb\[workers\]"):
            kb.index(by_workers=True)


def test_a_batch_is_one_workers_until_it_is_given_back_or_the_worker_is_dead(
    engine: sa.Engine,
) -> None:
    migrate(engine)
    batches, run = IndexBatches(engine), "0" * 12
    file = BatchFile("\u00e9.md", "/a/%FF.md", "1" * 32, "2" * 64, 5, is_new=True)
    batches.add(run, 7, "docs", "/a", [file])
    first = batches.take(run, 7, "one")
    assert first is not None
    assert batches.has_living(60)
    assert (first.files, first.directory) == ((file,), "/a")
    assert batches.take(run, 7, "two") is None  # as when a message comes twice
    assert batches.beat(first, 3)
    assert not batches.remove(run, 7)
    batches.return_unseen(first, "it is elsewhere")
    assert not batches.has_living(60)
    assert not batches.beat(first, 4)
    second = batches.take(run, 7, "two")
    assert second is not None
    batches.release_dead(run, 60)
    assert batches.beat(second, 0)
    batches.release_dead(run, -1)
    batches.end(second, {"chunks": 1})  # too late
    [state] = batches.list_states(run)
    assert (state.state, state.deaths, state.returns) == ("waiting", 1, 1)
    third = batches.take(run, 7, "three")
    assert third is not None
    batches.end(third, {"chunks": 2})
    assert batches.take(run, 7, "four") is None
    assert [state.report for state in batches.list_states(run)] == [{"chunks": 2}]
    assert batches.remove(run, 7)
    assert batches.take(run, 7, "five") is None


def test_a_run_that_ends_withdraws_what_no_worker_has_begun(shared: Path) -> None:
    said: list[str] = []

    def stop(message: str) -> None:
        said.append(message)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        index(shared, by_workers=True, say=stop)
    assert "kb worker" in said[0]
    assert count_batches(shared) == 0


def test_a_run_that_no_worker_takes_anything_of_ends_unless_they_are_busy(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = iter([True, False])
    monkeypatch.setattr(IndexBatches, "has_living", lambda *_: next(looks))
    loaded = load_config(shared)
    workers = loaded.workers.model_copy(update={"give_up_after": 0.5})
    with KnowledgeBase.open(loaded.model_copy(update={"workers": workers})) as kb:
        with pytest.raises(
            WorkersUnavailable, match=r"'handbook' for 0\.5 seconds\. Run kb worker"
        ):
            kb.index(by_workers=True)
        assert next(looks, None) is None
        assert count_batches(shared) == 0
        assert kb.index().added == 22


def test_a_worker_does_no_file_that_is_not_as_the_run_has_found_it(
    setting: Setting, alone: Path, shared: Path
) -> None:
    """The run looks at those again, and does itself what has changed."""
    with ExitStack() as workers:

        def change_files(_: str) -> None:
            (setting.documents / "machine-005.md").write_text("# Late\n\nIt came late.\n")
            (setting.documents / "machine-006.md").unlink()
            workers.enter_context(working(shared))

        said = Interruption(change_files)
        report = index(shared, by_workers=True, say=said)
    assert said.is_done
    assert report.added == 21
    assert [path for path, _ in report.failed] == ["broken.pdf", "empty.md"]
    assert index(shared).changed == 1  # what was read is newer than what was compared
    index(alone)
    assert read_everything(shared) == read_everything(alone)


def test_files_that_cannot_be_read_are_bounded_by_workers_too(
    setting: Setting, shared: Path
) -> None:
    for number in range(12):
        (setting.documents / f"aaa-{number:02}.pdf").write_bytes(b"%PDF-1.4 and nothing else")
    with working(shared):
        report = index(shared, by_workers=True, scope=Scope(most_failures=5))
    unread = [path for path, reason in report.failed if "too many" in reason]
    assert len(report.failed) - len(unread) == 5
    assert report.added == 0


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["child", "worker"])
def test_a_worker_that_is_killed_loses_nothing(alone: Path, shared: Path, victim: str) -> None:
    expected = index(alone)
    with working(shared, program=SLOW) as first, working(shared, program=SLOW):

        def kill(_: str) -> None:
            if victim == "child":
                os.kill(find_child(first), signal.SIGKILL)
            else:
                with_children(first.pid, signal.SIGKILL)

        interruption = Interruption(kill, after=8)
        report = index(shared, by_workers=True, on_progress=interruption)
        assert interruption.is_done
    assert without_time(report) == without_time(expected)
    assert read_everything(shared) == read_everything(alone)


@pytest.mark.slow
def test_a_broker_that_forgets_everything_loses_nothing(
    setting: Setting, alone: Path, shared: Path
) -> None:
    expected = index(alone)

    def restart(_: str) -> None:
        setting.redis.kill()
        time.sleep(1)
        setting.redis.start()

    with working(shared, program=SLOW):
        interruption = Interruption(restart, after=8)
        report = index(shared, by_workers=True, on_progress=interruption)
        assert interruption.is_done
    assert without_time(report) == without_time(expected)
    assert read_everything(shared) == read_everything(alone)


@pytest.mark.slow
@pytest.mark.skipif(not RABBITMQ.exists(), reason="rabbitmq-server is not installed")
def test_workers_of_a_rabbitmq_that_is_killed_lose_nothing(
    setting: Setting, server: PrivateServer, alone: Path, tmp_path: Path
) -> None:
    (tmp_path / "rabbitmq").mkdir()
    with database_of(server) as url, running_rabbitmq(tmp_path / "rabbitmq") as broker:
        file = replace(setting, broker=broker.url).configure(url, "shared")

        def start_anew(_: str) -> None:
            broker.kill()
            broker.start()

        with working(file, program=SLOW):
            again = Interruption(start_anew, after=4)
            report = index(file, by_workers=True, on_progress=again)
        assert again.is_done
        assert report.added == 22
        index(alone)
        assert read_everything(file) == read_everything(alone)
        assert count_batches(file) == 0


@pytest.mark.slow
def test_a_file_that_ends_its_workers_is_set_aside(setting: Setting, shared: Path) -> None:
    (setting.documents / "poison.md").write_text("# Poison\n\nWhoever reads this dies.\n")
    with working(shared, program=POISONED):
        report = index(shared, by_workers=True)
    assert report.added == 22
    reasons = dict(report.failed)
    assert reasons["poison.md"] == "it has ended the worker that read it 3 times"
    assert len(reasons) == 3
    assert index(shared).unread == 3


@pytest.mark.slow
def test_a_run_that_is_killed_leaves_its_batches_to_the_next(shared: Path, alone: Path) -> None:
    expected = index(alone)
    with KnowledgeBase.open(load_config(shared)) as kb:
        IndexBatches(kb.components.engine).add("0" * 12, 0, "handbook", "/nowhere", [])
    with working(shared):
        report = index(shared, by_workers=True)
    assert without_time(report) == without_time(expected)
    assert count_batches(shared) == 0
