"""What tables gave, on the page: SQL, table, chart and CSV."""

import csv
import io

import openpyxl
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


@pytest.fixture
def many(served):
    """A server whose answers may have more rows than those of the other tests."""
    tables = served.kb.components.tables
    few, tables._row_limit = tables._row_limit, 2_000
    yield
    tables._row_limit = few


def drawn(chart):
    """What Chart.js has drawn on a canvas: its kind, its labels, and its series by their names."""
    return chart.evaluate(
        """async (canvas) => {
            const page = document.querySelector("script[type=module]").src;
            const { Chart } = await import(new URL("vendor/chart.js", page));
            while (!Chart.getChart(canvas)) await new Promise(requestAnimationFrame);
            const { config, data, scales } = Chart.getChart(canvas);
            const series = Object.fromEntries(data.datasets.map((each) => [each.label, each.data]));
            return { kind: config.type, labels: data.labels, series, axes: Object.keys(scales) };
        }"""
    )


def has_colours(chart):
    """Whether anything is on a canvas besides its ground."""
    return chart.evaluate(
        """(canvas) => {
            const { width, height } = canvas;
            const pixels = canvas.getContext("2d").getImageData(0, 0, width, height).data;
            return new Set(new Uint32Array(pixels.buffer)).size > 1;
        }"""
    )


def test_months_and_revenue_are_a_chart(sales):
    chart = sales.get_by_role("img", name="Chart of revenue by month")
    expect(chart).to_be_visible()
    found = drawn(chart)
    assert found["kind"] == "bar"
    assert found["labels"] == ["Jan 2025", "Feb 2025", "Mar 2025"]
    assert found["series"] == {"revenue": [1200.5, 900, 1500]}
    assert has_colours(chart)
    expect(sales.get_by_text("Verified by Ana on").first).to_be_visible()


def test_a_month_is_told_where_it_is_pointed_at(page, sales):
    chart = sales.get_by_role("img", name="Chart of revenue by month")
    drawn(chart)
    chart.hover()
    told = """async (canvas) => {
        const page = document.querySelector("script[type=module]").src;
        const { Chart } = await import(new URL("vendor/chart.js", page));
        const { tooltip } = Chart.getChart(canvas);
        return [tooltip.opacity, tooltip.title, tooltip.body.map((each) => each.lines)];
    }"""
    assert chart.evaluate(told) == [1, ["Feb 2025"], [[" revenue: 900.00"]]]


def test_the_kind_of_a_chart_is_chosen(sales):
    chart = sales.get_by_role("img")
    for kind, drawn_as in (("Line", "line"), ("Area", "line"), ("Pie", "pie"), ("Bars", "bar")):
        choice = sales.get_by_role("combobox", name="Kind")
        choice.focus()
        choice.select_option(kind)
        expect(choice).to_be_focused()
        assert drawn(chart)["kind"] == drawn_as
        assert has_colours(chart)
    expect(sales.get_by_role("combobox", name="Kind").get_by_text("Stacked bars")).to_have_count(0)


def test_several_series_and_measures_are_drawn_and_stacked(rows, many):
    result = rows(
        "SELECT 'A' AS city, 2025 AS year, 1 AS n, 5 AS revenue UNION SELECT 'B', 2025, 2, 6"
        " UNION SELECT 'A', 2026, 3, 7 UNION SELECT 'A', 2026, 3, 7 FROM sales"
    )
    chart = result.get_by_role("img")
    expect(result.get_by_role("combobox", name="By")).to_have_value("1")
    result.get_by_role("combobox", name="Kind").select_option("Stacked bars")
    result.get_by_role("checkbox", name="revenue").check()
    expect(chart).to_have_attribute("aria-label", "Chart of n, revenue by year")
    assert drawn(chart)["series"] == {
        "A, n": [1, 3],
        "A, revenue": [5, 7],
        "B, n": [2, None],
        "B, revenue": [6, None],
    }
    result.get_by_role("combobox", name="By").select_option("city")
    assert drawn(chart)["labels"] == ["A", "B"]
    result.get_by_role("combobox", name="Kind").select_option("Line")
    result.get_by_label("An axis of its own").check()
    assert set(drawn(chart)["axes"]) == {"x", "y", "y2"}
    result.get_by_role("checkbox", name="revenue").uncheck()
    result.get_by_role("checkbox", name="n", exact=True).click()  # the last one stays
    assert drawn(chart)["series"] == {"2025": [1, 2], "2026": [3, None]}


