"""Labelled questions are read strictly: an error names the file, the line and what is wrong."""

import json
from pathlib import Path
from typing import Any

import pytest

from kb.evaluation.labelled import BadQuestions
from kb.evaluation.own_questions import read_entries
from kb.evaluation.search_evaluation import read_questions

ENGLISH = "Customers have thirty days to return a machine that they do not like."
FRENCH = "Les clients ont trente jours pour retourner une machine qui ne leur plaît pas."
CORPUS = [
    {"_id": "en", "title": "Returns", "text": ENGLISH},
    {"_id": "fr", "title": "", "text": FRENCH},
]
QUERIES: list[dict[str, Any]] = [
    {"_id": "q1", "text": "How long?", "answers": ["thirty days"]},
    {"_id": "q2", "text": "Combien de temps ?"},
    {"_id": "q3", "text": "Of another split?"},
]
QRELS = "query-id\tcorpus-id\tscore\nq1\ten\t2\nq1\tfr\t1\nq2\tfr\t1\nq2\ten\t0\n"


def written(directory: Path, corpus=CORPUS, queries=QUERIES, qrels=QRELS, unanswerable=()) -> Path:
    (directory / "qrels").mkdir(exist_ok=True)
    (directory / "qrels" / "test.tsv").write_text(qrels, "utf-8")
    for name, rows in (("corpus", corpus), ("queries", queries), ("unanswerable", unanswerable)):
        if rows:
            text = rows if isinstance(rows, str) else "".join(f"{json.dumps(r)}\n" for r in rows)
            (directory / f"{name}.jsonl").write_text(text, "utf-8")
    return directory


def own(directory: Path, text: str) -> Path:
    file = directory / "questions.yaml"
    file.write_text(text, "utf-8")
    return file


def test_a_beir_directory_yields_graded_questions_and_its_corpus(tmp_path):
    labelled = read_questions(written(tmp_path, unanswerable=[{"_id": "u1", "text": "Why?"}]))
    first, second, third = labelled.questions
    assert (first.relevant, first.answers, first.language) == (
        {"en": 2, "fr": 1},
        ("thirty days",),
        "en",
    )
    assert (second.relevant, second.answers, second.language) == ({"fr": 1}, (), "fr")
    assert (third.id, third.is_answerable) == ("u1", False)
    assert [each.title for each in labelled.corpus] == ["Returns", ""]
    assert labelled.name == tmp_path.name


def test_the_digest_follows_questions_answers_and_documents(tmp_path):
    before = read_questions(written(tmp_path)).digest
    assert read_questions(written(tmp_path)).digest == before
    assert read_questions(written(tmp_path, qrels=QRELS.replace("fr\t1", "fr\t2"))).digest != before
    assert read_questions(written(tmp_path, corpus=CORPUS[::-1])).digest != before


