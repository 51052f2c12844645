"""Who may write says on the page for whom a document is."""

import pytest
from api_server import configured, database_of, running
from model_server import FakeModels
from test_accessibility import violations

expect = pytest.importorskip("playwright.sync_api", reason="pip install playwright").expect


@pytest.fixture(scope="module")
def served(installed, request, models, tmp_path_factory):
    assert installed
    server = request.getfixturevalue("server")
    folder = tmp_path_factory.mktemp("groups")
    with FakeModels() as embeddings, database_of(server) as url:
        config = configured(url, folder, embeddings, models, access={"default": ["everyone"]})
        with running(config) as api:
            api.kb.index()
            yield api


@pytest.fixture
def dialog(visit, served):
    page = visit("#/documents")
    page.get_by_role("row", name="kettle.md").get_by_role("button", name="Actions").click()
    page.get_by_role("menuitem", name="For groups …").click()
    yield page.get_by_role("dialog")
    served.kb.components.registry.give_groups(kettle(served), [])


def kettle(served):
    [document] = [each for each in served.kb.list_documents() if each.path == "kettle.md"]
    return document.id


def seen_by_board(served):
    return {
        group: {each.path for each in served.kb.seen_by([group]).list_documents()}
        for group in ("board", "staff")
    }


def test_a_document_is_given_groups_and_taken_back(dialog, served):
    before = seen_by_board(served)
    assert "kettle.md" in before["staff"]
    expect(dialog).to_contain_text("For whom is “kettle.md”?")
    dialog.get_by_role("textbox").fill("board, , audit")
    dialog.get_by_role("button", name="Save").click()
    page = dialog.page
    expect(page.get_by_text("“kettle.md” is for audit, board alone.")).to_be_visible()
    assert seen_by_board(served) == {
        "board": before["board"],
        "staff": before["staff"] - {"kettle.md"},
    }
    page.get_by_role("row", name="kettle.md").get_by_role("button", name="Actions").click()
    page.get_by_role("menuitem", name="For groups …").click()
    expect(dialog.get_by_role("textbox")).to_have_value("audit, board")
    dialog.get_by_role("textbox").fill("")
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_text("is for all whom the rules")).to_be_visible()
    assert seen_by_board(served) == before


def test_what_is_cancelled_or_refused_changes_nothing(dialog, served):
    before = seen_by_board(served)
    dialog.get_by_role("textbox").fill("x" * 200)
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.page.get_by_role("alert")).to_contain_text("190")
    assert seen_by_board(served) == before


def test_the_dialog_is_accessible(dialog):
    expect(dialog.get_by_role("textbox")).to_be_visible()
    assert violations(dialog.page) == []
