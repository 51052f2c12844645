"""The page of a base that holds nothing teaches what to do first."""

import pytest
from api_server import configured, database_of, running
from model_server import FakeModels
from test_accessibility import LOOKS, violations

expect = pytest.importorskip("playwright.sync_api", reason="pip install playwright").expect


@pytest.fixture
def served(installed, request, models, tmp_path):
    server = request.getfixturevalue("server")
    with FakeModels() as embeddings, database_of(server) as url:
        config = configured(url, tmp_path, embeddings, models, tables={"include": []})
        with running(config) as api:
            yield api


def test_samples_are_added_by_one_click_and_asked_about(visit, models):
    page = visit()
    expect(page.get_by_text("Nothing has been indexed yet.")).to_be_visible()
    expect(page.get_by_role("button", name="Choose files")).to_be_visible()
    page.get_by_role("button", name="Try it with sample documents").click()
    expect(page.locator("#tray")).to_contain_text("samples/policies/returns-policy.md")
    questions = page.get_by_role("list", name="Questions to begin with")
    expect(questions.get_by_role("button")).to_have_count(6, timeout=60_000)
    expect(page.get_by_text("Nothing has been indexed yet.")).to_have_count(0)
    models.script = ["It says so [1]."]
    questions.get_by_role("button").first.click()
    expect(page.get_by_role("article")).to_contain_text("It says so")


def test_a_key_that_only_reads_is_told_that_there_is_nothing(visit, served):
    reader = served.with_key("reader").headers["Authorization"].removeprefix("Bearer ")
    page = visit()
    page.get_by_role("textbox", name="Key").fill(reader)
    page.get_by_role("button", name="Use the key").click()
    expect(page.get_by_text("Nothing has been indexed yet.")).to_be_visible()
    expect(page.get_by_role("button", name="Choose files")).to_have_count(0)


@pytest.mark.parametrize("look", LOOKS)
def test_it_is_accessible(visit, look):
    page = visit(**LOOKS[look])
    page.locator(".welcome .drop button.primary").wait_for()
    assert violations(page) == []
