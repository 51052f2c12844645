"""The questions that were answered poorly: grouped, listed, and taken off the list."""

import csv
import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from api_server import database_of
from typer.testing import CliRunner

from kb.assembly.search_logging import Feedback, store_feedback
from kb.cli import app
from stores.answers.answer_log import AnswerLog, LoggedAnswer, LoggedCalls
from stores.answers.review import AnswerReview
from stores.errors import ConfigError, StoreError
from stores.private_server import PrivateServer
from stores.registry.schema import migrate
from stores.searches.search_log import Hit, LoggedSearch, SearchLog

NOW = datetime.now(UTC).replace(tzinfo=None)


@pytest.fixture
def review(engine: sa.Engine) -> AnswerReview:
    migrate(engine)
    return AnswerReview(engine)


def add_answers(engine: sa.Engine, *answers: dict[str, Any], at: datetime = NOW) -> None:
    logged = [
        LoggedAnswer(**{"way": "api", "outcome": "unanswered", "milliseconds": 1.0, **answer})
        for answer in answers
    ]
    AnswerLog(engine).add([LoggedCalls("answer", [], answer=one, at=at) for one in logged])


def rate(engine: sa.Engine, rating: Any, comment: str = "", turn: str = "t") -> None:
    SearchLog(engine).rate_turn("s", turn, rating, comment)


def test_a_question_that_was_asked_again_stands_there_once(engine, review):
    questions = ["Where is it?", "  where IS it ", "Where is it?!", "How much?"]
    add_answers(engine, *({"question": question} for question in questions))
    add_answers(engine, {"question": "Fine?", "outcome": "answered"})
    add_answers(engine, {"question": "Broken?", "outcome": "failed", "error": "timeout"})
    often, once = review.list_items(7)
    assert (often.unanswered, often.down, once.question) == (3, 0, "How much?")
    assert len({often.id, once.id}) == 2


def test_marks_within_a_question_make_another_one(engine, review):
    add_answers(engine, {"question": "What is C?"}, {"question": "What is C++?"}, {"question": "?"})
    assert len(review.list_items(7)) == 3


def test_the_last_rating_of_an_answer_counts(engine, review):
    add_answers(
        engine,
        {"question": "Down?", "outcome": "answered", "session_id": "s", "turn_id": "t"},
        {"question": "Up?", "outcome": "answered", "session_id": "s", "turn_id": "u"},
    )
    rate(engine, 1)
    rate(engine, -1, "wrong year")
    rate(engine, -1, turn="u")
    rate(engine, 1, turn="u")
    [item] = review.list_items(7)
    assert (item.question, item.down, item.unanswered) == ("Down?", 1, 0)
    assert item.answers[0].comment == "wrong year"


def test_a_search_that_was_rated_down_waits_and_one_with_an_answer_counts_once(engine, review):
    alone = LoggedSearch("default", 1.0, [Hit("c", None, 0.5)], question="Alone?")
    answered = LoggedSearch("default", 1.0, [], question="Answered?")
    log = SearchLog(engine)
    log.add([alone, answered])
    add_answers(engine, {"question": "Answered?", "search_id": answered.id, "outcome": "answered"})
    log.rate(alone.id, -1)
    log.rate(answered.id, -1)
    found = {item.question: [one.route for one in item.answers] for item in review.list_items(7)}
    assert found == {"Alone?": ["search"], "Answered?": ["none"]}


def test_questions_without_their_texts_are_one_item(engine, review):
    add_answers(engine, {}, {})
    [item] = review.list_items(7)
    assert (item.question, len(item.answers)) == (None, 2)


def test_what_is_done_comes_back_with_a_later_poor_answer(engine, review):
    add_answers(engine, {"question": "Where?"})
    [item] = review.list_items(7)
    add_answers(engine, {"question": "where"}, at=NOW + timedelta(seconds=1))
    [seen] = review.list_items(7)
    review.mark_done(item, "ana")
    assert review.list_items(7) == [seen], "what came after the item was read is not done"
    review.mark_done(seen)
    review.mark_done(item, "bob")
    assert review.list_items(7) == [], "an older mark does not open it again"
    with pytest.raises(StoreError, match="kb review list"):
        review.find_item(seen.id, 7)


def test_what_is_done_is_forgotten_once_the_logs_have_nothing_of_it(engine, review):
    def count() -> Any:
        with engine.connect() as connection:
            return connection.exec_driver_sql("SELECT COUNT(*) FROM kb_review_done").scalar()

    old, new = NOW - timedelta(days=40), NOW - timedelta(days=20)
    add_answers(engine, {"question": "Old?"}, at=old)
    add_answers(engine, {"question": "New?"}, at=new)
    for item in review.list_items(90):
        review.mark_done(item)
    review.remove_spent()
    assert count() == 2
    AnswerLog(engine).remove_older_than(30)
    review.remove_spent()
    assert (count(), review.list_items(90)) == (1, [])
    search = LoggedSearch("default", 1.0, [], question="Search?")
    SearchLog(engine).add([search])
    AnswerLog(engine).remove_older_than(10)
    review.remove_spent()
    assert count() == 0


