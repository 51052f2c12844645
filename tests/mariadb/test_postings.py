"""Words in a table of postings, scored by BM25."""

import math
import random
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.vector_stores import MetadataFilter, MetadataFilters, VectorStoreQuery
from llama_index.core.vector_stores.types import VectorStoreQueryMode as Mode

from stores import MariaDBVectorStore
from stores.chunks import posting_tables
from stores.chunks.bm25 import Scores, WordCounts, sum_scores
from stores.chunks.chunk_rows import node_to_row
from stores.chunks.fusion import Fusion
from stores.chunks.posting_arrays import POSTING, TERM_POSTING, KeySet
from stores.errors import StoreError

K1, B = 1.2, 0.75
FRESH = "SELECT SUM(chunks) FROM kb_chunk_fresh WHERE block > 0"


def chunk(name: str, text: str, **metadata: Any) -> TextNode:
    node = TextNode(id_=name, text=text, metadata=metadata, embedding=[1.0, 0.0])
    node.relationships[NodeRelationship.SOURCE] = RelatedNodeInfo(node_id=metadata.get("doc", "d"))
    return node


@pytest.fixture
def store(engine: sa.Engine) -> MariaDBVectorStore:
    return MariaDBVectorStore(engine, embed_dim=2)


def found(store: MariaDBVectorStore, words: str, **options: Any) -> dict[str, float]:
    query = VectorStoreQuery(
        query_str=words, similarity_top_k=100, mode=Mode.TEXT_SEARCH, **options
    )
    result = store.query(query)
    return dict(zip(result.ids or [], result.similarities or [], strict=True))


def postings(engine: sa.Engine) -> int:
    with engine.connect() as connection:
        counts = (
            f"SELECT COALESCE(SUM(LENGTH(postings)), 0) FROM kb_chunk_{table}"
            for table in ("term", "fresh")
        )
        merged, fresh = (connection.exec_driver_sql(count).scalar_one() for count in counts)
    return int(merged) // POSTING.itemsize + int(fresh) // TERM_POSTING.itemsize


def reference(texts: dict[str, list[str]], query: list[str]) -> dict[str, float]:
    """BM25 over what the query could reach, written down once more."""
    average = sum(map(len, texts.values())) / len(texts)
    frequency = Counter(word for text in texts.values() for word in set(text))
    weights = {
        word: math.log(1 + (len(texts) - frequency[word] + 0.5) / (frequency[word] + 0.5))
        for word in set(query)
    }
    reach = sum(weights.values()) * (K1 + 1)
    scores = {}
    for name, text in texts.items():
        norm, counts = K1 * (1 - B + B * len(text) / average), Counter(text)
        parts = [
            weight * counts[word] * (K1 + 1) / (counts[word] + norm)
            for word, weight in weights.items()
            if counts[word]
        ]
        if parts:
            scores[name] = sum(parts) / reach
    return scores


def test_scores_are_bm25_over_what_the_query_could_reach(store: MariaDBVectorStore) -> None:
    rng = random.Random(7)
    vocabulary = [f"{stem}o" for stem in ("kal", "mir", "tav", "rud", "zen", "pol", "gik", "xan")]
    texts = {
        f"c{number}": rng.choices(vocabulary, range(8, 0, -1), k=rng.randrange(1, 13))
        for number in range(60)
    }
    store.add([chunk(name, " ".join(text)) for name, text in texts.items()])
    for size in (1, 2, 4):
        query = [*rng.sample(vocabulary, size), "unheard"]
        assert found(store, " ".join(query)) == pytest.approx(reference(texts, query))


def test_the_best_comes_first_and_scores_stay_within_0_and_1(store: MariaDBVectorStore) -> None:
    store.add([chunk("one", "boiler pressure"), chunk("two", "boiler"), chunk("none", "kettle")])
    scores = found(store, "boiler pressure")
    assert list(scores) == ["one", "two"]
    assert 0 < scores["two"] < scores["one"] <= 1


@pytest.mark.parametrize(
    "identifier",
    ["ERR_SSL_PROTOCOL_ERROR", "SKU-12345", "innodb_buffer_pool_size", "10.11.4", "IP", "IT", "R"],
)
def test_identifiers_are_found_exactly(store: MariaDBVectorStore, identifier: str) -> None:
    others = ["ERR_SSL_VERSION", "SKU-12346", "innodb_log_size", "10.11.5", "TIP", "it", "r2"]
    store.add([chunk(other, f"What about {other} here") for other in others if other != identifier])
    store.add([chunk("right", f"Set {identifier} first.")])
    assert next(iter(found(store, identifier))) == "right"


