"""The statement is found in whatever a model wraps it in."""

import pytest

from engines.model_replies import Reply, read_reply

SQL = "SELECT a\nFROM t"


@pytest.mark.parametrize(
    "text",
    [
        SQL,
        f"{SQL};",
        f"  {SQL} ;\n",
        f"```sql\n{SQL};\n```",
        f"```\n{SQL}\n```",
        f"```sql {SQL}```",
        f"```sql\n{SQL}",
        f"Here is the query:\n\n```sql\n{SQL};\n```\n\nIt lists every a.",
        f"Here is the query:\n{SQL};\n\nIt lists every a.",
        f"Sure! This works.\n\n{SQL}\n\nThis query lists every a.",
        f"<think>SELECT b FROM u would be wrong;\n```sql\nDROP TABLE t\n```</think>\n{SQL}",
        f"SELECT b FROM u would be wrong.</think>{SQL}",
        f"{SQL}\n<think>Was that",
        f"SQLQuery: {SQL}\nSQLResult: 3\nAnswer: three",
        f"SQL: {SQL}",
        f"Count them with\n```python\nlen(t)\n```\nor\n```sql\n{SQL}\n```",
    ],
)
def test_the_statement_is_found(text):
    assert read_reply(text) == Reply(sql=SQL)


@pytest.mark.parametrize(
    "text",
    [
        "DROP TABLE t",
        "SELECT 1;\nDROP TABLE t",
        "SELECT 1; DROP TABLE t",
        "SELECT 1;\n\nDROP TABLE t",
    ],
)
def test_nothing_of_a_statement_is_cut_off(text):
    assert read_reply(text) == Reply(sql=text)


def test_a_fence_without_a_query_is_kept_to_be_refused():
    assert read_reply("```sql\nDROP TABLE t;\n```") == Reply(sql="DROP TABLE t")


def test_a_text_in_a_fenced_statement_may_look_like_prose():
    sql = "SELECT ';\n\nIt is' FROM t"
    assert read_reply(f"```sql\n{sql}\n```") == Reply(sql=sql)


def test_paragraphs_of_a_statement_stay_together():
    sql = "WITH a AS (\n  SELECT 1\n)\n\nSELECT *\n\nFROM a"
    assert read_reply(sql) == Reply(sql=sql)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("NO_ANSWER: The tables hold no weather.", "The tables hold no weather."),
        ("QUESTION: Which year?", "Which year?"),
        ("<think>hm</think>\n**QUESTION**: Which year?", "Which year?"),
        ("`QUESTION: Which year?`", "Which year?"),
        ("`QUESTION:` Which year?", "Which year?"),
        ("```\nQUESTION: Which year?\n```", "Which year?"),
        ("QUESTION: Orders or products?\nWith returns?", "Orders or products?\nWith returns?"),
        ("NO_ANSWER", ""),
        ("NO_ANSWER:", ""),
        ("I looked.\nNO_ANSWER The tables hold no weather.", "The tables hold no weather."),
    ],
)
def test_words_instead_of_a_statement_are_for_the_user(text, words):
    assert read_reply(text) == Reply(words=words)


@pytest.mark.parametrize("text", ["", "  ", "<think>and so on"])
def test_an_empty_reply_holds_nothing(text):
    assert read_reply(text) == Reply()
