"""Asking on the page: streaming, routes, citations, what goes wrong, and sessions."""

import re
from urllib.parse import quote

import pytest
from model_server import SERVER_ERROR, CutStream

expect = pytest.importorskip("playwright.sync_api", reason="pip install playwright").expect
HALF = CutStream("They go back within 30 days, but not lamps.", words=9, wait=20)


def question_box(page):
    return page.get_by_role("textbox", name="Your question")


def begin(page, question="When do goods go back?"):
    page.get_by_role("group", name="Where to look").get_by_text("Documents", exact=True).click()
    question_box(page).fill(question)
    question_box(page).press("Enter")
    return page.get_by_role("article").last


def test_an_answer_is_written_with_its_route_and_numbered_sources(ask):
    turn = ask()
    expect(turn.get_by_role("heading", name="When do goods go back?")).to_be_visible()
    expect(turn.locator(".prose strong")).to_have_text("30 days")
    expect(turn.get_by_role("button", name="Answered from: Documents")).to_be_visible()
    expect(turn.get_by_role("button", name="Source 1: ")).to_have_count(2)
    expect(turn.get_by_text("passages considered")).to_be_visible()


def test_words_are_shown_as_they_come_until_the_stop_button_ends_them(page, models, served):
    models.script = [HALF]
    turn = begin(page)
    expect(turn).to_contain_text("They go back within")
    expect(turn).to_have_attribute("aria-busy", "true")
    page.get_by_role("button", name="Stop").click()
    expect(turn).to_contain_text("Stopped.")
    expect(turn).to_have_attribute("aria-busy", "false")
    expect(turn).not_to_contain_text("lamps")
    expect(page.get_by_role("button", name="Ask", exact=True)).to_be_visible()
    page.reload()
    expect(page.get_by_role("article")).to_contain_text("They go back within")
    expect(page.get_by_role("article")).to_contain_text("The answer is not complete")


def test_escape_stops_too_and_another_question_can_be_asked(page, models):
    models.script = [HALF]
    begin(page)
    expect(page.get_by_role("article")).to_contain_text("They go back")
    page.keyboard.press("Escape")
    expect(page.get_by_role("article")).to_contain_text("Stopped.")
    second = begin(page, "When do goods go back again?")
    expect(second).to_contain_text("30 days")


def test_an_answer_goes_on_while_something_else_is_looked_at(page, models):
    models.script = [HALF]
    expect(begin(page)).to_contain_text("They go back")
    page.get_by_role("link", name="Documents").click()
    expect(page.get_by_role("row").nth(1)).to_be_visible()
    page.go_back()
    expect(page.get_by_role("article")).to_contain_text("They go back")
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("article")).to_contain_text("Stopped.")


def test_a_request_that_fails_is_told_to_everybody(page, ask):
    ask()
    page.route("**/api/sessions/*", lambda route: route.abort())
    page.get_by_role("button", name="Actions for").first.click()
    page.get_by_role("menuitem", name="Rename").click()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_have_text("That did not work: The server does not answer.")


def test_markdown_is_shown_while_more_comes(page, models):
    text = "A **first** part.\n\nAnd then some words that never end"
    models.script = [CutStream(text, words=8, wait=20)]
    turn = begin(page)
    expect(turn.locator(".prose strong")).to_have_text("first")
    expect(turn).to_have_attribute("aria-busy", "true")


def test_without_the_model_the_documents_are_quoted_and_it_is_said(page, models):
    models.script = [SERVER_ERROR]
    turn = begin(page)
    expect(turn.locator(".prose")).to_contain_text("The language model does not answer")
    expect(turn.locator(".problem")).to_contain_text("The language model could not answer: ")
    expect(turn.get_by_role("button", name="Source 1: ")).to_have_count(2)  # a quote each


def test_an_answer_that_broke_off_is_asked_again_as_the_same_turn(page, models, served):
    models.script = [CutStream("They go back within 30 days.", words=3)]
    turn = begin(page)
    expect(turn.get_by_role("alert")).to_contain_text("not complete")
    turn.get_by_role("button", name="Go on").click()
    turn = page.get_by_role("article")
    expect(turn.get_by_role("button", name="Copy the answer")).to_be_visible()
    expect(turn).to_have_count(1)
    assert len(session_of(page, served)["turns"]) == 1


