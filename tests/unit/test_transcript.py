"""A session as a document: everything that is known of a turn, and nothing that breaks out."""

import json
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal

import pytest
from markdown_it import MarkdownIt
from test_inert_markdown import acting

from kb.transcript import write_transcript
from stores.chats.chat_sessions import Turn
from stores.chats.session_list import SessionInfo
from stores.errors import ConfigError

ASKED = datetime(2026, 3, 1, 9, 30, 5)  # noqa: DTZ001 - the database's times are UTC
INFO = SessionInfo("s1", "Returns & more", ASKED, ASKED, 1)
TURN = Turn(
    id="t1",
    number=1,
    question="Which orders\nare late?",
    standalone="Which orders of 2026 are late?",
    rewritten_by="model",
    answer="Two orders are late [1].",
    status="complete",
    error=None,
    evidence={
        "route": "both",
        "citations": [
            {"number": 1, "document": "docs/late.md", "title": "Late orders", "lines": "3-5"},
            {"number": 2, "document": "law.pdf", "title": "", "page": 7},
        ],
        "sql": "SELECT id, total FROM orders\nWHERE due < :day",
        "parameters": {"day": date(2026, 3, 1)},
        "columns": ["id", "total_amount", "due"],
        "rows": [[1, Decimal("12.50"), date(2026, 1, 2)], [2, None, date(2026, 1, 3)]],
        "truncated": True,
        "errors": {},
    },
    model="fake",
    prompt_tokens=10,
    completion_tokens=4,
    asked_at=ASKED,
    answered_at=ASKED,
)
MARKDOWN = """\
# Returns & more

Session `s1`, 2026-03-01 09:30 to 2026-03-01 09:30 UTC, 1 question.

## 1. 2026-03-01 09:30

> Which orders
> are late?

*Understood as: Which orders of 2026 are late?*

Two orders are late [1].

Sources:

1. Late orders, `docs/late.md`, lines 3-5
2. law.pdf, `law.pdf`, page 7

```sql
SELECT id, total FROM orders
WHERE due < :day
```

- `:day` = 2026-03-01

| id | total\\_amount | due |
|---|---|---|
| 1 | 12.50 | 2026-01-02 |
| 2 |  | 2026-01-03 |

Cut at 2 rows; there were more.
"""


def blocks(markdown: str) -> list[str]:
    """What stands at the top of the document, and in no quotation, list or table."""
    tokens = MarkdownIt("commonmark").parse(markdown)
    return [token.type for token in tokens if token.level == 0]


def test_a_turn_is_written_with_its_sources_its_sql_and_its_rows():
    assert write_transcript(INFO, [TURN]) == MARKDOWN


def test_a_turn_that_went_wrong_says_what_happened():
    failed = replace(TURN, answer="", status="failed", error="the model is on *fire*", evidence={})
    assert "*No answer: the model is on \\*fire\\**\n" in write_transcript(INFO, [failed])
    cut = replace(TURN, status="partial", error=None, evidence={})
    assert "*Cut: no reason is known.*" in write_transcript(INFO, [cut])
    half = replace(TURN, evidence={"errors": {"database": "it is away"}})
    assert "*database could not answer: it is away*" in write_transcript(INFO, [half])


def test_nothing_that_was_said_changes_the_structure_of_the_document():
    hostile = "# ![x](http://evil) | `a` ``` <b> \n\n# Title\n```"
    evidence = {
        **TURN.evidence,
        "citations": [{"number": 1, "document": hostile, "title": hostile}],
        "sql": "SELECT '```\n# x' -- ````",
        "columns": [hostile],
        "rows": [[hostile]],
    }
    turn = replace(
        TURN, question=hostile, standalone=hostile, answer="See:\n```sql\nSEL", evidence=evidence
    )
    document = write_transcript(replace(INFO, title=hostile, id=hostile), [turn])
    assert blocks(document).count("heading_open") == 2
    assert blocks(document).count("fence") == 2  # the answer's, which is closed, and the SQL
    below = document.split("Sources:")[1]
    assert "![" not in below.replace("SELECT '```\n# x' -- ````", "").replace("`` # ![", "")


def test_nothing_of_a_session_acts_in_its_document():
    hostile = "` ![x](https://evil.example/a.png) <img src=//evil.example> https://evil.example"
    evidence = {
        **TURN.evidence,
        "citations": [{"number": 1, "document": hostile, "title": hostile}],
        "sql": hostile,
        "parameters": {"day": hostile},
        "columns": [hostile],
        "rows": [[hostile]],
    }
    turn = replace(
        TURN, question=hostile, standalone=hostile, answer=hostile, error=hostile,
        status="partial", evidence=evidence,
    )  # fmt: skip
    assert acting(write_transcript(replace(INFO, title=hostile, id=hostile), [turn])) == []


def test_json_holds_every_field_with_plain_values():
    [turn] = json.loads(write_transcript(INFO, [TURN], "json"))["turns"]
    assert (turn["question"], turn["answer"]) == (TURN.question, TURN.answer)
    assert turn["asked_at"] == "2026-03-01T09:30:05+00:00"
    assert turn["evidence"]["rows"] == [[1, "12.50", "2026-01-02"], [2, None, "2026-01-03"]]
    assert (turn["status"], turn["model"], turn["prompt_tokens"]) == ("complete", "fake", 10)
    assert json.loads(write_transcript(INFO, [], "json")) | {"turns": []} == {
        "id": "s1",
        "title": "Returns & more",
        "created": "2026-03-01T09:30:05+00:00",
        "updated": "2026-03-01T09:30:05+00:00",
        "user": None,
        "is_pinned": False,
        "tags": [],
        "turns": [],
    }


def test_an_unknown_format_is_refused():
    with pytest.raises(ConfigError, match="'pdf'; there are markdown and json"):
        write_transcript(INFO, [], "pdf")
