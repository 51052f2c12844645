"""A search profile over a real store: what each of its options changes, and what it leaves."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import pytest
import sqlalchemy as sa
from fake_models import HashEmbedding, ScriptedLLM, hashed_words
from llama_index.core.base.response.schema import Response
from llama_index.core.schema import (
    NodeRelationship,
    QueryBundle,
    RelatedNodeInfo,
    TextNode,
)
from llama_index.llms.openai_like import OpenAILike
from model_server import SERVER_ERROR, FakeModels
from nodes import where
from provider_servers import ProviderServer

from engines.documents.document_engine import DocumentQueryEngine
from engines.question import Question
from engines.search.profiles import READY, Boost, Popularity, Profile, Recency, Rerank
from engines.search.retrieval import DocumentRetriever
from engines.search.search_run import Search, VectorWeight, collect_searches
from kb.assembly.rerankers import make_reranker
from kb.config.models import RerankerConfig
from kb.config.sections import Config
from stores.chunks.vector_store import MariaDBVectorStore
from stores.connection import make_engine, run_transaction
from stores.errors import ModelUnavailable
from stores.private_server import PrivateServer

DOCUMENTS: dict[str, Sequence[tuple[str, dict[str, Any]]]] = {
    "cleaning": [
        ("Empty the drip tray of the machine every day.", {"modified": "2026-11-01"}),
        ("Clean the machine every week with warm water.", {"modified": "2026-11-01"}),
        ("Descale the boiler twice a year.", {"modified": "2026-11-01"}),
        ("Grease the gaskets before winter.", {"modified": "2026-11-01"}),
    ],
    "mirror": [("Clean the MACHINE every week, with warm water!", {"views": 90_000})],
    "warranty": [
        ("The warranty of the machine ends after years.", {"category": "policy", "views": 3}),
        ("Send the machine to us.", {"category": "policy", "modified": "2009-01-01"}),
    ],
    "gaskets": [
        ("A secret about gaskets.", {"category": "secret"}),
        ("The public word on gaskets.", {"category": "public"}),
    ],
    "café": [("Le café est moulu très fin pour la machine.", {"language": "fr"})],
}
QUESTION = "clean the machine every week with warm water"
PLAIN = Profile(deduplicate=False)


def document(name: str, texts: Sequence[tuple[str, dict[str, Any]]]) -> list[TextNode]:
    nodes = [
        TextNode(id_=f"{name}:{n}", text=text, metadata=metadata, embedding=hashed_words(text))
        for n, (text, metadata) in enumerate(texts)
    ]
    for node in nodes:
        node.relationships[NodeRelationship.SOURCE] = RelatedNodeInfo(node_id=name)
    for left, right in pairwise(nodes):
        left.relationships[NodeRelationship.NEXT] = RelatedNodeInfo(node_id=right.node_id)
        right.relationships[NodeRelationship.PREVIOUS] = RelatedNodeInfo(node_id=left.node_id)
    return nodes


@pytest.fixture(scope="module")
def engine(server: PrivateServer) -> Iterator[sa.Engine]:
    """One database for all tests here: none of them writes."""
    engine = make_engine(server.url("retrieval"), before_connect=server.ensure_running)
    administration = make_engine(server.url("mysql"), before_connect=server.ensure_running)
    run_transaction(administration, lambda c: c.exec_driver_sql("CREATE DATABASE retrieval"))
    yield engine
    engine.dispose()
    run_transaction(administration, lambda c: c.exec_driver_sql("DROP DATABASE retrieval"))
    administration.dispose()


@pytest.fixture(scope="module")
def store(engine: sa.Engine) -> MariaDBVectorStore:
    store = MariaDBVectorStore(engine, embed_dim=64, filter_keys=["category", "language"])
    store.add([node for name, texts in DOCUMENTS.items() for node in document(name, texts)])
    return store


@pytest.fixture
def retriever(store: MariaDBVectorStore) -> Callable[..., DocumentRetriever]:
    def make(profile: Profile = PLAIN, **changes: Any) -> DocumentRetriever:
        options: dict[str, Any] = {"top_k": 10, "vector_weight": VectorWeight(0.5)}
        llm = changes.pop("llm", None)
        if profile.rerank:
            options["reranker"] = make_reranker(
                changes.pop("config", Config()), profile.rerank, llm
            )
        embed_model = changes.pop("embed_model", HashEmbedding())
        return DocumentRetriever(store, embed_model, profile, **options | changes)

    return make


def found(retriever: DocumentRetriever, question: str = QUESTION) -> dict[str, float]:
    return {each.node_id: each.get_score() for each in retriever.retrieve(question)}


def test_a_plain_profile_finds_by_meaning_and_by_words(retriever):
    scores = found(retriever())
    assert list(scores)[:2] == ["cleaning:1", "mirror:0"]
    assert list(scores.values()) == sorted(scores.values(), reverse=True)
    assert all(0 <= score <= 1 for score in scores.values())
    assert len(found(retriever(top_k=2))) == 2


# Each option does its own -------------------------------------------------------------------------


def test_repeated_words_count_once(retriever):
    everything, distinct = found(retriever()), found(retriever(Profile()))
    assert set(everything) - set(distinct) == {"mirror:0"}
    assert distinct == {name: everything[name] for name in distinct}


def test_duplicates_do_not_cost_a_place(retriever):
    assert len(found(retriever(Profile(), top_k=3))) == 3


def test_a_minimum_score_drops_weak_passages_and_keeps_the_others_as_they_are(retriever):
    everything = found(retriever())
    least = list(everything.values())[2]
    strict = found(retriever(PLAIN.model_copy(update={"minimum_score": least})))
    assert strict == {name: score for name, score in everything.items() if score >= least}
    assert 0 < len(strict) < len(everything)


def test_a_boost_lifts_what_holds_its_value(retriever):
    boosts = (Boost(key="category", value="policy", factor=9),)
    plain, boosted = (
        retriever(top_k=1),
        retriever(PLAIN.model_copy(update={"boosts": boosts}), top_k=1),
    )
    assert list(found(plain)) == ["cleaning:1"]
    assert next(iter(found(boosted))).startswith("warranty")


def test_recency_sinks_the_old(retriever):
    recency = PLAIN.model_copy(update={"recency": Recency(half_life_days=30, weight=0.9)})
    plain, recent = (
        list(found(each, "send the machine")) for each in (retriever(), retriever(recency))
    )
    assert plain.index("warranty:1") == 0 < recent.index("warranty:1")
    assert set(plain) == set(recent)


def test_popularity_lifts_what_is_read(retriever):
    popular = PLAIN.model_copy(update={"popularity": Popularity(key="views", weight=0.9)})
    assert list(found(retriever()))[:2] == ["cleaning:1", "mirror:0"]
    assert list(found(retriever(popular)))[:2] == ["mirror:0", "cleaning:1"]


def test_diversity_prefers_another_matter_to_the_same_again(retriever):
    assert set(found(retriever(top_k=2))) == {"cleaning:1", "mirror:0"}
    scores = found(retriever(PLAIN.model_copy(update={"diversity": 0.5}), top_k=2))
    assert next(iter(scores)) == "cleaning:1"
    assert "mirror:0" not in scores
    assert scores["cleaning:1"] == found(retriever())["cleaning:1"]


def test_a_document_gives_no_more_than_its_share(retriever):
    scores = found(retriever(PLAIN.model_copy(update={"per_document": 1})))
    assert len({name.partition(":")[0] for name in scores}) == len(scores) == 5


def test_candidates_bound_what_each_leg_brings(retriever):
    assert len(found(retriever(PLAIN.model_copy(update={"candidates": 1}), top_k=1))) == 1
    searched = made(retriever(Profile(candidates=2, per_document=5), top_k=1))
    assert searched.candidates == 2


def made(retriever: DocumentRetriever, question: str = QUESTION) -> Search:
    with collect_searches() as all_made:
        retriever.retrieve(question)
    [one] = all_made
    return one


def test_neighbours_stand_behind_the_hits_as_passages_of_their_own(retriever, store):
    plain = found(retriever(top_k=1))
    assert list(plain) == ["cleaning:1"]
    search = made(retriever(PLAIN.model_copy(update={"neighbours": 1}), top_k=1))
    assert [each.node_id for each in search.passages] == ["cleaning:1", "cleaning:0", "cleaning:2"]
    assert [each.node_id for each in search.hits] == ["cleaning:1"]
    assert search.passages[0].score == plain["cleaning:1"]
    [original] = store.get_nodes(["cleaning:2"])
    assert search.passages[2].node.get_content() == original.get_content()
    assert search.summary()["neighbours"] == 2


def test_neighbours_reach_as_far_as_the_profile_says_and_no_passage_comes_twice(retriever):
    far = PLAIN.model_copy(update={"neighbours": 2})
    assert list(found(retriever(far, top_k=1))) == [
        "cleaning:1", "cleaning:0", "cleaning:2", "cleaning:3"
    ]  # fmt: skip
    names = list(found(retriever(far)))
    assert len(names) == len(set(names)) == 10


def test_neighbours_must_pass_the_filters_too(retriever):
    near = retriever(PLAIN.model_copy(update={"neighbours": 1}), filters=where(category="public"))
    assert list(found(near, "gaskets")) == ["gaskets:1"]


# Weights and legs ---------------------------------------------------------------------------------


def test_a_language_that_the_model_does_not_know_leaves_it_to_the_words(retriever):
    weight = VectorWeight(0.6, unknown=0.05, languages={"en"})
    french = made(retriever(vector_weight=weight), "Comment est-ce que le café est moulu ?")
    assert (french.query.language, french.fusion.vector_weight) == ("fr", 0.05)
    assert any("'fr'" in note for note in french.notes)
    english = made(retriever(vector_weight=weight), "How is the coffee ground every day?")
    assert (english.query.language, english.fusion.vector_weight) == ("en", 0.6)
    assert not any("does not know" in note for note in english.notes)


def test_a_weight_of_the_profile_holds_for_languages_that_the_model_knows(retriever):
    weight = VectorWeight(0.6, unknown=0.05, languages={"en"})
    chosen = retriever(PLAIN.model_copy(update={"vector_weight": 0.9}), vector_weight=weight)
    assert made(chosen, "How is the coffee ground every day?").fusion.vector_weight == 0.9
    assert made(chosen, "Comment le café est-il moulu ?").fusion.vector_weight == 0.05


def test_vectors_alone_in_an_unknown_language_are_warned_of(retriever):
    weight = VectorWeight(0.6, languages={"en"})
    blind = retriever(Profile(strategy="vector"), vector_weight=weight)
    assert any("serves better" in note for note in made(blind, "Comment le café est-il ?").notes)
    deaf = retriever(Profile(strategy="intersection"), vector_weight=VectorWeight(0.6))
    assert not any("serves better" in note for note in made(deaf, "Comment le café est ?").notes)


class Unavailable(HashEmbedding):
    """An embedding model that must not be asked."""

    def _get_query_embedding(self, query: str) -> list[float]:
        raise AssertionError(query)


def test_a_search_by_words_alone_embeds_nothing(retriever):
    words = retriever(Profile(strategy="text"), embed_model=Unavailable())
    assert next(iter(found(words, "descale the boiler"))) == "cleaning:2"


def test_an_embedding_of_the_callers_is_used(retriever):
    bundle = QueryBundle("descale", embedding=hashed_words("Descale the boiler twice a year."))
    vectors = retriever(Profile(strategy="vector"), embed_model=Unavailable())
    [first, *_] = vectors.retrieve(bundle)
    assert first.node_id == "cleaning:2"


# Filters and phrases in the question --------------------------------------------------------------


def test_filters_in_the_question_join_those_of_the_caller(retriever):
    inline = "machine category:policy"
    keys = ["category", "language"]
    assert set(found(retriever(filter_keys=keys), inline)) == {"warranty:0", "warranty:1"}
    both = retriever(filter_keys=keys, filters=where(views=3))
    assert set(found(both, inline)) == {"warranty:0"}
    nothing = retriever(filter_keys=keys, filters=where(category="other"))
    assert found(nothing, inline) == {}


def test_a_question_of_filters_alone_lists_what_they_let_through(retriever):
    search = made(retriever(filter_keys=["category"]), "category:policy")
    assert {each.node_id for each in search.passages} == {"warranty:0", "warranty:1"}


def test_an_exact_search_finds_what_holds_the_quoted_words(retriever):
    search = made(retriever(exact=True), '"drip tray" machine')
    assert [each.node_id for each in search.passages] == ["cleaning:0"]
    assert search.notes == ("Only passages that hold the exact words “drip tray” are searched.",)


def test_an_exact_search_for_what_nothing_holds_goes_on_without(retriever):
    search = made(retriever(exact=True), '"tray drip" machine')
    assert {each.node_id for each in search.passages} == set(
        found(retriever(), "tray drip machine")
    )
    [note] = search.notes
    assert note == "No passage holds the exact words “tray drip”; searched without them."


def test_an_exact_search_goes_on_without_when_it_is_awaited_too(retriever):
    awaited = asyncio.run(retriever(exact=True).aretrieve('"tray drip" machine'))
    assert len(awaited) == len(found(retriever(), "tray drip machine"))


def test_quoted_words_favour_what_holds_them_and_forbid_nothing(retriever):
    without = found(retriever(), "machine warm water")
    quoted = found(retriever(), 'machine "WARM  Water"')
    assert quoted.keys() == without.keys()
    holding = {"cleaning:1", "mirror:0"}
    assert {name for name in quoted if quoted[name] > without[name]} == holding
    assert set(list(quoted)[:2]) == holding
    assert max(quoted.values()) <= 1


def test_a_question_may_say_what_passages_must_hold(retriever):
    question = Question("machine", must_hold=("drip tray",))
    assert [each.node_id for each in retriever().retrieve(question)] == ["cleaning:0"]
    nothing = Question("machine", must_hold=("tray drip",))
    assert retriever(exact=True).retrieve(nothing) == []


# Rerank -------------------------------------------------------------------------------------------

RERANKED = PLAIN.model_copy(update={"rerank": Rerank(by="llm", candidates=5)})


def chat_model(server: FakeModels) -> OpenAILike:
    return OpenAILike(
        model="fake", api_base=server.openai_url, api_key="none", is_chat_model=True, max_retries=0
    )


def preferring(text: str) -> Callable[[Any], str]:
    """A model that finds one passage worth reading."""

    def answer(request: Any) -> str:
        prompt = request.body["messages"][0]["content"]
        [number] = (part.partition(":")[0] for part in prompt.split("Document ") if text in part)
        return f"Doc: {number}, Relevance: 9"

    return answer


def test_the_llm_puts_passages_in_order_and_loses_none(retriever):
    question = "care of the machine every week"
    with FakeModels(preferring("Send the machine")) as server:
        reranking = retriever(RERANKED, llm=chat_model(server))
        reranked = found(reranking, question)
        [request] = server.requests
    plain = found(retriever(), question)
    assert list(plain).index("warranty:1") > 0
    assert list(reranked) == ["warranty:1", *(name for name in plain if name != "warranty:1")]
    assert reranked["warranty:1"] == pytest.approx(0.9)
    assert list(reranked.values()) == sorted(reranked.values(), reverse=True)
    assert question in request.body["messages"][0]["content"]


def test_the_llm_reads_no_more_than_the_candidates(retriever):
    with FakeModels(default="Doc: 1, Relevance: 3") as server:
        few = PLAIN.model_copy(update={"rerank": Rerank(by="llm", candidates=2)})
        found(retriever(few, llm=chat_model(server)))
        assert (
            "Document 3:"
            not in server.requests[0].body["messages"][0]["content"].split("Let's try this now")[1]
        )


def test_an_answer_that_names_no_passage_leaves_the_order_and_says_so(retriever):
    with FakeModels(default="I cannot say.") as server:
        search = made(retriever(RERANKED, llm=chat_model(server)))
    assert {each.node_id: each.score for each in search.passages} == found(retriever())
    assert any(note.startswith("0 of 5 passages") for note in search.notes)


def test_a_question_of_dates_alone_leaves_a_reranker_nothing_to_judge_by(retriever):
    with FakeModels(SERVER_ERROR) as server:
        listed = found(retriever(RERANKED, llm=chat_model(server)), "after:2026-10")
    assert list(listed) == [f"cleaning:{number}" for number in range(4)]
    assert server.requests == []


def test_a_reranking_model_that_fails_is_named_as_such(retriever):
    with FakeModels(SERVER_ERROR) as server:
        reranking = retriever(RERANKED, llm=chat_model(server))
        with pytest.raises(ModelUnavailable, match="Reranking the passages failed: the LLM fake"):
            reranking.retrieve(QUESTION)


def test_a_reranker_behind_a_server_puts_the_candidates_in_order_and_loses_none(retriever):
    by_server = PLAIN.model_copy(update={"rerank": Rerank(by="reranker", candidates=3)})
    with ProviderServer("jina") as server:
        section = RerankerConfig(provider="server", model="fine", base_url=server.url)
        reranked = found(retriever(by_server, config=Config(reranker=section)))
        [request] = server.requests
    plain = list(found(retriever()))
    assert list(reranked) == [*reversed(plain[:3]), *plain[3:]]  # as that server has it
    assert (request.body["query"], len(request.body["documents"])) == (QUESTION, 3)


@pytest.mark.parametrize("name", READY)
async def test_every_ready_profile_finds_the_passage_and_scores_in_order(retriever, name):
    ready = READY[name]
    for found_by in (ready, ready.model_copy(update={"rerank": None})):
        passages = await retriever(found_by, name=name, top_k=3).aretrieve(QUESTION)
        scores = [each.get_score() for each in passages]
        assert passages[0].node_id in ("cleaning:1", "mirror:0")
        assert scores == sorted(scores, reverse=True)
        assert all(0 <= score <= 1 for score in scores)


# As LlamaIndex uses it ----------------------------------------------------------------------------


async def test_asynchronous_search_finds_the_same(retriever):
    full = Profile(neighbours=1, diversity=0.3, per_document=2, recency=Recency())
    for profile in (PLAIN, full):
        both = retriever(profile, top_k=3)
        answers = await asyncio.gather(*(both.aretrieve(QUESTION) for _ in range(3)))
        for answer in answers:
            assert {each.node_id: each.get_score() for each in answer} == pytest.approx(
                found(both), abs=1e-6
            )


async def test_asynchronous_rerank_asks_the_llm(retriever):
    with FakeModels(preferring("Send the machine")) as server:
        [first, *_] = await retriever(RERANKED, llm=chat_model(server)).aretrieve("the machine")
    assert first.node_id == "warranty:1"


async def test_the_loop_runs_on_while_the_store_waits(retriever, engine, store):
    waiting = retriever()
    with engine.connect() as other:
        other.exec_driver_sql("LOCK TABLES kb_chunk WRITE")
        search = asyncio.create_task(waiting.aretrieve(QUESTION))
        for _ in range(30):
            await asyncio.sleep(0.01)
        assert not search.done()
        other.exec_driver_sql("UNLOCK TABLES")
    assert await search


def test_every_search_is_told_to_who_listens(retriever):
    heard: list[Search] = []
    passages = retriever(name="mine", on_search=heard.append).retrieve(QUESTION)
    [search] = heard
    assert search.passages == passages
    assert (search.profile, search.question, search.candidates) == ("mine", QUESTION, 10)
    assert search.milliseconds > 0


def test_an_answer_says_how_it_was_searched_for(retriever):
    engine = DocumentQueryEngine(
        retriever(name="mine"), llm=ScriptedLLM(replies=["Weekly [1]."]),
        embed_model=HashEmbedding(),
    )  # fmt: skip
    response = engine.query(QUESTION)
    assert isinstance(response, Response)
    assert response.metadata["search"]["profile"] == "mine"
    assert response.metadata["search"]["strategy"] == "weighted"
    assert response.metadata["search"]["candidates"] == 10


async def test_answers_at_the_same_time_keep_to_their_own_search(retriever):
    def engine(name: str) -> DocumentQueryEngine:
        return DocumentQueryEngine(retriever(name=name), llm=None, embed_model=HashEmbedding())

    names = [f"profile {number}" for number in range(4)]
    answers = await asyncio.gather(*(engine(name).aquery(QUESTION) for name in names))
    assert [each.metadata["search"]["profile"] for each in answers] == names
