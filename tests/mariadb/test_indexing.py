"""Directories into MariaDB: what a run does, and what the next one leaves alone."""

import os
import shutil
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from fake_models import HashEmbedding
from knowledge import Knowledge, counts, write_handbook
from llama_index.core.schema import MetadataMode
from llama_index.core.vector_stores import MetadataFilter, MetadataFilters
from sample_files import zip_file

from kb.document_files import Library
from kb.indexing.document import Bookmark, ReadDocument, UnreadableNow
from kb.indexing.embed import ChunkEmbedder
from kb.indexing.indexing_run import Indexer, Scope
from kb.indexing.report import IndexReport, Progress
from kb.indexing.worker import ReadWorker
from stores.errors import ModelUnavailable, RootConflict, StoreError
from stores.private_server import PrivateServer
from stores.registry.document_list import DocumentList


@pytest.fixture
def knowledge(engine: sa.Engine) -> Knowledge:
    return Knowledge(engine)


@pytest.fixture
def handbook(tmp_path: Path) -> Path:
    return write_handbook(tmp_path)


def test_a_directory_becomes_searchable_chunks_with_their_file_facts(
    knowledge: Knowledge, handbook: Path
) -> None:
    report = knowledge.index(handbook)
    assert counts(report) == (3, 0, 0, 0, 0)
    assert report.chunks == len(knowledge.store.get_nodes()) == 3
    only_policies = MetadataFilters(filters=[MetadataFilter(key="category", value="policy")])
    [node] = knowledge.store.get_nodes(filters=only_policies)
    assert node.metadata["path"] == "policies/returns.md"
    assert node.metadata["root"] == "handbook"
    assert node.metadata["title"] == "Returns"
    assert knowledge.found_by_words("Liège") == ["délais.txt"]


def test_a_first_run_over_much_builds_the_vector_index_at_its_end(
    knowledge: Knowledge, handbook: Path
) -> None:
    (handbook / "blank.txt").write_bytes(b"\n" * 21_000_000)
    said: list[str] = []
    embedder = ChunkEmbedder(knowledge.embed_model, knowledge.cache)
    report = Indexer(knowledge.registry, embedder, say=said.append).index(handbook)
    assert [path for path, _ in report.failed] == ["blank.txt"]
    assert said == ["Building the vector index …"]
    assert len(knowledge.store.get_nodes()) == 3
    with knowledge.engine.connect() as connection:
        assert knowledge.store.table.has_vector_index(connection)


def test_files_inside_of_an_archive_answer_under_their_own_paths(
    knowledge: Knowledge, tmp_path: Path
) -> None:
    (tmp_path / "docs").mkdir()
    files = {"guide/start.md": b"---\nproduct: Hub\n---\nPlug it in.", "old.pdf": b"%PDF"}
    zip_file(tmp_path / "docs" / "all.zip", files)
    report = knowledge.index(tmp_path / "docs")
    assert [path for path, _ in report.failed] == ["all.zip/old.pdf"]
    assert knowledge.found_by_words("plug") == ["all.zip/guide/start.md"]
    documents = DocumentList(knowledge.engine)
    assert documents.one_around("docs", "all.zip/guide/start.md").path == "all.zip"
    with pytest.raises(StoreError, match="no document"):
        documents.one("docs", "all.zip/guide/start.md")
    assert counts(knowledge.index(tmp_path / "docs")) == (0, 0, 0, 1, 0)


