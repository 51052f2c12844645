"""Names and quotes of documents below an answer, in Markdown of clients that kb does not know."""

import pytest
from hypothesis import example, given, settings
from test_inert_markdown import READERS, TEXTS, acting, tokens

from engines.answer import Citation
from engines.documents.code_spans import write_code
from kb.api.openai.notes import write_sources
from kb.mcp.tool_results import Passage, Passages, Rows
from kb.plain_markdown import escape_markdown, fence_text

HOSTILE = (
    "![x](https://evil.com/a.png) <img src=//evil.com> [1] `a` **b** | &lt; \u202egpj\n\n# T "
    "https\\://evil.com www.evil.com"
)


def test_names_are_shown_as_they_are_and_act_on_nothing():
    citation = Citation(1, HOSTILE, HOSTILE, page=2)
    notes = write_sources([citation])
    assert acting(notes) == []
    words = [token.content for token in tokens(READERS[0], notes) if token.type != "inline"]
    shown = " ".join(HOSTILE.replace("\u202e", "").split())
    assert "".join(words) == f"Sources:[1] {shown}, page 2 ({shown})"


@pytest.mark.slow
@settings(max_examples=500, deadline=None)
@given(TEXTS)
@example("w.evil.com.mailto:")  # two addresses, of which only the second was seen
def test_no_name_acts_whatever_it_is(text):
    citation = Citation(1, text, text, lines="1-2")
    assert acting(f"They go back [1].{write_sources([citation])}") == []
    plain = escape_markdown(text)
    assert acting(f"- {plain}\n- {write_code(text)}\n\n{fence_text(text)}\n{plain}") == []


@pytest.mark.parametrize("text", [HOSTILE, "```\n![x](https://evil.com/a.png)\n~~~"])
def test_what_tools_of_mcp_tell_acts_on_nothing(text):
    passage = Passage(
        number=1, uri="kb://chunks/1", document="kb://documents/a", title=text, path=text,
        headings=text, page=None, lines=None, score=1, text=text, metadata={},
    )  # fmt: skip
    rows = Rows(
        sql=f"SELECT '{text}'", parameters={"a": text}, columns=[text], rows=[[text]],
        truncated=True, note="",
        verified={"verified_by": text, "verified_at": "2026-01-31", "question": text},
    )  # fmt: skip
    assert acting(Passages(passages=[passage], note="").to_text()) == []
    assert acting(rows.to_text()) == []
