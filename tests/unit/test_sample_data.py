"""The sample data say what they claim: counted, read and looked up, without a server."""

import re
from collections import Counter
from datetime import date
from pathlib import Path

import pytest
import yaml
from sample_shop import TODAY, shop_sql

from kb.indexing.document import ReadDocument
from kb.indexing.worker import ReadWorker

DATA = Path(__file__).parents[2] / "data"
DOCUMENTS = DATA / "documents"
FILES = sorted(path for path in DOCUMENTS.rglob("*") if path.is_file())
QUESTIONS = yaml.safe_load((DATA / "questions.yaml").read_text(encoding="utf-8"))
VERIFIED = yaml.safe_load((DATA / "verified_queries.yaml").read_text(encoding="utf-8"))
FORMATS = {".md", ".html", ".pdf", ".docx", ".csv", ".txt", ".eml", ".pptx", ".xlsx"}
FIELDS = {"id", "question", "language", "route", "answer"}


@pytest.fixture(scope="module")
def documents() -> dict[str, ReadDocument]:
    with ReadWorker() as worker:
        return {path.relative_to(DOCUMENTS).as_posix(): worker.read(path) for path in FILES}


def text_of(document: ReadDocument) -> str:
    return " ".join("\n".join(section.text for section in document.sections).split())


def accepted(question: dict) -> list[str]:
    answer = question["answer"]
    return answer if isinstance(answer, list) else [answer]


def test_shop_sql_is_what_its_generator_writes():
    assert (DATA / "shop.sql").read_bytes().decode() == shop_sql()


def test_shop_sql_is_small_and_splits_at_semicolons_that_end_a_line():
    text = (DATA / "shop.sql").read_text(encoding="utf-8")
    statements = re.sub("^--.*\n", "", text, flags=re.MULTILINE).split(";\n")
    assert len(text.encode()) < 1_000_000
    assert statements.pop() == ""
    assert {statement.split()[0] for statement in statements} == {"DROP", "CREATE", "INSERT"}
    assert all(statement.count("'") % 2 == 0 for statement in statements)


def test_there_are_25_to_40_documents_in_nine_formats():
    assert 25 <= len(FILES) <= 40
    assert {path.suffix for path in FILES} == FORMATS


def test_a_third_of_the_documents_is_french(documents):
    languages = Counter(document.language for document in documents.values())
    assert set(languages) == {"en", "fr"}
    assert 0.3 < languages["fr"] / len(FILES) < 0.4


def test_one_french_document_is_not_utf_8(documents):
    path = "manuals/source-carafe.txt"
    with pytest.raises(UnicodeDecodeError):
        (DOCUMENTS / path).read_text(encoding="utf-8")
    assert "l'eau tiède savonneuse" in text_of(documents[path])


def test_there_are_40_questions_of_every_route_in_both_languages():
    assert Counter(question["route"] for question in QUESTIONS) == {
        "documents": 20,
        "database": 14,
        "both": 6,
    }
    assert {question["language"] for question in QUESTIONS} == {"en", "fr"}
    assert len({question["id"] for question in QUESTIONS}) == 40
    assert sum(question["answer"] is None for question in QUESTIONS) == 3


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question["id"])
def test_a_question_says_where_its_answer_is(question):
    evidence = set()
    if question["route"] != "database" and question["answer"] is not None:
        evidence |= {"documents"}
    if question["route"] != "documents":
        evidence |= {"sql", "rows"}
    assert question.keys() == FIELDS | evidence


def test_every_named_document_holds_the_answer(documents):
    for question in QUESTIONS:
        for path in question.get("documents", []):
            text = text_of(documents[path])
            assert any(answer in text for answer in accepted(question)), (question["id"], path)


def test_names_are_unique_among_verified_queries():
    assert len({query["name"] for query in VERIFIED}) == len(VERIFIED) >= 12


@pytest.mark.parametrize("query", VERIFIED, ids=lambda query: query["name"])
def test_a_verified_query_binds_the_parameters_that_it_declares(query):
    required = {"name", "question", "sql", "verified_by", "verified_at"}
    assert required <= query.keys() <= required | {"parameters", "wordings", "units"}
    assert isinstance(query["verified_at"], date)
    assert query["verified_at"] <= TODAY
    assert set(re.findall(r"(?<!:):(\w+)", query["sql"])) == set(query.get("parameters", {}))
