"""The keys of the whole page, which leave alone what is being written."""

import pytest

expect = pytest.importorskip("playwright.sync_api", reason="pip install playwright").expect
Axe = pytest.importorskip(
    "axe_playwright_python.sync_playwright", reason="pip install axe-playwright-python"
).Axe
NARROW = {"viewport": {"width": 360, "height": 740}, "color_scheme": "dark", "locale": "fr-FR"}


def question_box(page):
    return page.get_by_role("textbox", name="Your question")


def test_a_slash_leads_to_the_question_from_every_view(visit):
    page = visit("#/documents")
    page.locator("tbody tr").first.wait_for()
    page.locator("#main").focus()
    page.keyboard.press("/")
    expect(question_box(page)).to_be_focused()
    page.locator("#main").focus()
    page.keyboard.press("/")
    expect(question_box(page)).to_be_focused()
    expect(question_box(page)).to_have_value("")


def test_keys_are_letters_where_something_is_written(page):
    question_box(page).press_sequentially("a/b?")
    expect(question_box(page)).to_have_value("a/b?")
    search = page.get_by_role("searchbox", name="Search chats")
    search.press_sequentially("/?")
    expect(search).to_have_value("/?")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_keys_are_letters_in_the_sql_editor(visit):
    page = visit("#/verified")
    page.locator(".verified-list .actions button").first.click()
    editor = page.locator(".editor .cm-content")
    editor.press("Control+End")
    editor.press_sequentially(" /?")
    expect(editor).to_contain_text("/?")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_a_question_mark_shows_the_keys_until_escape_is_pressed(page):
    question_box(page).wait_for()
    page.locator("#main").focus()
    page.keyboard.press("?")
    keys = page.get_by_role("dialog", name="Keys")
    expect(keys.get_by_role("term")).to_have_text(
        ["/", "↑", "Enter", "Shift+Enter", "Escape", "Ctrl+K", "?"]
    )
    page.keyboard.press("/")
    expect(keys).to_be_visible()
    page.keyboard.press("Escape")
    expect(keys).to_have_count(0)


def test_an_arrow_brings_back_the_last_question_into_an_empty_field_alone(ask, page):
    question_box(page).press("ArrowUp")
    expect(question_box(page)).to_have_value("")
    ask("When do goods go back?")
    ask("When do lamps go back?")
    question_box(page).fill("A draft")
    question_box(page).press("ArrowUp")
    expect(question_box(page)).to_have_value("A draft")
    question_box(page).fill("")
    question_box(page).press("ArrowUp")
    expect(question_box(page)).to_have_value("When do lamps go back?")


@pytest.mark.parametrize("look", [{}, NARROW], ids=["wide", "narrow, dark, French"])
def test_axe_finds_nothing_in_the_keys(visit, look):
    page = visit(**look)
    page.locator("#question").wait_for()
    page.locator("#main").focus()
    page.keyboard.press("?")
    page.get_by_role("dialog").wait_for()
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    assert [each["id"] for each in found] == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_keys_of_one_letter_can_be_switched_off(page):
    question_box(page).wait_for()
    page.locator("#main").focus()
    page.keyboard.press("?")
    page.get_by_label("“/” and “?” work without another key").uncheck()
    page.keyboard.press("Escape")
    page.reload()
    question_box(page).wait_for()
    page.locator("#main").focus()
    page.keyboard.press("?")
    page.keyboard.press("/")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(question_box(page)).not_to_be_focused()
    page.keyboard.press("Control+k")
    page.get_by_role("option", name="Show these keys").click()
    page.get_by_label("“/” and “?” work without another key").check()
    page.keyboard.press("Escape")
    page.locator("#main").focus()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
