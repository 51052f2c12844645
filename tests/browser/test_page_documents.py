"""The documents on the page: found, sorted, shown one by one, asked alone, and forgotten."""

import re
from urllib.parse import urlencode

import pytest

expect = pytest.importorskip("playwright.sync_api", reason="pip install playwright").expect


@pytest.fixture
def page(visit):
    page = visit("#/documents")
    page.get_by_role("row").nth(1).wait_for()
    return page


def row(page, name):
    return page.get_by_role("row").filter(has_text=name)


def test_documents_are_listed_with_their_state_and_the_reason_of_a_failure(page):
    expect(row(page, "returns.md")).to_contain_text("Indexed")
    expect(row(page, "broken.pdf")).to_contain_text("Failed")
    expect(row(page, "broken.pdf")).to_contain_text("not a PDF")
    expect(page.get_by_text("5 documents")).to_be_visible()


def test_they_are_filtered_by_state_directory_and_words(page):
    page.get_by_label("Status").select_option("Failed")
    expect(page.get_by_role("rowheader")).to_have_count(1)
    page.get_by_label("Status").select_option("Any status")
    page.get_by_label("Name, title or words").fill("kettle")
    expect(page.get_by_role("rowheader")).to_have_count(1)
    page.get_by_label("Directory").select_option("documents")
    expect(row(page, "kettle.md")).to_be_visible()
    page.get_by_label("Name, title or words").fill("no such words")
    expect(page.get_by_text("No document matches.")).to_be_visible()


def put(served, path, text):
    folder, _, name = path.rpartition("/")
    files = [("files", (name, text))]
    reply = served.client.post("/api/documents", files=files, data={"folder": folder})
    assert served.finished(reply.json()["job"])["status"] == "done"


@pytest.fixture
def uploads(served):
    """Files in folders of the uploads, until the test is over."""
    paths = ("tall/giraffe.md", "tall/old/tree.md", "ant.md", "bee.md")
    for number, path in enumerate(paths):
        words = "Giraffes eat acacia leaves. " if "giraffe" in path else f"Words of {path}. "
        put(served, path, f"# {path.split('/')[-1][:-3].title()}\n\n{words * (1 + 9 * number)}")
    yield
    for path in paths:
        served.client.delete(f"/api/documents/uploads/{path}")


@pytest.fixture
def shown(uploads, page):
    page.reload()
    page.get_by_role("row").nth(1).wait_for()
    return page


def names(page):
    return page.locator("tbody .of-name .title").all_inner_texts()


def test_they_are_forgotten_one_by_one_after_a_question(shown, served):
    row(shown, "ant.md").get_by_role("button", name="Actions").click()
    shown.get_by_role("menuitem", name="Forget").click()
    dialog = shown.get_by_role("dialog")
    expect(dialog).to_contain_text("the file will be deleted too")
    dialog.get_by_role("button", name="Cancel").click()
    expect(row(shown, "ant.md")).to_have_count(1)
    row(shown, "ant.md").get_by_role("button", name="Actions").click()
    shown.get_by_role("menuitem", name="Forget").click()
    dialog.get_by_role("button", name="Forget").click()
    expect(row(shown, "ant.md")).to_have_count(0)
    assert not (served.kb.config.serve.uploads / "ant.md").exists()


def test_several_are_selected_and_forgotten_or_read_again(shown, served):
    shown.get_by_role("checkbox", name="Select “ant.md”").check()
    shown.get_by_role("checkbox", name="Select “bee.md”").check()
    bulk = shown.locator(".bulk")
    expect(bulk).to_contain_text("2 documents are selected")
    bulk.get_by_role("button", name="Read again").click()
    expect(shown.locator("#tray")).to_contain_text("2 files were indexed.")
    expect(bulk).to_contain_text("2 documents are selected")
    bulk.get_by_role("button", name="Forget").click()
    dialog = shown.get_by_role("dialog")
    expect(dialog).to_contain_text("Forget 2 documents?")
    expect(dialog.get_by_role("listitem")).to_have_text(["ant.md", "bee.md"])
    dialog.get_by_role("button", name="Forget").click()
    expect(row(shown, "bee.md")).to_have_count(0)
    expect(bulk).to_be_hidden()
    assert not list(served.kb.config.serve.uploads.glob("*.md"))
    shown.get_by_role("checkbox", name="Select all that are shown").check()
    expect(bulk).to_contain_text("7 documents are selected")
    bulk.get_by_role("button", name="Select none").click()
    expect(bulk).to_be_hidden()


