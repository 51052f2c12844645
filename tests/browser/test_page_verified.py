"""Verified queries on the page: saved from an answer, listed, changed and forgotten."""

import pytest

expect = pytest.importorskip("playwright.sync_api", reason="pip install playwright").expect
QUESTION = "<b onclick=window.hacked=1>Which city</b> has order 8?"
SQL = "SELECT city FROM orders WHERE id = :id"


@pytest.fixture
def queries(served):
    """The queries that a test has saved, by their names; they are gone after it."""

    def queries():
        kept = served.client.get("/api/verified").json()
        return {each["name"]: each for each in kept if each["name"] != "revenue"}

    yield queries
    for name in queries():
        assert served.client.delete(f"/api/verified/{name}").status_code == 204


@pytest.fixture
def saved(served, queries):
    body = {"name": "city <i>8</i>", "question": QUESTION, "sql": SQL, "parameters": {"id": 8}}
    assert served.client.post("/api/verified", json=body).status_code == 201
    return body["name"]


def test_a_statement_is_saved_as_verified_and_then_answers(page, ask, models, queries, write):
    models.script = ["SELECT id FROM orders", "So it is."]
    result = ask("Which orders are there?", "Tables").get_by_role("region", name="Result").first
    result.get_by_role("button", name="SQL", exact=True).click()
    result.get_by_role("button", name="Edit").click()
    editor = result.get_by_role("textbox", name="SQL to run")
    write(editor, "SELECT id FROM orders WHERE id < 9")
    result.get_by_role("button", name="Save as verified query").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Question that it answers")).to_have_value("Which orders are there?")
    dialog.get_by_label("Name").fill("orders_there")
    dialog.get_by_label("Who has checked it").fill("Ben")
    dialog.get_by_role("button", name="Save").click()
    expect(result.get_by_text("“orders_there” is saved as a verified query.")).to_be_visible()
    kept = queries()["orders_there"]
    assert (kept["sql"], kept["verified_by"]) == ("SELECT id FROM orders WHERE id < 9", "Ben")
    models.script = []
    turn = ask("Which orders are there?", "Tables")
    expect(turn.get_by_text("Verified by Ben on").first).to_be_visible()


def test_what_cannot_be_saved_says_why_and_stays(page, ask, models, queries, write):
    models.script = ["SELECT id FROM orders", "So it is."]
    result = ask("Which orders are there?", "Tables").get_by_role("region", name="Result").first
    result.get_by_role("button", name="SQL", exact=True).click()
    result.get_by_role("button", name="Edit").click()
    editor = result.get_by_role("textbox", name="SQL to run")
    write(editor, "DELETE FROM orders")
    result.get_by_role("button", name="Save as verified query").click()
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(result.locator(".said .problem")).to_be_visible()
    expect(editor).to_have_text("DELETE FROM orders")
    assert queries() == {}


def test_queries_are_listed_changed_and_kept_over_a_reload(page, saved, queries, write):
    page.get_by_role("link", name="Verified queries").click()
    entry = page.get_by_role("listitem").filter(has=page.get_by_role("heading", name=QUESTION))
    expect(entry).to_contain_text(saved)
    entry.get_by_role("button", name="Edit").click()
    editor = entry.get_by_role("textbox", name="SQL to run")
    expect(editor).to_have_text(SQL)
    write(editor, SQL.replace("city", "id, city"))
    entry.get_by_role("textbox", name=":id").fill("7")
    entry.get_by_role("button", name="Run").click()
    expect(entry.get_by_role("region", name="Result").first).to_contain_text("1 row")
    entry.get_by_role("button", name="Save as verified query").click()
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(entry.locator("pre")).to_have_text("SELECT id, city FROM orders WHERE id = :id")
    assert queries()[saved]["parameters"] == {"id": 7}
    page.reload()
    expect(entry.locator("pre")).to_have_text("SELECT id, city FROM orders WHERE id = :id")
    assert page.locator("main :is(b, i)").count() == 0


def test_a_query_is_forgotten_when_that_is_confirmed(page, saved, queries):
    page.goto(page.url.split("#")[0] + "#/verified")
    entry = page.get_by_role("listitem").filter(has=page.get_by_role("heading", name=QUESTION))
    forget = entry.get_by_role("button", name="Forget")
    forget.click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    assert saved in queries()
    forget.click()
    page.get_by_role("dialog").get_by_role("button", name="Forget").click()
    expect(entry).to_have_count(0)
    assert queries() == {}


def test_a_key_that_may_not_verify_is_shown_queries_and_offered_no_change(visit, served, saved):
    client = served.with_key("reader")
    try:
        secret = client.headers["Authorization"].removeprefix("Bearer ")
        page = visit("#/verified")
        page.get_by_role("dialog").get_by_label("Key").fill(secret)
        page.get_by_role("dialog").get_by_label("Key").press("Enter")
        expect(page.get_by_role("heading", name=QUESTION)).to_be_visible()
        expect(page.get_by_role("button", name="Edit")).to_have_count(0)
        expect(page.get_by_role("button", name="Forget", exact=True)).to_have_count(0)
    finally:
        served.forget_keys()


def test_a_server_that_does_not_answer_is_said_and_asked_again(page, saved):
    page.route("**/api/verified", lambda route: route.abort())
    page.get_by_role("link", name="Verified queries").click()
    expect(page.get_by_text("The server does not answer.")).to_be_visible()
    page.unroute("**/api/verified")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("heading", name=QUESTION)).to_be_visible()
