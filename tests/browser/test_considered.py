"""What an answer was made of is listed; one that rests on nothing offers what to do next."""

import threading

import pytest
from model_server import PausedStream
from test_accessibility import LOOKS, asked, violations

from stores.answers.marks import Marks

expect = pytest.importorskip("playwright.sync_api", reason="pip install playwright").expect
QUESTION = "When do goods go back?"


def panel_of(page):
    return page.get_by_role("complementary")


def test_the_passages_considered_are_listed_marked_and_opened(page, ask, served):
    turn = ask(QUESTION)
    turn.get_by_role("button", name="passages considered").click()
    panel = panel_of(page)
    expect(panel.get_by_role("heading", name="Passages considered")).to_be_visible()
    best = panel.get_by_role("listitem").first
    expect(best).to_contain_text("30 days")
    expect(best).to_contain_text("cited as 1")
    expect(best).to_contain_text("score")
    best.get_by_role("button", name="Mark as right").click()
    expect(best).to_contain_text("Marked: searches are measured by it.")
    [mark] = Marks(served.kb.components.engine).list_all()
    assert (mark.question, mark.path) == (QUESTION, "returns.md")
    best.get_by_role("button").click()
    expect(panel).to_contain_text("Goods go back within 30 days.")
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()


@pytest.mark.parametrize("look", LOOKS)
def test_the_list_is_accessible(visit, look):
    page = visit(**LOOKS[look])
    turn = asked(page, QUESTION, "documents")
    turn.locator(".answer-head > button.link").click()
    expect(panel_of(page).get_by_role("listitem").first).to_be_visible()
    assert violations(page) == []


def test_an_answer_that_rests_on_nothing_offers_the_nearest_passages_and_the_tables(
    page, ask, models
):
    models.script = ["The documents do not say."]
    turn = ask("Who was the first emperor of Rome?")
    turn.get_by_role("button", name="Show the nearest passages").click()
    expect(panel_of(page).get_by_role("listitem").first).to_be_visible()
    page.keyboard.press("Escape")
    models.script = ["SELECT COUNT(*) AS n FROM orders", "There are 3 orders."]
    turn.get_by_role("button", name="Ask instead: Tables").click()
    expect(page.locator("article.turn").last).to_contain_text("3 orders")


def test_how_long_a_slow_model_is_waited_for_is_told(page, models):
    go_on = threading.Event()
    models.script = [PausedStream("They go back [1].", go_on, words=0)]
    page.get_by_role("textbox", name="Your question").fill(QUESTION)
    page.keyboard.press("Enter")
    progress = page.get_by_role("article").last.locator(".progress")
    expect(progress).to_contain_text("Answering …")
    expect(progress).to_contain_text("4 s")
    go_on.set()
    expect(page.get_by_role("article").last).to_contain_text("They go back")
    expect(progress).to_be_hidden()


def test_a_failed_question_can_be_put_to_another_source(visit, served, models):
    sessions = served.kb.components.session_store
    sessions.begin("failed", "t", "When do goods go back?")
    about = {"error": "The tables are away.", "evidence": {"route": "database"}}
    sessions.finish("failed", "t", answer="", status="failed", **about)
    page = visit("#/chat/failed")
    expect(page.get_by_role("article")).to_contain_text("No answer: The tables are away.")
    models.script = ["They go back [1]."]
    page.get_by_role("button", name="Ask instead: Documents").click()
    expect(page.locator("article.turn").last).to_contain_text("They go back")
