"""A chat is shared by a link, which anybody opens without a key, until it is revoked."""

import pytest
from api_server import configured, database_of, running
from model_server import FakeModels
from test_accessibility import LOOKS, violations

expect = pytest.importorskip("playwright.sync_api", reason="pip install playwright").expect


@pytest.fixture(scope="module")
def served(installed, request, models, tmp_path_factory):
    assert installed
    server = request.getfixturevalue("server")
    folder = tmp_path_factory.mktemp("links")
    with FakeModels() as embeddings, database_of(server) as url:
        links = {"share_links": True}
        config = configured(url, folder, embeddings, models, serve=links)
        with running(config) as api:
            api.kb.index()
            yield api


def share(page):
    page.get_by_role("region", name="Chats").get_by_role("button", name="Actions for").click()
    page.get_by_role("menuitem", name="Share by link").click()
    dialog = page.get_by_role("dialog", name="Share by link")
    dialog.get_by_role("button", name="Make a link").click()
    return dialog, dialog.get_by_label("Link", exact=True).input_value()


def test_a_link_is_made_opened_by_anybody_and_revoked(page, ask, chromium, served):
    ask("When do goods go back?")
    dialog, link = share(page)
    assert link.startswith(str(served.client.base_url))
    stranger = chromium.new_context(locale="en-GB").new_page()
    asked = []
    stranger.on("request", lambda request: asked.append(request.url))
    stranger.goto(link)
    expect(stranger.get_by_role("heading", name="When do goods go back?", level=1)).to_be_visible()
    stranger.get_by_role("button", name="Source 1").first.click()
    expect(stranger.get_by_text("Goods go back within 30 days.")).to_be_visible()
    expect(stranger.get_by_role("dialog")).to_have_count(0)
    expect(stranger.get_by_role("textbox")).to_have_count(0)
    assert not [url for url in asked if "/api/" in url]
    assert stranger.locator("meta[name=robots]").get_attribute("content") == "noindex, nofollow"
    dialog.get_by_role("button", name="Revoke").click()
    expect(dialog.get_by_role("listitem")).to_have_count(0)
    stranger.reload()
    expect(stranger.get_by_role("alert")).to_contain_text("This link shows nothing")
    stranger.context.close()


@pytest.mark.parametrize("look", LOOKS)
def test_the_links_and_what_they_show_are_accessible(visit, served, look):
    sessions = served.kb.components.session_store
    sessions.begin("s", "t", "When?")
    served.kb.chat("s", source="documents").chat("When do goods go back?", turn_id="u")
    token = served.kb.share_session("s")
    page = visit(f"#/shared/{token}", **LOOKS[look])
    page.locator(".shared-source summary").first.click()
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page = visit("#/chat/s", **LOOKS[look])
    page.locator("article").first.wait_for()
    if page.locator("#menu-button").is_visible():
        page.locator("#menu-button").click()
    page.locator("#session-list .menu button").first.click()
    page.get_by_role("menuitem").nth(5).click()
    page.locator("dialog .links li").first.wait_for()
    assert violations(page) == []
