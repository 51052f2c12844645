"""Markdown as HTML by finished blocks, which together are what the whole text becomes."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kb.api.safe_html import as_html, measure_finished_blocks

LINES = st.sampled_from(
    [
        *("", "", "Words of a paragraph.", "  more", "# Title", "---", "===", "> said", "    code"),
        *(
            "- one",
            "* two",
            "  - below",
            "1. first",
            "2) second",
            "```",
            "```python",
            "~~~",
            "x = 1",
        ),
        *("| a | b |", "|---|---|", "| 1 | 2 |", "[1]: http://x", "<b>no</b>", "**bold** [1]"),
    ]
)


@given(st.lists(LINES, max_size=14), st.integers(0, 200))
@example(["- one", "", "  more", "", "Words of a paragraph."], 200)
@example(["```", "x = 1", "```", "Words of a paragraph."], 200)
def test_what_is_finished_stays_as_it_is_whatever_follows(lines, length):
    text = "\n".join(lines)
    finished = measure_finished_blocks(text[:length])
    parts = as_html(text[:finished]) + as_html(text[finished:])
    assert parts == as_html(text)


@pytest.mark.parametrize(
    ("text", "finished"),
    [
        ("A paragraph", ""),
        ("A paragraph\n", ""),
        ("A paragraph\n\n", "A paragraph\n"),
        ("- one\n\n", ""),
        ("- one\n\nA", ""),
        ("- one\n\nA\n", "- one\n\n"),
        ("```\nx\n", ""),
        ("```\nx\n```\n", "```\nx\n```\n"),
        ("# Title\nWords", ""),
        ("# Title\nWords\n", "# Title\n"),
    ],
)
def test_a_block_is_finished_when_no_line_can_change_it(text, finished):
    assert text[: measure_finished_blocks(text)] == finished
