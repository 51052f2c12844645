"""Stored chats: listed, found, shown, renamed, exported, deleted and pruned."""

import json
import re

import pytest
import yaml

from kb import KnowledgeBase

ANSWER = "You have 30 days [1]."


def test_sessions_are_listed_found_shown_renamed_exported_and_deleted(kb, shop, session):
    other = f"{session} 'odd' \u20ac"
    kb("chat", "--session", session, lines=["How long can I return it?"])
    kb("chat", "--session", other, lines=["Où est le café ?"])
    listed = json.loads(kb("session", "list", "--json").stdout)
    assert [each["id"] for each in listed[:2]] == [other, session]
    assert listed[1].keys() == {
        "id",
        "title",
        "created",
        "updated",
        "turns",
        "user",
        "is_pinned",
        "tags",
    }
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


def test_the_last_session_is_one_of_nobody_else(kb, session):
    kb("chat", "--session", session, lines=["How long?"])
    with KnowledgeBase.open() as knowledge_base:
        knowledge_base.chat(f"{session}-ann", user="ann").chat("What did Ann ask?")
    assert kb("chat", "--last").stderr == f"Session {session}, 1 question.\n"
    listed = kb("session", "list", "--limit", "2").stdout
    assert re.match(r"Session +User +Last used", listed)
    assert re.search(rf"^{session}-ann +ann ", listed, re.MULTILINE)


def test_feedback_of_a_turn_is_kept_and_goes_with_its_session(kb, shop, session):
    def kept() -> list[tuple[object, ...]]:
        with (
            KnowledgeBase.open() as knowledge_base,
            knowledge_base.components.engine.connect() as connection,
        ):
            rows = connection.exec_driver_sql(
                f"SELECT rating, comment FROM kb_feedback WHERE session_id = '{session}'"
            )
            return [tuple(row) for row in rows]

    kb("chat", "--session", session, lines=["How long?", "/down too short"])
    assert kept() == [(-1, "too short")]
    kb("session", "delete", session, "--yes")
    assert kept() == []


def age(session: str, days: int) -> None:
    with (
        KnowledgeBase.open() as knowledge_base,
        knowledge_base.components.engine.begin() as connection,
    ):
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


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("chat", "--session", "x", "--last"), "not both"),
        (("chat", "--source", "nowhere"), "'nowhere' is not one of"),
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


def test_chats_of_before_the_first_key_are_given_to_it(kb, session):
    kb("chat", "--session", session, lines=["How long?"])
    assert "no key 'ana'" in kb("session", "adopt", "ana").stderr
    kb("key", "create", "ana", "--scope", "admin")
    adopted = json.loads(kb("session", "adopt", "ana", "--json").stdout)
    assert adopted["key"] == "ana"
    assert adopted["adopted"] >= 1
    with KnowledgeBase.open() as knowledge_base:
        assert session in [each.id for each in knowledge_base.sessions(user="ana")]
        [turn] = knowledge_base.chat(session, user="ana").turns
        search = turn.evidence["search"]["id"]
        assert knowledge_base.considered(search, user="ana")
    assert kb("session", "adopt", "ana").stdout.startswith("0 sessions belong to the key ana")
    kb("key", "revoke", "ana")
