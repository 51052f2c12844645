"""The page's own modules, one by one, in the browser that runs them."""

import re
from pathlib import Path

import pytest

from kb.server import page as served_page

FILES = Path(served_page.__file__).with_name("page")


@pytest.fixture(scope="module")
def page(chromium, served):
    page = chromium.new_page()
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
    ("text", "filters"),
    [
        ("", {}),
        ("language=fr, category=policies", {"language": "fr", "category": "policies"}),
        ("a=1,a=2 , a=3", {"a": ["1", "2", "3"]}),
        ("a=b=c", {"a": "b=c"}),
        ("nothing", None),
        ("a=", None),
    ],
)
def test_filters_are_read_as_they_are_written(call, text, filters):
    assert call("composer", "filtersOf", text) == filters


@pytest.mark.parametrize(
    ("values", "low", "high"),
    [
        ([3, 8], 0, 8),
        ([0, 0], 0, 1),
        ([-3, 5], -4, 6),
        ([1234567.8], 0, 1500000),
        ([-2, -1], -2, 0),
    ],
)
def test_an_axis_holds_zero_and_all_values(call, values, low, high):
    scale = call("scale", "scaleOf", values)
    assert (scale["low"], scale["high"]) == (low, high)
    assert low in scale["ticks"]
    assert 2 <= len(scale["ticks"]) <= 8


@pytest.mark.parametrize(
    ("columns", "rows", "label", "measure"),
    [
        (["month", "revenue"], [[1, "2.50"], [2, "3"]], 0, 1),
        (["day", "n"], [["2025-01-02", 3], ["2025-01-01", 4]], 0, 1),
        (["customer_id", "name", "total"], [[1, "A", 3], [2, "B", 1]], 1, 2),
        (["name", "orders", "revenue"], [["A", 1, "9"], ["B", 5, "8"]], 0, 2),
        (["id", "name"], [[1, "A"], [2, "B"]], None, None),
        (["name", "n"], [["A", 1]], None, None),
        (["name", "n"], [["A", 1], ["A", 2]], None, None),
        (["n"], [[1], [2]], None, None),
        (["name", "n"], [["A", None], ["B", None]], None, None),
    ],
)
def test_rows_are_a_chart_when_something_is_counted_for_each_of_something(
    call, columns, rows, label, measure
):
    axes = call("chart", "axesOf", columns, rows, {})
    found = (axes["label"], axes["measure"]) if axes else (None, None)
    assert found == (label, measure)


def test_every_text_is_there_in_both_languages_and_used(page):
    words = page.evaluate("async () => (await import('/page/words.js')).WORDS")
    english, french = words["en"], words["fr"]
    assert english.keys() == french.keys()
    for key, text in english.items():
        assert set(re.findall(r"\{(\w+)\}", text)) == set(re.findall(r"\{(\w+)\}", french[key]))
    code = "\n".join(file.read_text("utf-8") for file in FILES.glob("*.*"))
    for key in english:
        name = re.sub("_(one|other)$", "", key)
        assert len(re.findall(rf'["\']{name}["\']', code)) >= 1, f"{name} is not used"
    for name in re.findall(r'\bt\("(\w+)"', code):
        assert name in english or f"{name}_other" in english
