"""A search that is looked at before it is used."""

import pytest
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

from engines.search.retrieval import SearchAhead


class Counting(BaseRetriever):
    def __init__(self, *texts: str) -> None:
        super().__init__()
        self.asked: list[str] = []
        self._texts = texts

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        self.asked.append(query_bundle.query_str)
        return [NodeWithScore(node=TextNode(text=text), score=1.0) for text in self._texts]


@pytest.mark.parametrize("texts", [("one",), ()])
async def test_what_was_looked_at_is_not_searched_for_again_but_once(texts):
    retriever = Counting(*texts)
    search = SearchAhead(retriever)
    assert [each.text for each in search.ahead("q")] == list(texts)
    assert [each.text for each in search.retrieve("q")] == list(texts)
    assert retriever.asked == ["q"]
    assert [each.text for each in await search.aretrieve("q")] == list(texts)
    assert retriever.asked == ["q", "q"]


def test_another_question_is_searched_for():
    retriever = Counting("one")
    search = SearchAhead(retriever)
    search.ahead("q")
    search.retrieve("another")
    assert retriever.asked == ["q", "another"]
