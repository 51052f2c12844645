"""The log of searches: what it keeps, what it leaves out, and what cannot stop a search."""

import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
import sqlalchemy as sa

from stores.connection import run_transaction
from stores.errors import StoreError
from stores.log_writer import LogWriter
from stores.registry.schema import migrate
from stores.searches.search_log import Hit, LoggedSearch, SearchLog

HITS = [Hit("a", "A", 0.9), Hit("b", "B", 0.5), Hit("c", None, 0.1)]
FORGET = "DELETE FROM kb_search WHERE searched_at < UTC_TIMESTAMP() - INTERVAL 90 DAY"


@pytest.fixture
def log(engine: sa.Engine) -> SearchLog:
    migrate(engine)
    return SearchLog(engine)


def logged(log: SearchLog, hits: list[Hit] = HITS, **fields: object) -> str:
    search = LoggedSearch(**{"profile": "default", "milliseconds": 12.5, "hits": hits, **fields})  # type: ignore[arg-type]  # fields are of any type
    log.add([search])
    return search.id


def rows(log: SearchLog, table: str) -> list[dict[str, object]]:
    with log.engine.connect() as connection:
        return [
            dict(row) for row in connection.exec_driver_sql(f"SELECT * FROM {table}").mappings()
        ]


def execute(log: SearchLog, statement: str) -> None:
    run_transaction(log.engine, lambda connection: connection.exec_driver_sql(statement))


def test_a_search_is_kept_with_its_hits_in_order(log):
    search_id = logged(
        log, question="How long?", language="en", kind="question", session_id="s1"
    )  # fmt: skip
    [search] = rows(log, "kb_search")
    assert search["id"] == search_id
    assert search["question"] == "How long?"
    assert (search["session_id"], search["profile"]) == ("s1", "default")
    assert (search["language"], search["kind"]) == ("en", "question")
    assert (search["milliseconds"], search["results"]) == (12.5, 3)
    assert log.list_hits(search_id) == [
        Hit("a", "A", pytest.approx(0.9)), Hit("b", "B", 0.5), Hit("c", None, pytest.approx(0.1))
    ]  # fmt: skip
    assert [hit["cited"] for hit in rows(log, "kb_search_hit")] == [0, 0, 0]


def test_a_search_without_results_is_logged(log):
    assert log.list_hits(logged(log, [])) == []
    assert log.find_last().results == 0


def test_the_last_search_is_the_one_that_was_logged_last(log):
    with pytest.raises(StoreError, match="Search first"):
        log.find_last()
    ids = [logged(log) for _ in range(3)]
    assert log.find_last().id == ids[-1]


def test_a_passage_is_clicked_by_rank_or_by_chunk(log):
    search_id = logged(log)
    log.rate(search_id, clicked=2)
    log.rate(search_id, clicked="c")
    clicks = [(row["clicked_rank"], row["clicked_chunk"]) for row in rows(log, "kb_feedback")]
    assert clicks == [(2, "b"), (3, "c")]


def test_a_passage_of_an_answer_is_clicked_by_the_number_that_cites_it(log):
    search_id = logged(log, [Hit("a", "A", 0.9), Hit("b", "B", 0.5, 2), Hit("c", "C", 0.4, 1)])
    log.rate(search_id, clicked=1)
    [click] = rows(log, "kb_feedback")
    assert (click["clicked_rank"], click["clicked_chunk"]) == (3, "c")
    with pytest.raises(StoreError, match=rf"{search_id} showed no passage 3; it showed 1, 2\."):
        log.rate(search_id, clicked=3)


def test_a_passage_that_was_not_shown_is_refused_and_nothing_kept(log):
    search_id = logged(log)
    for clicked in (0, -1, 4, "d", ""):
        with pytest.raises(StoreError, match="it showed 1, 2, 3"):
            log.rate(search_id, 1, clicked=clicked)
    assert rows(log, "kb_feedback") == []


def test_an_unknown_search_is_refused(log):
    logged(log)
    for unknown in ("", "last", "123456789abc", "é", "x" * 1000):
        with pytest.raises(StoreError, match="No search"):
            log.rate(unknown, 1)


def test_the_last_rating_counts_and_the_best_click(log):
    search_id = logged(log, [Hit("a", "A", 0.9), Hit("b", "B", 0.5, 1), Hit("c", "C", 0.4)])
    logged(log, session_id="s", profile="other")
    log.rate(search_id, -1, "too old")
    log.rate(search_id, 1)
    log.rate(search_id, clicked="c")
    log.rate(search_id, clicked="b")
    by_profile = {outcome.profile: outcome for outcome in log.list_outcomes(1)}
    rated, other = by_profile["default"], by_profile["other"]
    assert (rated.rating, rated.clicked_rank, rated.cited_rank) == (1, 2, 2)
    assert (other.rating, other.clicked_rank, other.cited_rank) == (None, None, None)
    assert (other.session_id, other.milliseconds) == ("s", 12.5)


def test_a_turn_of_a_session_is_rated_in_the_same_table(log):
    log.rate_turn("s1", "t1", -1, "wrong")
    [row] = rows(log, "kb_feedback")
    assert (row["session_id"], row["turn_id"], row["search_id"]) == ("s1", "t1", None)
    assert (row["rating"], row["comment"]) == (-1, "wrong")


