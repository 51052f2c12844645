"""Documents that a program adds: replaced by their ids, kept apart from directories."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from knowledge import Knowledge, counts, write_handbook
from llama_index.core.schema import Document, MetadataMode, NodeWithScore, TextNode
from llama_index.core.vector_stores import MetadataFilter, MetadataFilters

from engines.documents.citations import make_citation, number_passages
from kb.catalogue import Catalogue
from kb.indexing.added import DocumentAdder
from kb.indexing.embed import ChunkEmbedder
from kb.indexing.report import IndexReport
from stores.errors import ConfigError, RootConflict
from stores.registry.contents import list_roots
from stores.registry.inspection import list_indexed_files


@pytest.fixture
def knowledge(engine: sa.Engine) -> Knowledge:
    return Knowledge(engine)


def add(knowledge: Knowledge, *documents: Any, root: str = "wiki") -> IndexReport:
    embedder = ChunkEmbedder(knowledge.embed_model, knowledge.cache)
    return DocumentAdder(knowledge.registry, embedder).add(documents, root)


def page(doc_id: str, text: str, **fields: Any) -> Document:
    return Document(id_=doc_id, text=text, **fields)


def stored(knowledge: Knowledge, doc_id: str) -> list[TextNode]:
    return [
        node
        for node in knowledge.store.get_nodes()
        if isinstance(node, TextNode) and node.metadata["path"] == doc_id
    ]


RETURNS = "# Returns\n\nThirty days, unopened.\n\n" + "## Whole\n\n" + "Only whole machines. " * 90


def test_added_documents_are_split_embedded_and_found_like_files(knowledge: Knowledge) -> None:
    report = add(knowledge, page("space/returns", RETURNS), page("faq", "Ask the support team."))
    assert (counts(report), report.root) == ((2, 0, 0, 0, 0), "wiki")
    assert report.chunks == len(knowledge.store.get_nodes()) > 2
    first, *_, last = stored(knowledge, "space/returns")
    assert (first.metadata["title"], first.metadata["root"]) == ("Returns", "wiki")
    assert (first.metadata["language"], last.metadata["headings"]) == ("en", "Whole")
    assert last.prev_node is not None
    assert knowledge.found_by_words("support") == ["faq"]


def test_the_same_id_replaces_and_unchanged_content_costs_nothing(knowledge: Knowledge) -> None:
    add(knowledge, page("faq", "Ask the support team."), page("other", "Words that stay."))
    before, embedded = knowledge.state(), len(knowledge.embed_model.embedded)
    again = add(knowledge, page("faq", "Ask the support team."), page("other", "Words that stay."))
    assert (counts(again), again.chunks) == ((0, 0, 0, 2, 0), 0)
    assert (knowledge.state(), len(knowledge.embed_model.embedded)) == (before, embedded)
    changed = add(knowledge, page("faq", "Telephone the hotline."))
    assert counts(changed) == (0, 1, 0, 0, 0)
    assert knowledge.found_by_words("hotline") == ["faq"]
    assert knowledge.found_by_words("support") == []
    assert knowledge.found_by_words("stay") == ["other"]
    assert counts(add(knowledge, page("faq", "Telephone the hotline.", metadata={"n": 1}))) == (
        0, 1, 0, 0, 0,
    )  # fmt: skip


def test_metadata_are_kept_filtered_by_and_cited(knowledge: Knowledge) -> None:
    metadata = {
        "title": "Return policy",
        "author": "Ana",
        "tags": ["shop", "law"],
        "nested": {"depth": 2},
        "page_label": "7",
        "language": "fr-FR",
        "path": "not this one",
        "size": "large",
    }
    add(knowledge, page("returns", "Trente jours.", metadata=metadata), page("other", "Words."))
    by_author = MetadataFilters(filters=[MetadataFilter(key="author", value="Ana")])
    [node] = knowledge.store.get_nodes(filters=by_author)
    assert node.metadata == metadata | {
        "path": "returns",
        "root": "wiki",
        "page": 7,
        "language": "fr",
        "media_type": "text/plain",
    }
    from_lines = {"lines": "12-14", "file_type": "text/plain"}
    add(knowledge, page("log", "# no heading\nsecond\nthird", metadata=from_lines))
    [node] = stored(knowledge, "log")
    assert (node.metadata["lines"], node.get_content()) == ("12-14", "# no heading\nsecond\nthird")


def test_models_see_the_metadata_that_the_document_does_not_exclude(knowledge: Knowledge) -> None:
    add(
        knowledge,
        page(
            "returns",
            "Thirty days.",
            metadata={"author": "Ana", "price": "canary", "owner": "hidden", "title": "Codename"},
            excluded_embed_metadata_keys=["price"],
            excluded_llm_metadata_keys=["owner", "title"],
        ),
    )
    [node] = stored(knowledge, "returns")
    assert (node.excluded_embed_metadata_keys[-1], node.metadata["price"]) == ("price", "canary")
    [embedded] = knowledge.embed_model.embedded[-1:]
    assert "author: Ana" in embedded
    assert "canary" not in embedded
    assert "size" not in embedded
    shown = node.get_content(MetadataMode.LLM)
    assert "canary" in shown
    assert "hidden" not in shown
    assert "Codename" not in number_passages([NodeWithScore(node=node, score=1.0)])
    assert make_citation(1, NodeWithScore(node=node, score=1.0)).title == "Codename"


def unfit() -> Iterator[tuple[Any, str]]:
    yield page("empty", " \n"), "it has no text"
    yield page("x" * 600, "Words."), "its id has 600 characters; 512 are kept"
    yield page(" ", "Words."), "its id is empty"
    yield page("day", "Words.", metadata={"day": date(2026, 1, 1)}), "JSON cannot express"
    yield page("nan", "Words.", metadata={"n": float("nan")}), "JSON cannot express"
    yield page("odd", "Words.", metadata={"n": "\ud800"}), "JSON cannot express"
    yield page("much", "Words.", metadata={"n": "long " * 500}), "excluded_embed_metadata_keys"
    yield "only a text", "it is a str"
    yield page("good", "The second of its id."), "has the same id"


def test_what_cannot_be_added_is_told_and_the_rest_is_stored(knowledge: Knowledge) -> None:
    bad = list(unfit())
    documents = [page("good", "Good words."), *(document for document, _ in bad)]
    report = add(knowledge, *documents, page("last", "Last words."))
    assert (report.added, len(report.failed)) == (2, len(bad))
    for (_, reason), (_, wanted) in zip(report.failed, bad, strict=True):
        assert wanted in reason
    assert knowledge.found_by_words("words") == ["good", "last"]
    failed = {failure.path for failure in knowledge.registry.list_failures()}
    assert failed == {"empty", "day", "nan", "odd", "much"}
    add(knowledge, page("empty", "Words by now."))
    assert "empty" not in {failure.path for failure in knowledge.registry.list_failures()}


def test_a_document_that_turns_bad_keeps_its_last_good_version(knowledge: Knowledge) -> None:
    add(knowledge, page("faq", "Ask the support team."))
    assert counts(add(knowledge, page("faq", ""))) == (0, 0, 0, 0, 1)
    assert knowledge.found_by_words("support") == ["faq"]


def test_no_run_over_a_directory_touches_them(knowledge: Knowledge, tmp_path: Path) -> None:
    handbook = write_handbook(tmp_path)
    add(knowledge, page("faq.html", "Ask the wiki."))
    knowledge.index(handbook)
    assert counts(knowledge.index(handbook, prune=True)) == (0, 0, 0, 3, 0)
    assert knowledge.found_by_words("wiki") == ["faq.html"]
    (tmp_path / "wiki").mkdir()
    (tmp_path / "wiki" / "a.md").write_text("A file.")
    for options in ({}, {"prune": True}):
        with pytest.raises(RootConflict, match="that a program has added"):
            knowledge.index(tmp_path / "wiki", **options)
    with pytest.raises(RootConflict, match="is the name of the directory"):
        add(knowledge, page("faq", "Words."), root="handbook")
    roots = {root["name"]: root["path"] for root in list_roots(knowledge.engine)}
    assert roots == {"handbook": str(handbook), "wiki": None}
    assert len(list_indexed_files(knowledge.engine)) == 3


@pytest.mark.parametrize("root", ["", "  ", "x" * 200])
def test_a_root_has_a_name(knowledge: Knowledge, root: str) -> None:
    with pytest.raises(ConfigError, match="cannot name a root"):
        add(knowledge, page("faq", "Words."), root=root)


def test_they_are_shown_removed_and_forgotten_like_files(knowledge: Knowledge) -> None:
    catalogue = Catalogue(knowledge.registry)
    add(knowledge, page("a/b", "Some words."), page("c", "More words."))
    shown = catalogue.show_document("wiki/a/b")
    assert (shown.file, [passage.text for passage in shown.passages]) == (None, ["Some words."])
    assert catalogue.remove_document(shown.document) is False
    assert knowledge.found_by_words("words") == ["c"]
    assert catalogue.forget_root("wiki") == 1
    assert (knowledge.store.get_nodes(), list_roots(knowledge.engine)) == ([], [])
