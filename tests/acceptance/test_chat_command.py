"""Chats as people have them: piped in, typed on a terminal, and continued."""

import json
import os
import re
import signal
import stat
import sys

from model_server import SERVER_ERROR, CutStream
from terminals import Terminal, on_a_terminal

from kb import KnowledgeBase

ANSWER = "You have 30 days [1]."


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

    away = lambda request: SERVER_ERROR if "chat" in request.path else None  # noqa: E731 - a reply
    shop.models.script[:] = [away] * 40
    quoted = kb(*ask, lines=["How long, then?"])
    shop.models.script.clear()
    [line] = quoted.stdout.splitlines()
    assert quoted.exit_code == 3
    assert json.loads(line)["answer"].startswith("The language model does not answer")
    shop.models.script[:] = [SERVER_ERROR] * 40  # the embedding model, too
    failed = kb(*ask, lines=["How long was it?"])
    shop.models.script.clear()
    [line] = failed.stdout.splitlines()
    assert failed.exit_code == 1
    assert json.loads(line).keys() == {"session", "question", "error"}


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


def test_what_a_follow_up_was_understood_as_is_shown(kb, session):
    with KnowledgeBase.open() as knowledge_base:
        for number, standalone in enumerate((None, "And how long in Ireland?"), start=1):
            store, turn = knowledge_base.components.session_store, f"t{number}"
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
    # The answer, its export, the path that is none, and what the model makes of that question.
    assert result.stdout.count(ANSWER) == 4
    exported = json.loads((shop.folder / "chat.json").read_text("utf-8"))
    assert exported["turns"][0]["answer"] == ANSWER
    (shop.folder / "chat.json").unlink()


def test_an_export_that_cannot_be_written_does_not_end_the_chat(kb, session):
    names = ("~nobody-of-that-name/x", "a\0b", "no/such/directory/x", ".")
    lines = ["How long?", *(f"/export {name}" for name in names), "/history"]
    result = kb("chat", "--session", session, lines=lines)
    assert result.exit_code == 1
    assert result.stderr.count("cannot be written") + result.stderr.count("is there already") == 4
    assert result.stdout.endswith(f"1. How long?\n   {ANSWER}\n")
    for name in ("no/such/directory/x", "."):
        output = kb("session", "export", session, "--output", name)
        assert (output.exit_code, "has a defect" in output.stderr) == (1, False)


def test_an_answer_that_fails_is_said_and_the_chat_goes_on(kb, shop, session):
    shop.models.script[:] = [SERVER_ERROR] * 40  # of the model that embeds, too
    result = kb("chat", "--session", session, lines=["How long?", "/history"])
    shop.models.script.clear()
    again = kb("chat", "--session", session, lines=["How long, then?"])
    assert result.exit_code == 1
    assert result.stderr.splitlines()[1].startswith("Error: ")
    assert "No answer: " in result.stdout
    assert again.exit_code == 0
    turns = json.loads(kb("session", "show", session, "--json").stdout)["turns"]
    assert [turn["status"] for turn in turns] == ["failed", "complete"]


def test_a_terminal_streams_stops_and_goes_on(kb, shop, session):
    command = [sys.executable, "-m", "kb", "chat", "--session", session]
    with on_a_terminal(command, shop.folder, shop.environment()) as screen:
        _chat(screen, shop, session)

    turns = json.loads(kb("session", "show", session, "--json").stdout)["turns"]
    assert [(turn["status"], turn["answer"].strip()) for turn in turns] == [
        ("partial", "One"),
        ("complete", ANSWER),
    ]
    history = shop.folder / "state" / "kb" / "chat_history"
    assert stat.S_IMODE(history.stat().st_mode) == 0o600
    assert "+How long?" in history.read_text("utf-8")


def _chat(screen: Terminal, shop, session: str) -> None:
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
