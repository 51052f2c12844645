"""Adding files to the documents: a row each, folders, from any view, seen in every tab."""

import pytest

expect = pytest.importorskip("playwright.sync_api", reason="pip install playwright").expect
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
DROP = """([target, files]) => {
    const dropped = new DataTransfer();
    for (const [name, text] of files) dropped.items.add(new File([text], name));
    for (const name of ["dragenter", "drop"]) {
        const event = new DragEvent(name, {dataTransfer: dropped, bubbles: true});
        document.querySelector(target).dispatchEvent(event);
    }
}"""
# What browsers tell of a directory that was dropped, of which no script can make one.
DIRECTORY = """
const file = (path) => ({
  isDirectory: false,
  name: path.split("/").pop(),
  file: (done) => done(new File([`# ${path}\\n\\nOf ${path}.`], path.split("/").pop())),
});
const folder = (name, ...entries) => ({
  isDirectory: true,
  name,
  createReader: () => ({readEntries: (done) => done(entries.splice(0, 1))}),
});
DataTransferItem.prototype.webkitGetAsEntry = () =>
  folder("trip", file("a.md"), folder("day one", file("b.md")), folder(".git", file("config.md")));
"""


@pytest.fixture
def page(visit, served):
    yield visit()
    uploads = served.client.get("/api/documents", params={"root": "uploads"}).json()
    for document in uploads["documents"]:
        served.client.delete(f"/api/documents/uploads/{document['path']}")


def drop(page, files, target="main"):
    page.evaluate(DROP, [target, list(files.items())])


def row(page, name):
    return page.locator("#tray .upload").filter(has_text=name)


def text_file(name, text):
    return {"name": name, "mimeType": "text/markdown", "buffer": text.encode()}


def paths_of(served):
    told = served.client.get("/api/documents", params={"root": "uploads"}).json()
    return [document["path"] for document in told["documents"]]


def test_files_dropped_in_a_chat_have_a_row_each_with_what_became_of_it(page, served):
    drop(page, {"giraffe.md": "# Giraffe\n\nTall.", "nothing.pdf": "\0", "a.png": "PNG"})
    expect(row(page, "giraffe.md")).to_have_attribute("data-state", "indexed")
    expect(row(page, "nothing.pdf")).to_contain_text("not a PDF")
    expect(row(page, "a.png")).to_contain_text("Files of this kind are not read")
    expect(page.locator("#tray")).to_contain_text("1 file was indexed. 2 files could not be read.")
    expect(page.locator("#said")).to_contain_text("1 file was indexed.")
    page.reload()
    expect(row(page, "giraffe.md")).to_be_hidden()
    page.get_by_role("button", name="1 file was indexed.").click()
    expect(row(page, "nothing.pdf")).to_be_visible()
    page.get_by_role("button", name="Clear what is done").click()
    expect(page.locator("#tray")).to_be_hidden()
    page.reload()
    page.get_by_role("link", name="Documents").click()
    expect(page.get_by_role("row").filter(has_text="giraffe.md")).to_contain_text("Indexed")
    expect(page.locator("#tray")).to_be_hidden()


def test_at_most_three_files_are_sent_at_once_and_each_by_itself(page, served):
    held, all_held = [], [True]

    def hold(route):
        if all_held:
            held.append(route)
        else:
            route.continue_()

    page.route("**/api/documents", hold)
    drop(page, {f"{number}.md": f"# {number}\n\nWords." for number in range(5)})
    expect(page.locator("[data-state=sending]")).to_have_count(3)
    page.wait_for_timeout(300)
    assert len(held) == 3
    expect(row(page, "4.md")).to_contain_text("Waiting")
    all_held.clear()
    for route in held:
        route.continue_()
    expect(page.locator("#tray")).to_contain_text("5 files were indexed.")
    assert paths_of(served) == [f"{number}.md" for number in range(5)]


def test_a_file_that_is_too_large_is_refused_alone_before_it_is_sent(page, served):
    sizes = []
    page.on("request", lambda request: sizes.append(request.url) if request.method == "POST" else 0)
    page.evaluate(
        """async () => {
            const dropped = new DataTransfer();
            dropped.items.add(new File([new Uint8Array(50 * 2 ** 20 + 1)], "huge.md"));
            dropped.items.add(new File(["# Small"], "small.md"));
            const event = new DragEvent("drop", {dataTransfer: dropped, bubbles: true});
            document.body.dispatchEvent(event);
        }"""
    )
    expect(row(page, "huge.md")).to_contain_text("Larger than 50 MB")
    expect(row(page, "small.md")).to_contain_text("Indexed")
    assert len([url for url in sizes if url.endswith("/api/documents")]) == 1