def test_they_are_sorted_by_the_heads_of_the_columns(shown):
    head = shown.get_by_role("columnheader", name="Size")
    head.get_by_role("button").click()
    expect(head).to_have_attribute("aria-sort", "descending")
    assert names(shown)[0] == "Bee"
    head.get_by_role("button").click()
    expect(head).to_have_attribute("aria-sort", "ascending")
    expect(shown.locator("tbody .of-name .title").last).to_have_text("Bee")
    expect(head.get_by_role("button")).to_be_focused()


def test_folders_are_entered_and_left(shown):
    shown.get_by_label("Directory").select_option("uploads")
    expect(shown.locator("tbody .title")).to_have_text(["tall", "Ant", "Bee"])
    shown.get_by_role("button", name="tall").click()
    expect(shown.locator("tbody .title")).to_have_text(["old", "Giraffe"])
    shown.get_by_role("button", name="old", exact=True).click()
    expect(shown.locator("tbody .title")).to_have_text(["Tree"])
    way = shown.get_by_role("navigation", name="Folder")
    expect(way.get_by_role("listitem")).to_have_text(["uploads", "tall", "old"])
    way.get_by_role("button", name="tall").click()
    expect(shown.locator("tbody .title")).to_have_text(["old", "Giraffe"])
    way.get_by_role("button", name="uploads").click()
    expect(shown.locator("tbody .title")).to_have_text(["tall", "Ant", "Bee"])


def test_they_are_found_by_what_they_say(shown):
    shown.get_by_label("Search in").select_option("Contents")
    shown.get_by_label("Name, title or words").fill("acacia leaves")
    found = shown.locator(".found > li").first
    expect(found).to_contain_text("tall/giraffe.md")
    found.get_by_role("button").first.click()
    panel = shown.get_by_role("complementary")
    expect(panel.locator(".cited")).to_contain_text("Giraffes eat acacia leaves.")
    shown.get_by_label("Name, title or words").fill("")
    expect(row(shown, "ant.md")).to_be_visible()


def test_a_document_has_a_page_and_is_asked_alone(shown, models, served):
    row(shown, "giraffe.md").get_by_role("link", name="Giraffe", exact=True).click()
    expect(shown.get_by_role("heading", name="Giraffe")).to_be_visible()
    expect(shown.get_by_role("region", name="Text")).to_contain_text("acacia leaves")
    expect(shown.get_by_role("region", name="What is known of it")).to_contain_text("text/markdown")
    expect(shown.get_by_text("Your questions that it answered")).to_be_hidden()
    shown.reload()
    shown.get_by_role("button", name="Ask only this document").click()
    expect(shown.get_by_text("Only “Giraffe” is asked")).to_be_visible()
    models.script = ["They eat leaves [1]."]
    with shown.expect_request(re.compile("/turns$")) as asked:
        shown.get_by_role("textbox", name="Your question").fill("What do they eat?")
        shown.keyboard.press("Enter")
    body = asked.value.post_data_json
    assert (body["source"], body["filters"]) == (
        *("documents", {"root": "uploads", "path": ["tall/giraffe.md"]}),
    )
    turn = shown.get_by_role("article")
    turn.get_by_role("button", name="Copy the answer").wait_for()
    expect(shown.get_by_text("Only “Giraffe” is asked")).to_be_visible()
    shown.get_by_role("button", name="Ask all documents again").click()
    expect(shown.get_by_text("Only “Giraffe” is asked")).to_have_count(0)
    expect(shown.get_by_role("textbox", name="Your question")).to_be_focused()
    shown.goto(shown.url.split("#")[0] + "#/document/uploads/tall/giraffe.md")
    answered = shown.get_by_role("region", name="Your questions that it answered")
    answered.get_by_role("link", name="What do they eat?").click()
    expect(shown.get_by_role("article")).to_contain_text("They eat leaves")
    shown.goto(shown.url.split("#")[0] + "#/document/uploads/no such.md")
    expect(shown.get_by_text("This document is not there any more.")).to_be_visible()