def test_a_mailbox_is_filtered_by_sender_and_thread(knowledge: Knowledge, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    mails = (
        f"From x Mon Mar  2 10:11:00 2026\nSubject: {subject}\nFrom: {who}\n\nFriday.\n\n"
        for subject, who in (("Delivery", "Ada"), ("Re: Delivery", "Bob"), ("Other", "Ada"))
    )
    (tmp_path / "docs" / "team.mbox").write_text("".join(mails))
    knowledge.index(tmp_path / "docs")
    wanted = MetadataFilters(
        filters=[
            MetadataFilter(key="from", value="Ada"),
            MetadataFilter(key="thread", value="Delivery"),
        ]
    )
    [node] = knowledge.store.get_nodes(filters=wanted)
    assert node.metadata["title"] == "Delivery (Ada)"


def test_a_second_run_and_a_touched_file_change_nothing(
    knowledge: Knowledge, handbook: Path
) -> None:
    knowledge.index(handbook)
    os.utime(handbook / "faq.html", (1, 1))
    before, embedded = knowledge.state(), len(knowledge.embed_model.embedded)
    assert counts(knowledge.index(handbook)) == (0, 0, 0, 3, 0)
    assert (knowledge.state(), len(knowledge.embed_model.embedded)) == (before, embedded)


def test_reindexing_an_edited_file_replaces_its_chunks(
    knowledge: Knowledge, handbook: Path
) -> None:
    knowledge.index(handbook)
    (handbook / "faq.html").write_text("<title>FAQ</title><p>Telephone the hotline.</p>")
    assert counts(knowledge.index(handbook)) == (0, 1, 0, 2, 0)
    assert knowledge.found_by_words("hotline") == ["faq.html"]
    assert knowledge.found_by_words("support") == []


def test_a_moved_folder_is_unchanged(knowledge: Knowledge, handbook: Path) -> None:
    knowledge.index(handbook)
    before = knowledge.state()
    moved = handbook.parent / "elsewhere" / "handbook"
    moved.parent.mkdir()
    shutil.move(handbook, moved)
    assert counts(knowledge.index(moved)) == (0, 0, 0, 3, 0)
    assert knowledge.state() == before


def test_an_unchanged_chunk_is_never_embedded_twice(knowledge: Knowledge, handbook: Path) -> None:
    knowledge.index(handbook)
    embedded = len(knowledge.embed_model.embedded)
    (handbook / "faq.html").rename(handbook / "questions.html")
    (handbook / "questions.html").write_text(
        "<title>FAQ</title>\n<p>Ask the <b>support</b> team.</p>\n"
    )
    report = knowledge.index(handbook)
    assert counts(report) == (1, 0, 1, 2, 0)
    assert len(knowledge.embed_model.embedded) == embedded


def test_an_embedding_is_kept_once_with_its_chunk_or_until_there_is_one(
    knowledge: Knowledge, handbook: Path
) -> None:
    def count_put_by() -> int:
        with knowledge.engine.connect() as connection:
            return int(connection.exec_driver_sql("SELECT COUNT(*) FROM kb_embedding").scalar_one())

    knowledge.cache.remember({"of a run that was killed": [1.0] * 64, "old": [2.0] * 64})
    with knowledge.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE kb_embedding SET kept_at = UTC_TIMESTAMP() - INTERVAL 31 DAY LIMIT 1"
        )
    assert knowledge.index(handbook).chunks == 3
    assert count_put_by() == 1
    texts = [chunk.get_content(MetadataMode.EMBED) for chunk in knowledge.store.get_nodes()]
    known = knowledge.cache.find_known(texts)
    assert [
        known[chunk.get_content(MetadataMode.EMBED)] for chunk in knowledge.store.get_nodes()
    ] == [chunk.embedding for chunk in knowledge.store.get_nodes()]


def test_deletions_can_be_kept_and_stay_inside_their_root(
    knowledge: Knowledge, handbook: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "faq.html").write_text("<p>Another root's page.</p>")
    knowledge.index(handbook)
    knowledge.index(other)
    (handbook / "faq.html").unlink()
    report = knowledge.index(handbook, keep=True)
    assert (report.missing, report.missing_paths, report.removed) == (1, ["faq.html"], 0)
    assert knowledge.found_by_words("support") == ["faq.html"]
    report = knowledge.index(handbook)
    assert counts(report) == (0, 0, 1, 2, 0)
    assert report.removed_paths == ["faq.html"]
    assert knowledge.found_by_words("support") == []
    assert knowledge.found_by_words("another") == ["faq.html"]


def test_chunks_that_were_removed_behind_its_back_come_back(
    knowledge: Knowledge, handbook: Path
) -> None:
    knowledge.index(handbook)
    before = knowledge.state()
    knowledge.store.clear()
    assert knowledge.index(handbook).chunks == 3
    assert knowledge.state() == before


