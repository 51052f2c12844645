"""The page's own modules, one by one, in the browser that runs them."""

import re
from pathlib import Path

import pytest

from kb.api.routes import page as served_page

FILES = Path(served_page.__file__).parents[2] / "page"


@pytest.fixture(scope="module")
def page(chromium, served):
    page = chromium.new_page(locale="en-GB")
    page.goto(str(served.client.base_url))
    yield page
    page.close()


@pytest.fixture
def call(page):
    """What a function of a module returns; arguments and results are JSON."""

    def call(module, name, *arguments):
        return page.evaluate(
            "async ([file, name, given]) => (await import(file))[name](...given)",
            [f"/page/{module}.js", name, list(arguments)],
        )

    return call


@pytest.mark.parametrize(
    ("sql", "parameters", "own"),
    [
        ("SELECT :n", {"n": 3}, "SELECT 3"),
        ("SELECT :a, ':a', \":a\", `:a`", {"a": 1}, "SELECT 1, ':a', \":a\", `:a`"),
        ("SELECT :name", {"name": "O'Brien\\"}, "SELECT 'O''Brien\\\\'"),
        ("SELECT :nothing, '10:30'", {"other": 1}, "SELECT :nothing, '10:30'"),
        ("SELECT :none", {"none": None}, "SELECT NULL"),
        ("SELECT :constructor", {}, "SELECT :constructor"),
        ("SELECT 'it''s :a' AND :a", {"a": "$&"}, "SELECT 'it''s :a' AND '$&'"),
    ],
)
def test_bound_values_are_put_into_the_statement_as_sql_writes_them(call, sql, parameters, own):
    assert call("sql", "withValues", sql, parameters) == own


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("**bold** and `code` and *so*.", "bold and code and so."),
        ("**bold that goes on", "bold that goes on"),
        ("## A heading\n- one\n- two", "A heading\n• one\n• two"),
        ("2 * 3 * 4 and snake_case", "2 * 3 * 4 and snake_case"),
        ("<img src=x onerror=window.hacked=1>", "<img src=x onerror=window.hacked=1>"),
    ],
)
def test_markdown_under_way_is_shown_without_its_marks(page, text, shown):
    told = page.evaluate(
        """async (text) => {
            const part = document.createElement("p");
            part.append(...(await import("/page/sketch.js")).sketched(text));
            return part.textContent;
        }""",
        text,
    )
    assert told == shown


@pytest.mark.parametrize(
    ("columns", "rows", "label", "measure"),
    [
        ("month:number revenue:number", [[1, "2.50"], [2, "3"]], 0, 1),
        ("day:date n:number", [["2025-01-02", 3], ["2025-01-01", 4]], 0, 1),
        ("month:text n:number", [["2025-02", 3], ["2025-01", 4]], 0, 1),
        ("customer_id:number name:text total:number", [[1, "A", 3], [2, "B", 1]], 1, 2),
        ("name:text orders:number revenue:number", [["A", 1, "9"], ["B", 5, "8"]], 0, 2),
        ("id:number name:text", [[1, "A"], [2, "B"]], None, None),
        ("name:text n:number", [["A", 1]], None, None),
        ("name:text n:number", [["A", 1], ["A", 2]], None, None),
        ("name:text year:number n:number", [["A", 24, 1], ["B", 24, 2], ["A", 25, 1]], 1, 2),
        ("n:number", [[1], [2]], None, None),
        ("name:text n:text", [["A", "01"], ["B", "02"]], None, None),
    ],
)
def test_rows_are_a_chart_when_something_is_counted_for_each_of_something(
    call, columns, rows, label, measure
):
    axes = call("axes", "axesOf", columns_of(columns), rows)
    found = (axes["label"], axes["measure"]) if axes else (None, None)
    assert found == (label, measure)


def test_a_second_word_of_a_row_makes_series_of_values_where_they_belong(call):
    columns = columns_of("city:text year:number n:number m:number")
    rows = [["A", 2026, 1, 10], ["B", 2025, "2.50", 20], ["A", 2025, 3, None]]
    axes = call("axes", "axesOf", columns, rows)
    assert call("axes", "splitsOf", rows, axes["others"], 1) == [0]
    chosen = {"label": 1, "split": 0, "measures": [2, 3]}
    found = call("axes", "seriesOf", columns, rows, chosen)
    assert found["labels"] == ["2025", "2026"]
    assert [(each["name"], each["cells"]) for each in found["series"]] == [
        ("A, n", [3, 1]),
        ("A, m", [None, 10]),
        ("B, n", ["2.50", None]),
        ("B, m", [20, None]),
    ]


def test_what_is_there_twice_is_never_drawn_as_one(call):
    rows = [["A", "x", 1], ["A", "x", 2], ["B", "x", 3]]
    assert call("axes", "axesOf", columns_of("a:text b:text n:number"), rows) is None