def test_more_than_500_points_are_a_line_of_all(rows, many):
    result = rows(
        "WITH RECURSIVE n (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < 1199)"
        " SELECT DATE '2020-01-01' + INTERVAL n DAY AS day, n * n AS pieces FROM n"
        " WHERE EXISTS (SELECT 1 FROM sales)"
    )
    found = drawn(result.get_by_role("img", name="Chart of pieces by day"))
    assert found["kind"] == "line"
    assert found["series"]["pieces"] == [n * n for n in range(1200)]


def test_a_chart_follows_the_theme_and_is_saved_as_a_picture(page, sales):
    def ground():
        return sales.get_by_role("img").evaluate(
            "(canvas) => [...canvas.getContext('2d').getImageData(2, 2, 1, 1).data]"
        )

    page.get_by_label("Theme").select_option("dark")
    page.wait_for_function(
        "[...document.querySelector('.result canvas').getContext('2d')"
        ".getImageData(2, 2, 1, 1).data][0] < 100"
    )
    page.get_by_label("Theme").select_option("light")
    page.wait_for_function(
        "[...document.querySelector('.result canvas').getContext('2d')"
        ".getImageData(2, 2, 1, 1).data][0] > 200"
    )
    assert ground() == [255, 255, 255, 255]
    with page.expect_download() as download:
        sales.get_by_role("button", name="Save the chart as a picture").click()
    assert download.value.suggested_filename == "chart.png"
    assert download.value.path().read_bytes().startswith(b"\x89PNG")


def test_a_chart_that_is_out_of_sight_is_given_up_and_comes_back(page, sales):
    held = (
        "import(new URL('vendor/chart.js', document.querySelector('script[type=module]').src))"
        ".then(({ Chart }) => Object.keys(Chart.instances).length)"
    )
    page.wait_for_function(f"{held}.then((count) => count === 1)")
    sales.get_by_role("button", name="Chart", exact=True).click()
    page.wait_for_function(f"{held}.then((count) => count === 0)")
    sales.get_by_role("button", name="Chart", exact=True).click()
    page.wait_for_function(f"{held}.then((count) => count === 1)")
    assert has_colours(sales.get_by_role("img"))


def test_one_number_is_shown_large_also_when_it_is_read_again(page, rows):
    result = rows("SELECT SUM(revenue) AS whole_revenue FROM sales")
    for _ in range(2):
        figure = page.locator(".figure")
        expect(figure).to_have_text("whole revenue3,600.50")
        size = "(each) => parseFloat(getComputedStyle(each).fontSize)"
        assert figure.locator("strong").evaluate(size) > 28
        expect(result.get_by_role("button", name="Chart")).to_have_count(0)
        page.reload()


def test_chart_and_table_stand_beside_each_other(sales):
    sales.get_by_role("button", name="Table").click()
    expect(sales.get_by_role("img")).to_be_visible()
    expect(sales.get_by_role("table")).to_be_visible()
    sales.get_by_role("button", name="Chart", exact=True).click()
    expect(sales.get_by_role("img")).to_have_count(0)
    expect(sales.get_by_role("table")).to_be_visible()


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


def saved(page, result, kind):
    result.get_by_role("button", name="Save all rows").click()
    with page.expect_download() as download:
        result.get_by_role("menuitem", name=kind).click()
    return download.value