def test_a_directory_behind_a_link_keeps_the_name_of_the_link(
    knowledge: Knowledge, handbook: Path
) -> None:
    current = handbook.parent / "current"
    current.symlink_to(handbook)
    knowledge.index(current)
    (newer := handbook.parent / "v2").mkdir()
    (newer / "faq.html").write_text("<p>Version two.</p>")
    current.unlink()
    current.symlink_to(newer)
    assert counts(knowledge.index(current, prune=True)) == (0, 1, 2, 0, 0)
    assert [root["name"] for root in knowledge.registry.list_roots()] == ["current"]


def test_a_link_to_a_file_elsewhere_is_that_file_in_its_own_directory(
    knowledge: Knowledge, handbook: Path, tmp_path: Path
) -> None:
    (desk := tmp_path / "desk").mkdir()
    (desk / "note.md").write_text("A note on the desk.")
    (desk / "link.html").symlink_to(handbook / "faq.html")
    assert counts(knowledge.index(desk / "link.html")) == (1, 0, 0, 0, 0)
    [root] = knowledge.registry.list_roots()
    assert (root["name"], root["path"]) == ("handbook", str(handbook))
    library = Library(knowledge.registry, knowledge.store)
    original = library.find_file(library.documents.one("handbook", "faq.html"))
    assert original == handbook / "faq.html"
    retried = knowledge.index(handbook, name="handbook", scope=Scope(only=["faq.html"]))
    assert counts(retried) == (0, 0, 0, 1, 0)
    assert counts(knowledge.index(desk, prune=True)) == (1, 0, 0, 0, 1)
    assert counts(knowledge.index(handbook, prune=True)) == (2, 0, 0, 1, 0)
    assert counts(knowledge.index(desk / "link.html")) == (0, 0, 0, 1, 0)
    assert {*knowledge.registry.find_known("desk")} == {"note.md", "link.html"}


def test_a_link_to_a_file_beside_it_and_a_file_in_a_linked_directory_stay_there(
    knowledge: Knowledge, handbook: Path
) -> None:
    (handbook / "link.html").symlink_to("faq.html")
    (current := handbook.parent / "current").symlink_to(handbook)
    assert counts(knowledge.index(current / "link.html")) == (1, 0, 0, 0, 0)
    [root] = knowledge.registry.list_roots()
    assert (root["name"], root["path"]) == ("current", str(current))
    assert {*knowledge.registry.find_known("current")} == {"faq.html"}


def test_a_file_below_an_indexed_directory_is_a_file_of_that_directory(
    knowledge: Knowledge, handbook: Path
) -> None:
    knowledge.index(handbook)
    changed = handbook / "policies" / "returns.md"
    changed.write_text("# Returns\n\nForty days now.\n")
    assert counts(knowledge.index(changed)) == (0, 1, 0, 0, 0)
    assert len(knowledge.store.get_nodes()) == 3
    assert counts(knowledge.index(handbook, prune=True)) == (0, 0, 0, 3, 0)


def test_a_directory_below_an_indexed_one_is_a_part_of_it(
    knowledge: Knowledge, handbook: Path
) -> None:
    knowledge.index(handbook)
    (handbook / "policies" / "new.md").write_text("Something new.")
    (handbook / "policies" / "returns.md").unlink()
    (handbook / "faq.html").unlink()
    report = knowledge.index(handbook / "policies", prune=True)
    assert counts(report) == (1, 0, 1, 0, 0)
    paths = {node.metadata["path"] for node in knowledge.store.get_nodes()}
    assert paths == {"policies/new.md", "délais.txt", "faq.html"}
    assert counts(knowledge.index(handbook, prune=True)) == (0, 0, 1, 2, 0)
    assert [root["name"] for root in knowledge.registry.list_roots()] == ["handbook"]


def test_a_file_below_two_indexed_directories_is_a_file_of_the_inner_one(
    knowledge: Knowledge, handbook: Path
) -> None:
    knowledge.index(handbook / "policies", name="z-inner")
    knowledge.index(handbook, name="a-outer")
    changed = handbook / "policies" / "returns.md"
    changed.write_text("# Returns\n\nForty days now.\n")
    assert counts(knowledge.index(changed)) == (0, 1, 0, 0, 0)
    assert counts(knowledge.index(handbook / "policies", name="z-inner")) == (0, 0, 0, 1, 0)
    assert counts(knowledge.index(handbook, name="a-outer")) == (0, 1, 0, 2, 0)


