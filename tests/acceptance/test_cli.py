"""The command line as users run it: files, a real server, processes, a terminal."""

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
import yaml
from model_server import FakeModels
from typer.testing import CliRunner, Result

from kb.cli import app
from stores.private_server import PrivateServer

KB = [sys.executable, "-m", "kb"]  # a process takes seconds to import LlamaIndex: few of them
ANSWER = "You have 30 days [1], and the moon is made of cheese [9]."


@dataclass(frozen=True)
class Shop:
    """A directory with a config.yaml, and commands that run in it."""

    folder: Path
    home: Path

    def start(self, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [*KB, *arguments],
            cwd=self.folder,
            env={**os.environ, "KB_HOME": str(self.home), **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def on_a_terminal(self, *arguments: str) -> tuple[int, str]:
        """The exit code and everything that the screen received."""
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [*KB, *arguments],
            cwd=self.folder,
            env={**os.environ, "KB_HOME": str(self.home), "TERM": "xterm"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        screen = b"".join(iter(lambda: read(ours), b""))
        os.close(ours)
        return process.wait(), screen.decode()


def read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # how a terminal ends
        return b""


def finished(process: "subprocess.Popen[str]") -> "subprocess.CompletedProcess[str]":
    stdout, stderr = process.communicate(timeout=60)
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


@pytest.fixture(scope="module")
def models() -> Iterator[FakeModels]:
    with FakeModels(default=ANSWER) as models:
        yield models


@pytest.fixture(scope="module")
def shop(
    tmp_path_factory: pytest.TempPathFactory, server: PrivateServer, models: FakeModels
) -> Shop:
    """Two good files and a bad one; the embedded server is the one of the whole run."""
    folder = tmp_path_factory.mktemp("shop")
    model = {"provider": "openai-like", "base_url": models.openai_url, "model": "fake"}
    config = {
        "database": {"url": "embedded", "name": f"cli_{uuid4().hex[:12]}"},
        "documents": {"path": "docs", "filter_keys": ["category"]},
        "embedding": model,
        "llm": model,
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config), "utf-8")
    docs = folder / "docs"
    docs.mkdir()
    front_matter = "---\ncategory: policy\n---\n"
    (docs / "returns.md").write_text(f"{front_matter}# Returns\n\nYou have 30 days.\n", "utf-8")
    (docs / "café.txt").write_text("Le café est moulu très fin.", "utf-8")
    (docs / "bruité.txt").write_bytes(bytes(range(256)) * 20)
    return Shop(folder, server.status().data_directory.parent)


@pytest.fixture(scope="module")
def indexed(shop: Shop) -> Result:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(shop.folder)
        patch.setenv("KB_HOME", str(shop.home))
        return CliRunner().invoke(app, ("index", "--json"))


@pytest.fixture
def kb(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """A command in this process, in the directory of the shop."""
    monkeypatch.chdir(shop.folder)
    monkeypatch.setenv("KB_HOME", str(shop.home))
    return lambda *arguments: CliRunner().invoke(app, arguments)


def test_index_reports_in_json_alone_and_is_partly_done(indexed):
    report = json.loads(indexed.stdout)
    assert (report["added"], report["unchanged"], report["chunks"]) == (2, 0, 2)
    assert [failure["path"] for failure in report["failed"]] == ["bruité.txt"]
    assert report["failed"][0]["reason"]
    assert set(report) >= {"changed", "removed", "missing", "seconds"}
    assert indexed.exit_code == 3
    assert indexed.stderr.startswith("Indexing ")
    assert "\x1b" not in indexed.stderr


@pytest.mark.usefixtures("indexed")
def test_an_answer_streams_on_a_terminal_in_colour(shop, models):
    code, screen = shop.on_a_terminal("ask", "How long?")

    assert code == 0
    assert any(request.body.get("stream") for request in models.requests)
    assert "\x1b[1;36m[1]" in screen
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen)
    text, sources = plain.split("You have 30 days [1], and the moon is made of cheese.")
    assert "Looking for the answer" in text
    assert re.search(r"\[1\] \S", sources)
    assert "Written by fake in" in sources


@pytest.mark.usefixtures("indexed")
def test_an_answer_is_json_for_a_program(kb):
    answer = json.loads(kb("--config", "config.yaml", "ask", "How long?", "--json").stdout)
    written, _, note = answer["answer"].partition("\n\n")
    assert written == "You have 30 days [1], and the moon is made of cheese."
    assert answer["citations"][0]["document"] != "returns.md"  # which alone says so
    assert note == "Not in the passages that are cited for it: 30. Compare with the originals."
    assert [each["number"] for each in answer["citations"]] == [1]
    assert (answer["route"], answer["model"]) == ("documents", "fake")
    assert (answer["sql"], answer["columns"], answer["rows"]) == (None, [], [])
    assert answer["errors"] == {}
    assert set(answer["timings"]) == {"route", "retrieval", "answer"}
    assert "route_reason" in answer


@pytest.mark.usefixtures("indexed")
def test_search_takes_filters_and_answers_in_json_or_lines(kb):
    (found,) = json.loads(kb("search", "how long", "--json", "--filter", "category=policy").stdout)
    assert found.keys() == {
        *("id", "path", "title", "score", "text", "metadata", "excerpt"),
    }
    assert (found["path"], found["title"]) == ("returns.md", "Returns")
    assert found["metadata"]["category"] == "policy"
    assert json.loads(kb("search", "x", "--json", "--filter", "category=none").stdout) == []
    nothing = kb("search", "how long category:none").stdout.splitlines()
    assert (nothing[0], nothing[2][:8]) == ("Nothing found.", "- Only d")
    lines = kb("search", "café moulu", "--filter", "category!=policy").stdout.splitlines()
    assert lines[1].startswith("    café.txt · lines 1")
    assert lines[2] == "    Le café est moulu très fin."
    assert re.fullmatch(r"Did it help\? kb feedback \w{12} --up, or --down", lines[-1])


@pytest.mark.usefixtures("indexed")
def test_a_profile_is_chosen_by_name_and_explains_its_search(kb):
    arguments = ("search", "how long", "--profile", "faq", "--explain")
    found = json.loads(kb(*arguments, "--json").stdout)
    assert found["passages"][0].keys() == {
        *("id", "path", "title", "score", "text", "metadata", "excerpt"),
    }
    assert (found["search"]["profile"], found["search"]["strategy"]) == ("faq", "weighted")
    assert "Searched by profile faq · weighted, vectors weigh 0.5 · " in kb(*arguments).stdout
    answer = json.loads(kb("ask", "How long?", "--profile", "logs", "--json").stdout)
    assert answer["search"]["profile"] == "logs"
    explained = kb("ask", "How long?", "--explain").stdout
    assert "Searched by profile default" in explained
    assert "Searched by" not in kb("ask", "How long?").stdout


def test_a_profile_that_there_is_not_is_wrong_usage(kb):
    for command in ("search", "ask"):
        result = kb(command, "x", "--profile", "defualt")
        assert (result.exit_code, result.stdout) == (2, "")
        assert "'defualt'" in result.stderr
        assert "technical-docs" in result.stderr


@pytest.mark.usefixtures("indexed")
def test_status_and_doctor_tell_what_is_there_and_what_failed(kb):
    state = json.loads(kb("status", "--json").stdout)
    assert (state["documents"], state["chunks"]) == (2, 2)
    assert state["failed"][0]["path"] == "bruité.txt"
    assert state["embedding"] == "openai-like/fake"
    assert state["server"].startswith("11.")
    assert state["roots"][0]["indexed_at"].endswith("+00:00")
    assert "docs/bruité.txt: " in kb("status").stdout

    report = kb("doctor", "--json")
    checks = {each["name"]: each["state"] for each in json.loads(report.stdout)["checks"]}
    assert checks.pop("Documents") == "warn"
    assert checks.pop("MariaDB updates", "warn") == "warn"  # no test asks an archive
    assert set(checks.values()) == {"ok"}
    assert report.exit_code == 0


@pytest.mark.usefixtures("indexed")
def test_feedback_on_a_search_reaches_the_live_report(kb):
    explained = json.loads(kb("search", "how long", "--json", "--explain").stdout)
    search_id = explained["search"]["id"]
    said = kb("feedback", "last", "--up", "--comment", "at once", "--json")
    assert json.loads(said.stdout) == {
        "search": search_id,
        "rating": 1,
        "comment": "at once",
        "clicked": None,
        "profile": "default",
    }
    noted = kb("feedback", search_id, "--clicked", "1").stdout
    assert noted.startswith(f"Noted for search {search_id} of 2")
    report = json.loads(kb("eval", "--live", "--json").stdout)
    default = next(each for each in report["profiles"] if each["profile"] == "default")
    assert (default["thumbs_up"]["hits"], default["clicked"]["hits"]) == (1, 1)
    assert "thumbs up" in kb("eval", "--live", "--days", "1").stdout

    unknown = kb("feedback", "000000000000", "--down")
    assert (unknown.exit_code, unknown.stdout) == (1, "")
    assert unknown.stderr.startswith("Error: No search '000000000000' is in the log.")
    assert "showed no passage 99; it showed 1" in kb("feedback", "last", "--clicked", "99").stderr
    assert kb("feedback", "last").exit_code == 2


def test_index_names_what_has_gone_and_keeps_it_on_request(kb, tmp_path):
    docs = tmp_path / "notes"
    docs.mkdir()
    (docs / "kept.txt").write_text("A note that stays.", "utf-8")
    (docs / "lost.txt").write_text("A note that goes.", "utf-8")
    assert kb("index", str(docs)).stdout.startswith("Documents: 2 added. 2 chunks written in ")
    (docs / "lost.txt").unlink()
    (docs / "kept.txt").rename(docs / "moved.txt")
    for option in ("--keep", "--no-prune"):
        kept = kb("index", str(docs), option)
        assert "still answering: 1. Indexing without --keep removes them." in kept.stdout
    report = json.loads(kb("index", str(docs), "--json").stdout)
    assert (report["removed"], report["removed_paths"]) == (1, ["lost.txt"])
    (docs / "moved.txt").rename(docs / "again.txt")
    report = json.loads(kb("index", str(docs), "--json").stdout)
    assert report["moved"] == [{"from": "moved.txt", "to": "again.txt"}]
    (docs / "again.txt").unlink()
    emptied = kb("index", str(docs))
    assert (emptied.exit_code, "disk is not mounted" in emptied.stdout) == (0, True)
    pruned = kb("index", str(docs), "--prune")
    assert pruned.stdout.startswith("Documents: 1 removed.")
    assert "  again.txt\n" in pruned.stdout


def test_several_directories_are_indexed_each_with_its_report(kb, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.md").write_text(f"# Note\n\nWords of directory {name}.\n")
    paths = [str(tmp_path / name) for name in ("one", "two")]
    assert kb("index", *paths).stdout.count("Documents: 1 added.") == 2
    (tmp_path / "one" / "broken.md").write_bytes(bytes(range(256)) * 8)
    done = kb("index", *paths, "--json")
    reports = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(report["root"], report["unchanged"]) for report in reports] == [("one", 1), ("two", 1)]
    assert done.exit_code == 3
    for path in paths:
        kb("documents", "forget", Path(path).name, "--yes")


def test_an_error_is_one_message_and_nothing_on_standard_output(kb, shop):
    url = "mariadb+mariadbconnector://kb:canary@db.example/kb"
    (shop.folder / "other.yaml").write_text(f"database: {{url: '{url}'}}\n", "utf-8")
    result = kb("db", "start", "--config", "other.yaml")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: database.url is mariadb+mariadbconnector://kb:***@")
    missing = kb("--config", "missing.yaml", "search", "x", "--json")
    assert (missing.exit_code, missing.stdout) == (1, "")
    assert missing.stderr.startswith("Error: There is no missing.yaml.")


def test_json_is_utf_8_whatever_the_locale(shop, tmp_path):
    home = tmp_path / "café"
    status = finished(
        shop.start("db", "status", "--json", KB_HOME=str(home), PYTHONIOENCODING="latin-1")
    )
    assert json.loads(status.stdout)["data_directory"] == str(home / "data")


def test_a_reader_that_goes_away_is_no_error(shop):
    process = shop.start("db", "status")
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 1


def test_init_writes_a_configuration_once_and_sets_up(kb, tmp_path):
    file = tmp_path / "Été, 2 (new)" / "config.yaml"
    first = kb("init", str(file.parent))
    assert first.exit_code == 0, first.stderr
    assert f"Wrote {file}." in first.stderr
    assert "is there already" not in first.stderr
    assert "MariaDB 11." in first.stderr
    assert "The embedding model is in" in first.stderr
    text = file.read_text("utf-8")
    assert 30 < len(text.splitlines()) < 50
    assert "  name: kb_ete_2_new            # database on the embedded server\n" in text
    file.write_text(text.replace("top_k: 6", "top_k: 7"), "utf-8")
    again = kb("init", str(file))
    assert again.exit_code == 0
    assert "stays as it is" in again.stderr
    assert "top_k: 7" in file.read_text("utf-8")

    namesake = kb("init", str(tmp_path / "elsewhere" / "kb ete 2 new"))
    assert "The database kb_ete_2_new is there already" in namesake.stderr


def test_set_up_fetches_the_model_to_change_to_as_well(kb, tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text("next_embedding: {provider: local, model: multilingual}\n", "utf-8")
    done = kb("setup", "--config", str(file))
    assert done.exit_code == 0, done.stderr
    assert done.stderr.count("The embedding model is in") == 2


def test_the_private_server_is_stopped_and_started(kb, tmp_path, monkeypatch):
    monkeypatch.setenv("KB_HOME", str(tmp_path / "home"))
    assert json.loads(kb("db", "status", "--json").stdout)["running"] is False
    assert kb("db", "start").exit_code == 0
    try:
        state = json.loads(kb("db", "status", "--json").stdout)
        assert state["running"] is True
        assert state["data_directory"] == str(tmp_path / "home" / "data")
    finally:
        stopped = kb("db", "stop").stdout
    assert stopped == "Stopped.\n"
    assert kb("db", "stop").stdout == "It was not running.\n"


def test_the_shell_runs_what_is_piped_into_it(shop):
    process = subprocess.run(
        [*KB, "db", "shell"],
        cwd=shop.folder,
        env={**os.environ, "KB_HOME": str(shop.home)},
        input="SELECT DATABASE();",
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert process.stdout.splitlines()[1].startswith("cli_")
    ended = shop.start("db", "shell", "-e", "SELECT 1 + 1 AS two")
    assert ended.communicate(timeout=60)[0].split() == ["two", "2"]


def test_the_shell_of_another_server_gets_the_password_out_of_sight(
    kb, shop, tmp_path, monkeypatch
):
    url = "mariadb+mariadbconnector://ada:canary@db.example:3307/notes"
    (shop.folder / "other.yaml").write_text(f"database: {{url: '{url}'}}\n", "utf-8")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "mariadb-client" in kb("db", "shell", "--config", "other.yaml").stderr

    client = tmp_path / "mariadb"
    client.write_text('#!/bin/sh\necho "$@"\necho "$MYSQL_PWD"\n', "utf-8")
    client.chmod(0o755)
    shell = finished(shop.start("db", "shell", "--config", "other.yaml"))
    arguments, password = shell.stdout.splitlines()
    assert arguments == "--no-defaults --host=db.example --port=3307 --user=ada notes"
    assert password == "canary"
