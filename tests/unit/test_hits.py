"""An excerpt of a search shows why a passage was found."""

import pytest
from llama_index.core.schema import NodeWithScore, TextNode

from engines.documents.hits import find_excerpts

FILLER = "Nothing of it stands here. " * 40


def excerpts(question: str, *texts: str, characters: int = 120) -> list[str]:
    passages = [NodeWithScore(node=TextNode(text=text), score=0.5) for text in texts]
    return find_excerpts(question, passages, characters)


@pytest.mark.parametrize(
    ("question", "text", "shown"),
    [
        ("When is the gasket worn?", f"{FILLER}The gasket wears in a year. {FILLER}", "The gasket"),
        ("Quand changer les joints ?", f"{FILLER}Le joint se change en mai. {FILLER}", "Le joint"),
        ("error E-31", f"{FILLER}\n- Code E-31: no water.\n{FILLER}", "E-31: no water."),
    ],
)
def test_the_part_with_the_words_is_shown_from_its_sentence_on(question, text, shown):
    (excerpt,) = excerpts(question, text)
    assert shown in excerpt
    assert excerpt.startswith("… ")
    assert excerpt.endswith(" …")
    assert len(excerpt) <= 120 + 4


def test_the_part_with_most_of_the_words_is_shown():
    text = f"The pump is old. {FILLER}The pump leaks at the valve. {FILLER}"
    assert "leaks at the valve" in excerpts("pump leaks valve", text)[0]


def test_a_word_that_all_passages_have_counts_least():
    text = f"The pump, a pump. {FILLER}The valve is blue. {FILLER}"
    others = [f"The pump of page {n}. {FILLER}" for n in range(4)]
    assert "valve" in excerpts("pump valve", text, *others)[0]


def test_a_passage_without_any_of_the_words_shows_its_beginning():
    assert excerpts("gasket", FILLER)[0] == "Nothing of it stands here. " * 4 + "Nothing of …"
    assert excerpts("gasket", "Short,\nwhole.") == ["Short, whole."]
    assert excerpts("", FILLER)[0].startswith("Nothing of it")
    assert excerpts("gasket") == []


def test_a_text_without_sentences_or_blanks_is_cut_all_the_same():
    text = "x" * 500 + " gasket " + "y" * 500
    (excerpt,) = excerpts("gasket", text)
    assert "gasket" in excerpt