def test_a_file_takes_the_place_of_another_only_when_asked_to(page, served):
    drop(page, {"ibis.md": "# Ibis\n\nOne."})
    expect(row(page, "ibis.md")).to_contain_text("Indexed")
    kept = served.kb.config.serve.uploads / "ibis.md"
    drop(page, {"ibis.md": "# Ibis\n\nTwo."})
    expect(row(page, "ibis.md")).to_contain_text("There is a file of this name already")
    assert "One" in kept.read_text()
    row(page, "ibis.md").get_by_role("button", name="Replace").click()
    expect(row(page, "ibis.md")).to_have_attribute("data-state", "indexed")
    assert "Two" in kept.read_text()
    drop(page, {"ibis.md": "# Ibis\n\nThree."})
    row(page, "ibis.md").get_by_role("button", name="Cancel").click()
    expect(row(page, "ibis.md")).to_have_count(0)
    assert "Two" in kept.read_text()


def test_a_file_that_could_not_be_sent_is_sent_again(page, served):
    page.context.set_offline(True)
    drop(page, {"heron.md": "# Heron\n\nGrey."})
    expect(row(page, "heron.md")).to_contain_text("The server does not answer")
    page.context.set_offline(False)
    row(page, "heron.md").get_by_role("button", name="Try again").click()
    expect(row(page, "heron.md")).to_contain_text("Indexed")


def test_a_busy_server_is_waited_for(page, served):
    busy = {"status": 429, "headers": {"Retry-After": "0"}, "json": {"title": "Too much"}}
    answers = [busy, busy]
    page.route(
        "**/api/documents",
        lambda route: route.fulfill(**answers.pop()) if answers else route.continue_(),
    )
    drop(page, {"stork.md": "# Stork\n\nWhite."})
    expect(row(page, "stork.md")).to_contain_text("Indexed")
    assert answers == []


def test_a_dropped_folder_keeps_its_folders_and_leaves_hidden_ones(page, served):
    page.evaluate(DIRECTORY)
    drop(page, {"trip": ""})
    expect(row(page, "trip/day one/b.md")).to_contain_text("Indexed")
    expect(row(page, "trip/a.md")).to_contain_text("Indexed")
    assert paths_of(served) == ["trip/a.md", "trip/day one/b.md"]


def test_a_chosen_folder_keeps_its_folders(page, served, tmp_path):
    (tmp_path / "books" / "old").mkdir(parents=True)
    (tmp_path / "books" / "old" / "one.md").write_text("# One\n\nWords.")
    (tmp_path / "books" / ".hidden.md").write_text("# Hidden\n\nWords.")
    page.get_by_role("link", name="Documents").click()
    page.get_by_label("Add a folder").set_input_files(tmp_path / "books")
    expect(row(page, "books/old/one.md")).to_contain_text("Indexed")
    assert paths_of(served) == ["books/old/one.md"]
    choose = page.get_by_label("Add files", exact=True).locator("input[type=file]").first
    choose.set_input_files([text_file("two.md", "# Two\n\nWords.")])
    expect(row(page, "two.md")).to_contain_text("Indexed")


def test_other_tabs_and_a_tab_that_is_loaded_again_show_what_is_being_added(page, served):
    with page.context.expect_page() as opened:
        page.evaluate("window.open(location.href)")
    other = opened.value
    other.get_by_role("textbox", name="Your question").wait_for()
    with served.kb.components.registry.hold_root("uploads", lambda: None):
        drop(page, {"crane.md": "# Crane\n\nGrey."})
        expect(row(page, "crane.md")).to_contain_text("ndex")
        expect(other.locator("#tray")).to_contain_text("0 of 1 file is done")
        other.reload()
        expect(other.locator("#tray")).to_contain_text("0 of 1 file is done")
        other.get_by_role("link", name="Documents").click()
        expect(other.locator("#tray")).to_contain_text("0 of 1 file is done")
    expect(page.locator("#tray")).to_contain_text("1 file was indexed.")
    expect(other.locator("#tray")).to_contain_text("1 file was indexed.")
    expect(other.get_by_role("row").filter(has_text="crane.md")).to_be_visible()
    other.get_by_role("button", name="Clear what is done").click()
    expect(page.locator("#tray")).to_be_hidden()


def test_a_key_that_only_reads_adds_nothing(visit, served):
    secret = served.with_key("reader").headers["Authorization"].removeprefix("Bearer ")
    try:
        page = visit()
        page.get_by_label("Key", exact=True).fill(secret)
        page.get_by_role("button", name="Use the key").click()
        page.get_by_role("textbox", name="Your question").wait_for()
        drop(page, {"x.md": "# X"})
        page.get_by_role("link", name="Documents").click()
        expect(page.get_by_role("rowheader").first).to_be_visible()
        expect(page.locator("#tray")).to_be_hidden()
        expect(page.locator(".drop, .veil:visible, tbody input")).to_have_count(0)
    finally:
        served.forget_keys()


def test_names_that_would_act_are_text_in_the_tray_and_on_a_phone(visit, served):
    page = visit(**PHONE)
    name = "<img src=x onerror=window.hacked=1> \u202egpj.md"
    drop(page, {name: "# Mean\n\nWords.", "w" * 180 + ".md": "# Wide\n\nWords."})
    expect(page.locator("#tray")).to_contain_text("2 files were indexed.")
    shown = page.locator("#tray .tray-name").first.inner_text()
    assert shown.startswith("<img src=x onerror")
    assert "\u202e" not in shown
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for path in paths_of(served):
        served.client.delete(f"/api/documents/uploads/{path}")