def test_an_answer_that_breaks_off_keeps_its_words_and_says_so(page, models):
    models.script = [CutStream("They go back within 30 days.", words=3)]
    turn = begin(page)
    expect(turn.get_by_role("alert")).to_contain_text("not complete")
    expect(turn.locator(".prose")).to_contain_text("They go")
    expect(turn.locator(".prose em")).to_have_text("The language model broke off here.")
    expect(turn.get_by_role("button", name="Source 1: ")).not_to_have_count(0)
    live = turn.locator(".notes").inner_text()
    assert "broke off its answer" in live
    page.reload()
    expect(turn.locator(".notes")).to_contain_text("broke off its answer")
    assert turn.locator(".notes").inner_text() == live


def test_the_badge_tells_why_and_asks_another_source(page, ask, models):
    turn = ask()
    badge = turn.get_by_role("button", name="Answered from: Documents")
    badge.click()
    expect(turn.get_by_text(re.compile("^Why: "))).to_be_visible()
    models.script = ["SELECT city FROM orders", "Lyon and Bern."]
    page.keyboard.press("Enter")
    second = page.get_by_role("article").last
    expect(second).to_contain_text("Lyon and Bern.")
    expect(second.get_by_role("button", name="Answered from: Tables")).to_be_visible()


def test_a_question_is_changed_and_asked_again(page, ask):
    ask().get_by_role("button", name="Change the question").click()
    expect(question_box(page)).to_be_focused()
    expect(question_box(page)).to_have_value("When do goods go back?")
    page.keyboard.type(" And lamps?")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="When do goods go back? And lamps?")).to_be_visible()
    expect(page.get_by_role("article")).to_have_count(1)  # the other version has given way


def test_the_answer_is_copied_with_its_sources(page, ask):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    ask().get_by_role("button", name="Copy the answer").click()
    expect(page.get_by_role("status").filter(has_text="Copied")).to_have_count(1)
    copied = page.evaluate("navigator.clipboard.readText()")
    assert re.fullmatch(r"They go back within \*\*30 days\*\* \[1\]\.\n\n\[1\] .*\.\w+.*", copied)


def test_the_page_stays_where_it_is_read_until_the_end_is_asked_for(page, models):
    models.script = [CutStream("\n\n".join(f"Part {n}." for n in range(80)), words=150, wait=20)]
    turn = begin(page)
    expect(turn).to_contain_text("Part 70")
    expect(turn.get_by_role("heading").first).to_be_in_viewport()
    page.get_by_role("button", name="To the end").click()
    expect(page.get_by_role("button", name="To the end")).to_be_hidden()
    expect(turn.get_by_text("Part 7", exact=False).last).to_be_in_viewport()
    page.get_by_role("button", name="Stop").click()
    expect(turn.get_by_text("Stopped.")).to_be_in_viewport()


def test_what_was_there_stays_when_asking_again_reaches_no_server(page, models):
    models.script = [CutStream("They go back within 30 days.", words=3)]
    turn = begin(page)
    expect(turn.get_by_role("alert")).to_contain_text("not complete")
    page.route("**/turns**", lambda route: route.abort())
    turn.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("alert").last).to_contain_text("The server does not answer.")
    expect(page.get_by_role("article")).to_contain_text("They go")


def test_a_citation_opens_the_passage_with_its_place_and_the_original(page, ask, served):
    chip = ask().locator("button.chip")
    chip.hover()
    expect(page.locator(".preview")).to_contain_text(re.compile(r"\.(md|html)"))
    chip.click()
    expect(page.locator(".preview")).to_have_count(0)
    panel = page.get_by_role("complementary")
    title = panel.get_by_role("heading", level=2)
    expect(title).to_be_focused()
    expect(panel.locator(".where")).to_contain_text(re.compile(r"\.(md|html)"))
    with page.context.expect_page() as opened:
        panel.get_by_role("link", name="Open the original").click()
    assert opened.value.url.startswith(f"{served.client.base_url}/api/documents/documents/")
    assert "#:~:text=" in opened.value.url
    panel.get_by_role("button", name="Close").click()
    expect(panel).to_be_hidden()
    expect(chip).to_be_focused()


