"""Chats as people have them: piped in, typed on a terminal, continued, exported and deleted."""

import json
import os
import pty
import re
import select
import signal
import stat
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import pytest
import yaml
from model_server import SERVER_ERROR, CutStream, FakeModels
from typer.testing import CliRunner, Result

from kb import KnowledgeBase
from kb.cli import app
from stores.private_server import PrivateServer

ANSWER = "You have 30 days [1]."
_ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|\][^\x07]*\x07|[=>])")


@dataclass(frozen=True)
class Shop:
    folder: Path
    home: Path
    models: FakeModels

    def environment(self) -> dict[str, str]:
        state = str(self.folder / "state")
        return {**os.environ, "KB_HOME": str(self.home), "XDG_STATE_HOME": state, "TERM": "xterm"}


@pytest.fixture(scope="module")
def models() -> Iterator[FakeModels]:
    with FakeModels(default=ANSWER) as models:
        yield models


@pytest.fixture(scope="module")
def indexed(
    tmp_path_factory: pytest.TempPathFactory, server: PrivateServer, models: FakeModels
) -> Shop:
    folder = tmp_path_factory.mktemp("chat")
    model = {"provider": "openai-like", "base_url": models.openai_url, "model": "fake"}
    config = {
        "database": {"url": "embedded", "name": f"chat_{uuid4().hex[:12]}"},
        "documents": {"path": "docs"},
        "embedding": model,
        "llm": {**model, "max_retries": 0},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config), "utf-8")
    (folder / "docs").mkdir()
    (folder / "docs" / "returns.md").write_text("# Returns\n\nYou have 30 days.\n", "utf-8")
    home = server.status().data_directory.parent
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("KB_HOME", str(home))
        assert CliRunner().invoke(app, ("index",)).exit_code == 0
    return Shop(folder, home, models)


