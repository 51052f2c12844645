"""The file of verified queries is read whole, or refused with the entry that is wrong."""

from datetime import date
from pathlib import Path

import pytest

from kb.verified_query_file import new_query, read_verified_queries
from stores.errors import ConfigError

ENTRY = """
- name: late
  question: Quelles commandes sont en retard ?
  parameters: {since: 2026-01-01, share: 0.5, year: "2025"}
  descriptions: {since: the first day}
  wordings: ["Which orders are late?"]
  units: {total: EUR}
  sql: |
    SELECT total FROM orders WHERE ordered_at > :since AND x > :share AND y = :year
  verified_by: Tom Prescott
  verified_at: 2026-06-12
"""


def test_an_entry_keeps_the_types_of_its_values_and_gets_its_language(tmp_path):
    (tmp_path / "queries.yaml").write_text(ENTRY, "utf-8")
    [query] = read_verified_queries(tmp_path / "queries.yaml")
    assert query.parameters == {"since": date(2026, 1, 1), "share": 0.5, "year": "2025"}
    assert (query.language, query.origin, query.verified_at) == ("fr", "file", date(2026, 6, 12))
    assert query.sql.endswith("y = :year")
    assert query.wordings == ("Which orders are late?",)


def test_an_empty_file_holds_none(tmp_path):
    (tmp_path / "queries.yaml").write_text("# none yet\n", "utf-8")
    assert read_verified_queries(tmp_path / "queries.yaml") == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            ENTRY.replace("sql:", "sqI:"),
            r"late: sql: it is missing. Each entry has name, question, sql, verified_by, ",
        ),
        (ENTRY.replace("2026-06-12", "soon"), r"late: verified_at: "),
        (ENTRY + ENTRY, r"holds late twice"),
        (ENTRY.replace(":year", "2025"), r"'late' binds other parameters than it declares: year"),
        (ENTRY.replace("SELECT total", "SELECT ((total"), r"'late' cannot be read"),
        (ENTRY.replace("en retard", "x" * 1_001), r"late: question: .* at most 1000 characters"),
        (ENTRY.replace("[", "[" + "x, " * 50), r"late: wordings: .* at most 50 items"),
        (
            ENTRY.replace("SELECT", "SELECT /*" + "x" * 20_000 + "*/"),
            r"late: sql: .* at most 20000",
        ),
        (ENTRY.replace('"2025"', "x" * 501), r"late: parameters.year: .*more than 500 characters"),
        (
            ENTRY.replace('"2025"', "{type: integer, default: 2025}"),
            r"late: parameters.year: It holds the keys type, default: write one value, .* 2025\.",
        ),
        (ENTRY.replace('"2025"', "[2025]"), r"late: parameters.year: It holds a list: write one"),
        (ENTRY.replace("EUR", "x" * 501), r"late: units.total: .* at most 500 characters"),
        (ENTRY.replace("Tom", "x" * 190), r"late: verified_by: .* at most 190 characters"),
        (
            ENTRY.replace("en retard", "\u202edrater ne"),
            r"late: question: .*It holds U\+202E, which",
        ),
        (ENTRY.replace("Which", "Which\u200b"), r"late: wordings.0: .*It holds U\+200B"),
        (ENTRY.replace("total FROM", "total /*\u2066*/ FROM"), r"late: sql: .*It holds U\+2066"),
        (ENTRY.replace("Tom", "\u2068Tom"), r"late: verified_by: .*It holds U\+2068"),
        (
            "- just a text",
            r"entry 1: it should be a section with keys of its own\. Each entry has name",
        ),
        ("- question: x", r"entry 1: name: it is missing\. Each entry has name"),
        ("name: x", r"queries\.yaml: all of it: it should be a valid list\. Each entry"),
        ("a: [", r"cannot be read"),
    ],
)
def test_a_mistake_is_refused_with_its_place(tmp_path, content, reason):
    (tmp_path / "queries.yaml").write_text(content, "utf-8")
    with pytest.raises(ConfigError, match=reason) as refusal:
        read_verified_queries(tmp_path / "queries.yaml")
    assert "queries.yaml" in str(refusal.value)


def test_what_is_written_as_usual_is_neither_too_long_nor_hidden(tmp_path):
    question = "Combien de clients à 5\u202f€\u00a0? 👩\u200d🔧"
    entry = ENTRY.replace("Quelles commandes sont en retard ?", f"|\n    {question}\n    ça ?")
    (tmp_path / "queries.yaml").write_text(entry, "utf-8")
    [query] = read_verified_queries(tmp_path / "queries.yaml")
    assert query.question == f"{question} ça ?"


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"question": "x" * 1_001}, "question: .* at most 1000 characters"),
        ({"question": "What\x1b[2J?"}, r"question: .*It holds U\+001B, which nobody sees"),
        ({"sql": "x" * 20_001}, "sql: .* at most 20000 characters"),
        ({"name": "x" * 191}, "name: .* at most 190 characters"),
        ({"name": "reve\u200dnue"}, r"name: .*It holds U\+200D, which nobody sees"),
        ({"name": "reve\u200cnue"}, r"name: .*It holds U\+200C"),
        ({"name": "revenue\u3164"}, r"name: .*It holds U\+3164"),
        ({"name": "revenue\u00a0now"}, r"name: .*It holds U\+00A0"),
        ({"verified_by": "\u202eana"}, r"verified_by: .*It holds U\+202E"),
        ({"parameters": {"p": "x" * 501}}, "parameters.p: .*more than 500 characters"),
        ({"parameters": dict.fromkeys(map(str, range(51)))}, "parameters: .* at most 50 items"),
    ],
    ids=lambda each: ascii(each)[:40],
)
def test_what_is_too_long_or_hidden_is_not_saved(given, reason):
    values = {"question": "Why?", "sql": "SELECT 1", "verified_by": "ana", "today": date.min}
    with pytest.raises(ConfigError, match=f"^The query cannot be kept: {reason}"):
        new_query(**{**values, **given})


def test_the_name_of_a_long_question_is_cut():
    query = new_query("revenue" * 40 + " how", "SELECT 1", "ana", date.min)
    assert query.name == ("revenue" * 40)[:190]


def test_the_name_of_a_question_holds_nothing_that_nobody_sees():
    query = new_query("revenue\u3164 how?", "SELECT 1", "ana", date.min)
    assert query.name == "revenue"


def test_a_file_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"nowhere\.yaml"):
        read_verified_queries(tmp_path / "nowhere.yaml")
