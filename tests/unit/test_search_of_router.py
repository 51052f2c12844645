"""The search that a route was chosen by, which the engine of the route uses."""

from types import SimpleNamespace
from typing import Any

import pytest
from fake_models import HashEmbedding, ScriptedLLM
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

from engines.both.both_engine import JoinedQueryEngine
from engines.documents.document_engine import DocumentQueryEngine
from engines.routing.choice import Routing
from engines.routing.route import Route
from engines.routing.router import RoutedQueryEngine
from engines.search.query_analysis import analyse_question
from engines.search.search_run import Search, note_search
from stores.chunks.fusion import Fusion
from stores.errors import StoreUnavailable

QUESTION = "How long does the kettle take?"
DOCUMENTS = Route(route="documents", reason="the documents hold it")
BOTH = Route(route="both", reason="both hold it")
DIVIDED = Route(
    route="both",
    reason="each holds a part",
    documents_question="How long does it take?",
    database_question="How many were sold?",
)


class Counting(BaseRetriever):
    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        question = query_bundle.query_str
        self.asked.append(question)
        text = f"The kettle takes {len(self.asked)} minutes."
        node = TextNode(text=text, metadata={"path": "kettle.md", "title": "Kettle"})
        passages = [NodeWithScore(node=node, score=0.9)]
        note_search(
            Search(
                question,
                "default",
                analyse_question(question, ()),
                Fusion(),
                passages,
                0,
                1,
                (),
                1.0,
            )
        )
        return passages


def routed(retriever: BaseRetriever, route: Route) -> RoutedQueryEngine:
    def fail() -> Any:
        raise StoreUnavailable("The tables are away.")

    def weigh(_: Any, search: Any) -> tuple[Route, bool]:
        assert search()
        return route, True

    evidence: Any = SimpleNamespace(weigh=weigh, outline_tables=str)
    documents = DocumentQueryEngine(retriever, llm=None, embed_model=HashEmbedding())
    return RoutedQueryEngine(
        Routing(retriever, lambda: evidence, llm=ScriptedLLM()),
        documents=documents,
        database=fail,
        both=JoinedQueryEngine(documents, fail, llm=None),
    )


@pytest.mark.parametrize("route", [DOCUMENTS, BOTH])
async def test_what_a_route_was_chosen_by_is_not_searched_for_again(route):
    retriever = Counting()
    engine = routed(retriever, route)
    response = engine.query(QUESTION)
    assert retriever.asked == [QUESTION]
    assert response.metadata["search"]["id"]
    await engine.aquery(QUESTION)
    assert retriever.asked == [QUESTION] * 2


def test_the_same_question_is_searched_for_anew_the_next_time():
    engine = routed(Counting(), DOCUMENTS)
    answers = [str(engine.query(QUESTION)) for _ in range(2)]
    assert ["1 minutes" in answers[0], "2 minutes" in answers[1]] == [True, True]


def test_another_question_than_the_one_that_was_routed_is_searched_for():
    retriever = Counting()
    routed(retriever, DIVIDED).query(QUESTION)
    assert retriever.asked == [QUESTION, DIVIDED.documents_question]