@pytest.fixture
def shop(indexed: Shop, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.chdir(indexed.folder)
    monkeypatch.setenv("KB_HOME", str(indexed.home))
    indexed.models.script.clear()
    return indexed


@pytest.fixture
def kb(shop: Shop) -> Callable[..., Result]:
    """A command in this process, in the directory of the shop, with lines to read."""
    return lambda *arguments, lines=(): CliRunner().invoke(
        app, arguments, input="".join(f"{line}\n" for line in lines)
    )


@pytest.fixture
def session() -> str:
    return f"s-{uuid4().hex[:8]}"


def test_questions_are_piped_in_and_a_session_is_continued(kb, session):
    first = kb("chat", "--session", session, lines=["How long can I return it?", "", "/history"])
    assert first.exit_code == 0
    assert first.stdout.startswith(f"{ANSWER}\n\n[1] Returns · returns.md · lines 1-3\n")
    assert re.search(r"\ndocuments · fake · \d\.\d s · /sources\n\n", first.stdout)
    assert first.stdout.endswith(f"1. How long can I return it?\n   {ANSWER}\n")
    assert "\x1b" not in first.stdout
    assert first.stderr == f"Session {session}, new.\n"

    second = kb("chat", "--last", lines=["And a gift?", "/history", "/quit", "never asked"])
    assert second.exit_code == 0
    questions = re.findall(r"^\d\. (.*)$", second.stdout, re.MULTILINE)
    assert questions == ["How long can I return it?", "And a gift?"]


def test_answers_are_lines_of_json_for_a_program(kb, session):
    result = kb("chat", "--session", session, "--json", lines=["How long?", " ", "/quit?"])
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == 0
    assert [each["question"] for each in answers] == ["How long?", "/quit?"]
    assert {each["session"] for each in answers} == {session}
    assert (answers[0]["answer"], answers[0]["route"]) == (ANSWER, "documents")
    assert answers[0]["citations"][0]["document"] == "returns.md"
    stored = json.loads(kb("session", "show", session, "--json").stdout)["turns"]
    assert [each["id"] for each in stored] == [each["turn"] for each in answers]


def test_a_program_gets_a_line_for_each_of_its_lines_errors_too(kb, shop, session):
    ask = ("chat", "--session", session, "--json")
    command, question = map(
        json.loads, kb(*ask, lines=["/history", "How long?"]).stdout.splitlines()
    )
    assert command["question"] == "/history"
    assert "each line is a question" in command["error"]
    assert (question["question"], question["answer"]) == ("How long?", ANSWER)

    shop.models.script[:] = [lambda request: SERVER_ERROR if "chat" in request.path else None] * 4
    failed = kb(*ask, lines=["How long, then?"])
    [line] = failed.stdout.splitlines()
    assert failed.exit_code == 1
    assert json.loads(line).keys() == {"session", "question", "error"}


@pytest.mark.parametrize("name", ["~nobody-of-that-name/x", "a\0b", "no/such/directory/x", "."])
def test_an_export_that_cannot_be_written_does_not_end_the_chat(kb, session, name):
    result = kb("chat", "--session", session, lines=["How long?", f"/export {name}", "/history"])
    assert result.exit_code == 1
    assert "cannot be written" in result.stderr or "is there already" in result.stderr
    assert result.stdout.endswith(f"1. How long?\n   {ANSWER}\n")
    if "\0" not in name:
        output = kb("session", "export", session, "--output", name)
        assert (output.exit_code, "has a defect" in output.stderr) == (1, False)


def test_commands_are_told_from_questions_whatever_their_blanks_and_capitals(kb, session):
    result = kb(
        "chat",
        "--session",
        session,
        lines=["/source\tdocuments", " /SOURCE  both ", "/", "/Histroy", "/hi story"],
    )
    assert result.stdout == "Questions go to: documents.\nQuestions go to: both.\n"
    for refused in ("no command /. There are", "no command /Histroy. Did you mean /history?"):
        assert refused in result.stderr
    assert result.stderr.count("/help, /sources, /sql") == 3
    assert kb("session", "show", session).exit_code == 1  # nothing was asked


def test_the_last_session_is_one_of_nobody_else(kb, session):
    kb("chat", "--session", session, lines=["How long?"])
    with KnowledgeBase.open() as knowledge_base:
        knowledge_base.chat(f"{session}-ann", user="ann").chat("What did Ann ask?")
    assert kb("chat", "--last").stderr == f"Session {session}, 1 question.\n"
    listed = kb("session", "list", "--limit", "2").stdout
    assert re.match(r"Session +User +Last used", listed)
    assert re.search(rf"^{session}-ann +ann ", listed, re.MULTILINE)


def test_what_a_follow_up_was_understood_as_is_shown(kb, session):
    with KnowledgeBase.open() as knowledge_base:
        for number, standalone in enumerate((None, "And how long in Ireland?"), start=1):
            store, turn = knowledge_base.session_store, f"t{number}"
            store.begin(session, turn, f"Question {number}?")
            store.finish(
                session,
                turn,
                answer="30 days.",
                status="complete",
                standalone=standalone,
                rewritten_by="rule" if standalone else "",
                evidence={"sql": f"SELECT {number}", "columns": [], "rows": [], "truncated": False}
                if number == 1
                else {"route": "documents", "route_reason": "it says so"},
            )
    result = kb("chat", "--session", session, lines=["/history", "/sql", "/rewrite"])
    assert result.stdout == (
        "1. Question 1?\n   30 days.\n"
        "2. Question 2?\n   Understood as: And how long in Ireland?\n   30 days.\n"
        "SELECT 1\n"
        "Asked:         Question 2?\nUnderstood as: And how long in Ireland?\n"
        "Rewritten by:  the rule\nRoute:         documents (it says so)\n"
    )


def test_commands_show_and_change_what_the_session_knows(kb, shop, session):
    lines = [
        "/sources",
        "How long can I return it?",
        "/sources",
        "/sql",
        "/rewrite",
        "/source",
        "/source documents",
        "/source everything",
        "/source database",
        "/profile",
        "/profile faq",
        "/profile none",
        "/up well said",
        "/down",
        "/export",
        "/export chat.json",
        "/export chat.json",
        "/hepl",
        "/help",
        "/etc/passwd is what?",
        "/reset",
        "/history",
    ]
    result = kb("chat", "--session", session, lines=lines)
    assert result.exit_code == 1  # some of that cannot be
    for refused in (
        "Nothing was asked yet",
        "No answer of this session came from the tables",
        "no source 'everything'; there are auto, documents, database, both",
        "tables.include",
        "no search profile 'none'",
        "chat.json is there already",
        "no command /hepl. Did you mean /help?",
    ):
        assert refused in result.stderr, refused
    for shown in (
        "The last question was put as it was asked.",
        "Questions go to: auto.\nQuestions go to: documents.\n",
        "Search profile: default.\nSearch profile: faq.\n",
        "Noted for question 1.\nNoted for question 1.\n",
        "> How long can I return it?\n\nYou have 30 days [1].",
        "Written to chat.json.",
        "/quit            end the chat",
    ):
        assert shown in result.stdout, shown
    assert result.stdout.endswith("Forgotten. The session begins anew.\n")
    assert result.stdout.count(ANSWER) == 3  # the answer, its export, and the path that is none
    exported = json.loads((shop.folder / "chat.json").read_text("utf-8"))
    assert exported["turns"][0]["answer"] == ANSWER
    (shop.folder / "chat.json").unlink()


def test_feedback_of_a_turn_is_kept_and_goes_with_its_session(kb, shop, session):
    def kept() -> list[tuple[object, ...]]:
        with KnowledgeBase.open() as knowledge_base, knowledge_base.engine.connect() as connection:
            rows = connection.exec_driver_sql(
                f"SELECT rating, comment FROM kb_feedback WHERE session_id = '{session}'"
            )
            return [tuple(row) for row in rows]

    kb("chat", "--session", session, lines=["How long?", "/down too short"])
    assert kept() == [(-1, "too short")]
    kb("session", "delete", session, "--yes")
    assert kept() == []


def test_an_answer_that_fails_is_said_and_the_chat_goes_on(kb, shop, session):
    shop.models.script[:] = [lambda request: SERVER_ERROR if "chat" in request.path else None] * 4
    result = kb("chat", "--session", session, lines=["How long?", "/history"])
    shop.models.script.clear()
    again = kb("chat", "--session", session, lines=["How long, then?"])
    assert result.exit_code == 1
    assert result.stderr.splitlines()[1].startswith("Error: ")
    assert "No answer: " in result.stdout
    assert again.exit_code == 0
    turns = json.loads(kb("session", "show", session, "--json").stdout)["turns"]
    assert [turn["status"] for turn in turns] == ["failed", "complete"]


def test_sessions_are_listed_found_shown_renamed_exported_and_deleted(kb, shop, session):
    other = f"{session} 'odd' \u20ac"
    kb("chat", "--session", session, lines=["How long can I return it?"])
    kb("chat", "--session", other, lines=["Où est le café ?"])
    listed = json.loads(kb("session", "list", "--json").stdout)
    assert [each["id"] for each in listed[:2]] == [other, session]
    assert listed[1].keys() == {"id", "title", "created", "updated", "turns", "user"}
    [found] = json.loads(kb("session", "list", "--search", "CAFE", "--json").stdout)
    assert (found["id"], found["excerpt"]) == (other, "Où est le café ?")
    assert "… Où est le café ? …" in kb("session", "list", "--search", "cafe").stdout
    assert len(json.loads(kb("session", "list", "--limit", "1", "--json").stdout)) == 1

    shown = kb("session", "show", session).stdout
    assert f"1. How long can I return it?\n{ANSWER}\n\n[1] Returns" in shown
    assert kb("session", "rename", session, " My \n returns ").stdout.endswith("“My returns”.\n")
    assert kb("session", "rename", session, " ").exit_code == 1

    document = kb("session", "export", session).stdout
    assert document.startswith(f"# My returns\n\nSession `{session}`")
    assert kb("session", "export", session, "--output", "out.json", "--format", "json").stdout == ""
    assert json.loads((shop.folder / "out.json").read_text("utf-8"))["title"] == "My returns"
    again = kb("session", "export", session, "--output", "out.json")
    assert (again.exit_code, "out.json is there already" in again.stderr) == (1, True)

    assert kb("session", "delete", session, lines=["n"]).exit_code == 1
    assert kb("session", "delete", session, lines=["y"]).stdout.endswith("is deleted.\n")
    assert json.loads(kb("session", "delete", other, "--yes", "--json").stdout) == {
        "deleted": other
    }
    for command in ("show", "delete", "export"):
        gone = kb("session", command, session)
        assert (gone.exit_code, f"no session '{session}'" in gone.stderr) == (1, True)


def age(session: str, days: int) -> None:
    with KnowledgeBase.open() as knowledge_base, knowledge_base.engine.begin() as connection:
        connection.exec_driver_sql(
            f"UPDATE kb_session SET updated_at = updated_at - INTERVAL {days} DAY "
            f"WHERE id = '{session}'"
        )


def test_old_sessions_are_pruned(kb, session):
    kb("chat", "--session", session, lines=["How long?"])
    age(session, 9)
    assert "--days" in kb("session", "prune").stderr
    pruned = json.loads(kb("session", "prune", "--days", "9", "--json").stdout)
    assert pruned == {"days": 9, "deleted": 1}
    assert kb("session", "show", session).exit_code == 1


def test_sessions_past_their_retention_are_gone_when_sessions_are_next_opened(kb, shop, session):
    for name in (session, f"{session}-new"):
        kb("chat", "--session", name, lines=["How long?"])
    age(session, 9)
    config = yaml.safe_load((shop.folder / "config.yaml").read_text("utf-8"))
    short = {**config, "chat": {"retention_days": 9}}
    (shop.folder / "short.yaml").write_text(yaml.safe_dump(short), "utf-8")
    listed = json.loads(kb("--config", "short.yaml", "session", "list", "--json").stdout)
    assert session not in [each["id"] for each in listed]
    assert f"{session}-new" in [each["id"] for each in listed]


def test_wrong_usage_is_said(kb):
    assert kb("chat", "--session", "x", "--last").exit_code == 2
    assert kb("chat", "--source", "nowhere").exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("chat", "--session", ""), "not empty"),
        (("chat", "--session", "x" * 300), "300 characters"),
        (("chat", "--session", "\udcff"), "half a character"),
        (("session", "show", "\udcff"), "half a character"),
        (("session", "delete", ""), "not empty"),
        (("session", "rename", "x", "\udcff"), "no UTF-8"),
        (("session", "list", "--search", "\udcff"), "no UTF-8"),
        (("session", "list", "--search", "a b c d e f g h i j k"), "11 words"),
        (("session", "list", "--limit", str(10**22)), "equal to 1000000"),
        (("session", "prune", "--days", str(10**22)), "equal to 1000000"),
    ],
)
def test_what_cannot_be_meant_is_wrong_usage(kb, arguments, said):
    result = kb(*arguments)
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.replace("│", " ").split())