def test_the_database_refuses_feedback_without_a_subject_or_out_of_scale(log):
    log.rate(logged(log), 1)
    for values in (
        "search_id = NULL",
        "session_id = 's', turn_id = 't'",
        "rating = 2",
        "search_id = 'x'",
    ):
        with pytest.raises(StoreError, match="refused"):
            execute(log, f"UPDATE kb_feedback SET {values}")


def test_forgetting_a_search_forgets_its_hits_and_its_feedback(log):
    old, new = logged(log), logged(log)
    log.rate(old, 1)
    log.rate(new, -1)
    execute(log, f"UPDATE kb_search SET searched_at = '2020-01-01' WHERE id = '{old}'")
    assert len(log.list_outcomes(30)) == 1
    execute(log, FORGET)
    assert [row["id"] for row in rows(log, "kb_search")] == [new]
    assert {row["search_id"] for row in rows(log, "kb_search_hit")} == {new}
    assert [row["search_id"] for row in rows(log, "kb_feedback")] == [new]


# Behind the answers -------------------------------------------------------------------------------


@pytest.fixture
def writer(log: SearchLog) -> LogWriter[LoggedSearch]:
    return LogWriter(log.add, "Searches", "kb_search")


def search_of(question: str) -> LoggedSearch:
    return LoggedSearch("default", 1.0, HITS, question=question)


def test_searches_of_many_threads_are_all_logged(log, writer):
    threads = [threading.Thread(target=writer.add, args=[search_of("Why?")]) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.flush()
    assert len(rows(log, "kb_search")) == 20
    assert len(rows(log, "kb_search_hit")) == 60


def test_what_waits_is_written_in_its_order_when_the_server_lets_it(log, writer):
    asked = [search_of(str(number)) for number in range(30)]
    with hits_locked(log):
        for each in asked[:-1]:
            writer.add(each)
        assert len(rows(log, "kb_search")) < len(asked), "the lock held nothing up"
    writer.add(asked[-1])
    writer.flush()
    kept = [row["question"] for row in rows(log, "kb_search ORDER BY searched_at")]
    assert kept == [each.question for each in asked]
    assert log.find_last().id == asked[-1].id


def test_a_search_that_is_refused_takes_none_with_it(log, writer, caplog):
    execute(log, "ALTER TABLE kb_search MODIFY question VARCHAR(5)")
    with rows_locked(log):
        for question in ("first", "canary in the mine", "last"):
            writer.add(search_of(question))
    writer.flush()
    assert {row["question"] for row in rows(log, "kb_search")} == {"first", "last"}
    [warning] = caplog.records
    assert "MariaDB error 1406" in warning.getMessage()


def test_a_process_that_ends_writes_what_still_waits(log):
    url = log.engine.url.render_as_string(hide_password=False)
    asks = f"""
from stores.connection import make_engine
from stores.log_writer import LogWriter
from stores.searches.search_log import LoggedSearch, SearchLog
writer = LogWriter(SearchLog(make_engine({url!r})).add, "Searches", "kb_search")
for number in range(50):
    writer.add(LoggedSearch("default", 1.0, []))
"""
    subprocess.run([sys.executable, "-c", asks], check=True)
    assert len(rows(log, "kb_search")) == 50


# Faults -------------------------------------------------------------------------------------------


@contextmanager
def table_gone(log: SearchLog) -> Iterator[None]:
    execute(log, "DROP TABLE kb_search_hit")
    yield


@contextmanager
def hits_locked(log: SearchLog) -> Iterator[None]:
    with log.engine.connect() as connection:
        connection.exec_driver_sql("LOCK TABLES kb_search_hit WRITE, kb_search READ")
        yield
        connection.exec_driver_sql("UNLOCK TABLES")


@contextmanager
def rows_locked(log: SearchLog) -> Iterator[None]:
    with log.engine.connect() as connection:
        connection.exec_driver_sql("SELECT * FROM kb_search FOR UPDATE")
        yield


@contextmanager
def value_too_long(log: SearchLog) -> Iterator[None]:
    execute(log, "ALTER TABLE kb_search MODIFY question VARCHAR(5)")
    yield


@pytest.mark.parametrize(
    ("fault", "number"),
    [(table_gone, 1146), (hits_locked, 1205), (rows_locked, 1205), (value_too_long, 1406)],
)
def test_a_log_that_cannot_be_written_is_a_warning_and_nobody_waits(
    log: SearchLog,
    writer: LogWriter[LoggedSearch],
    fault: Callable[[SearchLog], AbstractContextManager[None]],
    number: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    before = logged(log)
    with fault(log):
        writer.add(search_of("canary in the mine"))
        writer.flush()
    [warning] = caplog.records
    assert (warning.levelno, warning.name) == (logging.WARNING, "stores.log_writer")
    assert f"MariaDB error {number}" in warning.getMessage()
    assert "canary" not in caplog.text
    assert [row["id"] for row in rows(log, "kb_search")] == [before], "half of it is not kept"


def test_a_server_that_stays_away_fills_no_memory(log, caplog):
    held, go_on = threading.Event(), threading.Event()

    @sa.event.listens_for(log.engine, "checkout")
    def hold(*_: object) -> None:
        held.set()
        assert go_on.wait(30)

    writer = LogWriter(log.add, "Searches", "kb_search")
    writer.add(search_of("first"))
    assert held.wait(30)
    for _ in range(2_010):
        writer.add(LoggedSearch("default", 1.0, []))
    assert len(caplog.records) == 10
    assert "as 2000 wait" in caplog.records[0].getMessage()
    go_on.set()
    writer.flush()
    assert len(rows(log, "kb_search")) == 2_001