def test_all_rows_are_saved_as_csv_and_as_a_sheet(page, rows):
    result = rows("SELECT a.id, b.city FROM orders a, orders b ORDER BY a.id, b.id")
    expect(result.get_by_text("cut at 3 rows")).to_be_visible()
    file = saved(page, result, "Save as CSV")
    assert file.suggested_filename == "rows.csv"
    text = file.path().read_text("utf-8-sig")
    found = list(csv.reader(text.splitlines()))
    assert found[0] == ["id", "city"]
    assert len(found) == 1 + 9
    expect(page.get_by_role("status").filter(has_text="The file holds 9 rows.")).to_have_count(1)
    file = saved(page, result, "Save as Excel (XLSX)")
    assert file.suggested_filename == "rows.xlsx"
    sheet = openpyxl.load_workbook(io.BytesIO(file.path().read_bytes())).active
    assert [[cell or "" for cell in row] for row in sheet.iter_rows(values_only=True)] == [
        found[0],
        *([int(number), city] for number, city in found[1:]),
    ]


def test_a_file_holds_what_was_bound_and_a_limit_is_told(page, sales, served):
    tables = served.kb.config.tables
    few = tables.model_copy(update={"export_limit": 2})
    object.__setattr__(served.kb.config, "tables", few)
    try:
        text = saved(page, sales, "Save as CSV").path().read_text("utf-8-sig")
    finally:
        object.__setattr__(served.kb.config, "tables", tables)
    assert text.splitlines() == ["month,revenue", "2025-01-01,1200.50", "2025-02-01,900.00"]
    expect(page.get_by_role("alert")).to_contain_text("The file holds the first 2 rows.")


def test_no_spreadsheet_computes_what_is_saved(page, rows):
    result = rows(
        "SELECT '=1+1' AS `@a`, '-5' AS b, '\uff1d1' AS c, -5 AS d"
        " UNION SELECT 1, 2, 3, 4 FROM sales"
    )
    text = saved(page, result, "Save as CSV").path().read_text("utf-8-sig")
    assert text.splitlines() == ["'@a,b,c,d", "'=1+1,-5,'\uff1d1,-5", "1,2,3,4"]
    file = saved(page, result, "Save as Excel (XLSX)").path().read_bytes()
    cells = openpyxl.load_workbook(io.BytesIO(file)).active["A"]
    assert [(cell.value, cell.data_type) for cell in cells[:2]] == [("@a", "s"), ("=1+1", "s")]


def test_rows_are_filtered_turned_and_totalled(rows, many):
    result = rows(
        "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 120)"
        " SELECT n AS order_id, CONCAT('City ', n) AS city, n / 10 AS price FROM n"
        " WHERE EXISTS (SELECT 1 FROM sales)"
    )
    result.get_by_role("button", name="Table").click()
    total = result.locator("tfoot tr")
    expect(total).to_have_text("Total of 120 rows726.0000")
    expect(result.get_by_text("1\u201350 of 120")).to_be_visible()
    expect(result.get_by_role("button", name="Previous")).to_be_disabled()
    result.get_by_role("button", name="Next").click()
    result.get_by_role("button", name="Next").click()
    expect(result.locator("tbody tr")).to_have_count(20)
    expect(result.get_by_role("button", name="Previous")).to_be_focused()
    result.get_by_role("searchbox", name="Filter rows").fill("city 11")
    expect(result.locator("tbody tr")).to_have_count(11)
    expect(total).to_have_text("Total of 11 rows115.6000")
    result.get_by_role("button", name="price").click()
    result.get_by_role("button", name="price").click()
    expect(result.locator("tbody tr").first).to_contain_text("City 119")
    result.get_by_role("searchbox", name="Filter rows").fill("nowhere")
    expect(result.get_by_text("No row holds these words.")).to_be_visible()


def test_a_result_that_was_cut_says_at_how_many_rows(rows):
    result = rows("SELECT a.id, b.city FROM orders a, orders b")
    expect(result.get_by_text("cut at 3 rows")).to_be_visible()


def test_categories_are_bars(rows):
    result = rows("SELECT city, id * 2 AS pieces FROM orders WHERE city IS NOT NULL")
    found = drawn(result.get_by_role("img", name="Chart of pieces by city"))
    assert (found["kind"], sorted(found["labels"])) == ("bar", ["Bern", "Lyon"])


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