@pytest.mark.parametrize("name", ["max_size", "SKU-12345", "10.11.4"])
def test_a_name_that_chunks_have_is_not_asked_in_parts(
    store: MariaDBVectorStore, name: str
) -> None:
    parts = name.replace("-", "_").replace(".", "_").split("_")
    store.add([chunk("whole", f"Set {name} first"), chunk("parts", " ".join(parts))])
    assert list(found(store, name)) == ["whole"]
    store.delete_nodes(["whole"])
    assert list(found(store, name)) == ["parts"]


def test_words_joined_by_a_hyphen_are_asked_in_parts(store: MariaDBVectorStore) -> None:
    store.add([chunk("joined", "a well-known fact"), chunk("parts", "known facts")])
    assert list(found(store, "well-known")) == ["joined", "parts"]


def test_each_chunk_is_compared_in_its_own_language(store: MariaDBVectorStore) -> None:
    store.add(
        [
            chunk("fr", "Les commandes expédiées", language="fr"),
            chunk("en", "The orders were shipped", language="en"),
            chunk("zh", "订单 orders", language="zh"),
        ]
    )
    assert list(found(store, "commande expédier")) == ["fr"]
    assert list(found(store, "order shipping")) == ["en"]
    assert "zh" in found(store, "orders")


def test_elisions_accents_and_case_do_not_hide_a_word(store: MariaDBVectorStore) -> None:
    store.add([chunk("a", "Où est L\u2019ENTREPÔT d'hiver ?", language="fr")])
    assert list(found(store, "entrepot")) == list(found(store, "HIVÉR")) == ["a"]


def test_title_and_headings_are_found_with_the_text(store: MariaDBVectorStore) -> None:
    store.add([chunk("a", "Turn it clockwise.", title="Valve", headings="Repair > Leaks")])
    assert list(found(store, "valve")) == list(found(store, "leaks")) == ["a"]


def test_words_of_the_function_of_a_sentence_find_nothing(store: MariaDBVectorStore) -> None:
    store.add([chunk("a", "What is it for?")])
    assert found(store, "what is it") == {}
    assert found(store, "?!") == {}


def test_replacing_and_deleting_chunks_leaves_no_posting(
    store: MariaDBVectorStore, engine: sa.Engine
) -> None:
    store.add([chunk("a", "old words", doc="x"), chunk("b", "other words", doc="y")])
    store.add([chunk("a", "new words", doc="x")])
    assert found(store, "old") == {}
    assert list(found(store, "new")) == ["a"]
    store.delete("x")
    assert found(store, "new") == {}
    store.delete_nodes(["b"])
    assert postings(engine) == 0


VOCABULARY = [f"{stem}o" for stem in ("kal", "mir", "tav", "rud", "zen", "pol", "gik", "xan")]


@pytest.mark.parametrize("seed", range(3))
def test_whatever_is_written_merged_and_swept_the_scores_are_those_of_what_is_there(
    store: MariaDBVectorStore, engine: sa.Engine, seed: int
) -> None:
    rng = random.Random(seed)
    store.set_up()
    tables = store.table.postings.tables
    documents: dict[str, dict[str, list[str]]] = {}
    for _ in range(40):
        document = f"d{rng.randrange(8)}"
        match rng.choice(["put", "put", "drop", "part", "merge", "sweep"]):
            case "put":
                store.delete(document)
                documents[document] = {
                    f"{document}:{n}": rng.choices(VOCABULARY, k=rng.randrange(1, 9))
                    for n in range(rng.randrange(1, 5))
                }
                store.add(
                    [chunk(n, " ".join(t), doc=document) for n, t in documents[document].items()]
                )
            case "drop":
                store.delete(document)
                documents.pop(document, None)
            case "part" if texts := documents.get(document):
                name = rng.choice(list(texts))
                texts[name] = rng.choices(VOCABULARY, k=3)
                store.add([chunk(name, " ".join(texts[name]), doc=document)])
            case "merge":
                tables.merge(engine)
            case "sweep":
                tables.sweep(engine)
        texts = {name: text for parts in documents.values() for name, text in parts.items()}
        expected = reference(texts, VOCABULARY[:3]) if texts else {}
        assert found(store, " ".join(VOCABULARY[:3])) == pytest.approx(expected)
    tables.merge(engine)
    tables.sweep(engine)
    there = {name: set(text) for parts in documents.values() for name, text in parts.items()}
    assert postings(engine) == sum(len(words) + 2 for words in there.values())  # language, document


