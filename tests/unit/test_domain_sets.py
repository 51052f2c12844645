"""The foreign domains say what they claim; that their SQL finds rows is tested on a server."""

import re
from collections import Counter
from pathlib import Path

import pytest
import sqlglot
import yaml

DOMAINS = Path(__file__).parents[2] / "benchmarks" / "domains"
NAMES = sorted(path.parent.name for path in DOMAINS.glob("*/questions.yaml"))
FIELDS = {"id", "language", "cites", "says", "sql", "verified"}


def read(name: str, file: str) -> list[dict]:
    return yaml.safe_load((DOMAINS / name / f"{file}.yaml").read_text(encoding="utf-8"))


def judged(name: str) -> list[dict]:
    return read(name, "questions") + read(name, "dialogues")


def plain(text: str) -> str:
    return " ".join(text.split()).casefold()


def test_there_are_three_domains():
    assert NAMES == ["clinic", "library", "workshop"]


@pytest.mark.parametrize("name", NAMES)
def test_a_domain_has_40_questions_of_every_kind_and_15_dialogues(name):
    questions, dialogues = read(name, "questions"), read(name, "dialogues")
    kinds = {"documents": 15, "tables": 15, "both": 5, "nothing": 5}
    assert Counter(item["asks"] for item in questions) == kinds
    assert sum(item.get("verified", False) for item in questions) == 6
    assert sum(item["language"] == "fr" for item in questions) >= 10
    assert Counter(item["follows"] for item in dialogues) == {True: 10, False: 5}
    assert all(len(item["turns"]) in (2, 3) for item in dialogues)


@pytest.mark.parametrize("name", NAMES)
def test_documents_are_of_the_size_that_is_promised(name):
    texts = [path.read_text("utf-8") for path in (DOMAINS / name / "documents").rglob("*.md")]
    assert 12 <= len(texts) <= 16
    assert all(250 <= len(text.split()) <= 700 for text in texts)
    assert (DOMAINS / name / "tables.sql").stat().st_size <= 150_000


@pytest.mark.parametrize("name", NAMES)
def test_a_question_has_an_id_of_its_own_and_says_how_its_answer_is_judged(name):
    items = judged(name)
    assert len({item["id"] for item in items}) == len(items)
    for item in items:
        match item.get("asks"):
            case "documents":
                assert item.keys() == FIELDS - {"sql", "verified"} | {"asks", "question"}
            case "tables":
                assert item.keys() - {"verified"} == {"id", "language", "asks", "question", "sql"}
            case "both":
                assert item.keys() == FIELDS - {"verified"} | {"asks", "question"}
            case "nothing":
                assert item.keys() == {"id", "language", "asks", "question"}
            case None:
                assert item.keys() & {"cites", "says", "sql"} in ({"cites", "says"}, {"sql"})
                assert ("standalone" in item) == item["follows"]


@pytest.mark.parametrize("name", NAMES)
def test_every_document_that_is_to_be_cited_says_what_is_asked(name):
    for item in judged(name):
        for path in item.get("cites", ()):
            text = plain((DOMAINS / name / "documents" / path).read_text("utf-8"))
            for said in item["says"]:
                alternatives = [said] if isinstance(said, str) else said
                assert any(plain(each) in text for each in alternatives), (item["id"], path, said)


@pytest.mark.parametrize("name", NAMES)
def test_the_gold_sql_reads_only_tables_of_the_domain(name):
    tables_sql = (DOMAINS / name / "tables.sql").read_text("utf-8")
    tables = set(re.findall(r"^CREATE TABLE (\w+)", tables_sql, re.MULTILINE))
    assert 5 <= len(tables) <= 8
    for item in [*judged(name), *read(name, "verified_queries")]:
        if "sql" in item:
            read_tables = sqlglot.parse_one(item["sql"], read="mysql").find_all(sqlglot.exp.Table)
            assert {table.name for table in read_tables} <= tables, item