def test_the_cited_words_are_marked_and_what_stands_around_is_there(page, served, models):
    text = "\n\n".join(f"# Part {n}\n\n{'Words of a long part. ' * 90}" for n in range(3))
    upload = {"files": ("long.md", text.replace("part", "zebra"))}
    job = served.client.post("/api/documents", files=upload).json()["job"]
    assert served.finished(job)["status"] == "done"
    models.script = ["It has words of a long zebra [1]."]
    begin(page, "Words of a long zebra?").locator("button.chip").click()
    panel = page.get_by_role("complementary")
    expect(
        panel.get_by_role("heading", name=re.compile("^Just (before|after)")).first
    ).to_be_visible()
    assert page.evaluate("CSS.highlights.get('excerpt') !== undefined")
    served.client.delete("/api/documents/uploads/long.md")


def test_follow_ups_share_a_session_that_a_reload_shows_again(page, ask, served):
    ask()
    ask("And for lamps?")
    assert re.search(r"#/chat/\w+$", page.url)
    page.reload()
    expect(page.get_by_role("article")).to_have_count(2)
    expect(page.locator(".prose strong")).to_have_count(2)
    expect(page.locator("button.chip")).to_have_count(2)
    assert [turn["number"] for turn in session_of(page, served)["turns"]] == [1, 2]


def test_thumbs_and_a_comment_are_stored(page, ask, served):
    turn = ask()
    thumb = turn.get_by_role("button", name="Bad answer")
    thumb.click()
    expect(thumb).to_have_attribute("aria-pressed", "true")
    comment = turn.get_by_role("textbox", name="What could be better?")
    expect(comment).to_be_focused()
    comment.fill("Say which goods.")
    comment.press("Enter")
    expect(turn.get_by_text("Thank you.")).to_be_visible()
    page.reload()
    expect(thumb).to_have_attribute("aria-pressed", "true")
    expect(turn.get_by_role("button", name="Good answer")).to_have_attribute(
        "aria-pressed", "false"
    )
    with served.kb.components.engine.connect() as connection:
        said = connection.exec_driver_sql("SELECT rating, comment FROM kb_feedback").all()
    assert (-1, "Say which goods.") in [tuple(each) for each in said]


def test_profile_and_filters_reach_the_search(page, ask):
    page.locator(".options summary").click()
    page.get_by_label("Search profile").select_option("faq")
    page.get_by_role("group", name="Only documents with").get_by_label("category").select_option(
        label="manual (1)"
    )
    expect(page.locator(".options summary")).to_have_attribute(
        "aria-label", "Search options: 2 are set"
    )
    with page.expect_request(re.compile("/turns$")) as asked:
        turn = ask("How long does it take?")
    body = asked.value.post_data_json
    assert (body["profile"], body["filters"]) == ("faq", {"category": "manual"})
    expect(turn.get_by_role("list").get_by_text("kettle.md")).to_be_visible()
    expect(turn.get_by_role("list").get_by_text("returns.md")).to_have_count(0)


def test_what_narrows_a_search_is_seen_taken_out_and_kept_with_its_chat(page, ask, served):
    page.locator(".options summary").click()
    page.get_by_label("Search profile").select_option("faq")
    page.get_by_label("category").select_option(label="manual (1)")
    page.keyboard.press("Escape")
    writing = page.get_by_role("form", name="Your question")
    expect(writing.locator(".filter-chip")).to_have_text(
        ["Search profile: faq", "Category: manual"]
    )
    turn = ask("How long does it take?")
    expect(turn.locator(".filter-chip")).to_have_text(["Search profile: faq", "Category: manual"])
    stored = session_of(page, served)["turns"][0]["options"]
    assert stored == {"source": "documents", "profile": "faq", "filters": {"category": "manual"}}

    page.get_by_role("link", name="New chat").first.click()
    expect(writing.locator(".filter-chip")).to_have_count(0)
    page.go_back()
    expect(writing.locator(".filter-chip")).to_have_text(
        ["Search profile: faq", "Category: manual"]
    )
    page.reload()
    writing.get_by_role("button", name="Ask without “Search profile: faq”").click()
    expect(writing.get_by_role("textbox")).to_be_focused()
    expect(page.locator(".options summary")).to_have_attribute(
        "aria-label", "Search options: 1 is set"
    )
    with page.expect_request(re.compile("/turns$")) as asked:
        page.keyboard.type("And then?")
        page.keyboard.press("Enter")
    body = asked.value.post_data_json
    assert (body.get("profile"), body["filters"]) == (None, {"category": "manual"})


