"""Embeddings of questions that are kept: the right ones, within their bytes, for no tokens."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from llama_index.core.base.embeddings.base import BaseEmbedding
from pydantic import PrivateAttr

from engines.model_calls import ModelCalls
from engines.search.question_embeddings import QuestionEmbeddings
from stores.caches.cache import Cache
from stores.caches.process_place import ProcessPlace

MB = 1024**2


class CountedEmbedding(BaseEmbedding):
    """Embeds a passage otherwise than a question, and keeps which questions it was given."""

    _embedded: list[str] = PrivateAttr(default_factory=list)

    def _get_query_embedding(self, query: str) -> list[float]:
        self._embedded.append(query)
        return [0.1, len(query) / 3]

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_query_embedding(query)

    def _get_text_embedding(self, text: str) -> list[float]:
        return [0.7, len(text) / 3]


def known(
    most_bytes: int = MB, seconds: float = 60, on_lookup: Sequence[Callable[[bool], None]] = ()
) -> QuestionEmbeddings:
    cache = Cache("embeddings", ProcessPlace(most_bytes, seconds), list(on_lookup))
    return QuestionEmbeddings(cache, "counted")


def remember(cache: QuestionEmbeddings) -> CountedEmbedding:
    return CountedEmbedding(model_name="counted").model_copy(update={"embeddings_cache": cache})


def test_a_question_is_embedded_once_and_its_numbers_stay_the_same():
    seen: list[bool] = []
    model = remember(known(on_lookup=[seen.append]))
    first = model.get_query_embedding("Why?")
    assert model.get_query_embedding("Why?") == first == [0.1, 4 / 3]
    assert asyncio.run(model.aget_query_embedding("Why?")) == first
    assert model.get_query_embedding("why?") == first
    assert model._embedded == ["Why?", "why?"]
    assert seen == [False, True, True, False]


def test_what_a_caller_does_to_a_vector_does_not_reach_the_next():
    model = remember(known())
    model.get_query_embedding("Why?")
    model.get_query_embedding("Why?")[0] = 9.0
    assert model.get_query_embedding("Why?")[0] == 0.1


def test_a_known_question_takes_no_tokens():
    model = remember(known())
    for is_known in (False, True):
        calls = ModelCalls()
        with calls.listen():
            model.get_query_embedding("Why is the sky blue?")
        [use] = calls.list_uses()
        assert (use.prompt_tokens == 0) is is_known


def test_those_used_least_lately_go_when_the_bytes_are_full():
    model = remember(known(900))  # two of them
    for text in ("a", "b", "a", "c", "a", "b"):
        model.get_query_embedding(text)
    assert model._embedded == ["a", "b", "c", "b"]


def test_models_that_share_a_cache_have_embeddings_of_their_own():
    cache = Cache("embeddings", ProcessPlace(MB, 60))
    one, other = (remember(QuestionEmbeddings(cache, name)) for name in ("one", "other"))
    for model in (one, other, one):
        model.get_query_embedding("a")
    assert one._embedded == other._embedded == ["a"]


def test_one_is_forgotten_after_its_time():
    cache = known(seconds=0)
    model = remember(cache)
    for _ in range(2):
        model.get_query_embedding("a")
    assert model._embedded == ["a", "a"]


@pytest.mark.parametrize("ask", ["get_all", "delete"])
def test_what_no_model_asks_of_it_is_an_error(ask: str):
    arguments: list[Any] = ["a"] if ask == "delete" else []
    with pytest.raises(NotImplementedError):
        getattr(known(), ask)(*arguments)