def test_the_sql_is_edited_and_run_again_under_the_guard(sales, write):
    sales.get_by_role("button", name="SQL").click()
    sales.get_by_role("button", name="Edit").click()
    editor = sales.get_by_role("textbox", name="SQL to run")
    expect(editor).to_be_focused()
    write(editor, "SELECT city FROM orders WHERE id = 8")
    sales.get_by_role("button", name="Check").click()
    expect(sales.get_by_text("This statement is allowed.")).to_be_visible()
    sales.get_by_role("button", name="Run").click()
    expect(
        sales.get_by_role("region", name="Result").get_by_role("button", name="Table")
    ).to_be_visible()
    write(editor, "SELECT month, revenue FROM sales WHERE revenue > :least")
    sales.get_by_role("textbox", name=":least").fill("1400")
    sales.get_by_role("button", name="Run").click()
    outcome = sales.get_by_role("region", name="Result")
    expect(outcome.get_by_text("1 row", exact=True)).to_be_visible()
    for statement in ("DELETE FROM orders", "SELECT word FROM secrets", "SELECT SLEEP(9)"):
        write(editor, statement)
        editor.press("Control+Enter")
        expect(sales.get_by_text("The statement is refused")).to_be_visible()


def edited(result):
    """The field for the SQL of a result, when it is edited."""
    result.get_by_role("button", name="SQL", exact=True).click()
    result.get_by_role("button", name="Edit").click()
    editor = result.get_by_role("textbox", name="SQL to run")
    expect(editor).to_be_focused()
    return editor


def test_what_is_changed_is_not_verified_and_goes_back_to_the_original(sales, write):
    verified = sales.get_by_text("Verified by Ana on").first
    editor = edited(sales)
    back = sales.get_by_role("button", name="Back to the original")
    expect(verified).to_be_visible()
    expect(back).to_be_disabled()
    editor.press("Control+End")
    editor.press_sequentially(" DESC")
    expect(verified).to_be_hidden()
    sales.get_by_role("button", name="Run").click()
    outcome = sales.get_by_role("region", name="Result")
    expect(outcome.get_by_role("img")).to_be_visible()
    expect(outcome.get_by_text("Verified by")).to_have_count(0)
    editor.press("Control+z")
    expect(verified).to_be_visible()
    write(editor, "SELECT 1 AS n")
    expect(sales.get_by_role("textbox", name=":least")).to_have_count(0)
    back.click()
    expect(editor).to_contain_text("revenue > :least ORDER BY month")
    expect(verified).to_be_visible()
    expect(back).to_be_disabled()
    expect(sales.get_by_role("textbox", name=":least")).to_have_value("0")


def test_the_sql_is_coloured_and_completed_from_the_tables(page, sales, write):
    editor = edited(sales)
    colours = editor.locator(".cm-line span").evaluate_all(
        "(all) => Object.fromEntries("
        "all.map((each) => [each.textContent, getComputedStyle(each).color]))"
    )
    violet = page.evaluate(
        """() => {
            document.body.style.color = "var(--violet)";
            return getComputedStyle(document.body).color;
        }"""
    )
    assert colours["SELECT"] == colours["ORDER"] == violet
    sales.get_by_text("Tables and columns").click()
    write(editor, "SELECT FROM orders")
    for _ in " FROM orders":
        editor.press("ArrowLeft")
    editor.press_sequentially(" ")
    sales.get_by_role("button", name="Insert city").click()
    expect(editor).to_be_focused()
    expect(editor).to_have_text("SELECT city FROM orders")
    write(editor, "SELECT * FROM sal")
    sales.get_by_role("option", name="sales").wait_for()
    page.wait_for_timeout(150)  # in a list's first 75 ms, the editor takes Enter for a new line
    editor.press("Enter")
    expect(editor).to_have_text("SELECT * FROM sales")


def test_a_name_that_is_written_into_the_sql_gets_a_field_for_its_value(rows, write):
    result = rows("SELECT id, city FROM orders")
    editor = edited(result)
    write(editor, "SELECT city FROM orders WHERE id = :id")
    result.get_by_role("textbox", name=":id").fill("8")
    editor.press("Control+Enter")
    outcome = result.get_by_role("region", name="Result")
    outcome.get_by_role("button", name="Table").click()
    expect(outcome.get_by_role("cell")).to_have_text("Bern")


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
