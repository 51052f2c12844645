"""Ctrl+K finds chats, documents and pages, by keys alone."""

import pytest
from test_accessibility import LOOKS, asked, violations

expect = pytest.importorskip("playwright.sync_api", reason="pip install playwright").expect


def open_palette(page):
    page.get_by_role("textbox", name="Your question").wait_for()
    page.keyboard.press("Control+k")
    return page.get_by_role("dialog", name="Find chats, documents and pages")


def test_chats_documents_and_pages_are_found_and_opened_by_keys(page, ask):
    ask("When do zebras go back?")
    palette = open_palette(page)
    field = palette.get_by_role("combobox")
    expect(field).to_be_focused()
    expect(palette.get_by_role("option")).to_contain_text(
        ["New chat", "Documents", "Verified queries", "Show these keys", "When do zebras go back?"]
    )
    page.keyboard.type("kettle")
    expect(palette.get_by_role("option")).to_have_text(["KettleDocuments"])
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Kettle")).to_be_visible()
    expect(palette).to_have_count(0)

    page.keyboard.press("Control+k")
    page.keyboard.type("zebras")
    expect(palette.get_by_role("option")).to_have_text(["When do zebras go back?Chats"])
    page.keyboard.press("Enter")
    expect(page.get_by_role("article")).to_contain_text("When do zebras go back?")


def test_arrows_choose_and_escape_closes(page):
    palette = open_palette(page)
    expect(palette.get_by_role("option", name="New chat")).to_have_attribute(
        "aria-selected", "true"
    )
    page.keyboard.press("ArrowDown")
    chosen = palette.get_by_role("option", name="Documents")
    expect(chosen).to_have_attribute("aria-selected", "true")
    expect(palette.get_by_role("combobox")).to_have_attribute(
        "aria-activedescendant", chosen.get_attribute("id")
    )
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    expect(palette.get_by_role("option").last).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Escape")
    expect(palette).to_have_count(0)


@pytest.mark.parametrize("look", LOOKS)
def test_it_is_accessible(visit, look):
    page = visit(**LOOKS[look])
    asked(page, "When do goods go back?", "documents")
    page.keyboard.press("Control+k")
    page.locator(".palette li").nth(4).wait_for()
    assert violations(page) == []
