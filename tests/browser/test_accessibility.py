"""Everybody can use the page: axe finds nothing, keys suffice, and it speaks English and French."""

import pytest

expect = pytest.importorskip("playwright.sync_api", reason="pip install playwright").expect
Axe = pytest.importorskip(
    "axe_playwright_python.sync_playwright", reason="pip install axe-playwright-python"
).Axe
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
LOOKS = {
    "wide, light, English": {"color_scheme": "light"},
    "narrow, dark, French": {**PHONE, "color_scheme": "dark", "locale": "fr-FR"},
}
# A picture, which is not read.
DROP = """() => {
    const dropped = new DataTransfer();
    dropped.items.add(new File(["PNG"], "a.png"));
    document.body.dispatchEvent(new DragEvent("drop", {dataTransfer: dropped, bubbles: true}));
}"""
SALES = "How did revenue develop month by month?"


def violations(page):
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [(each["id"], [node["html"][:200] for node in each["nodes"]]) for each in found]


def asked(page, question, source):
    page.locator(f"label:has(input[value={source}])").click()
    page.locator("#question").fill(question)
    page.locator("#question").press("Enter")
    turn = page.get_by_role("article").last
    turn.locator(".turn-actions").wait_for()
    return turn


@pytest.mark.parametrize("look", LOOKS)
def test_axe_finds_nothing_in_chats_and_tables(visit, look):
    page = visit(**LOOKS[look])
    page.locator(".suggestions button").first.wait_for()
    page.locator(".options summary").click()
    page.locator(".filter-by select").first.wait_for()
    assert violations(page) == []
    page.keyboard.press("Escape")
    turn = asked(page, "When do goods go back?", "documents")
    turn.locator(".badge").click()
    assert violations(page) == []
    page.keyboard.press("Escape")
    turn.locator(".feedback button").first.click()
    turn.locator(".comment input").wait_for()  # which takes the focus
    turn.locator("button.chip").first.click()
    page.locator(".cited").wait_for()
    assert violations(page) == []
    page.keyboard.press("Escape")
    turn = asked(page, SALES, "database")
    for part in ("chart", "table", "sql"):
        if turn.locator(f"[data-part={part}]").get_attribute("aria-expanded") == "false":
            turn.locator(f"[data-part={part}]").click()
        assert violations(page) == []
    turn.locator(".statement .actions button").last.click()
    turn.locator(".schema summary").click()
    assert violations(page) == []
    turn.locator(".editor .actions button").last.click()
    page.get_by_role("dialog").wait_for()
    assert violations(page) == []
    page.keyboard.press("Escape")
    page.goto(page.url.split("#")[0] + "#/verified")
    page.locator(".verified-list .actions button").first.click()
    page.locator(".editor").wait_for()
    assert violations(page) == []


@pytest.mark.parametrize("look", LOOKS)
def test_axe_finds_nothing_in_documents(visit, look):
    page = visit("#/documents", **LOOKS[look])
    page.locator("tbody tr").first.wait_for()
    assert violations(page) == []
    page.locator("tbody .menu button").first.click()
    page.get_by_role("menuitem").last.click()
    page.get_by_role("dialog").wait_for()
    assert violations(page) == []
    page.keyboard.press("Escape")
    page.locator("tbody input").first.check()
    page.evaluate(DROP)
    page.locator("[data-state=refused]").wait_for()
    assert violations(page) == []
    page.locator(".filters select").first.select_option(index=1)
    page.locator(".filters input").fill("kettle")
    page.locator(".found li").first.wait_for()
    assert violations(page) == []
    page.locator(".found a").first.click()
    page.locator(".passages li").first.wait_for()
    assert violations(page) == []
    page.locator(".document header button.primary").click()
    page.locator(".composer .filter-chip").wait_for()
    assert violations(page) == []


