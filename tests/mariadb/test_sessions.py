"""Chat sessions on a real MariaDB: turns in order, each once, and kept whole."""

import math
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
import sqlalchemy as sa
from programs import in_another_process

from stores.chats.chat_sessions import SessionStore, Turn
from stores.chats.turns import ABANDONED, make_owner
from stores.errors import StoreError, TurnUnderWay
from stores.registry.schema import migrate

PROGRAM = """
    from stores.chats.chat_sessions import SessionStore
    sessions = SessionStore(engine)
"""
HOSTILE = (
    "' OR 1=1 --",
    "a\0b\x1b[31m\r\n\t\\",
    "🙂👩‍👩‍👧 Œuvre",
    "%_\\%",
    "../../etc/passwd",
    "x" * 190,
    " ",
    "null",
)


@pytest.fixture
def sessions(engine: sa.Engine) -> SessionStore:
    migrate(engine)
    return SessionStore(engine)


def answered(
    sessions: SessionStore, session: str, question: str, answer: str = "Yes.", **more: object
) -> Turn:
    turn = uuid4().hex
    sessions.begin(session, turn, question)
    return sessions.finish(session, turn, answer=answer, **{"status": "complete", **more})  # type: ignore[arg-type]  # of any type


def first(sessions: SessionStore) -> Turn:
    return sessions.list_turns("s")[0]


def test_a_turn_is_stored_before_it_is_answered_and_then_with_its_evidence(sessions):
    turn, is_new = sessions.begin("s", "t1", "How long can I return it?")
    assert is_new
    assert (turn.number, turn.status, turn.answer) == (1, "open", "")
    assert turn.answered_at is None
    assert sessions.list_turns("s") == [turn]

    evidence = {"route": "documents", "citations": [{"number": 1, "title": "Returns"}]}
    finished = sessions.finish(
        "s", "t1", answer="30 days [1].", status="complete", standalone="How long …?",
        rewritten_by="model", evidence=evidence, model="fake", prompt_tokens=7, completion_tokens=3,
    )  # fmt: skip
    assert sessions.list_turns("s") == [finished]
    assert first(sessions) == finished
    assert (finished.question, finished.answer) == ("How long can I return it?", "30 days [1].")
    assert (finished.status, finished.error, finished.evidence) == ("complete", None, evidence)
    assert (finished.standalone, finished.rewritten_by) == ("How long …?", "model")
    assert (finished.model, finished.prompt_tokens, finished.completion_tokens) == ("fake", 7, 3)
    assert finished.answered_at >= finished.asked_at


def test_the_same_turn_is_stored_once_and_gives_its_answer(sessions):
    sessions.begin("s", "t", "Why?")
    first = sessions.finish("s", "t", answer="Because.", status="complete")
    assert sessions.begin("s", "t", "Why?") == (first, False)
    assert sessions.finish("s", "t", answer="Other.", status="failed", error="late") == first
    assert sessions.list_turns("s") == [first]
    with pytest.raises(StoreError, match="asks something else"):
        sessions.begin("s", "t", "Who?")


def test_a_turn_that_is_being_answered_is_not_answered_twice(sessions):
    sessions.begin("s", "t", "Why?")
    with pytest.raises(TurnUnderWay, match="'t' is being answered"):
        sessions.begin("s", "t", "Why?")


@pytest.mark.parametrize("status", ["failed", "partial"])
def test_a_turn_that_failed_or_was_cut_is_answered_again(sessions, status):
    sessions.begin("s", "t", "Why?")
    sessions.finish("s", "t", answer="Beca", status=status, error="the stream was cut")
    again, is_new = sessions.begin("s", "t", "Why?")
    assert is_new
    assert (again.status, again.error, again.number) == ("open", None, 1)
    sessions.finish("s", "t", answer="Because.", status="complete")
    [turn] = sessions.list_turns("s")
    assert (turn.answer, turn.status, turn.error) == ("Because.", "complete", None)


def test_an_open_turn_of_long_ago_is_taken_over_and_a_late_answer_still_counts(sessions, engine):
    sessions.begin("s", "t", "Why?")
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE kb_turn SET asked_at = asked_at - INTERVAL 11 MINUTE")
    sessions.begin("s", "t2", "And now?")
    assert (first(sessions).status, first(sessions).error) == ("failed", ABANDONED)
    assert sessions.begin("s", "t", "Why?")[1]
    late = sessions.finish("s", "t", answer="Because.", status="complete")
    assert (late.status, late.answer) == ("complete", "Because.")


