"""The list of chats, drafts, and versions of a question, as somebody uses them every day."""

import re
import threading

import pytest
from model_server import PausedStream
from test_accessibility import LOOKS, violations

expect = pytest.importorskip("playwright.sync_api", reason="pip install playwright").expect


@pytest.fixture
def fill(served):
    """Store chats as if they had been asked, the last one first in the list."""

    def fill(*titles: str) -> None:
        sessions = served.kb.components.session_store
        for title in titles:
            sessions.begin(title, "t", title)
            sessions.finish(title, "t", answer=f"About {title}.", status="complete")

    return fill


def chats_of(page):
    return page.get_by_role("region", name="Chats")


def act(page, title, action):
    chats_of(page).get_by_role("button", name=f"Actions for “{title}”").click()
    page.get_by_role("menuitem", name=action, exact=True).click()


def question_box(page):
    return page.get_by_role("textbox", name="Your question")


def test_the_list_goes_on_while_somebody_scrolls(visit, fill):
    fill(*(f"Chat {number:03}" for number in range(130)))
    page = visit()
    links = chats_of(page).get_by_role("link")
    expect(links.first).to_have_text("Chat 129")
    for _ in range(4):
        page.evaluate("document.getElementById('session-list').scrollTo(0, 1e6)")
        page.wait_for_timeout(200)
    expect(links).to_have_count(130)
    expect(links.last).to_have_text("Chat 000")


def test_pins_and_tags_order_and_narrow_the_list(visit, fill):
    fill("one", "two", "three")
    page = visit()
    links = chats_of(page).get_by_role("link")
    expect(links).to_have_text(["three", "two", "one"])
    act(page, "one", "Pin")
    expect(links).to_have_text(["one", "three", "two"])
    expect(chats_of(page).get_by_text("Pinned")).to_be_visible()
    act(page, "two", "Tags")
    page.get_by_label("Tags, with commas between them").fill("Sales, 2026")
    page.get_by_role("button", name="Save").click()
    expect(chats_of(page).locator(".tag")).to_have_text(["Sales", "2026"])
    chats_of(page).get_by_label("Tags").select_option("Sales")
    expect(links).to_have_count(1)
    chats_of(page).get_by_label("Tags").select_option("")
    act(page, "one", "Unpin")
    expect(links.first).to_contain_text("three")


def test_words_that_are_searched_are_marked_whatever_their_accents(visit, fill):
    fill("Un café crème", "Tea")
    page = visit()
    chats_of(page).get_by_role("searchbox").fill("CAFE creme")
    expect(chats_of(page).get_by_role("link")).to_have_count(1)
    expect(chats_of(page).locator(".title mark")).to_have_text(["café", "crème"])
    expect(chats_of(page).locator(".excerpt mark").first).to_have_text("café")


def test_chats_are_deleted_together_and_come_back(visit, fill):
    fill("one", "two", "three")
    page = visit()
    act(page, "two", "Select chats")
    chats_of(page).get_by_label("Select the chat “one”").check()
    expect(chats_of(page).get_by_text("2 chats are selected")).to_be_visible()
    chats_of(page).get_by_role("button", name="Delete", exact=True).click()
    links = chats_of(page).get_by_role("link")
    expect(links).to_have_text(["three"])
    page.get_by_role("status").get_by_role("button", name="Undo").click()
    expect(links).to_have_text(["three", "two", "one"])
    expect(page.get_by_role("button", name="Undo")).to_have_count(0)


def test_a_draft_is_kept_for_its_chat_and_gone_with_the_sign_out(visit, fill):
    fill("one")
    page = visit()
    question_box(page).fill("A draft for a new chat")
    chats_of(page).get_by_role("link", name="one").click()
    expect(question_box(page)).to_have_value("")
    question_box(page).fill("A draft for this one")
    page.get_by_role("link", name="New chat").first.click()
    expect(question_box(page)).to_have_value("A draft for a new chat")
    page.reload()
    expect(question_box(page)).to_have_value("A draft for a new chat")
    chats_of(page).get_by_role("link", name="one").click()
    expect(question_box(page)).to_have_value("A draft for this one")
    page.get_by_role("group", name="Where to look").get_by_text("Documents", exact=True).click()
    question_box(page).press("Enter")
    page.get_by_role("button", name="Copy the answer").last.wait_for()
    page.reload()
    expect(question_box(page)).to_have_value("")
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("dialog").wait_for()
    assert page.evaluate("Object.keys(localStorage).filter(key => key.includes('draft'))") == []


