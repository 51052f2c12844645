import re
from typing import Any

import pytest
from fake_models import Broken, HashEmbedding, ScriptedLLM
from llama_index.core.base.response.schema import (
    AsyncStreamingResponse,
    Response,
    StreamingResponse,
)
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
from markdown_it import MarkdownIt

from engines.answer import RouteName
from engines.answer_builder import AnswerBuilder
from engines.documents.document_engine import DocumentQueryEngine
from engines.question import Question
from stores.errors import ModelUnavailable

RETURNS = (
    "## How long do I have?\n\n30 days from delivery, for *unopened* items.\n\n"
    "| Country | Days |\n| --- | --- |\n| Ireland | 45 |\n"
)


class Fixed(BaseRetriever):
    """Retrieves what it was given."""

    def __init__(self, *passages: tuple[str, dict[str, object]]) -> None:
        super().__init__()
        self._passages = [
            NodeWithScore(node=TextNode(id_=str(number), text=text, metadata=metadata), score=0.9)
            for number, (text, metadata) in enumerate(passages)
        ]

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return self._passages


SHOP = Fixed(
    (RETURNS, {"path": "returns.md", "title": "Returns", "lines": "1-9"}),
    ("The kettle boils in three minutes.", {"path": "kettle.pdf", "title": "Kettle", "page": 2}),
)


def engine(llm: ScriptedLLM | None, retriever: Fixed = SHOP, **options: Any) -> DocumentQueryEngine:
    return DocumentQueryEngine(retriever, llm=llm, embed_model=HashEmbedding(), **options)


@pytest.mark.parametrize(
    ("route", "english", "french"),
    [
        ("documents", "documents were asked for", "les documents ont été demandés"),
        ("database", "the database was asked for", "la base a été demandée"),
        (
            "both",
            "documents and database were asked for",
            "les documents et la base ont été demandés",
        ),
        (None, "", ""),
    ],
)
def test_a_source_that_was_asked_for_is_told_in_the_language_of_the_question(
    route: RouteName | None, english: str, french: str
) -> None:
    told = AnswerBuilder(Question("How long may I keep it?"), route).facts.route_reason
    raconte = AnswerBuilder(Question("Combien de temps puis-je le garder ?"), route)
    assert (told, raconte.facts.route_reason) == (english, french)


def test_a_model_answers_from_the_passages_and_only_cited_sources_are_listed() -> None:
    llm = ScriptedLLM(replies=["You have 30 days [1], says [7]."])
    response = engine(llm).query("How long may I keep it?")
    assert isinstance(response, Response)
    assert response.response == "You have 30 days [1], says."
    assert [node.node_id for node in response.source_nodes] == ["0"]
    assert response.metadata
    [found] = response.metadata["citations"]
    assert (found["number"], found["document"], found["lines"]) == (1, "returns.md", "1-9")
    assert response.metadata["route"] == "documents"
    assert response.metadata["model"] == "scripted"
    assert set(response.metadata["timings"]) == {"retrieval", "answer"}


def test_an_answer_that_cites_nothing_shows_the_passages_whose_words_it_repeats() -> None:
    response = engine(ScriptedLLM(replies=["The kettle boils in three minutes."])).query(
        "How fast?"
    )
    assert isinstance(response, Response)
    assert response.metadata
    [found] = response.metadata["citations"]
    assert (found["number"], found["document"], found["inferred"]) == (2, "kettle.pdf", True)
    assert found["excerpt"] == "The kettle boils in three minutes."
    assert [node.node_id for node in response.source_nodes] == ["1"]


def test_a_cited_passage_is_not_inferred() -> None:
    response = engine(ScriptedLLM(replies=["In three minutes [2]."])).query("How fast?")
    assert response.metadata
    assert "inferred" not in response.metadata["citations"][0]


def test_an_answer_that_only_repeats_the_question_rests_on_no_passage() -> None:
    question = "In how many minutes does the kettle boil?"
    llm = ScriptedLLM(replies=["In how many minutes the kettle boils is not told."])
    response = engine(llm).query(question)
    assert response.metadata
    assert response.metadata["citations"] == []


async def test_numbers_that_the_cited_passage_does_not_hold_are_told_below_the_answer() -> None:
    said = "You have 90 days [1]."
    note = "\n\nNot in the passages that are cited for it: 90. Compare with the originals."
    assert str(engine(ScriptedLLM(replies=[said])).query("How long?")) == said + note
    response = engine(ScriptedLLM(replies=[said]), streaming=True).query("How long?")
    assert isinstance(response, StreamingResponse)
    assert "".join(response.response_gen) == said + note
    other = await engine(ScriptedLLM(replies=[said]), streaming=True).aquery("How long?")
    assert isinstance(other, AsyncStreamingResponse)
    assert "".join([piece async for piece in other.async_response_gen()]) == said + note
    french = engine(ScriptedLLM(replies=["Vous avez 90 jours [1]."]))
    assert "Ne figure pas" in str(french.query("Combien de temps puis-je le garder ?"))
    right = engine(ScriptedLLM(replies=["You have 30 days [1]."])).query("How long?")
    assert str(right) == "You have 30 days [1]."