def test_a_key_that_only_reads_is_offered_nothing_else(visit, served):
    secret = served.with_key("reader").headers["Authorization"].removeprefix("Bearer ")
    try:
        page = visit("#/documents")
        page.get_by_label("Key", exact=True).fill(secret)
        page.get_by_role("button", name="Use the key").click()
        expect(page.get_by_role("rowheader").first).to_be_visible()
        expect(page.get_by_text("Choose files")).to_have_count(0)
        expect(page.get_by_role("checkbox")).to_have_count(0)
        row(page, "returns.md").get_by_role("button", name="Actions").click()
        expect(page.get_by_role("menuitem")).to_have_text(["Ask only this document"])
        with page.context.expect_page() as opened:
            page.get_by_role("link", name="Open the original: returns.md").click()
        expect(opened.value.get_by_text("Goods go back within 30 days.")).to_be_visible()
    finally:
        served.forget_keys()


def test_an_address_brings_no_key_and_replaces_none(visit, served, seen):
    own, foreign = (secret_of(served.with_key(name)) for name in ("own", "foreign"))
    try:
        page = visit()
        for given in (foreign, f" {foreign}"):
            page.goto(f"{seen.base}/?{urlencode({'token': given})}")
            expect(page.get_by_role("dialog")).to_be_visible()
            assert page.url == f"{seen.base}/"
        page.get_by_label("Key", exact=True).fill(own)
        page.get_by_role("button", name="Use the key").click()
        expect(page.locator("#me")).to_contain_text("own")
        for given in (foreign, served.token):
            page.goto(f"{seen.base}/?token={given}")
            expect(page.locator("#me")).to_contain_text("own")
            assert page.url == f"{seen.base}/"
    finally:
        served.forget_keys()


def test_the_page_keeps_no_key_and_signs_out(visit, served):
    secret = secret_of(served.with_key("ana", groups=["staff"]))
    try:
        page = visit()
        page.get_by_label("Key", exact=True).fill("kb-wrong")
        page.get_by_role("button", name="Use the key").click()
        expect(page.get_by_role("dialog")).to_contain_text("The key was refused")
        page.get_by_label("Key", exact=True).fill(secret)
        page.get_by_role("button", name="Use the key").click()
        expect(page.locator("#me")).to_contain_text("ana may read · by a key · in staff")
        kept = "JSON.stringify([document.cookie, {...sessionStorage}, {...localStorage}])"
        assert secret not in page.evaluate(kept)
        assert "kb-sign-in" not in page.evaluate(kept)
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("dialog")).to_be_visible()
        assert page.context.cookies() == []
    finally:
        served.forget_keys()


def secret_of(client):
    return client.headers["Authorization"].removeprefix("Bearer ")


def test_without_access_no_document_is_for_groups(page):
    row(page, "returns.md").get_by_role("button", name="Actions").click()
    expect(page.get_by_role("menuitem", name="Forget")).to_be_visible()
    expect(page.get_by_role("menuitem", name="For groups …")).to_have_count(0)


def test_a_failed_document_is_read_again(page, served):
    (served.kb.config.directory / "documents" / "broken.pdf").write_bytes(b"\x00 still none")
    with page.expect_response(re.compile("/retry$")) as asked:
        row(page, "broken.pdf").get_by_role("button", name="Actions").click()
        page.get_by_role("menuitem", name="Read again").click()
    assert asked.value.status == 202
    assert served.finished(asked.value.json())["status"] == "done"
    expect(page.locator("#tray")).to_contain_text("1 file could not be read.")


def test_the_original_is_one_click_away(page):
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Open the original: returns.md").click()
    expect(opened.value.get_by_text("Goods go back within 30 days.")).to_be_visible()
