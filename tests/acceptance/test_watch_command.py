"""`kb index --watch` as a program of its own: real files, a database that goes away, Ctrl-C."""

import json
import queue
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
import yaml
from model_server import FakeModels
from typer.testing import CliRunner

from kb import KnowledgeBase
from kb.cli import app
from stores.private_server import PrivateServer

PATIENCE = 60  # seconds


@pytest.fixture
def folder(tmp_path: Path, database: sa.URL, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A configuration that names the server by its URL, so that nothing starts it again."""
    with FakeModels() as models:
        model = {"provider": "openai-like", "base_url": models.openai_url, "model": "fake"}
        config = {
            "database": {"url": database.render_as_string(hide_password=False)},
            "embedding": model,
        }
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
        (tmp_path / "docs" / "old").mkdir(parents=True)
        (tmp_path / "docs" / "first.md").write_text("# First\n\nWords of the first note.\n")
        (tmp_path / "docs" / "old" / "noted.md").write_text("# Noted\n\nWords that stay.\n")
        monkeypatch.chdir(tmp_path)
        yield tmp_path


class Watching:
    """The program, and what it has printed: standard output and errors in one queue of lines."""

    def __init__(self, *options: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "kb", "index", "docs", "--watch", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self.lines.put(line.rstrip("\n"))

    def wait_for(self, words: str) -> list[str]:
        """The lines up to that with these words."""
        seen: list[str] = []
        while not any(words in line for line in seen):
            try:
                seen.append(self.lines.get(timeout=PATIENCE))
            except queue.Empty:
                pytest.fail(f"{words!r} is not among {seen}")
        return seen

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(PATIENCE)
        self._reader.join()
        return code


@pytest.fixture
def begin(folder: Path) -> Iterator[Callable[..., Watching]]:
    begun: list[Watching] = []

    def start(*options: str) -> Watching:
        begun.append(Watching(*options))
        return begun[-1]

    yield start
    for each in begun:
        if each.process.poll() is None:
            each.process.kill()
            each.process.wait()
        if each.process.stdout:
            each.process.stdout.close()


@pytest.mark.slow
def test_changes_are_indexed_as_they_come_until_an_interruption(
    folder: Path, begin: Callable[..., Watching]
) -> None:
    docs, kb = folder / "docs", begin()
    began = kb.wait_for("Watching docs")
    assert any(line.startswith("Documents: 2 added.") for line in began)
    (docs / "second.md").write_text("# Second\n\nWords of the second note.\n")
    assert kb.wait_for("second.md") == ["Added: second.md"]
    (docs / "second.md").write_text("# Second\n\nOther words.\n")
    assert kb.wait_for("second.md") == ["Changed: second.md"]
    (docs / "old").rename(docs / "archive")
    assert kb.wait_for("noted.md") == ["Moved: old/noted.md -> archive/noted.md"]
    (docs / "broken.md").write_bytes(bytes(range(256)) * 8)
    assert kb.wait_for("broken.md")[0].startswith("Not indexed: broken.md: ")
    (docs / "first.md").unlink()
    assert kb.wait_for("first.md") == ["Removed: first.md"]
    assert kb.interrupt() == 130
    assert list(kb.lines.queue) == ["Interrupted."]
    with KnowledgeBase.open() as knowledge_base:
        indexed = knowledge_base.list_documents(status="indexed")
    assert [document.path for document in indexed] == ["archive/noted.md", "second.md"]


@pytest.mark.slow
def test_a_database_that_goes_away_is_waited_for(
    folder: Path, begin: Callable[..., Watching], server: PrivateServer
) -> None:
    kb = begin("--json", "--every", "600")
    first = kb.wait_for('"added"')[-1]
    assert json.loads(first)["added"] == 2
    kb.wait_for("Watching docs")
    server.stop()
    try:
        (folder / "docs" / "second.md").write_text("# Second\n\nWords of the second note.\n")
        assert "does not answer" in kb.wait_for("Waiting until it answers.")[-1]
        (folder / "docs" / "first.md").unlink()
    finally:
        server.ensure_running()
    told = kb.wait_for('"added"')
    assert "It answers again; going on." in told
    report = json.loads(told[-1])
    assert (report["added"], report["removed_paths"]) == (1, ["first.md"])
    assert kb.interrupt() == 130


@pytest.mark.slow
def test_what_nobody_was_told_of_is_found_by_the_next_look_at_everything(
    folder: Path, begin: Callable[..., Watching]
) -> None:
    kb = begin("--every", "0.05")
    kb.wait_for("Watching docs")
    with KnowledgeBase.open() as knowledge_base:
        assert knowledge_base.remove_document("docs/first.md") is False
    assert kb.wait_for("first.md") == ["Added: first.md"]
    shutil.rmtree(folder / "docs")
    kb.wait_for("is not there; waiting until it is back.")
    (folder / "docs").mkdir()
    assert "2 documents still answer" in kb.wait_for("--prune removes them")[-1]
    assert kb.interrupt() == 130


def test_only_a_directory_is_watched(folder: Path) -> None:
    refused = CliRunner().invoke(app, ("index", "docs/first.md", "--watch"))
    assert (refused.exit_code, "it takes a directory" in refused.stderr) == (2, True)
