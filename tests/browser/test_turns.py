"""Turns on the page: they survive a reload, a lost connection and a second tab."""

import threading

import pytest
from model_server import PausedStream
from test_asking import begin, question_box, session_of

expect = pytest.importorskip("playwright.sync_api", reason="pip install playwright").expect
TEXT = "They go back within **30 days** [1].\n\nAll of them."
QUESTION = "When do goods go back?"
# A stream breaks when the window's cutStream is called, as it does on a network that is gone.
BREAKABLE = """
const fetched = window.fetch;
window.fetch = async (...asked) => {
  const response = await fetched(...asked);
  if (!response.headers.get("content-type")?.includes("event-stream")) return response;
  const reader = response.body.getReader();
  const cut = new Promise((_, fail) => (window.cutStream = () => fail(new TypeError("gone"))));
  const body = new ReadableStream({
    async pull(pieces) {
      const piece = await Promise.race([reader.read(), cut]);
      if (piece.done) pieces.close();
      else pieces.enqueue(piece.value);
    },
  });
  return new Response(body, response);
};
"""


@pytest.fixture
def go_on(models, page):
    go_on = threading.Event()
    models.script = [PausedStream(TEXT, go_on, words=5)]
    yield go_on
    go_on.set()


def expect_whole(turn):
    expect(turn).to_contain_text("All of them.")
    expect(turn.locator(".prose strong")).to_have_text("30 days")
    expect(turn.get_by_role("button", name="Copy the answer")).to_be_visible()
    expect(turn).to_have_attribute("aria-busy", "false")


def test_an_answer_under_way_goes_on_after_a_reload(page, go_on, models):
    expect(begin(page)).to_contain_text("They go back")
    page.reload()
    turn = page.get_by_role("article")
    expect(turn).to_contain_text("They go back")
    expect(turn).to_have_attribute("aria-busy", "true")
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    go_on.set()
    expect_whole(turn)
    expect(page.get_by_role("button", name="Ask", exact=True)).to_be_visible()
    assert len(models.requests) >= 1


def test_all_tabs_of_a_chat_show_the_same(page, go_on):
    begin(page, "And before?")
    go_on.set()
    expect_whole(page.get_by_role("article"))
    with page.context.expect_page() as opened:
        page.evaluate("window.open(location.href)")
    other = opened.value
    expect(other.get_by_role("article")).to_have_count(1)
    expect(begin(page)).to_contain_text("30 days")
    expect(other.get_by_role("article")).to_have_count(2)
    expect(other.get_by_role("heading", name=QUESTION, exact=True)).to_be_visible()
    expect(other.get_by_role("article").last).to_contain_text("30 days")


def test_a_lost_connection_is_taken_up_again(page, go_on):
    page.evaluate(BREAKABLE)
    turn = begin(page)
    expect(turn).to_contain_text("They go back")
    page.context.set_offline(True)
    page.evaluate("cutStream()")
    expect(turn).to_contain_text("The connection was lost")
    go_on.set()
    page.context.set_offline(False)
    expect_whole(turn)
    expect(turn).not_to_contain_text("The connection was lost")
    expect(turn.locator(".prose p")).to_have_count(2)


def test_a_stop_is_told_after_a_reload_too(page, go_on, served):
    expect(begin(page)).to_contain_text("They go back")
    page.reload()
    turn = page.get_by_role("article")
    expect(turn).to_contain_text("They go back")
    page.get_by_role("button", name="Stop").click()
    expect(turn).to_have_attribute("aria-busy", "false")
    [stored] = session_of(page, served)["turns"]
    assert stored["status"] == "partial"
    assert stored["answer"].startswith("They go back")


def test_code_is_shown_while_it_comes(page, models):
    go_on = threading.Event()
    code = "Run this:\n\n```python\nfirst = 1\nsecond = 2\nthird = 3\n```\nThat is all."
    models.script = [PausedStream(code, go_on, words=9)]
    turn = begin(page)
    expect(turn.locator(".tail.code")).to_contain_text("first = 1")
    expect(turn.locator(".prose p").first).to_have_text("Run this:")
    go_on.set()
    expect(turn.locator(".prose pre code")).to_contain_text("third = 3")


def test_a_long_chat_opens_at_its_end_and_shows_what_was_before_on_scrolling(page, served):
    store = served.kb.components.session_store
    for number in range(70):
        store.begin("long", str(number), f"Question {number}?")
        store.finish("long", str(number), answer=f"Answer {number}.", status="complete")
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.evaluate("location.hash = '#/chat/long'")
    expect(page.get_by_role("article").last).to_contain_text("Answer 69.")
    expect(page.get_by_role("heading", name="Question 0?", level=2)).to_have_count(0)
    expect(page.get_by_role("article").last).to_be_in_viewport()
    for _ in range(3):
        page.locator(".scroller").evaluate("element => element.scrollTo({top: 0})")
        page.wait_for_timeout(300)
    expect(page.get_by_role("heading", name="Question 0?", level=2)).to_have_count(1)
    expect(page.get_by_role("article")).to_have_count(70)
    questions = page.locator("h2.question").all_text_contents()
    assert questions == [f"Question {number}?" for number in range(70)]
    question_box(page).fill("One more?")
    assert len([url for url in asked if "/api/sessions/long?" in url]) == 3
