import re

import pytest
from llama_index.core.schema import NodeWithScore, TextNode
from markdown_it import MarkdownIt

from engines.answer import Answer
from engines.documents.citations import make_citation, number_passages
from engines.documents.cited_text import CitedText


def cleaned(text: str, *, passages: int = 3, step: int = 1) -> tuple[str, set[int]]:
    cited = CitedText(passages, {"https://shop.example/help"})
    pieces = [text[start : start + step] for start in range(0, len(text), step)]
    return "".join(cited.clean_pieces(pieces)), cited.cited


@pytest.mark.parametrize("step", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize(
    ("written", "kept", "numbers"),
    [
        ("Thirty days [1]. Also [2][3].", "Thirty days [1]. Also [2][3].", {1, 2, 3}),
        ("Invented [9], mixed [1, 7; 3].", "Invented, mixed [1][3].", {1, 3}),
        ("Nothing [0] and [note].", "Nothing and [note].", set()),
        ("![a cat](http://evil/cat.png) here", "a cat here", set()),
        ("see [the page](http://evil/x) now", "see the page now", set()),
        ("[ref]: http://evil/x\nfine [1](http://evil)", "\nfine [1]", {1}),
        ("code `rows[0]` and [7] or [1].", "code `rows[0]` and or [1].", {1}),
        (
            "```sql\nSELECT j[0], [9]\n```\nThen [2].",
            "```sql\nSELECT j[0], [9]\n```\nThen [2].",
            {2},
        ),
        ("[`kb status`](http://evil/x) tells", "`kb status` tells", set()),
        ("an open [ bracket", "an open [ bracket", set()),
        ("a lone ` tick [1]", "a lone ` tick [1]", {1}),
        ("wow!", "wow!", set()),
        ("a < b and b > 1, I <3 [1]", "a < b and b > 1, I <3 [1]", {1}),
        ("see https://shop.example/help.", "see `https://shop.example/help`.", set()),
        ("see <https://shop.example/help>.", "see `https://shop.example/help`.", set()),
        ("not https://evil.example/?q=1 no", "not  no", set()),
        ("`https://evil.example` as code", "`https://evil.example` as code", set()),
        ("", "", set()),
    ],
)
def test_only_true_citations_and_no_links_are_left(
    written: str, kept: str, numbers: set[int], step: int
) -> None:
    assert cleaned(written, step=step) == (kept, numbers)


@pytest.mark.parametrize("step", [1, 3, 1000])
@pytest.mark.parametrize(
    "hostile",
    [
        "[![alt](http://evil/i.png)](http://evil)",
        '<img src="http://evil/i.png" onerror=x> <a href=//evil>x</a>',
        "<https://evil/x> and <javascript:alert(1)>",
        "[x](http://evil/a(b)c) ![a [b] c](http://evil/x.png)",
        '[x](http://evil\n"title")',
        f"[{'long ' * 100}](http://evil)",
        "\\`[x](http://evil)\\`",
        "[x]: //evil/y\n[x]",
        "[x][y]\n\n[y]: http://evil",
        "![x][y]\n\n[y]: <http://evil>",
    ],
)
def test_no_link_image_or_html_survives_rendering(hostile: str, step: int) -> None:
    kept, _ = cleaned(hostile, step=step)
    rendered = MarkdownIt("commonmark", {"html": True, "linkify": False}).render(kept)
    assert "evil" not in re.sub(r"//evil/y|javascript", "", rendered) or "href" not in rendered
    assert "<img" not in rendered
    assert "<a " not in rendered
    assert "http" not in kept


def test_only_what_may_change_its_meaning_is_held_back() -> None:
    cited = CitedText(1)
    assert cited.feed("Thirty days ") == "Thirty days"
    assert not cited.is_blank
    assert cited.feed("[1") == ""
    assert cited.feed("]") == ""
    assert cited.feed(" or so") == " [1] or "
    assert cited.end() == "so"


def test_a_citation_names_document_title_place_score_and_excerpt() -> None:
    node = TextNode(
        text="word " * 200, metadata={"path": "a/b.pdf", "title": "B", "page": 3, "root": "docs"}
    )
    cited = Answer(citations=[make_citation(2, NodeWithScore(node=node, score=0.51239))])
    [found] = cited.metadata()["citations"]
    assert found["excerpt"].endswith(" …")
    assert len(found["excerpt"]) < 310
    del found["excerpt"]
    assert found == {
        "number": 2,
        "document": "a/b.pdf",
        "title": "B",
        "page": 3,
        "score": 0.5124,
        "root": "docs",
        "chunk": node.node_id,
    }


def test_passages_are_numbered_under_their_title_and_headings() -> None:
    node = TextNode(text="Thirty days.", metadata={"title": "Returns", "headings": "Time"})
    assert number_passages([NodeWithScore(node=node)]) == "[1] Returns · Time\nThirty days."