def test_a_question_is_changed_and_its_versions_are_gone_through(page, ask, models):
    models.script = ["First [1].", "When do lamps go back?", "Second [1]."]
    ask("When do goods go back?")
    ask("And lamps?")
    models.script = ["Changed [1].", "When do bulbs go back?", "On [1]."]
    first = page.get_by_role("article").first
    first.get_by_role("button", name="Change the question").click()
    expect(page.get_by_text("Takes the place of a question")).to_be_visible()
    question_box(page).fill("When do lamps go back?")
    question_box(page).press("Enter")
    expect(page.get_by_role("article")).to_have_count(1)
    turn = page.get_by_role("article")
    expect(turn).to_contain_text("Changed")
    expect(turn.get_by_role("group", name="Version 2 of 2")).to_be_visible()
    ask("And bulbs?")

    turn = page.get_by_role("article").first
    turn.get_by_role("button", name="The version before").click()
    expect(page.get_by_role("article")).to_have_count(2)
    expect(page.get_by_role("article").first).to_contain_text("First")
    expect(page.get_by_role("article").last).to_contain_text("Second")
    page.reload()
    expect(page.get_by_role("group", name="Version 1 of 2")).to_be_visible()
    page.get_by_role("button", name="The version after").click()
    expect(page.get_by_role("article").last).to_contain_text("And bulbs?")
    expect(page.get_by_role("button", name="The version after")).to_be_disabled()


def test_an_answer_is_made_again_and_a_changed_question_can_be_asked_besides(page, ask, models):
    models.script = ["Once [1].", "Twice [1].", "Besides [1]."]
    turn = ask("When do goods go back?")
    turn.get_by_role("button", name="Answer again").click()
    expect(page.get_by_role("article")).to_contain_text("Twice")
    expect(page.get_by_role("group", name="Version 2 of 2")).to_be_visible()
    page.get_by_role("button", name="Change the question").click()
    page.get_by_role("button", name="Ask it besides").click()
    question_box(page).press("Enter")
    expect(page.get_by_role("article")).to_have_count(2)
    expect(page.get_by_role("article").last).to_contain_text("Besides")


def test_another_tab_shows_the_version_that_was_chosen(page, ask, models):
    go_on = threading.Event()
    models.script = ["First [1].", PausedStream("Again and at length [1].", go_on)]
    turn = ask("When do goods go back?")
    other = page.context.new_page()
    other.goto(page.url)
    expect(other.get_by_role("article")).to_contain_text("First")
    turn.get_by_role("button", name="Answer again").click()
    expect(other.get_by_role("article")).to_contain_text("Again")
    go_on.set()
    expect(other.get_by_role("article")).to_contain_text("at length")
    expect(other.get_by_role("group", name="Version 2 of 2")).to_be_visible()


@pytest.mark.parametrize("look", LOOKS)
def test_the_list_and_the_versions_are_accessible(visit, fill, served, look):
    fill("one", "two")
    sessions = served.kb.components.session_store
    sessions.pin("one")
    sessions.tag("one", ["Sales"])
    sessions.begin("one", "u", "again", replaces="t")
    sessions.finish("one", "u", answer="Again.", status="complete")
    page = visit("#/chat/one", **LOOKS[look])
    page.locator(".versions").wait_for()
    if page.locator("#menu-button").is_visible():
        page.locator("#menu-button").click()
    page.locator("#session-list .menu button").first.click()
    page.get_by_role("menuitem").nth(5).click()
    page.locator(".bulk-chats").wait_for()
    assert violations(page) == []


def test_the_pencil_of_one_chat_leaves_another_alone(page, ask):
    turn = ask("When do goods go back?")
    turn.get_by_role("button", name="Change the question").click()
    page.get_by_role("link", name="New chat").first.click()
    expect(page.get_by_text("Takes the place of a question")).to_have_count(0)
    expect(question_box(page)).to_have_value("")
    assert re.search("#/$", page.url)