@dataclass
class Terminal:
    """A chat on a terminal of its own, and what its screen received so far."""

    process: "subprocess.Popen[bytes]"
    ours: int
    screen: str = ""
    seen: int = field(default=0)

    def type(self, keys: str) -> None:
        os.write(self.ours, keys.encode())

    def wait_for(self, text: str, seconds: float = 30) -> str:
        """What the screen received until the text came, since the last call."""
        end = time.monotonic() + seconds
        while text not in self.screen[self.seen :]:
            ready, _, _ = select.select([self.ours], [], [], max(0, end - time.monotonic()))
            assert ready, f"{text!r} did not come: {self.screen[self.seen :]!r}"
            self._read()
        begin, self.seen = self.seen, self.screen.index(text, self.seen) + len(text)
        return self.screen[begin : self.seen]

    def _read(self) -> None:
        data = os.read(self.ours, 65536).decode(errors="replace")
        if "\x1b[6n" in data:  # the program asks where the cursor is
            os.write(self.ours, b"\x1b[1;1R")
        self.screen += _ESCAPES.sub("", data)


@pytest.fixture
def terminal(shop: Shop) -> Iterator[Callable[..., Terminal]]:
    started: list[Terminal] = []

    def start(*arguments: str) -> Terminal:
        ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (40, 100))
        process = subprocess.Popen(
            [sys.executable, "-m", "kb", "chat", *arguments],
            cwd=shop.folder,
            env=shop.environment(),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        started.append(Terminal(process, ours))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.process.wait()
        os.close(each.ours)


def test_a_terminal_streams_stops_and_goes_on(kb, shop, session, terminal):
    screen = terminal("--session", session)
    screen.wait_for(f"Session {session}, new. /help lists the commands.")
    screen.wait_for(">")

    shop.models.script[:] = [
        lambda request: None if "embed" in request.path else CutStream("One two three", 2, wait=60)
    ] * 4
    screen.type("How long?\r")
    screen.wait_for("One ")
    os.kill(screen.process.pid, signal.SIGINT)
    screen.wait_for("Stopped.")
    shop.models.script.clear()
    screen.wait_for(">")

    screen.type("/hist\t")
    screen.wait_for("ory")
    screen.type("\r")
    screen.wait_for("Cut: The answer was stopped before its end.")
    screen.wait_for(">")
    screen.type("\x03")
    screen.wait_for("Ctrl-D or /quit ends the chat.")
    screen.type("And now?\r")
    screen.wait_for(ANSWER)
    screen.wait_for("[1] Returns")
    screen.wait_for(">")
    screen.type("\x04")
    screen.wait_for(f"Continue with: kb chat --session {session}")
    assert screen.process.wait(30) == 0

    turns = json.loads(kb("session", "show", session, "--json").stdout)["turns"]
    assert [(turn["status"], turn["answer"].strip()) for turn in turns] == [
        ("partial", "One"),
        ("complete", ANSWER),
    ]
    history = shop.folder / "state" / "kb" / "chat_history"
    assert stat.S_IMODE(history.stat().st_mode) == 0o600
    assert "+How long?" in history.read_text("utf-8")
