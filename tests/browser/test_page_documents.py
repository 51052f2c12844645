"""The documents on the page: what became of them, uploading, reading again and forgetting."""

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
    page.get_by_label("Name or title").fill("kettle")
    expect(page.get_by_role("rowheader")).to_have_count(1)
    page.get_by_label("Directory").select_option("documents")
    expect(row(page, "kettle.md")).to_be_visible()
    page.get_by_label("Name or title").fill("no such words")
    expect(page.get_by_text("No document matches.")).to_be_visible()


def test_dropped_files_are_sent_followed_until_they_are_indexed_and_forgotten(page, served):
    page.get_by_role("table").evaluate(
        """zone => {
            const files = new DataTransfer();
            files.items.add(new File(["# Giraffe\\n\\nGiraffes are tall."], "giraffe.md"));
            files.items.add(new File(["\\0 nothing"], "nothing.pdf"));
            zone.dispatchEvent(new DragEvent("drop", {dataTransfer: files, bubbles: true}));
        }"""
    )
    said = page.locator(".upload").get_by_text("1 file was indexed. 1 file could not be read.")
    expect(said).to_be_visible()
    expect(page.locator(".upload").get_by_role("listitem")).to_contain_text("not a PDF")
    expect(row(page, "giraffe.md")).to_contain_text("Indexed")
    expect(row(page, "nothing.pdf")).to_contain_text("Failed")
    for name in ("giraffe.md", "nothing.pdf"):
        row(page, name).get_by_role("button", name="Actions").click()
        page.get_by_role("menuitem", name="Forget").click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("the file will be deleted too")
        dialog.get_by_role("button", name="Forget").click()
        expect(row(page, name)).to_have_count(0)
    assert list(served.kb.config.serve.uploads.glob("*.md")) == []


def test_chosen_files_take_the_place_of_others_only_when_asked_to(page, served):
    files = [{"name": "ibis.md", "mimeType": "text/markdown", "buffer": b"# Ibis\n\nOne.\n"}]
    choose = page.get_by_label("Add files", exact=True).locator("input[type=file]")
    said = page.locator(".upload").first
    choose.set_input_files(files)
    expect(said).to_contain_text("1 file was indexed.")
    files[0]["buffer"] = b"# Ibis\n\nTwo.\n"
    choose.set_input_files(files)
    expect(said).to_contain_text("There is a file of this name already.", ignore_case=True)
    kept = served.kb.config.serve.uploads / "ibis.md"
    assert "One" in kept.read_text()
    said.get_by_role("button", name="Replace").click()
    expect(said).to_contain_text("1 file was indexed.")
    assert "Two" in kept.read_text()
    served.client.delete("/api/documents/uploads/ibis.md")


def test_a_file_of_a_kind_that_is_not_read_is_told(page, served):
    choose = page.get_by_label("Add files", exact=True).locator("input[type=file]")
    picture = {"name": "a.png", "mimeType": "image/png", "buffer": b"\x89PNG"}
    text = {"name": "heron.md", "mimeType": "text/markdown", "buffer": b"# Heron\n\nGrey.\n"}
    choose.set_input_files([picture, text])
    said = page.locator(".upload").first
    expect(said).to_contain_text("a.png: files of this kind are not read")
    expect(said).to_contain_text("1 file was indexed.")
    choose.set_input_files([picture])
    expect(page.locator(".upload").first).to_contain_text("Files of this kind are not read")
    assert [file.name for file in served.kb.config.serve.uploads.glob("[!.]*")] == ["heron.md"]
    served.client.delete("/api/documents/uploads/heron.md")


def test_a_key_that_only_reads_is_offered_nothing_else(visit, served):
    secret = served.with_key("reader").headers["Authorization"].removeprefix("Bearer ")
    try:
        page = visit()
        page.evaluate("secret => sessionStorage.setItem('kb-key', secret)", secret)
        page.goto(f"{page.url}#/documents")
        page.reload()
        expect(page.get_by_role("rowheader").first).to_be_visible()
        expect(page.get_by_text("choose them")).to_have_count(0)
        expect(page.get_by_role("button", name="Actions")).to_have_count(0)
        with page.context.expect_page() as opened:
            page.get_by_role("link", name="Returns").click()
        expect(opened.value.get_by_text("Goods go back within 30 days.")).to_be_visible()
    finally:
        served.forget_keys()


def test_an_address_brings_no_key_and_replaces_none(page, seen):
    def kept():
        return page.evaluate("sessionStorage.getItem('kb-key')")

    own, foreign = (f"kb-{digit * 12}-{digit * 43}" for digit in "12")
    page.evaluate("sessionStorage.clear()")
    for given in (foreign, f" {foreign}"):
        page.goto(f"{seen.base}/?{urlencode({'token': given})}")
        assert (kept(), page.url) == (None, f"{seen.base}/")
    page.goto(f"{seen.base}/?token=of-a-start")
    page.goto(f"{seen.base}/?token=of-another-start")
    assert kept() == "of-another-start"
    page.evaluate("key => sessionStorage.setItem('kb-key', key)", own)
    for given in (foreign, "of-a-start"):
        page.goto(f"{seen.base}/?token={given}")
        assert (kept(), page.url) == (own, f"{seen.base}/")


def test_a_failed_document_is_read_again(page, served):
    (served.kb.config.directory / "documents" / "broken.pdf").write_bytes(b"\x00 still none")
    with page.expect_response(re.compile("/retry$")) as asked:
        row(page, "broken.pdf").get_by_role("button", name="Actions").click()
        page.get_by_role("menuitem", name="Read again").click()
    assert asked.value.status == 202
    assert served.finished(asked.value.json())["status"] == "done"
    expect(page.get_by_text("“broken.pdf” will be read again.").first).to_be_visible()


def test_the_original_is_one_click_away(page):
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Returns").click()
    expect(opened.value.get_by_text("Goods go back within 30 days.")).to_be_visible()