def test_who_lost_a_turn_does_not_end_it(sessions, engine):
    sessions.begin("s", "t", "Why?", owner=(slow := make_owner()))
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE kb_turn SET asked_at = asked_at - INTERVAL 11 MINUTE")
    sessions.begin("s", "t", "Why?", owner=(quick := make_owner()))
    for _ in range(2):
        with pytest.raises(StoreError, match="somebody else answers it"):
            sessions.finish("s", "t", answer="Too late", status="partial", owner=slow)
        ended = sessions.finish("s", "t", answer="Because.", status="complete", owner=quick)
        assert (ended.status, ended.answer) == ("complete", "Because.")


def test_a_killed_process_leaves_its_question_and_another_takes_it_over(sessions, engine):
    killed = in_another_process(
        engine,
        PROGRAM + "    sessions.begin('s', 't', 'Why?')\n    print('begun', flush=True)\n"
        "    sys.stdin.read()",
    )
    with killed:
        assert killed.stdout.readline() == "begun\n"
        with pytest.raises(TurnUnderWay):
            sessions.begin("s", "t", "Why?")
        os.kill(killed.pid, signal.SIGKILL)
        killed.wait()
    assert first(sessions).status == "open"

    other, _ = sessions.begin("s", "t2", "And you?")
    assert other.number == 2
    left = first(sessions)
    assert (left.question, left.status, left.error) == ("Why?", "failed", ABANDONED)

    turn, is_new = sessions.begin("s", "t", "Why?")
    assert is_new
    assert (turn.number, turn.status) == (1, "open")


@pytest.mark.slow
def test_two_processes_number_the_turns_of_a_session_in_the_order_of_arrival(sessions, engine):
    work = """
    for count in range(20):
        turn = f"{name}-{count}"
        print(sessions.begin("s", turn, f"question {turn}")[0].number)
        sessions.finish("s", turn, answer=f"answer {turn}", status="complete")
    """
    writers = [in_another_process(engine, f"{PROGRAM}    name = {n!r}\n{work}") for n in "ab"]
    numbers = [[int(line) for line in writer.communicate()[0].split()] for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0]
    assert sorted(numbers[0] + numbers[1]) == list(range(1, 41))
    turns = sessions.list_turns("s")
    assert [turn.number for turn in turns] == list(range(1, 41))
    for name, given in zip("ab", numbers, strict=True):
        assert [turn.id for turn in turns if turn.number in given] == [
            f"{name}-{count}" for count in range(20)
        ]
    assert all(turn.answer == turn.question.replace("question", "answer") for turn in turns)


def test_many_threads_write_many_sessions_without_mixing_them(sessions):
    def talk(session: int) -> None:
        for number in range(1, 6):
            turn, _ = sessions.begin(f"s{session}", f"t{number}", f"question {session}/{number}")
            assert turn.number == number
            sessions.finish(
                f"s{session}", f"t{number}", answer=f"answer {session}/{number}", status="complete"
            )

    with ThreadPoolExecutor(64) as threads:
        list(threads.map(talk, range(64)))
    assert len(sessions.list_sessions()) == 64
    for session in range(64):
        said = [(turn.question, turn.answer) for turn in sessions.list_turns(f"s{session}")]
        assert said == [(f"question {session}/{n}", f"answer {session}/{n}") for n in range(1, 6)]


def test_many_threads_that_retry_one_turn_store_it_once(sessions):
    gate = threading.Barrier(16)

    def ask(_: int) -> str:
        gate.wait()
        try:
            return "new" if sessions.begin("s", "t", "Why?")[1] else "known"
        except TurnUnderWay:
            return "under way"

    with ThreadPoolExecutor(16) as threads:
        outcomes = list(threads.map(ask, range(16)))
    assert (outcomes.count("new"), outcomes.count("under way")) == (1, 15)
    assert len(sessions.list_turns("s")) == 1


