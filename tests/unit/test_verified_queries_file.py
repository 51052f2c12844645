"""The file of verified queries is read whole, or refused with the entry that is wrong."""

from datetime import date
from pathlib import Path

import pytest

from kb.verified_queries import read_verified_queries
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
        (ENTRY.replace("sql:", "sqI:"), r"late: sql: Field required"),
        (ENTRY.replace("2026-06-12", "soon"), r"late: verified_at: "),
        (ENTRY + ENTRY, r"holds late twice"),
        (ENTRY.replace(":year", "2025"), r"'late' binds other parameters than it declares: year"),
        (ENTRY.replace("SELECT total", "SELECT ((total"), r"'late' cannot be read"),
        ("- just a text", r"entry 0: : "),
        ("name: x", r"valid list"),
        ("a: [", r"cannot be read"),
    ],
)
def test_a_mistake_is_refused_with_its_place(tmp_path, content, reason):
    (tmp_path / "queries.yaml").write_text(content, "utf-8")
    with pytest.raises(ConfigError, match=reason) as refusal:
        read_verified_queries(tmp_path / "queries.yaml")
    assert "queries.yaml" in str(refusal.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"nowhere\.yaml"):
        read_verified_queries(tmp_path / "nowhere.yaml")
