"""Each number of an answer cites for one statement, and the words of the passage that say it."""

import pytest
from llama_index.core.schema import NodeWithScore, TextNode

from engines.answer import Answer
from engines.documents.citations import make_citation
from engines.documents.statements import cite_statements, find_cited_statements, find_quote

TEXT = (
    "# Returns\n\nGoods may be sent back for 30 days. Lamps are **excluded** from that.\n\n"
    "- Refunds are paid by card.\n- Postage is free in France.\n"
)


def passage(text: str = TEXT, id_: str = "c") -> NodeWithScore:
    return NodeWithScore(node=TextNode(id_=id_, text=text), score=1.0)


@pytest.mark.parametrize(
    ("text", "statements"),
    [
        ("Thirty days [1].", [(1, "Thirty days")]),
        ("One. Two [1]. Three. [2]", [(1, "Two"), (2, "Three.")]),
        (
            "It is so [1][2], and then so [1].",
            [(1, "It is so"), (2, "It is so"), (1, "and then so")],
        ),
        ("It is so [1] [2].", [(1, "It is so"), (2, "It is so")]),
        ("It is e.g. blue [1].", [(1, "It is e.g. blue")]),
        ("- “One. Two.” [1]\n- “Three.” [1]", [(1, "- “One. Two.”"), (1, "- “Three.”")]),
        ("`a[1]` is code [2].\n```\n[1]\n```\n", [(2, "`a[1]` is code")]),
        ("| a | b [1] |\n", [(1, "| a | b")]),
        ("Il y a 30 jours [1].\r\nC'est tout [2].", [(1, "Il y a 30 jours"), (2, "C'est tout")]),
        ("[1]", [(1, "")]),
        ("Nothing.", []),
    ],
)
def test_a_number_cites_for_what_stands_before_it(text, statements):
    found = [(number, text[begin:end]) for number, begin, end in find_cited_statements(text)]
    assert found == statements


@pytest.mark.parametrize(
    ("statement", "quote"),
    [
        ("You may send goods back within 30 days", "Goods may be sent back for 30 days."),
        ("Lamps cannot be returned, they are excluded", "Lamps are excluded from that."),
        ("- “Refunds are paid by card.”", "Refunds are paid by card."),
        (
            "Lamps are excluded from that. Refunds are paid",
            "Lamps are excluded from that. Refunds are paid",
        ),
        ("Versand kostet nichts", ""),
        ("", ""),
    ],
)
def test_a_statement_rests_on_its_words_or_on_the_nearest_sentence(statement, quote):
    assert find_quote(statement, passage()) == quote


def test_a_passage_is_quoted_for_each_statement_and_the_answer_is_read_back():
    text = "Goods are taken back for 30 days [1]. Lamps are not [1]."
    cited = cite_statements(text, [make_citation(1, passage())], {"c": passage()})
    answer = Answer(text=text, citations=cited)
    assert [text[each.begin : each.end] for each in cited[0].statements or ()] == [
        "Goods are taken back for 30 days",
        "Lamps are not",
    ]
    quotes = [each.quote for each in cited[0].statements or ()]
    assert quotes == ["Goods may be sent back for 30 days.", "Lamps are excluded from that."]
    assert Answer.from_metadata(answer.metadata(), text).citations == cited


def test_what_is_quoted_shows_no_hidden_characters():
    hidden = passage("Lamps \u202eare\u202c warm and bright.")
    assert find_quote("Lamps glow warm", hidden) == "Lamps are warm and bright."