def test_a_directory_that_no_root_holds_is_a_root_of_its_own(
    knowledge: Knowledge, handbook: Path
) -> None:
    (handbook.parent / "single.md").write_text("A file of its own.")
    knowledge.index(handbook.parent / "single.md")
    assert counts(knowledge.index(handbook)) == (3, 0, 0, 0, 0)
    roots = {root["name"]: root["documents"] for root in knowledge.registry.list_roots()}
    assert roots == {handbook.parent.name: 1, "handbook": 3}
    assert "policies/returns.md" in knowledge.registry.find_known("handbook")


def test_what_cannot_be_looked_at_is_recorded_until_it_is_mended(
    knowledge: Knowledge, handbook: Path
) -> None:
    (handbook / "dangling.md").symlink_to("nowhere.md")
    assert counts(knowledge.index(handbook)) == (3, 0, 0, 0, 1)
    [failure] = knowledge.registry.list_failures()
    assert (failure.path, failure.reason) == ("dangling.md", "it is a link to nothing")
    (handbook / "dangling.md").unlink()
    assert counts(knowledge.index(handbook)) == (0, 0, 0, 3, 0)
    assert knowledge.registry.list_failures() == []


def test_a_root_whose_name_is_not_unicode_or_too_long_has_a_way(
    knowledge: Knowledge, tmp_path: Path
) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    odd.mkdir()
    (odd / "a.md").write_text("Some words here.")
    assert counts(knowledge.index(odd)) == (1, 0, 0, 0, 0)
    (long := tmp_path / ("x" * 200)).mkdir()
    with pytest.raises(StoreError, match="--name"):
        knowledge.index(long)


def test_a_run_that_lost_its_lock_prunes_nothing(knowledge: Knowledge, handbook: Path) -> None:
    knowledge.index(handbook)
    (handbook / "faq.html").unlink()
    (handbook / "new.md").write_text("Something new to write.")
    killed: list[int] = []

    def kill_the_holder(progress: Progress) -> None:
        if progress.chunks and not killed:
            with knowledge.engine.connect() as connection:
                others = "SELECT id FROM information_schema.processlist WHERE command = 'Sleep'"
                killed.extend(connection.execute(sa.text(others)).scalars())
                for each in killed:
                    connection.execute(sa.text(f"KILL {int(each)}"))

    embedder = ChunkEmbedder(knowledge.embed_model, knowledge.cache)
    indexer = Indexer(knowledge.registry, embedder, on_progress=kill_the_holder)
    report = indexer.index(handbook, prune=True)
    assert killed
    assert (report.added, report.removed, report.missing) == (1, 0, 1)


def test_a_second_directory_of_the_same_name_is_refused_with_the_way_out(
    knowledge: Knowledge, handbook: Path, tmp_path: Path
) -> None:
    knowledge.index(handbook)
    twin = tmp_path / "copy" / "handbook"
    shutil.copytree(handbook, twin)
    with pytest.raises(RootConflict, match="--name"):
        knowledge.index(twin)
    assert counts(knowledge.index(twin, name="copy")) == (3, 0, 0, 0, 0)


def test_one_bad_file_stops_nothing_and_is_retried(knowledge: Knowledge, handbook: Path) -> None:
    bad = handbook / "broken.pdf"
    bad.write_bytes(b"%PDF-1.7\n\x00\xff broken")
    report = knowledge.index(handbook)
    assert counts(report) == (3, 0, 0, 0, 1)
    assert report.failed[0][0] == "broken.pdf"
    [failure] = knowledge.registry.list_failures()
    assert (failure.path, failure.reason) == report.failed[0]
    bad.unlink()
    (handbook / "broken.txt").write_text("Mended in another format.")
    assert counts(knowledge.index(handbook)) == (1, 0, 0, 3, 0)
    assert knowledge.registry.list_failures() == []