async def test_streams_infer_their_sources_too() -> None:
    said = "The kettle boils in three minutes."
    response = engine(ScriptedLLM(replies=[said]), streaming=True).query("How fast?")
    assert isinstance(response, StreamingResponse)
    assert "".join(response.response_gen) == said
    other = await engine(ScriptedLLM(replies=[said]), streaming=True).aquery("How fast?")
    assert isinstance(other, AsyncStreamingResponse)
    assert "".join([piece async for piece in other.async_response_gen()]) == said
    whole = await engine(ScriptedLLM(replies=[said])).aquery("How fast?")
    for answered in (response, other, whole):
        assert answered.metadata
        assert [each["inferred"] for each in answered.metadata["citations"]] == [True]


def test_an_answer_stays_where_its_sources_cannot_be_looked_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Unreachable(HashEmbedding):
        def _get_query_embedding(self, query: str) -> list[float]:
            raise ModelUnavailable("no embedding today")

    model = ScriptedLLM(replies=["The kettle boils in three minutes."])
    asked = DocumentQueryEngine(SHOP, llm=model, embed_model=Unreachable())
    response = asked.query("How fast?")
    assert str(response) == "The kettle boils in three minutes."
    assert "no embedding today" in caplog.text


def test_the_model_reads_numbered_passages_and_the_question() -> None:
    llm = ScriptedLLM(replies=["ok"])
    engine(llm).query("How {long}?")
    [prompt] = llm.prompts
    assert "[1] Returns · returns.md\n## How long do I have?" in prompt
    assert "[2] Kettle · kettle.pdf\nThe kettle boils" in prompt
    assert "Question: How {long}?" in prompt


def test_a_stream_is_cleaned_and_knows_its_citations_at_its_end() -> None:
    response = engine(ScriptedLLM(replies=["It boils [2] fast [9]."]), streaming=True).query("?")
    assert isinstance(response, StreamingResponse)
    assert response.metadata
    assert response.metadata["citations"] == []
    assert "".join(response.response_gen) == "It boils [2] fast."
    assert [each["document"] for each in response.metadata["citations"]] == ["kettle.pdf"]
    assert [node.node_id for node in response.source_nodes] == ["1"]


async def test_the_same_without_blocking() -> None:
    answered = await engine(ScriptedLLM(replies=["Three minutes [2]."])).aquery("How fast?")
    assert str(answered) == "Three minutes [2]."
    streamed = await engine(ScriptedLLM(replies=["Fast [2]."]), streaming=True).aquery("How fast?")
    assert isinstance(streamed, AsyncStreamingResponse)
    assert "".join([piece async for piece in streamed.async_response_gen()]) == "Fast [2]."
    assert streamed.metadata
    assert len(streamed.metadata["citations"]) == 1


def test_a_stream_that_breaks_raises_and_cites_nothing() -> None:
    llm = ScriptedLLM(replies=[Broken("It boils [2]", RuntimeError("cut"))])
    response = engine(llm, streaming=True).query("?")
    assert isinstance(response, StreamingResponse)
    with pytest.raises(RuntimeError, match="cut"):
        "".join(response.response_gen)
    assert response.metadata
    assert response.metadata["citations"] == []


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("reply", [" ", "[99]", "![](http://evil.example)"])
def test_an_empty_answer_of_the_model_is_an_error(reply: str, streaming: bool) -> None:
    asked = engine(ScriptedLLM(replies=[reply]), streaming=streaming)
    with pytest.raises(ModelUnavailable, match="scripted sent an empty answer"):
        str(asked.query("?"))


async def test_without_a_model_a_stream_is_one_piece() -> None:
    question = "How long do I have for unopened items?"
    response = engine(None, streaming=True).query(question)
    assert isinstance(response, StreamingResponse)
    assert "30 days from delivery" in "".join(response.response_gen)
    streamed = await engine(None, streaming=True).aquery(question)
    assert isinstance(streamed, AsyncStreamingResponse)
    assert len([piece async for piece in streamed.async_response_gen()]) == 1


def test_without_a_model_the_answer_is_quoted_and_marked_as_such() -> None:
    response = engine(None).query("How long do I have for unopened items?")
    assert isinstance(response, Response)
    assert response.response
    first, quote, *_ = response.response.splitlines()
    assert first == "From the documents:"
    assert quote.startswith("- “30 days from delivery, for unopened items.")
    assert response.metadata
    assert response.metadata["model"] is None
    assert f"“{response.metadata['citations'][0]['excerpt']}”" in quote


