"""Questions with SQL, as JSONL and as YAML."""

import pytest

from kb.evaluation.labelled import BadQuestions
from kb.evaluation.sql_questions import SQLQuestion, read_sql_questions

YAML = """
- {id: a, question: How many, route: database, sql: SELECT 1, rows: [[1]]}
- {id: b, question: How much, sql: [SELECT 2, SELECT 3]}
- {id: c, question: And why, route: both, sql: SELECT 4}
- {id: d, question: Why, answer: because, documents: [d.md]}
"""


def test_of_yaml_the_questions_that_sql_answers_alone_are_read(tmp_path):
    file = tmp_path / "own.yaml"
    file.write_text(YAML, "utf-8")
    labelled = read_sql_questions(file)
    assert labelled.name == "own"
    assert labelled.questions == (
        SQLQuestion("a", "How many", ("SELECT 1",)),
        SQLQuestion("b", "How much", ("SELECT 2", "SELECT 3")),
    )


def test_of_jsonl_instructions_follow_the_question(tmp_path):
    file = tmp_path / "set.jsonl"
    file.write_text(
        '{"_id": "a", "question": "Who?", "gold_sql": ["SELECT 1"], "instructions": ""}\n'
        '{"_id": "b", "question": "Who?", "gold_sql": "SELECT 2", "instructions": "Use LIKE"}\n'
    )
    assert [each.text for each in read_sql_questions(file).questions] == ["Who?", "Who? Use LIKE"]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.jsonl", '{"_id": "a", "question": "Who?"}', "gold_sql"),
        ("a.jsonl", '{"_id": "a", "question": "Who?", "gold_sql": [1]}', "gold_sql"),
        ("a.jsonl", '{"_id": "a", "gold_sql": "SELECT 1"}', 'no "question"'),
        ("a.jsonl", "", "no question with SQL"),
        ("a.yaml", "- {id: a, question: Why}", "no question with SQL"),
        ("a.yaml", "- {id: a, question: x, sql: s}\n- {id: a, question: y, sql: s}", "two quest"),
        ("a.yaml", "- {question: x, sql: s}", "question 1.id"),
    ],
)
def test_what_is_wrong_with_a_file_is_named(tmp_path, name, text, words):
    file = tmp_path / name
    file.write_text(text, "utf-8")
    with pytest.raises(BadQuestions, match=words):
        read_sql_questions(file)


def test_a_directory_is_no_file_of_questions(tmp_path):
    with pytest.raises(BadQuestions, match="is a directory"):
        read_sql_questions(tmp_path)


def test_a_set_knows_whether_it_has_changed(tmp_path):
    file = tmp_path / "own.yaml"
    file.write_text(YAML, "utf-8")
    before = read_sql_questions(file).digest
    assert read_sql_questions(file).digest == before
    file.write_text(YAML.replace("SELECT 3", "SELECT 5"), "utf-8")
    assert read_sql_questions(file).digest != before