def test_a_sample_is_spread_over_both_kinds_of_questions(tmp_path):
    queries = [{"_id": f"q{number}", "text": "How long?"} for number in range(10)]
    qrels = "".join(f"q{number}\ten\t1\n" for number in range(10))
    unanswerable = [{"_id": f"u{number}", "text": "Why?"} for number in range(4)]
    labelled = read_questions(written(tmp_path, CORPUS, queries, qrels, unanswerable))
    assert [each.id for each in labelled.sample_questions(2)] == ["q0", "q5", "u0", "u2"]
    assert len(labelled.sample_questions(100)) == len(labelled.sample_questions(None)) == 14


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"queries": '{"_id": "q1", "text": "How long?"}\n{"_id"\n'}, r"queries.jsonl, line 2, is"),
        ({"queries": '["q1"]\n'}, 'queries.jsonl, line 1, has no "_id" that is a string'),
        ({"corpus": [{"_id": "en", "text": 7}]}, 'corpus.jsonl, line 1, has no "text"'),
        ({"corpus": [*CORPUS, CORPUS[0]]}, "corpus.jsonl, line 3, repeats the _id 'en'"),
        ({"queries": [{**QUERIES[0], "answers": "x"}]}, 'line 1: "answers" is not a list'),
        ({"qrels": "q1 en 1\n"}, "test.tsv, line 1, is not a query id, a document id"),
        ({"qrels": "q1\ten\tgood\n"}, "test.tsv, line 1, is not a query id, a document id"),
        ({"qrels": f"{QRELS}q9\ten\t1\n"}, "line 6, names the query 'q9', which queries.jsonl"),
        ({"qrels": f"{QRELS}q1\tde\t1\n"}, "line 6, names the document 'de', which corpus.jsonl"),
        ({"qrels": "query-id\tcorpus-id\tscore\nq1\ten\t0\n"}, "names no question with a right"),
        ({"queries": [{"_id": "q1", "text": " "}], "qrels": "q1\ten\t1\n"}, "'q1' is empty"),
        ({"unanswerable": [QUERIES[0]]}, "unanswerable.jsonl holds 'q1', for which"),
    ],
)
def test_what_is_wrong_in_a_beir_directory_is_named(tmp_path, changed, message):
    with pytest.raises(BadQuestions, match=message):
        read_questions(written(tmp_path, **changed))


@pytest.mark.parametrize(
    ("written_answer", "answers"),
    [("250", ("250",)), ("[250, '2 %']", ("250", "2 %")), ("0", ("0",)), ("null", ()), ("''", ())],
)
def test_an_answer_is_a_text_also_where_yaml_reads_a_number(tmp_path, written_answer, answers):
    file = tmp_path / "questions.yaml"
    entry = f"- {{id: a, question: How many, answer: {written_answer}, documents: [a.md]}}"
    file.write_text(entry)
    assert [entry.answer for entry in read_entries(file)] == [answers]


@pytest.mark.parametrize("name", ["corpus.jsonl", "queries.jsonl", "qrels/test.tsv"])
def test_a_missing_file_is_named_with_what_a_directory_holds(tmp_path, name):
    (written(tmp_path) / name).unlink()
    with pytest.raises(BadQuestions, match=rf"There is no .*{name}. A directory of labelled"):
        read_questions(tmp_path)


def test_own_questions_leave_out_those_for_the_database(tmp_path):
    labelled = read_questions(
        own(
            tmp_path,
            """
            - {id: a, question: How long, answer: 30 days, documents: [a.md, b.md]}
            - {id: b, question: Which, answer: [x, y], documents: [a.md], route: both, sql: S}
            - {id: c, question: Why, answer: null, language: en}
            - {id: d, question: How many, answer: "7", route: database}
            - {id: e, question: Where, documents: [b.md]}
            """,
        )
    )
    assert [each.id for each in labelled.questions] == ["a", "b", "c", "e"]
    assert labelled.questions[0].relevant == {"a.md": 1, "b.md": 1}
    assert [each.answers for each in labelled.questions] == [("30 days",), ("x", "y"), (), ()]
    assert not labelled.questions[2].is_answerable
    assert (labelled.name, labelled.corpus) == ("questions", None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- {id: a", "is not YAML"),
        ("question: x", "question list: it should be a valid list"),
        ("- {id: a, answer: x, documents: [a.md]}", r"question 1.question: it is missing"),
        ("- {id: a, question: b, answer: x}", "question 'a', names no documents"),
        ("- {id: a, question: b}", "question 'a', names no documents"),
        (
            "- {id: a, question: b, answer: x, documents: [c]}\n" * 2,
            "two questions with the id 'a'",
        ),
        ("- {id: a, question: b, answer: null}", "holds no question about documents"),
        ("[]", "holds no question about documents"),
        ("- {id: a, question: '', answer: x, documents: [c]}", "the question 'a' is empty"),
    ],
)
def test_what_is_wrong_in_own_questions_is_named(tmp_path, text, message):
    with pytest.raises(BadQuestions, match=message):
        read_questions(own(tmp_path, text))
