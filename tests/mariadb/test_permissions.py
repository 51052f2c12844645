"""Who may not see a document is told of nothing: as by a base that never held it."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from llama_index.core.vector_stores.types import (
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
)
from model_server import FakeModels
from twins import VISIBLE, Twins, open_twins

from engines.answer import Answer, answer_of
from engines.search.profiles import READY
from kb import KnowledgeBase
from stores.errors import StoreError, UnsafeQuery
from stores.verified_queries import Editor, VerifiedQuery

NO_SECRETS = MetadataFilters(
    filters=[MetadataFilter(key="root", value="documents", operator=FilterOperator.EQ)]
)
QUESTIONS = [
    "When do goods go back with the invoice?",
    "contract of the garden lamp",
    "SKU-12345",
    "SKU-999",
    "the salary of zanzibar7",
    '"the contract of the garden lamp"',
    "Dans combien de jours reviennent les articles ?",
    "category:secret salary",
]
MODES = [
    VectorStoreQueryMode.DEFAULT,
    VectorStoreQueryMode.TEXT_SEARCH,
    VectorStoreQueryMode.HYBRID,
]
PROFILES = sorted(READY)


@pytest.fixture(scope="module")
def twins(server, tmp_path_factory) -> Iterator[Twins]:
    with (
        FakeModels() as embeddings,
        open_twins(server, tmp_path_factory.mktemp("twins"), embeddings, 300) as twins,
    ):
        yield twins


@pytest.fixture
def seen(twins: Twins) -> KnowledgeBase:
    return twins.whole.seen_by(["sales"])


def passages(kb: KnowledgeBase, question: str, **options: Any) -> list[tuple[str, float]]:
    return [(found.node_id, found.get_score()) for found in kb.search(question, **options)]


def test_hidden_documents_are_there_and_would_be_found(twins):
    found = twins.whole.search("the salary of zanzibar7", top_k=20)
    roots = {passage.metadata["path"].partition("/")[0] for passage in found}
    assert "hr" in roots
    assert twins.whole.seen_by(["hr"]).search("SKU-999")[0].metadata["path"] == "open/marked.md"


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("profile", PROFILES)
def test_searches_find_the_same_in_the_same_order_with_the_same_scores(
    twins, seen, question, profile
):
    for top_k in (1, 4, 20):
        found, expected = (
            passages(kb, question, profile=profile, top_k=top_k) for kb in (seen, twins.never)
        )
        assert [passage for passage, _ in found] == [passage for passage, _ in expected]
        # What weighs the age of a passage has another one a moment later.
        assert [score for _, score in found] == pytest.approx([s for _, s in expected], abs=1e-6)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("question", QUESTIONS)
def test_each_leg_finds_as_many_as_there_are(twins, seen, question, mode):
    found = [
        kb.vector_store.query(
            VectorStoreQuery(
                query_str=question,
                query_embedding=kb.components.embed_model.get_query_embedding(question),
                mode=mode,
                similarity_top_k=6,
                filters=filters,
            )
        )
        for kb in (seen, twins.never)
        for filters in (None, NO_SECRETS)
    ]
    assert rank_apart(found[0]) == rank_apart(found[2])
    assert rank_apart(found[1]) == rank_apart(found[3])
    if mode is not VectorStoreQueryMode.TEXT_SEARCH:
        assert len(found[0].ids) == 6


def rank_apart(found: Any) -> tuple[list[float], list[str]]:
    """The similarities, and the ids of those that are not just as near as the last one."""
    apart = [
        name
        for name, s in zip(found.ids, found.similarities, strict=True)
        if s > found.similarities[-1]
    ]
    return found.similarities, apart


def test_listings_counts_and_names_are_the_same(twins, seen):
    for options in ({}, {"search": "hr"}, {"search": "e"}, {"limit": 2, "offset": 1}):
        listed = [
            [(each.root, each.path, each.chunks) for each in kb.list_documents(**options)]
            for kb in (seen, twins.never)
        ]
        assert listed[0] == listed[1]
    counted = [
        {name: kb.status()[name] for name in ("documents", "chunks", "failed", "indexing")}
        for kb in (seen, twins.never)
    ]
    assert counted[0] == counted[1]
    names = [[root["documents"] for root in kb.status()["roots"]] for kb in (seen, twins.never)]
    assert names[0] == names[1] == [len(VISIBLE)]
    shares = [kb.components.registry.measure_language_shares() for kb in (seen, twins.never)]
    assert shares[0] == shares[1]
    words = ["salary", "kettle", "zanzibar7"]
    counts = [kb.vector_store.count_chunks_with(words) for kb in (seen, twins.never)]
    assert counts[0] == counts[1]


def test_a_hidden_document_is_as_one_that_does_not_exist(twins, seen):
    [hidden] = twins.whole.list_documents(search="hr/7.md")
    for ask in (
        lambda kb: kb.show_document("documents/hr/7.md"),
        lambda kb: kb.remove_document("documents/hr/7.md"),
        lambda kb: kb.retry_documents(["documents/open/marked.md"]),
    ):
        told = []
        for kb in (seen, twins.never):
            with pytest.raises(StoreError) as refused:
                ask(kb)
            told.append(str(refused.value))
        assert told[0] == told[1]
    assert seen.vector_store.get_nodes([f"{hidden.id}:00000"]) == []
    assert len(twins.whole.vector_store.get_nodes([f"{hidden.id}:00000"])) == 1


@pytest.mark.parametrize("source", ["auto", "documents", "both"])
@pytest.mark.parametrize("question", [*QUESTIONS, "How many documents do you have?", "Hello!"])
def test_answers_are_the_same(twins, seen, source, question):
    answers = [answer_of(kb.ask(question, source)) for kb in (seen, twins.never)]
    assert_same(*answers)


def test_a_chat_and_its_follow_ups_are_the_same(twins, seen):
    chats = [kb.chat("a chat") for kb in (seen, twins.never)]
    for question in ("When do goods go back?", "And the salary of zanzibar7?", "Which tables?"):
        told = [chat.chat(question) for chat in chats]
        assert told[0].response == told[1].response


def assert_same(one: Answer, other: Answer) -> None:
    assert (one.text, one.route, one.errors) == (other.text, other.route, other.errors)
    assert [cited.chunk for cited in one.citations] == [cited.chunk for cited in other.citations]
    assert one.route_reason == other.route_reason


def test_hidden_tables_are_not_there(twins, seen):
    told = [
        (kb.components.tables.outline(), kb.components.tables.get_usable_table_names())
        for kb in (seen, twins.never)
    ]
    assert told[0] == told[1]
    for kb in (seen, twins.never):
        with pytest.raises(UnsafeQuery):
            kb.components.tables.run("SELECT word FROM secrets")
    assert twins.whole.components.tables.run("SELECT word FROM secrets").rows == [("canary",)]
    with_hr = twins.whole.seen_by(["hr"])
    assert with_hr.components.tables.run("SELECT word FROM secrets").rows == [("canary",)]
    assert "secrets" in twins.whole.config.tables.include
    names = {pool.components.tables.engine for pool in (seen, twins.whole, with_hr)}
    assert len(names) == 1


def test_verified_queries_of_hidden_tables_are_not_there(twins, seen):
    queries = twins.whole.components.verified_queries
    made = [
        VerifiedQuery(name, question, sql, "en", "ana", date(2026, 1, 1))
        for name, question, sql in (
            ("cities", "Which cities are there?", "SELECT city FROM orders"),
            ("words", "Which words are there?", "SELECT word FROM secrets"),
        )
    ]
    try:
        for query in made:
            queries.save(query, Editor("ana"))
        assert [query.name for query in seen.components.verified_queries] == ["cities"]
        with pytest.raises(StoreError, match=r"no verified query 'word'\.$"):
            seen.components.verified_queries.list_versions("word")
        with pytest.raises(StoreError, match=r"no verified query 'words'\.$"):
            seen.components.verified_queries.list_versions("words")
        assert answer_of(twins.whole.ask("Which words are there?")).tables.rows == [["canary"]]
        answer = answer_of(seen.ask("Which words are there?", "database"))
        assert not answer.tables.rows
    finally:
        for query in made:
            queries.remove(query.name, Editor("ana"))


def test_the_tables_are_described_once_for_all_who_may_see_the_same(twins):
    views = [twins.whole.seen_by(["sales"]).components.evidence for _ in range(2)]
    assert views[0]._schema is views[1]._schema
    assert views[0]._schema is not twins.whole.seen_by(["hr"]).components.evidence._schema
    assert "secrets" not in str(views[0]._schema.texts)
    assert views[0]._find_nodes != twins.whole.components.evidence._find_nodes


def test_two_people_do_not_see_what_the_other_one_has_just_asked(twins):
    for _ in range(2):
        for groups, expected in ((["sales"], False), (["hr"], True), ([], False)):
            found = twins.whole.seen_by(groups).search("zanzibar7", profile="logs", top_k=3)
            assert any("zanzibar7" in passage.text for passage in found) == expected