@pytest.mark.parametrize(
    ("values", "total"),
    [
        (["0.10", "0.20", None], "0.30"),
        (["12345678901234567890.12", "0.88"], "12345678901234567891.00"),
        ([1, 2, 3], "6"),
        (["-0.05", "0.02"], "-0.03"),
        ([1.5, "2"], "3.5"),
        ([1e21, 1], 1e21),
        ([None, None], "0"),
    ],
)
def test_totals_are_exact(call, values, total):
    assert call("columns", "sumOf", values) == total


@pytest.mark.parametrize(
    ("columns", "row", "told"),
    [
        ("revenue:number", ["1234567.50"], "revenue1,234,567.50"),
        ("city:text total_n:number", ["Lyon", 3], "total n3city: Lyon"),
        ("year:number n:number", [2025, 3], "n3year: 2025"),
        ("a:number b:number", [1, 2], None),
        ("id:number", [7], None),
        ("city:text", ["Lyon"], None),
        ("n:number", [None], "n\u2013"),
    ],
)
def test_one_number_is_a_figure(page, columns, row, told):
    shown = page.evaluate(
        """async ([columns, rows]) => {
            const { figureOf } = await import("/page/figure.js");
            return figureOf(columns, rows)?.textContent ?? null;
        }""",
        [columns_of(columns), [row]],
    )
    assert shown == told


def columns_of(text):
    names = [each.split(":") for each in text.split()]
    return [{"name": name, "type": kind} for name, kind in names]


@pytest.mark.parametrize(
    ("value", "column", "shown"),
    [
        ("007", "code:text", "007"),
        (1234567, "n:number", "1,234,567"),
        (1234, "n:number", "1234"),
        (20250101, "order_id:number", "20250101"),
        ("12345678901234567890.50", "n:number", "12,345,678,901,234,567,890.50"),
        (1e-7, "n:number", "0.0000001"),
        ("2025-03-01", "day:date", "1 Mar 2025"),
        ("2025-03-01T23:30:00", "at:datetime", "1 Mar 2025, 23:30"),
        ("2025-03-01", "day:text", "2025-03-01"),
    ],
)
def test_cells_are_written_as_what_they_are(page, value, column, shown):
    told = page.evaluate(
        """async ([value, column]) => {
            (await import("/page/words.js")).speak("en");
            return (await import("/page/columns.js")).written(value, column);
        }""",
        [value, columns_of(column)[0]],
    )
    assert told == shown


@pytest.mark.parametrize(
    ("column", "values", "labels"),
    [
        ("month:number", [1, 12], ["Jan", "Dec"]),
        ("month:date", ["2025-01-01", "2026-02-01"], ["Jan 2025", "Feb 2026"]),
        ("day:date", ["2025-01-01", "2025-02-03"], ["1 Jan", "3 Feb"]),
        ("day:date", ["2025-12-31", None, "2026-01-02"], ["31 Dec 2025", "\u2013", "2 Jan 2026"]),
        ("year:number", [2024, 2025], ["2024", "2025"]),
    ],
)
def test_times_below_a_chart_are_short(call, column, values, labels):
    assert call("times", "shortTimes", columns_of(column)[0], values) == labels


@pytest.mark.parametrize(
    ("excerpt", "place"),
    [
        ("Goods go back …", "#:~:text=Goods%20go%20back"),
        ("a b c d e f g-h i, j", "#:~:text=a%20b%20c%20d,f%20g%2Dh%20i%2C%20j"),
        (None, ""),
    ],
)
def test_the_original_opens_at_the_cited_words(call, excerpt, place):
    assert call("original", "placeOf", excerpt) == place


def test_every_text_is_there_in_both_languages_and_used(page, served):
    english = page.evaluate("async () => (await import('/page/texts.js')).TEXTS")
    french = served.client.get("/page/texts/fr.json").json()
    assert {forms[0] for forms in english.values()} == french.keys()
    assert all(len(french[forms[0]]) == len(forms) for forms in english.values())
    code = "\n".join(file.read_text("utf-8") for file in FILES.glob("*.*"))
    for name in english:
        assert len(re.findall(rf'["\']{name}["\']', code)) >= 1, f"{name} is not used"
    for name in re.findall(r'\bt\("(\w+)"|data-(?:word|label|placeholder)="(\w+)"', code):
        assert "".join(name) in english


def test_each_language_has_its_plural_forms(page):
    told = page.evaluate(
        """async () => {
            const { speak, t } = await import("/page/words.js");
            const said = [];
            for (const language of ["en", "fr"]) {
                await speak(language);
                for (const n of [0, 1, 2, 1000000]) said.push(t("rows", { n }));
            }
            await speak("en");
            return said;
        }"""
    )
    assert told[:4] == ["0 rows", "1 row", "2 rows", "1,000,000 rows"]
    assert [text.split()[-1] for text in told[4:]] == ["ligne", "ligne", "lignes", "lignes"]