def test_a_commit_whose_word_got_lost_is_not_taken_for_somebody_elses(sessions, engine):
    """The connection dies after the server committed, and the driver is told nothing."""
    dialect = engine.dialect
    lost = []
    commit = dialect.do_commit

    def commit_and_die(connection: object) -> None:
        commit(connection)
        if not lost:
            lost.append(True)
            raise dialect.dbapi.OperationalError("socket error: connection lost")

    dialect.do_commit = commit_and_die
    turn, is_new = sessions.begin("s", "t", "Why?")
    assert lost
    assert is_new
    assert sessions.list_turns("s") == [turn]
    lost.clear()
    sessions.finish("s", "t", answer="Because.", status="complete")
    assert lost
    assert [each.answer for each in sessions.list_turns("s")] == ["Because."]


def test_a_connection_that_is_killed_within_a_transaction_loses_nothing(sessions, engine):
    killed = []

    @sa.event.listens_for(engine, "before_cursor_execute")
    def kill(connection, cursor, statement, *_):
        if "INSERT INTO kb_turn" in statement and not killed:
            cursor.execute("SELECT CONNECTION_ID()")
            killed.append(cursor.fetchone()[0])
            with engine.connect() as other:
                other.exec_driver_sql(f"KILL {killed[0]}")

    sessions.begin("s", "t", "Why?")
    assert killed
    assert [turn.question for turn in sessions.list_turns("s")] == ["Why?"]


def test_two_that_lock_each_other_out_are_tried_again(sessions, engine):
    answered(sessions, "s", "Why?")
    answered(sessions, "other", "Why?")
    refused, waited, gate = [], set(), threading.Barrier(2, timeout=10)
    sa.event.listen(engine, "handle_error", refused.append)

    def cross(first: str, second: str) -> None:
        def forget(connection, session):
            if first not in waited:  # but not in the attempt after the refused one
                waited.add(first)
                gate.wait()
            connection.exec_driver_sql(
                f"SELECT id FROM kb_session WHERE id = '{second}' FOR UPDATE"
            )

        SessionStore(engine, forget).reset(first)

    with ThreadPoolExecutor(2) as threads:
        both = [threads.submit(cross, "s", "other"), threads.submit(cross, "other", "s")]
        for each in both:
            each.result()
    assert refused
    assert sessions.list_turns("s") == sessions.list_turns("other") == []


@pytest.mark.parametrize("hostile", HOSTILE, ids=range(len(HOSTILE)))
def test_any_text_is_an_id_and_compares_byte_by_byte(sessions, hostile):
    answered(sessions, hostile, "mine?")
    for other in (hostile[:-1] + "y", "S", "s", "ß", "ss"):
        answered(sessions, other, "another's?")
    assert [turn.question for turn in sessions.list_turns(hostile)] == ["mine?"]
    assert sessions.one(hostile).id == hostile
    sessions.delete(hostile)
    assert sessions.list_turns(hostile) == []
    assert len(sessions.list_sessions()) == 5


def test_what_is_no_id_is_refused(sessions):
    for wrong, reason in (
        ("", "not empty"),
        (None, "not empty"),
        ("x" * 191, "191 characters"),
        ("a\ud800", "half a character"),
    ):
        with pytest.raises(StoreError, match=reason):
            sessions.begin(wrong, "t", "Why?")
        with pytest.raises(StoreError, match=reason):
            sessions.begin("s", wrong, "Why?")
    assert sessions.list_sessions() == []


def test_any_words_survive(sessions):
    texts = ["", "x" * 5_000_000, "```sql\nSELECT '\\\"' -- %s :name\n```", *HOSTILE]
    for text in texts:
        turn = answered(sessions, "s", text, text, error=text[:1000], standalone=text)
        assert (turn.question, turn.answer, turn.standalone) == (text, text, text)
    assert [turn.answer for turn in sessions.list_turns("s")] == texts


def test_halves_of_characters_are_joined_or_replaced_never_lost(sessions):
    turn = answered(sessions, "s", "a\ud83d\ude42b \ud800", "\udfff", evidence={"\ud800": "\ud800"})
    assert (turn.question, turn.answer) == ("a🙂b �", "�")
    assert turn.evidence == {"�": "�"}


def test_words_that_the_server_cannot_take_are_refused_before_they_are_acknowledged(sessions):
    with pytest.raises(StoreError, match="at most 16 MB"):
        sessions.begin("s", "t", "x" * 17_000_000)
    assert sessions.list_sessions() == []