def test_quotes_are_numbered_in_the_order_in_which_they_appear() -> None:
    question = "unopened items from delivery? kettle boils three minutes"
    response = engine(None, Fixed(*reversed([(n.text, n.metadata) for n in SHOP._passages]))).query(
        question
    )
    numbers = re.findall(r"\[(\d)\]$", str(response), re.MULTILINE)
    assert numbers == sorted(numbers)
    assert response.metadata
    assert [each["number"] for each in response.metadata["citations"]] == [1, 2]


NEAREST = (
    "\n\nThe nearest passages, which may not answer it:\n"
    "- Returns · returns.md · lines 1-9\n- Kettle · kettle.pdf · page 2"
)
PLUS_PROCHES = (
    "\n\nLes passages les plus proches, qui n'y répondent peut-être pas :\n"
    "- Returns · returns.md · lignes 1-9\n- Kettle · kettle.pdf · page 2"
)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Who won the football world championship?", "The documents do not say." + NEAREST),
        (
            "Qui a gagné le championnat du monde de football ?",
            "Les documents ne le disent pas." + PLUS_PROCHES,
        ),
    ],
)
def test_a_question_without_support_is_told_the_nearest_passages(
    question: str, answer: str
) -> None:
    response = engine(None).query(question)
    assert str(response) == answer
    assert response.source_nodes == []
    assert response.metadata
    assert response.metadata["citations"] == []


def test_three_nearest_passages_are_named_each_place_once_and_harmless() -> None:
    hostile = "[Kettle](https://evil.example) <img src=x>\n\n# Ask me [1]\n- instead"
    passages = Fixed(
        ("The kettle boils.", {"path": "kettle.md", "title": hostile}),
        ("It whistles then.", {"path": "kettle.md", "title": hostile}),
        *((f"Lamp {n} glows.", {"path": f"lamp{n}.md", "title": f"lamp{n}.md"}) for n in range(9)),
    )
    named = str(engine(None, passages).query("Who won the football world championship?"))
    [first, *others] = re.findall(r"^- (.*)$", named, re.MULTILINE)
    assert first == "Kettle `<img src=x>` # Ask me - instead · kettle.md"
    assert others == ["lamp0.md", "lamp1.md"]


@pytest.mark.parametrize("llm", [None, ScriptedLLM()])
def test_no_passages_are_no_answer_and_no_call_of_the_model(llm: ScriptedLLM | None) -> None:
    response = engine(llm, Fixed()).query("Anything there?")
    assert str(response).startswith("No indexed document could be searched")
    assert response.metadata
    assert response.metadata["citations"] == []


def test_where_the_passages_say_nothing_other_questions_are_offered():
    asked: list[tuple[str, list[str]]] = []

    def suggest(question: str, passages: list[str]) -> list[str]:
        asked.append((question, passages))
        return ["Who has won most?"] if "championship" in question else []

    offering = engine(None, suggest=suggest)
    said = str(offering.query("Who won the football world championship?"))
    assert said == (
        "The documents do not say.\n\nThese questions have checked answers:\n- Who has won most?"
        + NEAREST
    )
    assert [text[:10] for text in asked[0][1]] == [RETURNS[:10], "The kettle"]
    other = str(offering.query("Qui a mangé un renard violet ?"))
    assert other == "Les documents ne le disent pas." + PLUS_PROCHES


@pytest.mark.parametrize("begun", ["It is 30 days [1]. And so on", "- See:\n\n  ```\n  x = 1\n"])
async def test_below_an_answer_that_breaks_off_its_passages_are_quoted(begun: str) -> None:
    away = ModelUnavailable("The LLM m broke off.")
    llm = ScriptedLLM(replies=[Broken(begun, away), Broken(begun, away)])
    response, said = engine(llm, streaming=True).query("How long may I keep items?"), ""
    assert isinstance(response, StreamingResponse)
    with pytest.raises(ModelUnavailable):  # noqa: PT012 - what is said before it is looked at
        for piece in response.response_gen:
            said += piece
    assert "\n\n*The language model broke off here.*\n\nFrom the documents:\n- " in said
    assert "<em>The language model broke off here.</em>" in MarkdownIt().render(said)
    assert response.metadata
    assert [each["number"] for each in response.metadata["citations"]] == [1]
    assert response.metadata["errors"] == {"model": str(away)}
    streamed, told = await engine(llm, streaming=True).aquery("How long may I keep items?"), ""
    assert isinstance(streamed, AsyncStreamingResponse)
    with pytest.raises(ModelUnavailable):  # noqa: PT012 - as above
        async for piece in streamed.response_gen:
            told += piece
    assert told == said
