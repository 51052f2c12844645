"""Rows of the business tables: to read in two languages, and as JSON without loss."""

import json
import re
from datetime import date, datetime, time, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_inert_markdown import TEXTS, acting

from engines.documents.addresses import find_addresses
from engines.documents.cited_text import CitedText
from engines.tables.query_result import QueryResult, as_json
from engines.tables.result_text import as_text, format_cell
from engines.visible_text import make_visible

NARROW = "\u202f"


@pytest.mark.parametrize(
    ("cell", "unit", "english", "french"),
    [
        (Decimal("398400.60"), "EUR", "€398,400.60", f"398{NARROW}400,60\xa0€"),
        (Decimal("-0.125"), "EUR", "-€0.125", "-0,125\xa0€"),
        (Decimal("3.70"), "", "3.70", "3,70"),
        (Decimal("3.70"), "days", "3.70 days", "3,70 days"),
        (Decimal("8.3"), "%", "8.3%", "8,3 %"),
        (12345, "", "12,345", f"12{NARROW}345"),
        (12345, "#", "12345", "12345"),
        (0.1, "", "0.1", "0,1"),
        (1e20, "", "100,000,000,000,000,000,000", NARROW.join(["100", *["000"] * 6])),
        (float("nan"), "EUR", "nan", "nan"),
        (date(2026, 1, 2), "", "January 2, 2026", "2 janvier 2026"),
        (
            datetime(2026, 1, 2, 15, 4, 5),  # noqa: DTZ001 - as the driver gives it
            "",
            "Jan 2, 2026, 3:04:05\u202fPM",
            "2 janv. 2026, 15:04:05",
        ),
        (None, "EUR", "-", "-"),
        (b"\xff\x00", "", "ff00", "ff00"),
        (timedelta(hours=30), "", "1 day, 6:00:00", "1 day, 6:00:00"),
        ("Épicerie", "EUR", "Épicerie", "Épicerie"),
        (True, "", "1", "1"),
        ("a\\.com", "", "`a\\.com`", "`a\\.com`"),
        ("Model [2]", "", "`Model [2]`", "`Model [2]`"),
    ],
)
def test_a_cell_is_written_as_the_language_writes_it(cell, unit, english, french):
    assert format_cell(cell, "en", unit) == english
    assert format_cell(cell, "fr", unit) == french


def test_a_cell_brings_no_link_image_or_html_and_breaks_no_table():
    cell = (
        "a|b\n![x](http://evil.example/p) [y](http://evil.example) <img src=x> http://evil.example"
    )
    text = as_text(QueryResult(("body", "n"), [(cell, 1), ("z", 2)]), "en")
    assert acting(text) == []
    assert text.splitlines() == [
        "| body | n |",
        "| --- | --- |",
        f"| a\\|b `{cell.splitlines()[1]}` | 1 |",
        "| z | 2 |",
    ]


@pytest.mark.parametrize(
    "cell",
    [
        *("[1, 2, 3]", "Model X [2]", "arr[0] = 5", "List<String>", "a<b and c>d", "[9](x)"),
        *("a ` b", "`x` [1]", "a\\.com", "&#46;", "a<b | c>d", "[1|2](x)", "|<b>|", "~~~", "<b"),
        *("", " ", "line <1>\n\n```\n[2]", "5 < 6", "[x]: //evil.com", "\\", "a\\|<b>"),
    ],
)
@pytest.mark.parametrize("rows", [1, 2])
def test_a_cell_loses_nothing(cell, rows):
    """Not where a joint answer is cleaned of invented citations, either."""
    text = as_text(QueryResult(("n", "note"), [(1, cell)] * rows), "en")
    for said in (text, CitedText(0).clean_whole(text), CitedText(3).clean_whole(text)):
        assert plain(said).count(plain(cell)) >= rows
    assert acting(text) == []
    cited = CitedText(3)
    cited.clean_whole(text)
    assert cited.cited == set()


@pytest.mark.slow
@settings(max_examples=1000, deadline=None)
@given(TEXTS, TEXTS, st.integers(1, 2))
def test_no_cell_acts_or_loses_anything_whatever_it_and_its_column_hold(cell, name, rows):
    text = as_text(QueryResult((name, "note"), [(1, cell)] * rows), "en")
    acts = acting(text)
    assert all(re.search(r"href': '(?:https?://|mailto:)[^/?#]*'", found) for found in acts)
    joined = CitedText(3, find_addresses(text)).clean_whole(text)
    for said in (text, joined):
        assert plain(said).count(plain(make_visible(cell))) >= rows


def plain(text: str) -> str:
    """Return the text without the marks of code, the backslashes before bars, and spaces."""
    return re.sub(r"[`\\\s]", "", text)


def test_an_address_is_told_as_code_which_no_reader_makes_a_link():
    row = ("https://acme.example/a?b=1", "www.acme.example.", "acme.com", "a@acme.com")
    assert as_text(QueryResult(tuple("abcd"), [row]), "en") == (
        "a: `https://acme.example/a?b=1`\nb: `www.acme.example`.\nc: acme.com\nd: a@acme.com"
    )


def test_cells_that_are_harmless_alone_are_so_together():
    row = ("a ` b", "`![x](http://evil.example/p)`")
    for rows in (1, 2):
        text = as_text(QueryResult(("a", "b"), [row] * rows), "en")
        assert acting(text) == []
        assert text.count("`` `![x](http://evil.example/p)` ``") == rows


def test_one_row_is_a_list_and_keys_and_years_keep_their_digits_together():
    result = QueryResult(("order_id", "year", "total_sum"), [(11939, 2025, Decimal("1500.00"))])
    assert as_text(result, "en", {"total_sum": "EUR"}) == (
        "order id: 11939\nyear: 2025\ntotal sum: €1,500.00"
    )


def test_no_rows_many_rows_and_cut_rows_are_told():
    assert as_text(QueryResult(("n",), []), "fr") == "Rien n'a été trouvé."
    assert as_text(QueryResult(("sum",), [(None,)]), "en") == "Nothing was found."
    many = [(n,) for n in range(25)]
    assert as_text(QueryResult(("n",), many), "en").endswith("| 19 |\n\nThe first 20 of 25 rows.")
    cut = as_text(QueryResult(("n",), many, truncated=True), "fr")
    assert cut.endswith("Les 20 premières lignes ; il y en a davantage.")
    assert "premières" not in as_text(QueryResult(("n",), many[:20]), "fr")


def test_rows_are_json_without_loss():
    row = (Decimal("0.10"), date(2026, 1, 2), datetime(2026, 1, 2, 3, 4, 5, 6), time(1), None)  # noqa: DTZ001 - as the driver gives it
    more = (12345678901234567890, 0.1, True, "é", b"\x01", timedelta(seconds=1.5))
    [cells] = json.loads(json.dumps(as_json([row + more])))
    assert cells == [
        *("0.10", "2026-01-02", "2026-01-02T03:04:05.000006", "01:00:00", None),
        *(12345678901234567890, 0.1, True, "é", "01", "0:00:01.500000"),
    ]