def test_a_file_that_failed_is_read_again_only_when_it_changed_or_on_request(
    knowledge: Knowledge, handbook: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (handbook / "noise.md").write_bytes(bytes(range(256)) * 4)
    first = knowledge.index(handbook)
    read: list[str] = []
    real = ReadWorker.read

    def spy(worker: ReadWorker, path: Path, start: Bookmark | None = None) -> ReadDocument:
        read.append(path.name)
        return real(worker, path, start)

    monkeypatch.setattr(ReadWorker, "read", spy)
    again = knowledge.index(handbook)
    assert (again.failed, again.unread, read) == (first.failed, 1, [])
    on_request = knowledge.index(handbook, scope=Scope(retry=True))
    assert (on_request.failed, on_request.unread, read) == (first.failed, 0, ["noise.md"])
    (handbook / "noise.md").write_text("Words by now.")
    assert counts(knowledge.index(handbook)) == (1, 0, 0, 3, 0)
    assert counts(knowledge.index(handbook)) == (0, 0, 0, 4, 0)


def test_only_what_no_run_has_told_before_is_new_trouble(
    knowledge: Knowledge, handbook: Path
) -> None:
    (handbook / "broken.pdf").write_bytes(b"%PDF")
    (handbook / "link.md").symlink_to("nowhere.md")
    assert knowledge.index(handbook).has_new_failures
    again = knowledge.index(handbook)
    assert (len(again.failed), again.has_new_failures) == (2, False)
    assert knowledge.index(handbook, scope=Scope(retry=True)).has_new_failures
    (handbook / "broken.pdf").write_bytes(b"%PDF-1.7")
    assert knowledge.index(handbook).has_new_failures


def test_programs_and_what_tools_make_are_counted_and_forgotten(
    knowledge: Knowledge, handbook: Path
) -> None:
    (handbook / "tool").mkdir()
    (handbook / "tool" / "notes.md").write_text("text")
    assert counts(knowledge.index(handbook)) == (4, 0, 0, 0, 0)
    (handbook / "tool").rename(handbook / "node_modules")
    (handbook / "run").write_bytes(b"\x7fELF" + bytes(99))
    (handbook / "data.db").write_bytes(b"SQLite format 3\0" + bytes(99))
    (handbook / "list.db").write_text("a list, in words")
    report = knowledge.index(handbook, prune=True)
    assert report.without_text == {"made by a tool": 1, "program": 1, "database": 1}
    assert counts(report) == (1, 0, 1, 3, 0)
    (handbook / "policies" / "pyvenv.cfg").write_text("home = /usr")
    assert counts(knowledge.index(handbook)) == (0, 0, 1, 3, 0)


def test_what_may_be_read_another_time_is_tried_again(
    knowledge: Knowledge, handbook: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_its_library(*_: object) -> ReadDocument:
        raise UnreadableNow("reading it needs a library")

    with monkeypatch.context() as patch:
        patch.setattr(ReadWorker, "read", without_its_library)
        assert len(knowledge.index(handbook).failed) == 3
    assert counts(knowledge.index(handbook)) == (3, 0, 0, 0, 0)


def test_only_some_files_are_looked_at_and_too_many_failures_end_the_reading(
    knowledge: Knowledge, handbook: Path
) -> None:
    for number in range(12):
        (handbook / f"noise{number:02}.md").write_bytes(bytes(range(256)) * (number + 1))
    one = knowledge.index(handbook, scope=Scope(only=["faq.html", "policies/returns.md"]))
    assert counts(one) == (2, 0, 0, 0, 0)
    assert {*knowledge.registry.find_known("handbook")} == {"faq.html", "policies/returns.md"}
    names = [f"noise{number:02}.md" for number in range(12)]
    few = knowledge.index(handbook, scope=Scope(only=names, most_failures=2))
    unread = [path for path, reason in few.failed if "was not read" in reason]
    assert len(few.failed) == 12
    assert len(unread) >= 5
    assert knowledge.index(handbook).unread == 12 - len(unread)


def test_a_named_file_that_is_gone_is_forgotten_and_no_failure(
    knowledge: Knowledge, handbook: Path
) -> None:
    knowledge.index(handbook)
    knowledge.registry.fail("handbook", "broken.md", "it could not be read")
    for name in ("faq.html", "délais.txt"):
        (handbook / name).unlink()
    names = ["faq.html", "broken.md", "never.md", "policies/returns.md"]
    assert counts(knowledge.index(handbook, scope=Scope(only=names))) == (0, 0, 1, 1, 0)
    assert {*knowledge.registry.find_known("handbook")} == {"délais.txt", "policies/returns.md"}
    assert knowledge.found_by_words("support") == []


def test_a_named_link_is_not_followed(knowledge: Knowledge, handbook: Path) -> None:
    (handbook / "link.md").symlink_to("policies/returns.md")
    (handbook / "rules").symlink_to("policies")
    report = knowledge.index(handbook, scope=Scope(only=["link.md", "rules/returns.md"]))
    reason = "it is a link"
    assert report.failed == [("link.md", reason), ("rules/returns.md", reason)]


def test_secrets_are_passed_over_and_forgotten_if_they_were_indexed(
    knowledge: Knowledge, handbook: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (handbook / "old config.txt").write_text("llm:\n  api_key: sk-canary\n")
    (handbook / "policies" / "server.pem").write_text("canary of a key")
    (handbook / "prod.env").write_text("PASSWORD=canary")
    with monkeypatch.context() as earlier:
        for module in ("content_hash", "walk"):
            earlier.setattr(f"kb.indexing.{module}.why_secret", lambda *_: None)
        assert counts(knowledge.index(handbook)) == (6, 0, 0, 0, 0)
    assert len(knowledge.found_by_words("canary")) == 3
    (handbook / ".kbignore").write_text("prod.env")
    report = knowledge.index(handbook)
    assert counts(report) == (0, 0, 3, 3, 0)
    assert [path for path, _ in report.passed_over] == ["policies/server.pem", "old config.txt"]
    assert knowledge.found_by_words("canary") == []
    alone = knowledge.index(handbook / "old config.txt")
    assert (counts(alone), len(alone.passed_over)) == ((0, 0, 0, 0, 0), 1)


def test_files_with_other_names_elsewhere_are_told(
    knowledge: Knowledge, handbook: Path, tmp_path: Path
) -> None:
    os.link(handbook / "faq.html", tmp_path / "elsewhere.html")
    os.link(handbook / "délais.txt", handbook / "deadlines.txt")
    report = knowledge.index(handbook)
    assert (report.added, report.hard_linked) == (4, ["faq.html"])


def test_a_good_file_that_turns_to_noise_keeps_its_last_good_version(
    knowledge: Knowledge, handbook: Path
) -> None:
    knowledge.index(handbook)
    good = (handbook / "délais.txt").read_bytes()
    (handbook / "délais.txt").write_bytes(os.urandom(5000))
    report = knowledge.index(handbook, prune=True)
    assert counts(report) == (0, 0, 0, 2, 1)
    assert knowledge.found_by_words("Liège") == ["délais.txt"]
    (handbook / "délais.txt").write_bytes(good)
    assert counts(knowledge.index(handbook)) == (0, 1, 0, 2, 0)
    assert knowledge.registry.list_failures() == []


def test_a_nan_from_the_model_fails_its_document_and_no_other(
    knowledge: Knowledge, handbook: Path
) -> None:
    class Sometimes(HashEmbedding):
        def _get_text_embedding(self, text: str) -> list[float]:
            nan = [float("nan")] * self.dimensions
            return nan if "support" in text else super()._get_text_embedding(text)

    knowledge.embed_model = Sometimes()
    report = knowledge.index(handbook)
    assert counts(report) == (2, 0, 0, 0, 1)
    assert "NaN" in report.failed[0][1]


def test_a_model_that_answers_too_few_vectors_stops_the_run_and_loses_nothing(
    knowledge: Knowledge, handbook: Path
) -> None:
    knowledge.index(handbook)
    before = knowledge.state()

    class Short(HashEmbedding):
        def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
            return super()._get_text_embeddings(texts)[1:]

    knowledge.embed_model = Short()
    (handbook / "faq.html").write_text("<p>New words.</p>")
    with pytest.raises(ModelUnavailable, match="1 texts with 0 vectors"):
        knowledge.index(handbook)
    assert knowledge.state() == before


def test_two_runs_on_one_directory_at_once_end_as_one(
    knowledge: Knowledge, handbook: Path, database: sa.URL
) -> None:
    for number in range(30):
        (handbook / f"note{number}.md").write_text(f"# Note {number}\n\nText of note {number}.\n")
    reports: list[IndexReport] = []
    threads = [
        threading.Thread(target=lambda: reports.append(knowledge.index(handbook))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(report.added for report in reports) == [0, 33]
    assert len(knowledge.store.get_nodes()) == 33


def test_a_run_that_waits_for_another_one_can_be_stopped(
    knowledge: Knowledge, handbook: Path
) -> None:
    class Stopped(Exception):
        pass

    said: list[str] = []
    shown: list[Progress] = []

    def stop_later(progress: Progress) -> None:
        shown.append(progress)
        if len(shown) == 2:
            raise Stopped

    embedder = ChunkEmbedder(knowledge.embed_model, knowledge.cache)
    indexer = Indexer(knowledge.registry, embedder, stop_later, said.append)
    hold = knowledge.registry.hold_root("handbook", lambda: None)
    with ThreadPoolExecutor(1) as threads, hold:
        waiting = threads.submit(indexer.index, handbook)
        with pytest.raises(Stopped):
            waiting.result(10)
    assert shown == [Progress(0, 0, 0)] * 2
    assert said == ["Another run is indexing 'handbook'; waiting until it is done."]
    assert knowledge.registry.list_roots() == []


RUN = textwrap.dedent("""
    import sys
    from pathlib import Path
    from kb.indexing.embed import ChunkEmbedder
    from kb.indexing.indexing_run import Indexer
    from stores.connection import make_engine
    from knowledge import Knowledge

    knowledge = Knowledge(make_engine(sys.argv[1]))
    embedder = ChunkEmbedder(knowledge.embed_model, knowledge.cache)
    tell = lambda progress: progress.files and print(progress.files, flush=True)
    Indexer(knowledge.registry, embedder, on_progress=tell).index(Path(sys.argv[2]))
    input("wait to be killed")
""")


def start_run(database: sa.URL, root: Path) -> "subprocess.Popen[str]":
    here = Path(__file__).parent
    return subprocess.Popen(
        [sys.executable, "-c", RUN, database.render_as_string(hide_password=False), str(root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": f"{here}:{here.parent}"},
    )


def many_notes(root: Path, version: str, count: int = 24) -> None:
    root.mkdir(exist_ok=True)
    for number in range(count):
        paragraphs = "\n\n".join(f"{version} {number} part {part}. " * 30 for part in range(4))
        (root / f"note{number:02}.md").write_text(f"# Note {number}\n\n{paragraphs}\n")


@pytest.mark.slow
@pytest.mark.parametrize("written", [1, 70])
def test_a_killed_run_loses_nothing_and_the_next_one_finishes_the_work(
    knowledge: Knowledge, database: sa.URL, tmp_path: Path, written: int
) -> None:
    root, count = tmp_path / "notes", 150  # which take several transactions
    many_notes(root, "old", count)
    knowledge.index(root)
    many_notes(root, "new", count)
    with start_run(database, root) as process:
        assert process.stdout
        has_come = any(int(line) >= written for line in process.stdout)
        process.kill()
    assert has_come, "the run ended before it was killed"
    texts_of = _versions(knowledge)
    assert {"old"} < set.union(*texts_of.values()), "the run was killed after its work"
    assert all(len(versions) == 1 for versions in texts_of.values()), "a document is mixed"
    assert len(texts_of) == count
    knowledge.index(root)
    state = knowledge.state()
    knowledge.store.clear()
    with knowledge.engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM kb_document"))
    knowledge.index(root)
    assert state == knowledge.state(), "not what an uninterrupted run leaves"


def _versions(knowledge: Knowledge) -> dict[str, set[str]]:
    versions: dict[str, set[str]] = {}
    for node in knowledge.store.get_nodes():
        versions.setdefault(node.metadata["path"], set()).add(node.get_content().split()[-4])
    return versions


def test_a_run_survives_the_death_of_the_server(
    knowledge: Knowledge, server: PrivateServer, tmp_path: Path
) -> None:
    root = tmp_path / "notes"
    many_notes(root, "only")
    killed: list[int] = []

    def kill_once(progress: Progress) -> None:
        pid = server.status().pid
        if progress.files == 3 and not killed and pid:
            killed.append(pid)
            os.kill(pid, 9)

    embedder = ChunkEmbedder(knowledge.embed_model, knowledge.cache)
    report = Indexer(knowledge.registry, embedder, on_progress=kill_once).index(root)
    assert killed
    assert server.status().pid not in (None, killed[0])
    assert counts(report) == (24, 0, 0, 0, 0)
    assert set(_versions(knowledge)) == {f"note{number:02}.md" for number in range(24)}
