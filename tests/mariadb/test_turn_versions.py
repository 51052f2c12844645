"""Versions of a turn: one is current with what followed it, and the others stay to be looked at."""

import pytest
import sqlalchemy as sa

from stores.chats.chat_sessions import SessionStore
from stores.errors import StoreError, TurnUnderWay
from stores.registry.schema import migrate


@pytest.fixture
def sessions(engine: sa.Engine) -> SessionStore:
    migrate(engine)
    return SessionStore(engine)


def ask(sessions: SessionStore, turn: str, replaces: str | None = None) -> None:
    sessions.begin("s", turn, f"{turn}?", replaces=replaces)
    sessions.finish("s", turn, answer=f"{turn}.", status="complete")


def current(sessions: SessionStore) -> list[str]:
    return [turn.id for turn in sessions.list_turns("s")]


def said(sessions: SessionStore) -> list[str]:
    return [message.content or "" for message in sessions.read_history("s")]


def test_another_version_takes_the_place_of_a_turn_and_of_what_followed(sessions):
    for turn in "abc":
        ask(sessions, turn)
    ask(sessions, "B", replaces="b")
    assert current(sessions) == ["a", "B"]
    assert said(sessions) == ["a?", "a.", "B?", "B."]
    assert sessions.read_turn("s", "c").answer == "c.", "it can still be looked at"
    ask(sessions, "D")
    assert current(sessions) == ["a", "B", "D"]
    assert sessions.list_versions("s") == {
        "a": ["a"],
        "b": ["b", "B"],
        "B": ["b", "B"],
        "c": ["c"],
        "D": ["D"],
    }
    assert sessions.one("s").turns == 3


def test_a_version_that_is_chosen_comes_back_with_what_followed_it(sessions):
    for turn in "abc":
        ask(sessions, turn)
    ask(sessions, "B", replaces="b")
    ask(sessions, "D")
    sessions.choose_version("s", "b")
    assert current(sessions) == ["a", "b", "c"]
    assert said(sessions) == ["a?", "a.", "b?", "b.", "c?", "c."]
    sessions.choose_version("s", "B")
    assert current(sessions) == ["a", "B", "D"]
    sessions.choose_version("s", "c")
    assert current(sessions) == ["a", "b", "c"]
    ask(sessions, "e")
    assert current(sessions) == ["a", "b", "c", "e"]


def test_the_first_turn_has_versions_too_and_the_last_of_a_place_is_gone_on_with(sessions):
    ask(sessions, "a")
    ask(sessions, "b")
    ask(sessions, "A", replaces="a")
    assert current(sessions) == ["A"]
    ask(sessions, "B", replaces="A")
    assert sessions.list_versions("s")["a"] == ["a", "A", "B"]
    sessions.choose_version("s", "a")
    ask(sessions, "c", replaces="b")
    sessions.choose_version("s", "A")
    sessions.choose_version("s", "a")
    assert current(sessions) == ["a", "c"]


def test_what_is_remembered_is_of_the_current_turns(sessions):
    forgotten: list[str] = []
    store = SessionStore(sessions.engine, lambda _, session: forgotten.append(session))
    for turn in "ab":
        ask(store, turn)
    before = store.read_turn("s", "b")
    store.remember("s", before, lambda *_: {"summary": "of b", "taken": 2})
    ask(store, "B", replaces="b")
    assert (store.read_memory("s"), forgotten) == ({}, ["s"])
    with pytest.raises(StoreError, match="has no turn 'b'"):
        store.remember("s", before, lambda *_: {"summary": "too late", "taken": 2})
    store.choose_version("s", "b")
    assert forgotten == ["s", "s"]
    store.remember("s", before, lambda *_: {"summary": "of b again", "taken": 2})


def test_a_failed_turn_is_not_said_again_with_its_version(sessions):
    ask(sessions, "a")
    sessions.begin("s", "b", "b?")
    sessions.finish("s", "b", answer="", status="failed")
    ask(sessions, "B", replaces="b")
    sessions.choose_version("s", "b")
    assert said(sessions) == ["a?", "a."]


def test_nothing_changes_while_a_turn_is_answered_or_for_one_that_is_not_there(sessions):
    ask(sessions, "a")
    with pytest.raises(StoreError, match="no turn 'none'"):
        sessions.begin("s", "b", "b?", replaces="none")
    with pytest.raises(StoreError, match="has no turn 'none'"):
        sessions.choose_version("s", "none")
    sessions.begin("s", "b", "b?")
    with pytest.raises(TurnUnderWay):
        sessions.begin("s", "A", "A?", replaces="a")
    with pytest.raises(TurnUnderWay):
        sessions.choose_version("s", "a")
    assert current(sessions) == ["a", "b"]
    sessions.finish("s", "b", answer="", status="failed")
    ask(sessions, "A", replaces="a")
    with pytest.raises(StoreError, match="Another version of the turn 'b'"):
        sessions.begin("s", "b", "b?")


def test_the_same_question_twice_is_one_version(sessions):
    ask(sessions, "a")
    ask(sessions, "A", replaces="a")
    ask(sessions, "A", replaces="a")
    assert sessions.list_versions("s")["a"] == ["a", "A"]


def test_turns_of_before_follow_each_other(sessions):
    for turn in "abc":
        ask(sessions, turn)
    with sessions.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE kb_turn SET parent = NULL")
    ask(sessions, "B", replaces="b")
    assert current(sessions) == ["a", "B"]
    sessions.choose_version("s", "c")
    assert current(sessions) == ["a", "b", "c"]