def test_a_rating_that_comes_after_it_was_done_opens_it_again(engine, review):
    before = NOW - timedelta(days=1)
    add_answers(engine, {"question": "Where?", "session_id": "s", "turn_id": "t"}, at=before)
    review.mark_done(review.list_items(7)[0])
    assert review.list_items(7) == []
    rate(engine, -1)
    assert [item.down for item in review.list_items(7)] == [1]


def test_what_is_older_is_left_out(engine, review):
    add_answers(engine, {"question": "Old?"}, at=NOW - timedelta(days=8))
    assert review.list_items(7) == []
    assert len(review.list_items(9)) == 1


def test_the_command_line_lists_shows_and_takes_off(server: PrivateServer, tmp_path: Path):
    with database_of(server) as url:
        engine = sa.create_engine(url)
        migrate(engine)
        add_answers(engine, {"question": "=cmd() where?"})
        engine.dispose()
        config = tmp_path / "config.yaml"
        config.write_text(json.dumps({"database": {"url": url.render_as_string(False)}}))

        def run(*arguments: str, code: int = 0) -> str:
            result = CliRunner().invoke(app, ["--config", str(config), "review", *arguments])
            assert result.exit_code == code, result.output
            return result.output

        [item] = json.loads(run("list", "--json"))
        assert (item["asked"], item["answers"][0]["unanswered"]) == (1, True)
        [row] = csv.DictReader(io.StringIO(run("list", "--csv")))
        assert row["question"] == "'=cmd() where?", "a spreadsheet computes nothing of it"
        assert "=cmd() where?" in run("list")
        assert "unanswered" in run("show", item["id"])
        run("show", "none", code=1)
        run("list", "--csv", "--json", code=2)
        run("done", item["id"])
        assert "No question waits" in run("list")


def test_an_answer_whose_sql_somebody_changed_waits_with_what_they_made_of_it(engine, review):
    answer = {"outcome": "answered", "session_id": "s", "route": "database"}
    add_answers(engine, *({**answer, "question": "Sum?", "turn_id": turn} for turn in "tu"))
    add_answers(engine, {**answer, "question": "Fine?", "turn_id": "v"})
    log = SearchLog(engine)
    for turn, sql in (("t", "SELECT 1"), ("t", "SELECT 2"), ("u", "SELECT 2")):
        log.rate_turn("s", turn, edited_sql=sql)
    [item] = review.list_items(7)
    assert (item.question, item.edited, item.unanswered, item.down) == ("Sum?", ["SELECT 2"], 0, 0)
    review.mark_done(item)
    assert review.list_items(7) == []
    log.rate_turn("s", "t", edited_sql="SELECT 3")
    [item] = review.list_items(7)
    assert set(item.edited) == {"SELECT 3", "SELECT 2"}


def test_changed_sql_is_kept_where_questions_are_kept_too(engine, review):
    add_answers(engine, {"session_id": "s", "turn_id": "t", "outcome": "answered"})
    said = Feedback(edited_sql="SELECT 1")
    for extent in ("no-text", "off"):
        store_feedback(SearchLog(engine), said, None, "s", "t", None, extent)
        store_feedback(SearchLog(engine), replace(said, rating=1), None, "s", "t", None, extent)
    assert review.list_items(7) == []
    store_feedback(SearchLog(engine), said, None, "s", "t", None, "full")
    [item] = review.list_items(7)
    assert item.edited == ["SELECT 1"]
    with pytest.raises(ConfigError, match="of a turn"):
        store_feedback(SearchLog(engine), said, "0" * 12, None, None, None, "full")


def test_the_command_line_shows_changed_sql(engine, review, tmp_path):
    answer = {"outcome": "answered", "session_id": "s", "turn_id": "t", "question": "Sum?"}
    add_answers(engine, answer)
    SearchLog(engine).rate_turn("s", "t", edited_sql="SELECT SUM(total)\nFROM orders")
    [item] = review.list_items(7)
    config = tmp_path / "config.yaml"
    url = engine.url.render_as_string(hide_password=False)
    config.write_text(json.dumps({"database": {"url": url}}))
    show = ["--config", str(config), "review", "show", item.id]
    shown = CliRunner().invoke(app, show).stdout
    assert "SQL changed" in shown
    assert "SELECT SUM(total) FROM orders" in shown
    described = json.loads(CliRunner().invoke(app, [*show, "--json"]).stdout)
    assert described["edited_sql"] == item.edited