def test_many_chunks_are_merged_by_who_writes_them(
    store: MariaDBVectorStore, engine: sa.Engine
) -> None:
    for batch in range(5):
        store.add([chunk(f"{batch} {n}", f"shared own{n}", doc=f"d{n}") for n in range(500)])
    with engine.connect() as connection:
        fresh = connection.exec_driver_sql(FRESH).scalar_one()
        parts = connection.exec_driver_sql(
            "SELECT COUNT(*) AS parts, SUM(LENGTH(postings)) FROM kb_chunk_term "
            "GROUP BY term HAVING parts > 1"
        ).all()
    assert fresh == 500
    assert {tuple(map(int, row)) for row in parts} == {(6, 2000 * POSTING.itemsize)}
    with engine.connect() as connection:
        assert len(store.table.postings.tables.read_changes(connection)[1]) == 0
    query = VectorStoreQuery(query_str="shared", similarity_top_k=3000, mode=Mode.TEXT_SEARCH)
    assert len(store.query(query).ids or []) == 2500


def test_what_is_gone_is_swept_by_who_removes_it(
    store: MariaDBVectorStore, engine: sa.Engine
) -> None:
    for batch in range(5):
        store.add([chunk(f"{batch} {n}", f"shared own{n}", doc=f"d{batch}") for n in range(500)])
    store.table.postings.tables.merge(engine)
    for batch in range(4):
        store.delete(f"d{batch}")
    assert postings(engine) == 500 * 4  # two words, the language and the document
    with engine.connect() as connection:
        assert len(store.table.postings.tables.read_changes(connection)[1]) == 0
    assert len(found(store, "own7")) == 1


def test_merging_leaves_what_another_one_is_removing(
    store: MariaDBVectorStore, engine: sa.Engine
) -> None:
    store.add([chunk("a", "boiler", doc="x"), chunk("b", "boiler", doc="y")])
    with engine.begin() as removing:
        store.table.delete_document(removing, "x")
        store.table.postings.tables.merge(engine)
        with engine.connect() as connection:
            left = connection.exec_driver_sql(FRESH).scalar_one()
        assert left == 1  # that of y is merged
    store.table.postings.tables.merge(engine)
    assert list(found(store, "boiler")) == ["b"]
    assert postings(engine) == 3  # the word, the language and the document


@pytest.mark.slow  # for some seconds, in threads
def test_searches_find_each_document_once_while_others_replace_merge_and_sweep(
    store: MariaDBVectorStore, engine: sa.Engine
) -> None:
    def replace_document(name: str, number: int) -> None:
        chunks = [chunk(f"{name} {number} {n}", f"shared own{n}", doc=name) for n in range(3)]

        def work(connection: sa.Connection) -> None:
            store.table.delete_document(connection, name)
            store.table.put(connection, [node_to_row(each, 2) for each in chunks])

        store.table.transact(engine, work)

    names = [f"d{n}" for n in range(6)]
    store.set_up()
    for name in names:
        replace_document(name, 0)
    tables, ended = store.table.postings.tables, threading.Event()
    done: Counter[str] = Counter()

    def repeat(what: str, work: Callable[[int], object]) -> None:
        while not ended.is_set():
            done[what] += 1
            work(done[what])

    works: dict[str, Callable[[int], object]] = {
        "replace even": lambda number: replace_document(names[2 * (number % 3)], number),
        "replace odd": lambda number: replace_document(names[2 * (number % 3) + 1], -number),
        "merge": lambda _: tables.merge(engine),
        "sweep": lambda _: tables.sweep(engine),
    }
    with ThreadPoolExecutor(len(works)) as threads:
        running = [threads.submit(repeat, what, work) for what, work in works.items()]
        try:
            for _ in range(300):
                ids = found(store, "shared")
                assert Counter(each.split()[0] for each in ids) == dict.fromkeys(names, 3)
        finally:
            ended.set()
        for each in running:
            each.result()
    assert min(done[what] for what in works) > 10
    tables.merge(engine)
    tables.sweep(engine)
    assert postings(engine) == 18 * 4  # two words, the language and the document


