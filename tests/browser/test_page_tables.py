"""What tables gave, on the page: SQL, table, chart and CSV."""

import csv

import pytest

expect = pytest.importorskip("playwright.sync_api", reason="pip install playwright").expect
SALES = "How did revenue develop month by month?"


@pytest.fixture
def sales(ask):
    return ask(SALES, "Tables").get_by_role("region", name="Result").first


@pytest.fixture
def rows(ask, models):
    """The result of a statement that a model wrote."""

    def rows(sql):
        models.script = [sql, "So it is."]
        return ask("Which ones?", "Tables").get_by_role("region", name="Result").first

    return rows


def test_months_and_revenue_are_a_chart(sales):
    chart = sales.get_by_role("img", name="Chart of revenue by month")
    expect(chart).to_be_visible()
    heights = [float(mark.get_attribute("height")) for mark in chart.locator(".mark").all()]
    assert heights[1] < heights[0] < heights[2]
    expect(sales.get_by_text("Verified by Ana on").first).to_be_visible()


def test_the_table_is_sorted_by_its_headings(sales):
    sales.get_by_role("button", name="Table").click()
    heading = sales.get_by_role("columnheader", name="revenue")
    for order, values in (
        ("ascending", ["900.00", "1,200.50", "1,500.00"]),
        ("descending", ["1,500.00", "1,200.50", "900.00"]),
    ):
        heading.get_by_role("button").click()
        expect(heading).to_have_attribute("aria-sort", order)
        expect(sales.locator("tbody td.number")).to_have_text(values)


def test_the_rows_are_saved_as_csv(page, rows):
    result = rows("SELECT id, city FROM orders ORDER BY id")
    with page.expect_download() as download:
        result.get_by_role("button", name="Save as CSV").click()
    text = download.value.path().read_text("utf-8-sig")
    assert list(csv.reader(text.splitlines())) == [
        ["id", "city"],
        ["7", "Lyon"],
        ["8", "Bern"],
        ["9", ""],
    ]


def test_no_spreadsheet_computes_what_is_saved(page, rows):
    result = rows(
        "SELECT '=1+1' AS `@a`, '-5' AS b, '\uff1d1' AS c, -5 AS d UNION SELECT 1, 2, 3, 4"
    )
    with page.expect_download() as download:
        result.get_by_role("button", name="Save as CSV").click()
    text = download.value.path().read_text("utf-8-sig")
    assert text.splitlines() == ["'@a,b,c,d", "'=1+1,-5,'\uff1d1,-5", "1,2,3,4"]


def test_a_result_that_was_cut_says_at_how_many_rows(rows):
    result = rows("SELECT a.id, b.city FROM orders a, orders b")
    expect(result.get_by_text("cut at 3 rows")).to_be_visible()


def test_categories_are_bars(rows):
    result = rows("SELECT city, id * 2 AS pieces FROM orders WHERE city IS NOT NULL")
    expect(
        result.get_by_role("img", name="Chart of pieces by city").locator(".mark")
    ).to_have_count(2)


def test_names_without_numbers_are_no_chart(rows):
    result = rows("SELECT id, city FROM orders")
    expect(result.get_by_role("button", name="Table")).to_have_attribute("aria-expanded", "true")
    expect(result.get_by_role("button", name="Chart")).to_have_count(0)


def test_the_sql_is_shown_with_what_was_bound_and_copied_whole(page, sales):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    sales.get_by_role("button", name="SQL").click()
    expect(sales.get_by_text("with :least = 0")).to_be_visible()
    sales.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("status").filter(has_text="Copied")).to_have_count(1)
    assert page.evaluate("navigator.clipboard.readText()").endswith("revenue > 0 ORDER BY month")


def test_the_sql_is_edited_and_run_again_under_the_guard(sales):
    sales.get_by_role("button", name="SQL").click()
    sales.get_by_role("button", name="Edit").click()
    editor = sales.get_by_role("textbox", name="SQL to run")
    expect(editor).to_be_focused()
    editor.fill("SELECT city FROM orders WHERE id = 8")
    sales.get_by_role("button", name="Check").click()
    expect(sales.get_by_text("This statement is allowed.")).to_be_visible()
    sales.get_by_role("button", name="Run").click()
    expect(
        sales.get_by_role("region", name="Result").get_by_role("button", name="Table")
    ).to_be_visible()
    values = sales.get_by_role("textbox", name=":least")
    editor.fill("SELECT month, revenue FROM sales WHERE revenue > :least")
    values.fill("1400")
    sales.get_by_role("button", name="Run").click()
    outcome = sales.get_by_role("region", name="Result")
    expect(outcome.get_by_text("1 row", exact=True)).to_be_visible()
    for statement in ("DELETE FROM orders", "SELECT word FROM secrets", "SELECT SLEEP(9)"):
        editor.fill(statement)
        editor.press("Control+Enter")
        expect(sales.get_by_text("The statement is refused")).to_be_visible()


def test_without_tables_there_is_nowhere_to_choose(visit):
    page = visit("docs")
    page.route("**/api/tables", lambda route: route.fulfill(json=[]))
    page.goto(page.url.replace("/docs", "/"))
    page.get_by_role("button", name=SALES).wait_for()
    expect(page.get_by_role("group", name="Where to look")).to_have_count(0)
    expect(page.get_by_role("textbox", name="Your question")).to_be_visible()


def test_a_table_in_the_answer_becomes_the_one_that_can_be_sorted(ask, models, served):
    turn = ask(SALES, "Tables")
    expect(turn.locator(".prose .result")).to_have_count(1)
    expect(turn.locator("table:not(.result table)")).to_have_count(0)


def test_zip_codes_stay_as_they_are_and_long_cells_and_lists_open(rows):
    result = rows(f"SELECT '01067' AS zip, '{'word ' * 100}' AS note FROM orders")
    cells = result.locator("tbody tr").first.get_by_role("cell")
    expect(cells.first).to_have_text("01067")
    cells.last.get_by_role("button", name="Show more").click()
    expect(cells.last).to_have_text("word " * 100)


def test_a_day_is_told_where_it_is_pointed_at(rows):
    result = rows("SELECT month, revenue - 1000 AS change_of FROM sales")
    expect(result.get_by_text("Feb 2025: -100.00")).to_have_css("opacity", "0")
    result.locator(".strip").nth(1).hover()
    expect(result.get_by_text("Feb 2025: -100.00")).to_have_css("opacity", "1")
