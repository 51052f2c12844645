"""What documents, models, cells and names hold is shown, and does nothing.

The fixture `visit` asserts at the end of each test that no script of theirs ran, that no request
left the server, and that no error or dialog came up.
"""

import pytest
from hostile import TEXT
from model_server import CutStream

expect = pytest.importorskip("playwright.sync_api", reason="pip install playwright").expect
LINKS = "a[href*='//'], a[href^='javascript:'], a[href^='data:']"
MADE = f"img, script, iframe, {LINKS}, style, [onclick], [onerror]"


def harmless(page):
    """Nothing inside the page is of the kinds that act, beyond what the page itself is made of."""
    expect(page.locator(f"body :is({MADE})")).to_have_count(0)


@pytest.mark.parametrize("source", ["Documents", "Tables"])
def test_an_answer_with_scripts_images_and_links_is_text(page, ask, models, source):
    models.script = [TEXT] if source == "Documents" else ["SELECT 1 AS n FROM sales LIMIT 1", TEXT]
    turn = ask("What <img src=x onerror=window.hacked=1> is it?", source)
    expect(turn.get_by_role("heading").first).to_have_text(
        "What <img src=x onerror=window.hacked=1> is it?"
    )
    harmless(page)
    page.reload()
    expect(page.get_by_role("article")).to_have_count(1)
    harmless(page)


def test_a_half_streamed_image_is_text_too(page, ask, models):
    models.script = [CutStream(f"First.\n\n{TEXT}\n\nand so on", words=999, wait=0.5)]
    turn = ask()
    expect(turn.locator(".prose")).to_contain_text("and so")
    harmless(page)


def test_a_passage_its_title_and_its_file_name_are_text(page, ask, models):
    models.script = ["All say so [1] [2] [3] [4]."]
    turn = ask("Are lamps warm?")
    source = turn.get_by_role("list").get_by_role("button").filter(has_text="onerror=window")
    source.first.click()
    panel = page.get_by_role("complementary")
    expect(panel.locator(".where")).to_contain_text("<img src=x onerror=window.hacked=1>.md")
    expect(panel.locator(".cited")).to_contain_text("<script>window.hacked=1</script>")
    harmless(page)


def test_cells_and_column_names_are_text_and_a_large_cell_is_cut(page, ask, models):
    models.script = ["SELECT id, note AS `<i onclick=hacked>` FROM notes WHERE id < 4", "So it is."]
    result = ask("Notes?", "Tables").get_by_role("region", name="Result").first
    result.get_by_role("button", name="Table").wait_for()
    cells = result.locator("tbody tr td:nth-child(2)")
    expect(cells.nth(0)).to_have_text('<img src=x onerror="window.hacked=1">')
    assert len(cells.nth(2).inner_text()) < 400
    expect(result.get_by_role("columnheader").nth(1)).to_have_text("<i onclick=hacked>")
    harmless(page)


def test_a_chart_a_figure_and_the_editor_show_names_and_cells_as_text(page, ask, models):
    name = "<img src=x onerror=window.hacked=1>"
    of_one = "FROM sales WHERE month = (SELECT MIN(month) FROM sales)"
    sql = f"SELECT '{name}' AS `{name}`, 1 AS `{name}n` {of_one} UNION SELECT '\u202eb', 2"
    models.script = [sql, "So it is."]
    result = ask("Which?", "Tables").get_by_role("region", name="Result").first
    chart = result.get_by_role("img", name=f"Chart of {name}n by {name}")
    for kind in ("Pie", "Bars", "Line"):
        result.get_by_role("combobox", name="Kind").select_option(kind)
        chart.hover()
    result.get_by_role("button", name="Table").click()
    result.get_by_role("searchbox").fill("onerror")
    expect(result.locator("tbody tr")).to_have_count(1)
    result.get_by_role("button", name="SQL", exact=True).click()
    result.get_by_role("button", name="Edit").click()
    expect(result.get_by_role("textbox", name="SQL to run")).to_contain_text(name)
    harmless(page)
    page.reload()
    expect(chart).to_be_visible()
    page.get_by_role("link", name="New chat").first.click()
    models.script = [f"SELECT 1 AS `{name}` FROM sales LIMIT 1", "So it is."]
    turn = ask("How many?", "Tables")
    expect(turn.locator(".figure")).to_have_text(f"{name}1")
    harmless(page)