def test_a_mapping_of_one_key_is_never_taken_for_a_type(sessions):
    names = ("date", "datetime", "time", "seconds", "decimal", "bytes", "float", "mapping")
    values = ("2025-01-01", "2025-01-01T10:00:00", "10:00", 3, "12.5", "00ff", "nan", ["a", 1])
    evidence = {
        "parameters": [{name: value} for name, value in zip(names, values, strict=True)],
        "typed": [{"date": date(2025, 1, 1)}, {"mapping": {"mapping": {"mapping": 1}}}],
    }
    turn = answered(sessions, "s", "When?", evidence=evidence)
    assert turn.evidence == evidence


def test_evidence_of_before_is_read(sessions, engine):
    answered(sessions, "s", "When?")
    with engine.begin() as connection:
        connection.exec_driver_sql(
            """UPDATE kb_turn SET evidence = '{"a": {"date": "2025-01-01"}, "mapping": {}}'"""
        )
    [turn] = sessions.list_turns("s")
    assert turn.evidence == {"a": date(2025, 1, 1), "mapping": {}}


def test_evidence_comes_back_with_its_types(sessions):
    evidence = {
        "rows": [[Decimal("12.50"), date(2026, 1, 2), datetime(2026, 1, 2, 3, 4, 5, 6)]],  # noqa: DTZ001 - the database's times are UTC
        "more": [time(1, 2), timedelta(hours=30), b"\x00\xff", 0.1, 2**70, True, None],
        "timings": {"answer": 1.5},
        "like a type": [{"date": "soon"}, {"decimal": {}}, {"number": 1}],
        "infinite": math.inf,
    }
    turn = answered(sessions, "s", "How much?", evidence=evidence)
    assert turn.evidence == evidence
    assert math.isnan(answered(sessions, "s", "?", evidence={"x": math.nan}).evidence["x"])
    assert answered(sessions, "s", "?", evidence={1: (1, 2)}).evidence == {"1": [1, 2]}
    assert "object at" in answered(sessions, "s", "?", evidence={"odd": object()}).evidence["odd"]


def test_progress_is_stored_by_the_process_that_answers_alone(sessions):
    sessions.begin("s", "t", "Why?")
    assert sessions.note_progress("s", "t", said="Because ") is False
    assert (
        sessions.note_progress("s", "t", said="Because of ", evidence={"a": date(2026, 1, 2)})
        is False
    )
    turn = sessions.read_turn("s", "t")
    assert (turn.status, turn.answer) == ("open", "Because of ")
    assert turn.evidence == {"a": date(2026, 1, 2)}
    sessions.ask_to_stop("s", "t")
    assert sessions.note_progress("s", "t", said="Because of ") is True
    sessions.begin("s", "other", "Why?", owner="elsewhere:1:0")
    assert sessions.note_progress("s", "other", said="I say") is False
    assert sessions.read_turn("s", "other").answer == ""
    ended = sessions.finish("s", "t", answer="Because.", status="complete")
    assert sessions.note_progress("s", "t", said="Too late") is False
    assert sessions.read_turn("s", "t") == ended
    for session, turn_id in (("s", "unknown"), ("nowhere", "t")):
        with pytest.raises(StoreError, match=r"There is no session|has no turn"):
            sessions.ask_to_stop(session, turn_id)


def test_a_turn_of_a_machine_that_says_nothing_more_ends_with_what_it_said(sessions):
    sessions.begin("s", "t", "Why?", owner="elsewhere:1:0")
    silent_for(sessions, 20)
    assert sessions.read_turn("s", "t").status == "open"
    silent_for(sessions, 40)
    turn = sessions.read_turn("s", "t")
    assert (turn.status, turn.answer, turn.error) == ("partial", "Because", ABANDONED)
    assert [message.content for message in sessions.read_history("s")] == ["Why?", "Because"]
    ended = sessions.finish("s", "t", answer="Because.", status="complete", owner="elsewhere:1:0")
    assert (ended.status, ended.answer) == ("complete", "Because.")
    assert [message.content for message in sessions.read_history("s")] == ["Why?", "Because."]
    sessions.begin("s", "mine", "And now?")
    silent_for(sessions, 40)
    assert sessions.read_turn("s", "mine").status == "open", "this process lives, as one can see"


def silent_for(sessions: SessionStore, seconds: int) -> None:
    """As if what answers the open turns had given its last sign of life then."""
    with sessions.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE kb_turn SET said = 'Because', beat_at = UTC_TIMESTAMP(6) - INTERVAL "
            f"{seconds} SECOND WHERE status = 'open'"
        )
