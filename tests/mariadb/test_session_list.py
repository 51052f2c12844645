"""Chat sessions as data: listed, found, named, reset and deleted whole, on a real MariaDB."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
import sqlalchemy as sa

from stores.chats.chat_sessions import SessionStore, Turn
from stores.errors import StoreError
from stores.registry.schema import migrate
from stores.searches.search_log import Hit, LoggedSearch, SearchLog


@pytest.fixture
def sessions(engine: sa.Engine) -> SessionStore:
    migrate(engine)
    return SessionStore(engine)


def rows(engine: sa.Engine, query: str) -> list[tuple[object, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(query)]


def answered(sessions: SessionStore, session: str, question: str, answer: str = "Yes.") -> Turn:
    turn = uuid4().hex
    sessions.begin(session, turn, question)
    return sessions.finish(session, turn, answer=answer, status="complete")


def test_turns_are_paged_from_the_last(sessions):
    for number in range(5):
        answered(sessions, "s", str(number))
    assert [turn.number for turn in sessions.list_turns("s", limit=2)] == [4, 5]
    assert [turn.number for turn in sessions.list_turns("s", before=4, limit=2)] == [2, 3]
    assert sessions.list_turns("s", before=1) == sessions.list_turns("nobody's") == []
    assert sessions.list_turns("s", limit=0) == []


def test_the_title_is_the_first_question_cut_between_words_until_it_is_renamed(sessions):
    answered(sessions, "short", "  How \n long? ")
    answered(sessions, "short", "And then?")
    long = "What does our handbook say about returning a machine, and who pays?"
    answered(sessions, "long", long)
    answered(sessions, "wide", "x" * 100)
    assert sessions.one("short").title == "How long?"
    assert (
        sessions.one("long").title == "What does our handbook say about returning a machine, and…"
    )
    assert sessions.one("wide").title == "x" * 59 + "…"
    sessions.rename("short", "  Returns 🙂 ")
    answered(sessions, "short", "And now?")
    assert sessions.one("short").title == "Returns 🙂"
    for wrong in ("", " \n", "x" * 256):
        with pytest.raises(StoreError, match="needs 1 to 255"):
            sessions.rename("short", wrong)


def test_sessions_are_listed_last_used_first(sessions):
    for session in ("a", "b", "c"):
        answered(sessions, session, "Why?")
    answered(sessions, "a", "Why not?")
    assert [(each.id, each.turns) for each in sessions.list_sessions()] == [
        ("a", 2),
        ("c", 1),
        ("b", 1),
    ]
    assert [each.id for each in sessions.list_sessions(limit=1)] == ["a"]


def test_a_session_belongs_to_its_user(sessions):
    sessions.begin("s", "t", "Why?", user="ann")
    sessions.begin("mine", "t", "Why?")
    for other in ("bob", None, "Ann"):
        with pytest.raises(StoreError, match="another user"):
            sessions.begin("s", "t2", "Who?", user=other)
    assert [each.id for each in sessions.list_sessions(user="ann")] == ["s"]
    assert {each.id for each in sessions.list_sessions()} == {"s", "mine"}
    assert [each.id for each in sessions.list_sessions(everybody=False)] == ["mine"]
    assert [each.id for each in sessions.list_sessions(everybody=False, search="why")] == ["mine"]
    assert [each.id for each in sessions.list_sessions(user="ann", everybody=False)] == ["s"]
    assert sessions.list_sessions(user="ann", search="why") != []
    assert sessions.list_sessions(user="bob", search="why") == []


def test_a_search_finds_words_in_titles_questions_and_answers(sessions):
    answered(sessions, "returns", "Retours ?", "Les clients ont 30 jours pour l'échange.")
    answered(
        sessions, "late", "Which orders are late?", "x " * 500 + "Order 17 is late. " + "y " * 500
    )
    answered(sessions, "odd", "100%_\\ sure, \"quoted\" 'and' done?")
    sessions.rename("odd", "Strange things")

    def ids(search: str) -> set[str]:
        return {each.id for each in sessions.list_sessions(search=search)}

    assert ids("ECHANGE jours") == {"returns"}
    assert ids("jours late") == set()
    assert ids("strange") == {"odd"}
    for literal in ("100%_\\", "0%", "\\", '"quoted"', "'and'"):
        assert ids(literal) == {"odd"}, literal
    assert ids("%") == {"odd"}
    [late] = sessions.list_sessions(search="17")
    assert "Order 17 is late." in late.excerpt
    assert len(late.excerpt) <= 200
    assert ids("  ") == {"returns", "late", "odd"}
    assert ids("' OR 1=1 -- :x") == set()


def test_deleting_a_session_deletes_everything_of_it_and_nothing_else(sessions, engine):
    migrate(engine)
    log = SearchLog(engine)
    for session in ("s", "kept"):
        turn = answered(sessions, session, "Why?")
        log.add([LoggedSearch("default", 1.0, [Hit("a", "A", 0.5)], session_id=session)])
        log.rate(log.find_last().id, 1)
        log.rate_turn(session, turn.id, -1)
    forgotten: list[str] = []
    SessionStore(engine, lambda connection, session: forgotten.append(session)).delete("s")
    assert forgotten == ["s"]
    for table in ("kb_turn", "kb_message", "kb_search", "kb_feedback"):
        found = rows(
            engine, f"SELECT DISTINCT session_id FROM {table} WHERE session_id IS NOT NULL"
        )
        assert found == [("kept",)], table
    assert rows(engine, "SELECT COUNT(*) FROM kb_search_hit") == [(1,)]
    assert [each.id for each in sessions.list_sessions()] == ["kept"]
    with pytest.raises(StoreError, match="no session 's'"):
        sessions.delete("s")


def test_a_deletion_that_fails_deletes_nothing(sessions, engine):
    answered(sessions, "s", "Why?")

    def fail(connection: sa.Connection, session: str) -> None:
        raise StoreError("the memory is stuck")

    with pytest.raises(StoreError, match="stuck"):
        SessionStore(engine, fail).delete("s")
    assert len(sessions.list_turns("s")) == 1


def test_an_answer_to_a_session_that_was_deleted_is_refused(sessions):
    sessions.begin("s", "t", "Why?")
    sessions.reset("s")
    with pytest.raises(StoreError, match="has no turn 't'"):
        sessions.finish("s", "t", answer="Because.", status="complete")
    sessions.delete("s")
    with pytest.raises(StoreError, match="no session 's'"):
        sessions.finish("s", "t", answer="Because.", status="complete")


def test_a_reset_session_begins_anew(sessions):
    why = answered(sessions, "s", "Why?")
    sessions.remember("s", why, lambda _, memory: {"summary": "they asked why"})
    sessions.reset("s")
    assert (sessions.list_turns("s"), sessions.read_memory("s")) == ([], {})
    assert sessions.one("s").title == ""
    assert answered(sessions, "s", "How?").number == 1
    assert sessions.one("s").title == "How?"


def test_what_is_remembered_is_changed_by_one_at_a_time(sessions):
    why = answered(sessions, "s", "Why?")

    def count(_: int) -> None:
        sessions.remember("s", why, lambda _, memory: {"count": memory.get("count", 0) + 1})

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(count, range(24)))
    assert sessions.read_memory("s") == {"count": 24}
    with pytest.raises(StoreError, match="no session 'x'"):
        sessions.remember("x", why, lambda _, memory: memory)


def test_nothing_is_remembered_of_a_turn_that_is_no_longer_there(sessions):
    gone = answered(sessions, "s", "Why?")
    sessions.reset("s")
    sessions.begin("s", gone.id, "Why?")
    with pytest.raises(StoreError, match="has no turn"):
        sessions.remember("s", gone, lambda *_: {"summary": "they asked why"})
    assert sessions.read_memory("s") == {}


@pytest.mark.parametrize("gone", ["reset", "delete"])
def test_an_answer_that_comes_too_late_takes_its_search_with_it(sessions, engine, gone):
    sessions.begin("s", "t", "Why?")
    getattr(sessions, gone)("s")
    log = SearchLog(engine)
    late = LoggedSearch("default", 1.0, [], question="Why?", session_id="s")
    other = LoggedSearch("default", 1.0, [], question="Who?", session_id="other")
    log.add([late, other])
    with pytest.raises(StoreError):
        sessions.finish(
            "s", "t", answer="x", status="complete", evidence={"search": {"id": late.id}}
        )
    assert rows(engine, "SELECT id FROM kb_search") == [(other.id,)]


def test_old_sessions_are_removed_by_their_last_use(sessions, engine):
    for session in ("old", "used", "new"):
        answered(sessions, session, "Why?")
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE kb_session SET updated_at = updated_at - INTERVAL 31 DAY WHERE id <> 'new'"
        )
    answered(sessions, "used", "Still?")
    assert sessions.remove_older_than(30) == 1
    assert {each.id for each in sessions.list_sessions()} == {"used", "new"}
    assert sessions.remove_older_than(30) == 0


def test_sessions_are_paged_behind_a_place_pinned_ones_first(sessions):
    for session in "abcdef":
        answered(sessions, session, "Why?")
    for session in "ad":
        sessions.pin(session)
    paged, place = [], None
    while page := sessions.list_sessions(after=place, limit=2):
        paged += [each.id for each in page]
        place = page[-1].place
        if len(paged) == 4:
            answered(sessions, "a", "Why not?")  # what moves up is neither repeated nor in the way
    assert paged == ["d", "a", "f", "e", "c", "b"]
    sessions.pin("d", is_pinned=False)
    assert [each.id for each in sessions.list_sessions(search="why", limit=2)] == ["a", "f"]
    assert [each.is_pinned for each in sessions.list_sessions()][:2] == [True, False]


def test_sessions_are_found_by_their_tags(sessions):
    for session in "abc":
        answered(sessions, session, "Why?")
    sessions.tag("a", ["  Sales  2026 ", 'a "quoted" one', "Sales 2026"])
    sessions.tag("b", ["Sales 2026"])
    assert sessions.one("a").tags == ("Sales 2026", 'a "quoted" one')
    assert [each.id for each in sessions.list_sessions(tag="Sales 2026")] == ["b", "a"]
    assert [each.id for each in sessions.list_sessions(tag='a "quoted" one', search="why")] == ["a"]
    assert sessions.list_sessions(tag="sales") == []
    assert sessions.count_tags() == {"Sales 2026": 2, 'a "quoted" one': 1}
    assert sessions.count_tags("ann") == {}
    sessions.tag("b", [])
    assert sessions.one("b").tags == ()
    for wrong in (["x" * 61], [" "], [str(number) for number in range(21)]):
        with pytest.raises(StoreError, match="at most 20 tags of 1 to 60"):
            sessions.tag("a", wrong)


def test_a_deleted_session_is_brought_back_until_it_is_gone_for_good(sessions):
    for session in "ab":
        answered(sessions, session, "Why?")
    assert sessions.mark_deleted(["a", "b", "c"]) == 2
    assert sessions.list_sessions() == sessions.list_sessions(search="why") == []
    with pytest.raises(StoreError, match="no session 'a'"):
        sessions.one("a")
    assert sessions.bring_back(["a"]) == 1
    assert [each.id for each in sessions.list_sessions()] == ["a"]
    assert sessions.remove_deleted() == 0, "it is too early"
    assert sessions.remove_deleted(minutes=0) == 1
    assert sessions.bring_back(["b"]) == 0
    assert sessions.list_turns("b") == []


def test_others_neither_delete_a_session_nor_bring_it_back(sessions):
    sessions.begin("s", "t", "Why?", user="ann")
    assert sessions.mark_deleted(["s"], "bob") == 0
    assert sessions.mark_deleted(["s"], "ann") == 1
    assert sessions.bring_back(["s"], "bob") == 0
    assert sessions.bring_back(["s"], "ann") == 1


def test_the_id_of_a_deleted_session_is_free(sessions):
    answered(sessions, "s", "Why?")
    sessions.mark_deleted(["s"])
    answered(sessions, "s", "Who?")
    assert [turn.question for turn in sessions.list_turns("s")] == ["Who?"]
    assert sessions.bring_back(["s"]) == 0


def test_a_version_that_is_not_chosen_is_not_found(sessions):
    answered(sessions, "s", "About zebras?", "They run.")
    [turn] = sessions.list_turns("s")
    sessions.begin("s", "u", "About lions?", replaces=turn.id)
    sessions.rename("s", "Animals")
    assert sessions.list_sessions(search="zebras") == sessions.list_sessions(search="run") == []
    assert [each.id for each in sessions.list_sessions(search="lions")] == ["s"]
    sessions.finish("s", "u", answer="They sleep.", status="complete")
    sessions.choose_version("s", turn.id)
    assert [each.id for each in sessions.list_sessions(search="zebras")] == ["s"]
