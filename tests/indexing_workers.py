"""Processes of `kb worker` over a small knowledge base, and all that indexing has written there."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import yaml
from model_server import FakeModels
from redis_server import Redis

from kb.app import KnowledgeBase
from kb.config.loading import load_config
from kb.indexing.report import IndexReport

ROOT = Path(__file__).parents[1]
READING = """
import os, signal, sys, time
from kb.indexing.worker import ReadWorker
read = ReadWorker.read
def read_so(self, path, start=None):
    {before}
    return read(self, path, start)
ReadWorker.read = read_so
from kb.cli import main
main()
"""
SLOW = READING.format(before="time.sleep(0.4)")
POISONED = READING.format(before="'poison' in path.name and os.kill(os.getpid(), signal.SIGKILL)")


@dataclass(frozen=True)
class Setting:
    """A directory of documents, and configurations of knowledge bases for it."""

    directory: Path
    models: FakeModels
    redis: Redis
    broker: str | None = None  # in the place of that Redis

    @property
    def documents(self) -> Path:
        return self.directory / "handbook"

    def configure(self, url: sa.URL, name: str, *, documents: Any = None) -> Path:
        """Write a configuration and return its file."""
        broker = self.broker or f"redis+socket://{self.redis.socket}"
        written = {
            "database": {"url": url.render_as_string(hide_password=False)},
            "documents": {"path": str(self.documents), **(documents or {})},
            "embedding": {
                "provider": "openai-like",
                "model": "fake",
                "base_url": self.models.openai_url,
            },
            "workers": {"broker": broker, "dead_after": 3},
        }
        file = self.directory / f"{name}.yaml"
        file.write_text(yaml.safe_dump(written))
        return file


def write_documents(directory: Path, number: int) -> None:
    """Write files of several kinds, with one that cannot be read and one in two parts."""
    directory.mkdir()
    for each in range(number):
        words = (
            f"# Machine {each}\n\nIt has {each} wheels.\n\n## Care\n\nOil it each {each} days.\n"
        )
        (directory / f"machine-{each:03}.md").write_text(words)
    (directory / "broken.pdf").write_bytes(b"%PDF-1.4 and nothing else")
    (directory / "empty.md").write_text("")
    (directory / "e\u0301te\u0301.txt").write_text("Été comme hiver, livraison en 48 heures.")
    (directory / "faq.html").write_text("<title>FAQ</title><p>Ask the <b>support</b> team.</p>")


@contextmanager
def working(file: Path, *options: str, program: str = "") -> Iterator[subprocess.Popen[str]]:
    """Run a worker, by a program in place of the command if one is given."""
    command = ["-c", program] if program else ["-m", "kb"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with (file.parent / f"worker-{os.urandom(3).hex()}.txt").open("w") as said:
        process = subprocess.Popen(
            [sys.executable, *command, "--config", str(file), "worker", *options],
            stdout=said,
            stderr=said,
            text=True,
            env=environment,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        finally:
            with_children(process.pid, signal.SIGKILL)


def with_children(group: int, number: signal.Signals) -> None:
    """Send a signal to a worker and to its processes, whatever is left of them."""
    with suppress(ProcessLookupError):
        os.killpg(group, number)


def read_everything(file: Path) -> tuple[list[Any], list[Any]]:
    """Everything that indexing has written: rows of the registry, and chunks with vectors."""
    with KnowledgeBase.open(load_config(file)) as kb, kb.components.engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT * FROM kb_document ORDER BY id").mappings()
        documents = [
            {key: value for key, value in row.items() if key not in ("indexed_at", "checked_at")}
            for row in rows
        ]
        nodes = sorted(kb.vector_store.get_nodes(), key=lambda node: node.node_id)
        chunks = [(n.node_id, n.get_content(), n.metadata, n.embedding) for n in nodes]
        return documents, chunks


def without_time(report: IndexReport) -> dict[str, Any]:
    """A report, whatever the order in which its files were done."""
    values = {**vars(report), "seconds": 0}
    return {
        key: sorted(value) if isinstance(value, list) else value for key, value in values.items()
    }
