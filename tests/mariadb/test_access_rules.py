"""Which documents a rule, a mark, somebody or nothing gives to whom, and what changes that."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from api_server import database_of, wait_until
from llama_index.core.schema import Document
from model_server import FakeModels
from nodes import node
from twins import configure, write_files

from kb import KnowledgeBase, load_config
from stores.audiences import bind_groups, join_groups
from stores.chunks.bm25 import Statistics
from stores.chunks.postings import Postings
from stores.errors import ConfigError, StoreError
from stores.registry.access import give_groups
from stores.registry.document_registry import IndexedDocument, Part, chunk_prefix, document_id

FILES = {
    "hr/a.md": "# A\n\nThe first text.\n",
    "hr/open/b.md": "# B\n\nThe second text.\n",
    "c.md": "# C\n\nThe third text.\n",
    "marked.md": "---\ngroups: [board]\n---\n# M\n\nThe marked text.\n",
    "hr/marked.md": "---\ngroups: board\n---\n# N\n\nThe other marked text.\n",
}
RULES = [
    {"path": "/hr/open/", "groups": ["everyone"]},
    {"path": "/hr/", "groups": ["hr", "audit"]},
]
HANDBOOK = document_id("documents", "c.md")
MARKED = document_id("documents", "marked.md")


@pytest.fixture(scope="module")
def embeddings() -> Iterator[FakeModels]:
    with FakeModels() as embeddings:
        yield embeddings


@pytest.fixture
def url(server) -> Iterator[sa.URL]:
    with database_of(server) as url:
        yield url


class Base:
    """One directory and database, which may be opened by other rules."""

    def __init__(self, url: sa.URL, folder: Path, embeddings: FakeModels) -> None:
        self.url, self.folder, self.embeddings = url, folder, embeddings

    def open(self, *rules: dict[str, Any], default: tuple[str, ...] = ("everyone",)) -> Any:
        access = {"default": default, "documents": rules}
        return KnowledgeBase.open(configure(self.url, self.folder, self.embeddings, access=access))

    def open_without_access(self) -> Any:
        return KnowledgeBase.open(configure(self.url, self.folder, self.embeddings, access={}))


@pytest.fixture
def base(url, tmp_path, embeddings) -> Base:
    write_files(tmp_path, FILES)
    return Base(url, tmp_path, embeddings)


def seen(kb: KnowledgeBase, *groups: str) -> set[str]:
    """The paths that a listing and a search both give to somebody in these groups."""
    view = kb.seen_by(groups)
    listed = {each.path for each in view.list_documents()}
    assert {passage.metadata["path"] for passage in view.search("text", top_k=20)} == listed
    return listed


def test_the_first_rule_that_matches_decides_and_a_mark_is_demanded_besides(base):
    with base.open(*RULES) as kb:
        kb.index()
        assert seen(kb) == {"hr/open/b.md", "c.md"}
        assert seen(kb, "audit") == {"hr/a.md", "hr/open/b.md", "c.md"}
        assert seen(kb, "board") == {"hr/open/b.md", "c.md", "marked.md"}
        assert seen(kb, "hr", "board") == set(FILES)
        assert seen(kb, "Board", "HR", "boards", "") == {"hr/open/b.md", "c.md"}
        assert {each.path for each in kb.list_documents()} == set(FILES)


def test_other_rules_hold_after_the_next_run_which_reads_and_embeds_nothing(base, embeddings):
    with base.open() as kb:
        kb.index()
        assert seen(kb) == set(FILES) - {"marked.md", "hr/marked.md"}
    asked = len(embeddings.requests)
    with base.open(*RULES) as kb:
        assert "hr/a.md" in seen(kb)
        asked = len(embeddings.requests)
        report = kb.index()
        assert (report.unchanged, report.chunks) == (len(FILES), 0)
        assert len(embeddings.requests) == asked
        assert seen(kb) == {"hr/open/b.md", "c.md"}
        assert seen(kb, "hr", "board") == set(FILES)
    with base.open(default=("staff",)) as kb:
        kb.index(base.folder / "documents" / "c.md")
        assert seen(kb) == set()
        assert seen(kb, "staff") == set(FILES) - {"marked.md", "hr/marked.md"}


def test_who_searches_by_another_process_sees_the_change_at_once(base):
    with base.open() as kb:
        kb.index()
        assert "hr/a.md" in seen(kb)
        with base.open(*RULES) as other:
            other.index()
        assert seen(kb) == {"hr/open/b.md", "c.md"}


def test_a_process_with_rules_that_are_no_longer_the_last_ones_writes_nothing(base):
    with base.open() as former:
        former.index()
        with base.open(*RULES) as kb:
            kb.index()
            write_files(base.folder, {"hr/new.md": "# New\n\nA new text.\n"})
            with pytest.raises(ConfigError, match="Start this one again"):
                former.index()
            with pytest.raises(ConfigError, match="Start this one again"):
                former.add([Document(text="More text.", id_="x")], root="more")
            assert "hr/new.md" not in {each.path for each in kb.list_documents()}
            kb.index()
            assert "hr/new.md" not in seen(kb)
    with base.open() as again:
        again.index()
        assert "hr/new.md" in seen(again)


def test_a_document_that_moves_is_seen_by_the_rules_for_its_new_place(base):
    with base.open(*RULES) as kb:
        kb.index()
        documents = base.folder / "documents"
        (documents / "c.md").rename(documents / "hr" / "c.md")
        (documents / "marked.md").rename(documents / "hr" / "open" / "marked.md")
        report = kb.index()
        assert (len(report.moved), report.chunks) == (2, 0)
        assert seen(kb) == {"hr/open/b.md"}
        assert seen(kb, "board") == {"hr/open/b.md", "hr/open/marked.md"}


def test_a_mark_that_is_added_holds_with_the_text_that_it_came_with(base):
    with base.open() as kb:
        kb.index()
        write_files(base.folder, {"c.md": "---\ngroups: [board]\n---\n# C\n\nA secret text.\n"})
        kb.index()
        assert "c.md" not in seen(kb)
        assert "c.md" in seen(kb, "board")
        write_files(base.folder, FILES)
        kb.index()
        assert "c.md" in seen(kb)


def test_documents_from_before_access_are_for_nobody_until_it_is_applied(base):
    with base.open_without_access() as kb:
        kb.index()
        assert kb.seen_by([]) is kb
    with base.open(*RULES) as kb:
        assert seen(kb, "hr", "board") == set()
        kb.index()
        assert seen(kb, "hr", "board") == set(FILES)
        assert seen(kb) == {"hr/open/b.md", "c.md"}
    write_files(base.folder, {"c.md": "# C\n\nThe third text, changed.\n"})
    with base.open_without_access() as kb:
        kb.index()
    with base.open(*RULES) as kb:
        assert "c.md" not in seen(kb)
        kb.index()
        assert "c.md" in seen(kb)


def test_documents_of_a_program_heed_their_groups_and_the_rules(base):
    rule = {"path": "x*", "root": "tickets", "groups": ["support"]}
    with base.open(rule) as kb:
        made = [
            Document(text="A text.", id_="x1"),
            Document(text="B text.", id_="y1"),
            Document(text="C text.", id_="y2", metadata={"groups": ["board", 7]}),
            Document(text="D text.", id_="y3", metadata={"groups": []}),
        ]
        kb.add(made, root="tickets")
        assert seen(kb) == {"y1"}
        assert seen(kb, "support") == {"x1", "y1"}
        assert seen(kb, "board") == {"y1", "y2"}
        kb.add([Document(text="A text, changed.", id_="x1")], root="tickets")
        assert seen(kb) == {"y1"}


def test_a_file_that_cannot_be_read_is_told_to_those_for_whom_its_place_is(base):
    (base.folder / "documents" / "hr" / "broken.pdf").write_bytes(b"%PDF-1.7 broken")
    with base.open(*RULES) as kb:
        kb.index()
        assert [each["path"] for each in kb.status()["failed"]] == ["hr/broken.pdf"]
        assert kb.seen_by(["board"]).status()["failed"] == []
        assert len(kb.seen_by(["hr"]).status()["failed"]) == 1


def test_a_part_of_a_large_document_keeps_what_another_part_demands(base):
    with base.open() as kb:
        kb.index()
        registry = kb.components.registry
        document = IndexedDocument(
            *(document_id("docs", "x"), "docs", "x", "0" * 64, 7, None, "text/plain", "X", "en")
        )

        def write(number: int, *, is_last: bool, **metadata: Any) -> None:
            part = Part(number, number + 1, is_last)
            name = f"{chunk_prefix(document.id, number)}00000"
            vector = kb.components.embed_model.get_text_embedding("text")
            chunk = node(name, document.id, text="text", metadata=metadata, embedding=vector)
            registry.replace_all([registry.prepare(document, [chunk], part)])

        def is_open() -> bool:
            view = kb.seen_by([])
            listed = bool(view.list_documents(root="docs"))
            found = {passage.node.ref_doc_id for passage in view.search("text", top_k=20)}
            assert (document.id in found) == listed
            return listed

        write(0, is_last=False)
        assert is_open()
        write(1, is_last=True, groups="board")
        assert not is_open()
        write(0, is_last=False)
        assert not is_open()
        write(1, is_last=True)
        assert is_open()


def test_groups_that_are_given_while_a_document_is_written_are_heeded(base):
    waiting = sa.text(
        "SELECT COUNT(*) FROM information_schema.processlist "
        "WHERE db = DATABASE() AND info LIKE 'SELECT digest FROM kb_access_rules%SHARE MODE'"
    )
    with base.open() as kb, ThreadPoolExecutor() as threads:
        kb.index()
        registry, engine = kb.components.registry, kb.components.engine
        document = IndexedDocument(
            *(document_id("docs", "x"), "docs", "x", "0" * 64, 7, None, "text/plain", "X", "en")
        )
        vector = kb.components.embed_model.get_text_embedding("text")
        name = f"{chunk_prefix(document.id, 0)}00000"
        chunk = node(name, document.id, text="text", metadata={}, embedding=vector)
        with engine.begin() as rules:
            rules.execute(sa.text("SELECT * FROM kb_access_rules FOR UPDATE"))
            written = threads.submit(registry.replace, document, [chunk])
            with engine.connect() as looking:
                wait_until(lambda: looking.scalar(waiting) == 1)
            with engine.begin() as giving:
                give_groups(giving, document.id, ["board"])
            assert not written.done()
        written.result()
        assert kb.seen_by(["board"]).list_documents(root="docs")
        assert not kb.seen_by(["hr"]).list_documents(root="docs")


class Lookups:
    """What groups see of a base that is kept up, and how each time was looked up."""

    def __init__(self, kb: KnowledgeBase, *groups: str) -> None:
        self.kb, self.groups = kb, join_groups(groups)
        self.table = kb.components.registry.table
        self.looked_up: list[Any] = []

    def find(self) -> tuple[list[int], Statistics]:
        """Find the visible chunks, as they would be found anew."""

        def read_keys(among: Any = None) -> Any:
            self.looked_up.append("all" if among is None else len(among))
            return truth if among is None else np.intersect1d(truth, among)

        where = self.table.make_where(self.groups)
        statement = sa.text(f"SELECT seq FROM `{self.table.name}` WHERE {where} ORDER BY seq")
        self.looked_up.clear()
        with self.kb.components.engine.connect() as connection:
            truth = np.array(connection.scalars(statement, where.values).all(), np.int64)
            kept_up = self.table.postings.find_visible(connection, self.groups, read_keys)
            anew = Postings(self.table.name).find_visible(connection, self.groups, lambda _: truth)
        assert kept_up.seqs.tolist() == anew.seqs.tolist() == truth.tolist()
        assert kept_up.statistics == anew.statistics
        return truth.tolist(), kept_up.statistics


def test_of_what_groups_see_only_what_was_written_is_looked_up_again(base):
    with base.open(*RULES) as kb:
        kb.index()
        everyone, board = Lookups(kb), Lookups(kb, "board")
        (before, _), _ = everyone.find(), board.find()
        assert everyone.looked_up == board.looked_up == ["all"]
        everyone.find()
        assert everyone.looked_up == []

        write_files(base.folder, {"new.md": "# New\n\nA new text.\n", "hr/new.md": FILES["c.md"]})
        kb.index()
        assert len(everyone.find()[0]) == len(before) + 1
        assert everyone.looked_up == [2]
        (base.folder / "documents" / "new.md").unlink()
        write_files(base.folder, {"c.md": "---\ngroups: board\n---\n# C\n\nClosed.\n"})
        kb.index()
        assert len(everyone.find()[0]) == len(before) - 1
        assert everyone.looked_up == [1]
        assert len(board.find()[0]) == len(before) + 1
        assert board.looked_up == [2]

        kb.components.registry.give_groups(document_id("documents", "hr/open/b.md"), ["board"])
        everyone.find()
        assert everyone.looked_up == ["all"]
        everyone.table.postings.tables.sweep(kb.components.engine)
        everyone.find()
        assert everyone.looked_up == ["all"]


def test_what_a_search_sees_that_began_before_another_one_is_as_it_was_then(base):
    with base.open(*RULES) as kb:
        kb.index()
        lookups = Lookups(kb)
        lookups.find()
        postings, groups = lookups.table.postings, lookups.groups
        with kb.components.engine.connect() as earlier:
            earlier.execute(sa.text("START TRANSACTION WITH CONSISTENT SNAPSHOT"))
            (base.folder / "documents" / "c.md").unlink()
            kb.index()
            now, _ = lookups.find()
            sql = f"SELECT seq FROM `{lookups.table.name}` WHERE {lookups.table.make_where(groups)}"
            then = earlier.scalars(sa.text(sql), {"groups": bind_groups(groups)}).all()
            found = postings.find_visible(
                earlier,
                groups,
                lambda among: np.array(
                    sorted(set(then) & set(then if among is None else among.tolist()))
                ),
            )
        assert found.seqs.tolist() == sorted(then) != now
        lookups.find()


def test_a_rule_about_a_table_that_is_named_otherwise_is_an_error(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text("access: {tables: [{table: salary, groups: [hr]}]}")
    with pytest.raises(ConfigError, match=r"'salary' is not in tables\.include"):
        load_config(file)
    file.write_text("access: {documents: [{path: '!hr/', groups: [hr]}]}")
    with pytest.raises(ConfigError, match="without !"):
        load_config(file)


def give(kb, document, *groups):
    kb.components.registry.give_groups(document, groups)


def test_given_groups_hold_at_once_beside_the_rule_and_the_marks(base):
    with base.open(*RULES) as kb, base.open(*RULES) as other:
        kb.index()
        assert "c.md" in seen(other)
        give(kb, HANDBOOK, "legal", " audit ")
        give(kb, MARKED, "legal")
        assert kb.components.registry.read_groups(HANDBOOK) == ["audit", "legal"]
        for each in (kb, other):
            assert "c.md" not in seen(each)
            assert seen(each, "legal") == {"c.md", "hr/open/b.md"}
            assert "marked.md" not in seen(each, "board")
            assert "marked.md" in seen(each, "board", "legal")
        give(kb, HANDBOOK)
        give(kb, MARKED)
        assert "c.md" in seen(other)
        assert "marked.md" in seen(other, "board")


def test_given_groups_stay_when_the_text_or_the_rules_change_and_go_with_the_document(base):
    with base.open(*RULES) as kb:
        kb.index()
        give(kb, HANDBOOK, "legal")
        write_files(base.folder, {"c.md": "# C\n\nThe third text, changed.\n"})
        assert kb.index().changed == 1
        assert "c.md" not in seen(kb)
    with base.open(default=("staff",)) as kb:
        kb.index()
        assert "c.md" not in seen(kb, "staff")
        assert "c.md" in seen(kb, "staff", "legal")
    write_files(base.folder, {"c.md": "# C\n\nThe third text, without access.\n"})
    with base.open_without_access() as kb:
        kb.index()
        with pytest.raises(ConfigError, match="Write `access`, or give it no groups"):
            give(kb, HANDBOOK, "hr")
    with base.open() as kb:
        kb.index()
        assert "c.md" not in seen(kb)
        assert "c.md" in seen(kb, "legal")
        kb.components.registry.remove(HANDBOOK)
        assert kb.components.registry.read_groups(HANDBOOK) == []
        kb.index()
        assert "c.md" in seen(kb)


def test_a_document_keeps_its_given_groups_where_it_moves(base):
    with base.open(*RULES) as kb:
        kb.index()
        give(kb, HANDBOOK, "legal")
        (base.folder / "documents" / "c.md").rename(base.folder / "documents" / "d.md")
        assert len(kb.index().moved) == 1
        assert "d.md" not in seen(kb)
        assert "d.md" in seen(kb, "legal")


def test_groups_given_by_a_path_reach_the_document_that_moved_there_and_the_next_at_its_former(
    base,
):
    with base.open(*RULES) as kb:
        kb.index()
        (base.folder / "documents" / "c.md").rename(base.folder / "documents" / "d.md")
        assert len(kb.index().moved) == 1
        registry = kb.components.registry
        with registry.engine.begin() as connection:
            moved = registry.identify(connection, "documents", "d.md")
            new = registry.identify(connection, "documents", "c.md")
            registry.give_groups_within(connection, moved, ["legal"])
            registry.give_groups_within(connection, new, ["audit"])
        assert moved == HANDBOOK
        write_files(base.folder, {"c.md": "# C\n\nA fourth text.\n"})
        assert kb.index().added == 1
        assert not seen(kb) & {"c.md", "d.md"}
        assert seen(kb, "legal") & {"c.md", "d.md"} == {"d.md"}
        assert seen(kb, "audit") & {"c.md", "d.md"} == {"c.md"}


def test_a_file_that_cannot_be_read_heeds_given_groups(base):
    broken = document_id("documents", "broken.pdf")
    with base.open() as kb:
        give(kb, broken, "legal")  # before anything is known of it
        (base.folder / "documents" / "broken.pdf").write_bytes(b"%PDF-1.7 broken")
        kb.index()
        assert kb.seen_by([]).status()["failed"] == []
        assert len(kb.seen_by(["legal"]).status()["failed"]) == 1


@pytest.mark.parametrize("name", ["", "  ", "x" * 191])
def test_what_cannot_be_the_name_of_a_group_is_refused(base, name):
    with base.open() as kb:
        kb.index()
        with pytest.raises(StoreError, match="is no name of a group"):
            give(kb, HANDBOOK, "hr", name)
        assert "c.md" in seen(kb)