def test_postings_of_which_nothing_is_known_are_made_anew(
    store: MariaDBVectorStore, engine: sa.Engine
) -> None:
    """Those of words alone were marked so, before there were others."""
    store.add([chunk(f"c{n}", "shared words", group=n % 3, doc=f"d{n}") for n in range(700)])
    store.table.postings.tables.merge(engine)
    store.delete("d3")
    before = found(store, "shared")
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE kb_chunk_fresh SET postings = '' WHERE block = 0")
    with pytest.raises(StoreError, match="still being listed"):
        found(store, "shared")
    new = MariaDBVectorStore(engine, embed_dim=2)
    new.set_up()
    assert found(store, "shared") == found(new, "shared") == before
    assert postings(engine) == 699 * 5  # two words, the language, the group and the document


def test_a_word_of_many_parts_is_read_whole(
    store: MariaDBVectorStore, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.add([chunk(f"c{n}", "shared", doc=f"d{n}") for n in range(1500)])
    store.table.postings.tables.merge(engine)
    monkeypatch.setitem(store.table.postings.tables._holes, "parts_a_read", 2)
    monkeypatch.setattr(posting_tables, "_PARTS_A_READ", 2)
    assert store.count_chunks_with(["shared"]) == WordCounts(1500, {"shared": 1500})


def test_what_others_merge_and_sweep_is_counted_as_it_is(
    store: MariaDBVectorStore, engine: sa.Engine
) -> None:
    other = MariaDBVectorStore(engine, embed_dim=2)
    other.add([chunk(f"c{n}", "shared words", doc=f"d{n}") for n in range(30)])
    assert store.count_chunks_with(["shared"]) == WordCounts(30, {"shared": 30})
    tables = other.table.postings.tables
    for change in (
        lambda: tables.merge(engine),
        lambda: other.delete("d3"),
        lambda: other.add([chunk("more", "shared", doc="more")]),
        lambda: (tables.sweep(engine), other.delete("d4")),
    ):
        change()
        assert found(store, "shared") == found(MariaDBVectorStore(engine, embed_dim=2), "shared")
    assert store.count_chunks_with(["shared"]) == WordCounts(29, {"shared": 29})


@pytest.mark.parametrize("keys", [50, 100_000])
def test_both_ways_to_add_up_scores_are_the_same(keys: int) -> None:
    """Of few keys each has a sum; of many, those that have any are sorted."""
    numbers = np.random.default_rng(keys)
    seqs, parts = numbers.integers(0, keys, 1000), numbers.random(1000)
    sums: Counter[int] = Counter()
    for seq, part in zip(seqs.tolist(), parts.tolist(), strict=True):
        sums[seq] += part
    scores = sum_scores(seqs, parts)
    assert scores.find_best(keys) == pytest.approx(sums, abs=1e-9)
    assert scores.look_up(range(keys + 10)) == pytest.approx(
        {seq: sums[seq] for seq in range(keys + 10)}, abs=1e-9
    )
    some = np.arange(1, keys + 10, 3)
    kept = scores.keep_only(some, KeySet(some))
    assert kept.find_best(keys) == pytest.approx(
        {seq: score for seq, score in sums.items() if seq in set(some.tolist())}, abs=1e-9
    )


@pytest.mark.parametrize("keys", [[], [0], [7], [0, 3, 8], [2, 3, 70_000], [3, 2**31]])
def test_keys_are_looked_up_as_in_a_set_also_those_above_the_highest(keys: list[int]) -> None:
    asked = np.array([0, 1, 2, 3, 7, 8, 9, 69_999, 70_000, 2**31, 2**32 - 1], POSTING["seq"])
    found = KeySet(np.array(keys, np.int64)).find(asked)
    assert asked[found].tolist() == [key for key in asked.tolist() if key in keys]


@pytest.mark.parametrize("highest", [2, 40])
@pytest.mark.parametrize("limit", [0, 1, 7, 999, 1000, 15_000, 100_000])
def test_the_highest_scores_are_found_among_many_and_the_older_first_among_equals(
    limit: int, highest: int
) -> None:
    numbers = np.random.default_rng(3)
    values = numbers.integers(0, highest, 50_000) * numbers.integers(0, 2, 50_000) / 40
    have = np.flatnonzero(values)
    order = sorted(have.tolist(), key=lambda place: (-values[place], place))[:limit]
    assert list(Scores(values).find_best(limit).items()) == [(key, values[key]) for key in order]
    assert list(Scores(values[have], have + 1).find_best(limit)) == [key + 1 for key in order]


def test_clearing_clears_the_postings(store: MariaDBVectorStore, engine: sa.Engine) -> None:
    store.add([chunk("a", "words")])
    store.clear()
    assert postings(engine) == 0


def test_what_is_added_while_others_clear_has_its_postings(
    store: MariaDBVectorStore, engine: sa.Engine
) -> None:
    store.set_up()
    adding = threading.Event()
    adding.set()

    def clear() -> None:
        while adding.is_set():
            store.clear()

    clearing = threading.Thread(target=clear)
    clearing.start()
    try:
        for number in range(100):
            store.add([chunk(f"{number} {place}", "words") for place in range(3)])
    finally:
        adding.clear()
        clearing.join()
    store.add([chunk("last", "words")])
    assert set(found(store, "words")) == {node.node_id for node in store.get_nodes()}


def test_a_refused_batch_leaves_no_posting(store: MariaDBVectorStore, engine: sa.Engine) -> None:
    store.add([chunk("a", "kept")])
    before = postings(engine)
    with pytest.raises(RuntimeError, match="stop"):
        store.table.transact(engine, lambda connection: _put_and_stop(store, connection))
    assert postings(engine) == before
    assert found(store, "lost") == {}


def _put_and_stop(store: MariaDBVectorStore, connection: sa.Connection) -> None:
    store.table.delete_document(connection, "d")
    raise RuntimeError("stop")


def test_filters_narrow_the_words(store: MariaDBVectorStore) -> None:
    store.add([chunk(f"c{n}", "same words", group=n % 3) for n in range(300)])
    filters = MetadataFilters(filters=[MetadataFilter(key="group", value=1)])
    assert set(found(store, "words", filters=filters)) == {f"c{n}" for n in range(1, 300, 3)}


def test_phrases_must_stand_in_the_text_word_by_word(store: MariaDBVectorStore) -> None:
    store.add(
        [
            chunk("apart", "the buffer of a pool"),
            chunk("broken", "the Buffer\n  Pool"),
            chunk("other", "a (pool)"),
        ]
    )
    query = VectorStoreQuery(
        query_str="buffer pool", query_embedding=[1.0, 0.0], similarity_top_k=5, mode=Mode.HYBRID
    )
    assert store.query(query, phrases=["buffer pool"]).ids == ["broken"]
    assert store.query(query, phrases=["a (pool)"]).ids == ["other"]


@pytest.mark.parametrize("key", ["title", "headings"])
def test_phrases_may_stand_in_what_is_above_the_text(store: MariaDBVectorStore, key: str) -> None:
    store.add([chunk("above", "how large", **{key: "The Büffer Pool"}), chunk("other", "pool")])
    query = VectorStoreQuery(query_embedding=[1.0, 0.0], similarity_top_k=5)
    assert store.query(query, phrases=["büffer pool"]).ids == ["above"]


def test_a_table_without_postings_gets_them_when_it_is_opened(engine: sa.Engine) -> None:
    old = MariaDBVectorStore(engine, embed_dim=2, words="none")
    old.add([chunk(f"c{n}", f"word{n} shared") for n in range(1200)])
    new = MariaDBVectorStore(engine, embed_dim=2)
    assert list(found(new, "word1133")) == ["c1133"]
    assert len(found(new, "shared")) == 100


def test_chunks_are_counted_by_the_words_that_they_have_in_any_form(
    store: MariaDBVectorStore,
) -> None:
    store.add([chunk("a", "Two kettles boil"), chunk("b", "The kettle"), chunk("c", "A grinder")])
    counts = store.count_chunks_with(["kettle", "grinder", "spoon"])
    assert counts == WordCounts(3, {"kettle": 2, "grinder": 1, "spoon": 0})
    assert store.count_chunks_with([]) == WordCounts(3, {})


def test_without_postings_no_chunks_are_counted(engine: sa.Engine) -> None:
    assert MariaDBVectorStore(engine, embed_dim=2, words="none").count_chunks_with(["a"]) is None


def test_postings_that_were_lost_are_all_written_again(
    store: MariaDBVectorStore, engine: sa.Engine
) -> None:
    store.add([chunk(f"c{n}", f"word{n} shared") for n in range(600)])
    store.delete_nodes(["c3"])  # so that parts of a fill are no batches of a put
    with engine.begin() as connection:
        connection.exec_driver_sql("TRUNCATE TABLE kb_chunk_fresh")
    again = MariaDBVectorStore(engine, embed_dim=2)
    again.set_up()
    with engine.connect() as connection:
        scores = again.table.postings.score_chunks(connection, "shared")
    assert len(scores.find_best(600)) == 599


def test_stores_opened_at_once_fill_the_postings_once(engine: sa.Engine) -> None:
    MariaDBVectorStore(engine, embed_dim=2, words="none").add(
        [chunk(f"c{n}", f"word{n} shared") for n in range(300)]
    )
    stores = [MariaDBVectorStore(engine, embed_dim=2) for _ in range(3)]
    threads = [threading.Thread(target=each.set_up) for each in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert postings(engine) == 300 * 3  # two words and the language
    assert list(found(stores[0], "word7")) == ["c7"]


def test_fulltext_can_be_chosen_instead(engine: sa.Engine) -> None:
    store = MariaDBVectorStore(engine, embed_dim=2, words="fulltext")
    store.add([chunk("a", "boiler pressure"), chunk("b", "boiler"), chunk("c", "kettle")])
    scores = found(store, "boiler pressure")
    assert list(scores) == ["a", "b"]
    assert scores["a"] == 1.0
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SHOW TABLES LIKE '%fresh'").all() == []


def test_an_unheard_way_to_search_words_is_refused(engine: sa.Engine) -> None:
    with pytest.raises(Exception, match="bm25, fulltext, none"):
        MariaDBVectorStore(engine, embed_dim=2, words="bm52")


def test_words_count_for_what_only_the_vectors_brought(store: MariaDBVectorStore) -> None:
    """Each leg brings one candidate; the second-best by words is the nearest."""
    near, far = [1.0, 0.0], [0.0, 1.0]
    texts = {"near": ("boiler", near), "far": ("boiler boiler", far), "off": ("kettle", [0.9, 0.1])}
    for name, (text, vector) in texts.items():
        store.add([TextNode(id_=name, text=text, embedding=vector)])
    query = VectorStoreQuery(
        query_str="boiler", query_embedding=near, mode=Mode.HYBRID, hybrid_top_k=3
    )
    result = store.query(query, fusion=Fusion(candidates=1))
    scores = dict(zip(result.ids or [], result.similarities or [], strict=True))
    alone = found(store, "boiler")
    assert scores["near"] == pytest.approx(0.3 + 0.7 * alone["near"])
    assert scores["far"] == pytest.approx(0.7 * alone["far"])


@pytest.mark.parametrize("strategy", ["vector", "text", "intersection", "rrf"])
def test_strategies_choose_by_their_legs(store: MariaDBVectorStore, strategy: str) -> None:
    store.add(
        [
            TextNode(id_="both", text="boiler", embedding=[0.9, 0.1]),
            TextNode(id_="words", text="boiler boiler", embedding=[0.0, 1.0]),
            TextNode(id_="vector", text="kettle", embedding=[1.0, 0.0]),
        ]
    )
    query = VectorStoreQuery(
        query_str="boiler", query_embedding=[1.0, 0.0], similarity_top_k=3, mode=Mode.HYBRID
    )
    expected = {
        "vector": ["vector", "both"],
        "text": ["words", "both"],
        "intersection": ["both"],
        "rrf": ["both", "words", "vector"],
    }
    fusion = Fusion(strategy, vector_weight=0.5, candidates=2)
    assert sorted(store.query(query, fusion=fusion).ids or []) == sorted(expected[strategy])


def test_rows_deleted_behind_our_back_are_not_found(
    store: MariaDBVectorStore, engine: sa.Engine
) -> None:
    store.add([chunk("gone", "boiler boiler"), chunk("there", "boiler")])
    with engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM kb_chunk WHERE chunk_id = 'gone'")
    query = VectorStoreQuery(query_str="boiler", query_embedding=[1.0, 0.0], mode=Mode.HYBRID)
    assert list(found(store, "boiler")) == store.query(query).ids == ["there"]


def test_a_pasted_page_and_a_word_without_end_are_searched_for(store: MariaDBVectorStore) -> None:
    store.add([chunk("a", f"boiler {'x' * 5_000}"), chunk("b", "kettle")])
    page = " ".join(f"word{n}" for n in range(20_000))
    assert list(found(store, f"boiler {page}")) == ["a"]
    assert list(found(store, "x" * 6_000)) == ["a"]