def test_sessions_are_searched_renamed_exported_and_deleted(page, ask, served):
    ask("When do zebras go back?")
    chats = page.get_by_role("region", name="Chats")
    chats.get_by_role("searchbox").fill("zebras")
    expect(chats.get_by_role("link")).to_have_count(1)
    expect(chats.locator(".excerpt")).to_contain_text("zebras")
    actions = chats.get_by_role("button", name="Actions for")
    actions.click()
    page.get_by_role("menuitem", name="Rename").click()
    page.get_by_label("Title").fill("Striped")
    page.get_by_role("button", name="Save").click()
    expect(chats.get_by_role("link", name="Striped")).to_be_visible()
    for name, ending in (("Export as Markdown", ".md"), ("Export as JSON", ".json")):
        actions.click()
        with page.expect_download() as download:
            page.get_by_role("menuitem", name=name).click()
        assert download.value.suggested_filename == f"Striped{ending}"
        assert "zebras" in download.value.path().read_text("utf-8")
    actions.click()
    page.get_by_role("menuitem", name="Delete").click()
    expect(page.get_by_role("heading", name="What would you like to know?")).to_be_visible()
    assert served.client.get("/api/sessions", params={"search": "zebras"}).json() == []


def test_a_verified_question_is_suggested(page):
    page.get_by_role("button", name="How did revenue develop month by month?").click()
    shown = page.get_by_role("article").get_by_text("Verified by Ana on")
    expect(shown.first).to_be_visible()  # beside the rows, and below the answer


def test_what_can_be_written_in_a_question_is_explained(page):
    page.locator(".options summary").click()
    listed = page.locator(".options dl")
    expect(listed).to_contain_text("these words as they are")
    expect(listed.locator("dt")).to_have_count(5)


def session_of(page, served):
    return served.client.get(f"/api/sessions/{page.url.rpartition('/')[2]}").json()


def test_a_passage_has_an_address_of_its_own(page, served):
    found = served.client.post("/api/search", json={"question": "When do goods go back?"}).json()
    base = str(served.client.base_url)
    page.goto(f"{base}/#/passage/{quote(found[0]['id'], safe='')}")
    passage = page.get_by_role("complementary", name=found[0]["title"])
    expect(passage.get_by_role("region", name="The passage")).to_contain_text("go back")
    page.keyboard.press("Escape")
    expect(passage).to_be_hidden()
    expect(question_box(page)).to_be_visible()


def test_the_address_of_a_passage_that_is_gone_says_so(page, served):
    page.goto(f"{served.client.base_url}/#/passage/none")
    expect(page.locator("#passage").get_by_role("alert")).to_contain_text("cannot be shown")


def test_questions_of_documents_and_tables_begin_a_chat_and_go_on_with_it(page, models):
    first = page.get_by_role("list", name="Questions to begin with")
    expect(first.get_by_role("button", name="How many orders are there")).to_be_visible()
    first.get_by_role("button", name=re.compile("^What does “")).first.click()
    turn = page.get_by_role("article").last
    turn.get_by_role("button", name="Copy the answer").wait_for()
    expect(turn.get_by_role("button", name="Answered from: Documents")).to_be_visible()
    expect(first).to_have_count(0)


def test_verified_questions_on_the_same_tables_follow_an_answer(page, ask, served):
    another = {
        "name": "best",
        "verified_by": "Ana",
        "question": "Which month sold best?",
        "sql": "SELECT month FROM sales ORDER BY revenue DESC LIMIT 1",
        "parameters": {},
    }
    assert served.client.post("/api/verified", json=another).is_success
    turn = ask("How did revenue develop month by month?", "Tables")
    following = turn.get_by_role("list", name="Questions to go on with")
    expect(following.get_by_role("button")).to_have_text(["Which month sold best?"])
    page.reload()
    following.get_by_role("button", name="Which month sold best?").click()
    expect(page.get_by_role("article")).to_have_count(2)
    expect(page.get_by_role("article").last.get_by_text("Verified by").first).to_be_visible()
    expect(
        page.get_by_role("article").first.get_by_role("list", name="Questions to go on with")
    ).to_have_count(0)
    served.client.delete("/api/verified/best")