def test_the_new_views_are_not_wider_than_the_screen(visit):
    page = visit("#/document/documents/kettle.md")
    page.locator(".passages li").first.wait_for()
    page.evaluate(DROP)
    page.locator("[data-state=refused]").wait_for()
    assert too_narrow(page) == []
    page.locator(".document header button.primary").click()
    page.locator(".composer .filter-chip").wait_for()
    assert too_narrow(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_colours_of_a_chart_stand_out_from_their_ground(visit, scheme):
    page = visit(color_scheme=scheme)
    asked(page, SALES, "database")
    colours = page.locator(".chart").evaluate(
        """(chart) => {
            const names = [1, 2, 3, 4, 5, 6, 7, 8].map((each) => `--series-${each}`);
            return ["--card", ...names].map((name) => {
                chart.style.color = `var(${name})`;
                return getComputedStyle(chart).color.match(/\\d+/g).map(Number);
            });
        }"""
    )
    ground, *series = map(luminance, colours)
    assert len({tuple(colour) for colour in colours}) == 9
    for each in series:
        assert (max(each, ground) + 0.05) / (min(each, ground) + 0.05) >= 3


def luminance(colour):
    """As WCAG defines it."""
    parts = [part / 255 for part in colour[:3]]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_nothing_is_wider_than_the_screen(visit):
    page = visit()
    turn = asked(page, SALES, "database")
    for part in ("table", "sql"):
        turn.locator(f"[data-part={part}]").click()
    turn.locator(".statement .actions button").last.click()
    turn.locator(".schema summary").click()
    assert too_narrow(page) == []
    asked(page, "When do goods go back?", "documents").locator("button.chip").click()
    page.locator(".cited").wait_for()
    assert too_narrow(page) == []
    page.goto(page.url.split("#")[0] + "#/verified")
    page.locator(".verified-list .actions button").first.click()
    page.locator(".editor").wait_for()
    assert too_narrow(page) == []
    page.goto(page.url.split("#")[0] + "#/documents")
    page.locator("tbody tr").first.wait_for()
    assert too_narrow(page) == []


def too_narrow(page):
    """Widths at which the page must be scrolled sideways."""
    widths = []
    for width in (320, 390, 768, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        if page.evaluate("document.documentElement.scrollWidth") > width:
            widths.append(width)
    return widths


def test_an_answer_is_reached_and_used_by_keys_alone(visit):
    page = visit()
    expect(page.locator("#question")).to_be_focused()
    page.keyboard.type("When do goods go back?")
    page.keyboard.press("Enter")
    page.locator(".turn-actions").wait_for()
    page.locator(".badge").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("menuitem").first).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("menuitem").nth(1)).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator(".badge")).to_be_focused()
    for _ in range(3):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('button.chip')"):
            break
    page.keyboard.press("Enter")
    expect(page.get_by_role("complementary").get_by_role("heading", level=2)).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("button.chip").first).to_be_focused()


def test_the_first_link_leads_past_the_sidebar(visit):
    page = visit()
    first = page.locator("a, button, input, select, textarea").first
    expect(first).to_have_text("Skip to the content")
    first.focus()
    expect(first).to_be_in_viewport()
    first.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()


def test_an_answer_is_told_to_those_who_listen(visit):
    page = visit()
    asked(page, "When do goods go back?", "documents")
    expect(page.locator("#said")).to_contain_text(
        "Answer with 1 source: They go back within 30 days"
    )


def test_the_browser_says_which_language_and_the_reader_may_choose(visit):
    page = visit(locale="fr-FR")
    expect(page.get_by_role("heading", name="Que voulez-vous savoir ?")).to_be_visible()
    expect(page.locator("html")).to_have_attribute("lang", "fr")
    page.get_by_role("contentinfo").get_by_label("Langue").select_option("en")
    expect(page.get_by_role("heading", name="What would you like to know?")).to_be_visible()
    page.reload()
    expect(page.locator("html")).to_have_attribute("lang", "en")


def test_the_theme_follows_the_system_until_it_is_chosen(visit):
    page = visit(color_scheme="dark")
    paper = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(paper)
    page.get_by_label("Theme").select_option("light")
    assert page.evaluate(paper) != dark
    page.reload()
    assert page.evaluate(paper) != dark


def test_the_sidebar_of_a_phone_opens_and_closes(visit):
    page = visit(**PHONE)
    expect(page.get_by_role("link", name="Documents")).to_be_hidden()
    page.get_by_role("button", name="Sessions and settings").click()
    page.get_by_role("link", name="Documents").click()
    expect(page.get_by_role("heading", name="Documents")).to_be_visible()
    expect(page.locator("#to-new")).to_be_hidden()
