"""One answer type: a dict at LlamaIndex's border alone; what is told derives from its fields."""

import json
import subprocess
import sys
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from llama_index.core.base.response.schema import Response

import engines.answer
from engines.answer import (
    Answer,
    AnsweredTurn,
    Attempt,
    Citation,
    Joining,
    TableResult,
    Timings,
    answer_of,
    find_sheet,
)
from kb.api.openai.notes import list_links, write_sources
from kb.cli.rendering.answers import describe_finding
from kb.mcp.tool_results_from_answers import answer_to_result
from stores.text.translations import load_translations

ALWAYS = {
    *("route", "route_reason", "citations", "errors", "timings", "model"),
    *("sql", "parameters", "columns", "rows", "truncated", "verified"),
}
TURN = {
    *("turn_id", "turn", "status", "standalone", "rewritten_by"),
    *("prompt_tokens", "completion_tokens"),
}
WHOLE = Answer(
    text="59 kettles [1].",
    route="both",
    route_reason="asked for",
    joining=Joining("database", ["Rivage"]),
    citations=[Citation(1, "a.md", title="A", lines="3-5", score=0.5, excerpt="x", chunk="c")],
    tables=TableResult(
        "SELECT :n",
        {"n": 1},
        ["total", "day"],
        [[Decimal("59.0"), date(2026, 1, 2)]],
        truncated=True,
        attempts=[Attempt("SELECT", "no")],
    ),
    errors={"documents": "late"},
    timings=Timings({"route": 1.5}),
    model="scripted",
    search={"id": "s", "candidates": 3},
    chat_turn=AnsweredTurn("t1", 2, "complete"),
)


@pytest.mark.parametrize(
    ("answer", "more"),
    [
        (Answer(), set()),
        (Answer(search={"id": "s"}), {"search"}),
        (Answer(tables=TableResult(attempts=[])), {"attempts"}),
        (Answer(joining=Joining()), {"first", "names"}),
        (Answer(chat_turn=AnsweredTurn("t1", 1, "open")), TURN),
        (WHOLE, {"search", "attempts", "first", "names", *TURN}),
    ],
)
def test_the_metadata_have_the_promised_keys_and_no_other(answer: Answer, more: set[str]) -> None:
    assert answer.metadata().keys() == ALWAYS | more


def test_a_citation_in_the_metadata_has_a_page_or_lines_where_they_are_known() -> None:
    always = {"number", "document", "title", "score", "excerpt", "root", "chunk"}
    for place in ({"page": 3}, {"lines": "3-5"}, {"lines": "3-5", "sheet": "Fees"}, {}):
        cited = replace(Citation(1, "a.md"), **place)
        [found] = Answer(citations=[cited]).metadata()["citations"]
        assert found.keys() == always | place.keys()


def test_the_place_of_a_citation_names_the_sheet_and_its_rows() -> None:
    cited = Citation(1, "fees.xlsx", lines="3-5", sheet="Fees")
    assert cited.place == "sheet Fees, rows 3-5"
    french = load_translations("fr").gettext("sheet {sheet}, rows {n}")
    assert french.format(sheet="Fees", n="3-5") == "feuille Fees, lignes 3-5"
    assert replace(cited, sheet=None).place == "lines 3-5"
    assert Citation(1, "a.pdf", page=2).place == "page 2"
    facts = {"sheet": "Fees", "media_type": "application/vnd.oasis.opendocument.spreadsheet"}
    assert find_sheet(facts) == "Fees"
    assert find_sheet(facts | {"media_type": "text/markdown"}) is None  # the front matter says so


def test_the_metadata_are_plain_and_give_the_answer_back() -> None:
    metadata = WHOLE.metadata()
    assert metadata["citations"][0]["lines"] == "3-5"
    assert metadata["attempts"] == [{"sql": "SELECT", "error": "no"}]
    assert metadata["timings"] == {"route": 1.5}
    assert metadata["rows"] == [[Decimal("59.0"), date(2026, 1, 2)]]
    assert answer_of(Response(WHOLE.text, metadata=metadata)) == WHOLE


def test_what_an_older_version_has_stored_is_an_answer() -> None:
    older = {"route": "documents", "citations": [{"number": 1, "document": "a"}], "errors": None}
    answer = Answer.from_metadata(older | {"gone since": 1})
    assert answer == Answer(route="documents", citations=[Citation(1, "a")])
    assert Answer.from_metadata({}) == Answer(citations=[])


def test_a_step_that_is_taken_again_took_longer() -> None:
    timings = Timings().add("sql", 1.0).add("rows", 2.0).add("sql", 0.5)
    assert list(timings.steps.items()) == [("sql", 1.5), ("rows", 2.0)]
    assert timings.seconds == pytest.approx(0.0035)


_TELLS = """
import asyncio, json, sys
import engines
engines.__path__.insert(0, sys.argv[1])
from engines.answer import Answer
from kb.answer_json import answer_to_values
from kb.api.answer_events import AnswerEvents, AnswerUnderWay, http_values
from kb.mcp.tool_results_from_answers import answer_to_result

class Response:
    metadata = Answer().metadata()

async def nothing():
    return
    yield ""

async def events():
    under_way = AnswerUnderWay(Response, nothing(), lambda: (0, 0))
    return [event.decode() async for event in under_way.stream_events(AnswerEvents())]

done = asyncio.run(events())[-1]
print(json.dumps({
    "command line": answer_to_values(Answer()).get("mood"),
    "http": http_values(Answer()).get("mood"),
    "events": json.loads(done.partition("data: ")[2]).get("mood"),
    "mcp": answer_to_result(Answer()).model_dump().get("mood"),
    "metadata": Answer.from_metadata({"mood": "calm"}).metadata().get("mood"),
}))
"""


def test_a_field_added_to_the_answer_is_told_by_all_without_another_line(tmp_path: Path) -> None:
    source = Path(engines.answer.__file__).read_text()
    line = "    model: str | None = None\n"
    assert source.count(line) == 1
    (tmp_path / "answer.py").write_text(source.replace(line, f'{line}    mood: str = "glad"\n'))
    told = subprocess.run(
        [sys.executable, "-c", _TELLS, str(tmp_path)], capture_output=True, text=True, check=True
    )
    values = json.loads(told.stdout)
    assert values.pop("metadata") == "calm"
    assert values == dict.fromkeys(["command line", "http", "events", "mcp"], "glad")


def test_a_source_that_kb_found_by_words_is_told_so_wherever_sources_are_listed() -> None:
    found = Citation(1, "a.md", title="A", chunk="c", inferred=True)
    cited = replace(found, inferred=None)
    assert "not cited by the answer" in write_sources([found])
    assert "not cited" not in write_sources([cited])
    [link] = list_links("Words.", [found], "http://kb.example/")
    assert link["inferred"] is True
    assert "inferred" not in list_links("Words [1].", [cited], "http://kb.example/")[0]
    told = answer_to_result(Answer(text="Words.", citations=[found]))
    assert told.citations[0].inferred is True
    assert "found by its words" in told.to_text()
    assert describe_finding(found)
    assert not describe_finding(cited)
