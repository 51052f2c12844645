"""Who runs the server sees what it costs and what to work on, and makes keys; nobody else does."""

import re

import pytest
from api_server import configured, database_of, running, wait_until
from model_server import FakeModels
from test_accessibility import LOOKS, violations

expect = pytest.importorskip("playwright.sync_api", reason="pip install playwright").expect


@pytest.fixture(scope="module")
def served(installed, request, models, tmp_path_factory):
    assert installed
    server = request.getfixturevalue("server")
    folder = tmp_path_factory.mktemp("admin")
    with FakeModels() as embeddings, database_of(server) as url:
        config = configured(url, folder, embeddings, models, retrieval={"log": "full"})
        with running(config) as api:
            api.kb.index()
            yield api


@pytest.fixture(autouse=True)
def _no_keys(served):
    yield
    served.forget_keys()


def section(page, name):
    return page.get_by_role("region", name=name, exact=True).first


def test_figures_and_lists_are_shown_to_who_may_do_everything(visit, served, models):
    models.script = ["The documents do not say."]
    question = "Who was the first emperor of Rome?"
    served.client.post("/api/ask", json={"question": question, "source": "documents"})
    wait_until(lambda: bool(served.client.get("/api/slow").json()))  # it is logged a little later
    page = visit("#/admin")
    expect(page.get_by_role("link", name="Administration")).to_have_attribute(
        "aria-current", "page"
    )
    expect(section(page, "This month")).to_contain_text("Calls of models")
    expect(section(page, "Answers by day").locator("tbody tr").first).to_be_visible()
    expect(section(page, "Slowest answers")).to_contain_text("answer")
    expect(section(page, "State")).to_contain_text("MariaDB")
    waiting = section(page, "Questions to work on").locator("tr", has_text=question)
    waiting.get_by_role("button", name="Ask it").click()
    expect(page.get_by_role("textbox", name="Your question")).to_have_value(question)
    page.go_back()
    waiting.get_by_role("button", name="Done").click()
    expect(waiting).to_have_count(0)


def test_sql_that_somebody_changed_is_shown_to_who_may_work_on_it(visit, models, write):
    models.script = ["SELECT city FROM orders", "Lyon and Bern."]
    page = visit("#/")
    page.get_by_role("radio", name="Tables").check()
    page.get_by_role("textbox", name="Your question").fill("Which cities are there?")
    page.get_by_role("textbox", name="Your question").press("Enter")
    turn = page.get_by_role("article")
    turn.get_by_role("button", name="SQL").click()
    turn.get_by_role("button", name="Edit").click()
    editor = turn.get_by_role("textbox", name="SQL to run")
    write(editor, "SELECT id, city FROM orders WHERE id > 7")
    with page.expect_response("**/api/feedback") as kept:
        turn.get_by_role("button", name="Run").click()
    assert kept.value.status == 204, kept.value.text()
    page = visit("#/admin")
    row = section(page, "Questions to work on").locator("tr", has_text="Which cities are there?")
    expect(row.get_by_label("What somebody made of its SQL")).to_have_text(re.compile("id > 7"))


def test_a_key_is_made_shown_once_and_revoked(visit, served):
    boss = served.with_key("boss of keys", "admin").headers["Authorization"]
    page = visit("#/admin")
    page.get_by_role("textbox", name="Key").fill(boss.removeprefix("Bearer "))
    page.get_by_role("button", name="Use the key").click()
    form = page.get_by_role("form", name="Make a key")
    form.get_by_label("Name").fill("ana of sales")
    form.get_by_label("Groups, with commas").fill("sales, board")
    form.get_by_role("button", name="Make a key").click()
    shown = section(page, "API keys").get_by_label("Key", exact=True)
    expect(shown).to_have_value(re.compile("^kb-"))
    row = section(page, "API keys").locator("tr", has_text="ana of sales")
    expect(row).to_contain_text("sales, board")
    row.get_by_role("button", name="Revoke").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(row).to_contain_text("revoked on")
    page.reload()
    expect(section(page, "API keys").locator("tbody tr").first).to_be_visible()
    expect(shown).to_have_count(0)


def test_who_may_less_is_not_shown_the_way(visit, served):
    reader = served.with_key("reader of pages").headers["Authorization"]
    page = visit()
    page.get_by_role("textbox", name="Key").fill(reader.removeprefix("Bearer "))
    page.get_by_role("button", name="Use the key").click()
    expect(page.locator("#me")).to_contain_text("reader of pages")
    expect(page.get_by_role("link", name="Administration")).to_have_count(0)


@pytest.mark.parametrize("look", LOOKS)
def test_it_is_accessible(visit, look):
    page = visit("#/admin", **LOOKS[look])
    expect(page.locator(".admin > section[aria-busy=false]")).to_have_count(7)
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