def test_a_cell_of_10_megabytes_leaves_the_page_quick(page, ask, models):
    models.script = ["SELECT note FROM notes WHERE id = 4", "So it is."]
    turn = ask("Notes?", "Tables")
    assert len(turn.inner_text()) < 2000
    page.get_by_role("textbox", name="Your question").fill("Still here?")
    harmless(page)


def test_nothing_is_shown_in_another_order_than_it_has(page, ask, models):
    models.script = [
        "SELECT '\u202egpj.exe' AS `a\u2067b` FROM sales LIMIT 1",
        "It is \u202egpj.exe, **so**.",
    ]
    turn = ask("\u202egpj.exe?", "Tables")
    turn.locator("[data-part=table]").click()
    expect(turn.get_by_role("cell")).to_have_text("gpj.exe")
    assert not set("\u202e\u2067") & set(page.locator("body").inner_text())


def test_titles_of_sessions_and_names_of_documents_are_text(page, ask, visit):
    ask("<img src=x onerror=window.hacked=1>")
    expect(page.get_by_role("region", name="Chats")).to_contain_text("<img src=x onerror")
    harmless(page)
    documents = visit("#/documents")
    expect(documents.get_by_role("row").filter(has_text="<img src=x onerror")).to_be_visible()
    harmless(documents)
    documents.get_by_role("row").filter(has_text="<img src=x onerror").get_by_role(
        "link"
    ).first.click()
    expect(documents.get_by_role("region", name="Text")).to_contain_text("<script>window.hacked=1")
    harmless(documents)
    documents.get_by_role("button", name="Ask only this document").click()
    expect(documents.locator(".composer .filter-chip")).to_be_visible()
    harmless(documents)


def test_addresses_after_the_hash_are_no_paths_to_other_places(page):
    home = page.url.split("#")[0]
    for path in ("chat/%2e%2e%2f%2e%2e%2fdocs", "chat/<img src=x>", "/evil.example", "%E0%A4%A"):
        page.goto(f"{home}#/{path}")
        page.get_by_role("main").get_by_role("textbox").wait_for()
        harmless(page)


def test_scripts_written_into_the_page_do_not_run(page, seen):
    """The policy of the server holds even where the page would fail."""
    blocked = page.evaluate(
        """async () => {
            const blocked = [];
            document.addEventListener("securitypolicyviolation", (each) =>
                blocked.push(each.effectiveDirective));
            const image = "<img src='data:,' onerror='window.hacked=1'>";
            document.body.insertAdjacentHTML("beforeend", image);
            const script = document.createElement("script");
            script.textContent = "window.hacked = 1";
            document.body.append(script);
            await new Promise((resolve) => setTimeout(resolve, 200));
            return blocked;
        }"""
    )
    assert {"script-src-elem", "script-src-attr"} <= set(blocked)
    assert len(seen.strange) == len(blocked)
    seen.strange.clear()


def test_the_token_of_the_address_leaves_it_for_a_cookie_that_no_script_reads(visit, served):
    page = visit()
    expect(page.get_by_text("4 documents · fake")).to_be_visible()
    everything = (
        "[JSON.stringify([localStorage, sessionStorage, history.state]), document.cookie, "
        "location.href]"
    )
    assert not any(served.token in each for each in page.evaluate(everything))
    page.reload()
    expect(page.get_by_text("4 documents · fake")).to_be_visible()
    other = page.context.new_page()
    other.goto(str(served.client.base_url))
    expect(other.get_by_text("4 documents · fake")).to_be_visible()
    elsewhere = page.context.browser.new_context()
    stranger = elsewhere.new_page()
    stranger.goto(str(served.client.base_url))
    expect(stranger.get_by_role("dialog").get_by_label("Key")).to_be_visible()
    elsewhere.close()


def test_the_key_is_asked_for_and_kept_from_scripts(visit, served):
    client = served.with_key("page")
    try:
        page = visit()
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_label("Key")).to_be_focused()
        dialog.get_by_label("Key").fill("kb_wrong")
        dialog.get_by_label("Key").press("Enter")
        expect(dialog).to_contain_text("refused")
        secret = client.headers["Authorization"].removeprefix("Bearer ")
        dialog.get_by_label("Key").fill(secret)
        dialog.get_by_label("Key").press("Enter")
        expect(page.get_by_text("4 documents · fake")).to_be_visible()
        kept = page.evaluate(
            "[JSON.stringify([localStorage, sessionStorage]), document.cookie, location.href]"
        )
        assert not any(secret in each for each in kept)
        page.reload()
        expect(page.get_by_text("4 documents · fake")).to_be_visible()
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("dialog").get_by_label("Key")).to_be_focused()
    finally:
        served.forget_keys()
