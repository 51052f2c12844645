"""Files that go, move, come back, or vanish while they are read; directories that are renamed."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from knowledge import Knowledge, counts, write_handbook
from sample_files import zip_file

from kb.indexing.document import ReadDocument, UnreadableNow
from kb.indexing.embed import ChunkEmbedder
from kb.indexing.indexing_run import Indexer, Scope
from kb.indexing.report import Change
from kb.indexing.worker import ReadWorker
from stores.errors import RootConflict


@pytest.fixture
def knowledge(engine: sa.Engine) -> Knowledge:
    return Knowledge(engine)


@pytest.fixture
def handbook(tmp_path: Path) -> Path:
    return write_handbook(tmp_path)


def answering(knowledge: Knowledge, root: str = "handbook") -> set[str]:
    return {
        node.metadata["path"]
        for node in knowledge.store.get_nodes()
        if node.metadata["root"] == root
    }


def chunk_ids(knowledge: Knowledge) -> dict[str, str]:
    return {node.node_id: node.metadata["path"] for node in knowledge.store.get_nodes()}


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that were read, as long as the test goes on."""
    names: list[str] = []
    real = ReadWorker.read

    def spy(worker: ReadWorker, path: Path, *_: Any) -> ReadDocument:
        names.append(path.name)
        return real(worker, path)

    monkeypatch.setattr(ReadWorker, "read", spy)
    return names


# Gone ---------------------------------------------------------------------------------------------


def test_what_cannot_be_looked_at_is_not_gone(
    knowledge: Knowledge, handbook: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    knowledge.index(handbook)
    real = os.scandir

    def refuse(path: Path | int) -> Any:
        if isinstance(path, Path) and path.name == "policies":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr("kb.indexing.walk.os.scandir", refuse)
    report = knowledge.index(handbook)
    assert counts(report) == (0, 0, 0, 2, 1)
    assert "policies/returns.md" in answering(knowledge)


def test_a_file_that_became_a_link_is_not_gone(knowledge: Knowledge, handbook: Path) -> None:
    knowledge.index(handbook)
    (handbook / "faq.html").unlink()
    (handbook / "faq.html").symlink_to("/nowhere/faq.html")
    assert counts(knowledge.index(handbook)) == (0, 0, 0, 2, 1)
    assert "faq.html" in answering(knowledge)


def test_an_emptied_directory_keeps_its_documents_until_it_is_pruned(
    knowledge: Knowledge, handbook: Path
) -> None:
    knowledge.index(handbook)
    shutil.rmtree(handbook)
    handbook.mkdir()
    report = knowledge.index(handbook)
    assert (counts(report), report.missing, report.emptied) == ((0, 0, 0, 0, 0), 3, True)
    assert len(answering(knowledge)) == 3
    report = knowledge.index(handbook, prune=True)
    assert (counts(report), report.missing, report.emptied) == ((0, 0, 3, 0, 0), 0, False)
    assert answering(knowledge) == set()


def test_one_file_that_is_left_says_that_the_others_are_gone(
    knowledge: Knowledge, handbook: Path
) -> None:
    knowledge.index(handbook)
    shutil.rmtree(handbook / "policies")
    (handbook / "faq.html").unlink()
    report = knowledge.index(handbook)
    assert sorted(report.removed_paths) == ["faq.html", "policies/returns.md"]


def test_a_named_file_or_folder_says_nothing_of_others(
    knowledge: Knowledge, handbook: Path
) -> None:
    knowledge.index(handbook)
    (handbook / "délais.txt").unlink()
    (handbook / "policies" / "returns.md").unlink()
    assert counts(knowledge.index(handbook / "faq.html")) == (0, 0, 0, 1, 0)
    report = knowledge.index(handbook / "policies")
    assert report.removed_paths == ["policies/returns.md"]
    assert answering(knowledge) == {"délais.txt", "faq.html"}


def test_a_folder_that_failed_is_read_again_by_its_name(
    knowledge: Knowledge, handbook: Path
) -> None:
    knowledge.registry.fail("handbook", "policies", "the directory is unreadable")
    knowledge.registry.set_root("handbook", str(handbook))
    report = knowledge.index(handbook, name="handbook", scope=Scope(only=["policies"], retry=True))
    assert (counts(report), report.removed_paths) == ((1, 0, 0, 0, 0), [])
    assert knowledge.registry.list_failures() == []


# Files that vanish in the course of a run ---------------------------------------------------------


def test_a_file_that_vanishes_while_it_is_read_is_gone_and_no_failure(
    knowledge: Knowledge, handbook: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    knowledge.index(handbook)
    (handbook / "faq.html").write_text("<p>Other words.</p>")
    (handbook / "new.md").write_text("Something new.")
    real = ReadWorker.read

    def read_too_late(worker: ReadWorker, path: Path, *_: Any) -> ReadDocument:
        path.unlink()
        return real(worker, path)

    with monkeypatch.context() as patch:
        patch.setattr(ReadWorker, "read", read_too_late)
        report = knowledge.index(handbook)
    assert (report.failed, report.removed_paths) == ([], ["faq.html"])
    assert knowledge.registry.list_failures() == []
    assert "new.md" not in knowledge.registry.find_known("handbook")


def test_a_file_that_vanishes_after_it_was_read_is_gone_and_no_failure(
    knowledge: Knowledge, handbook: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = ReadWorker.read

    def lose(worker: ReadWorker, path: Path, *_: Any) -> ReadDocument:
        document = real(worker, path)
        path.unlink()
        return document

    with monkeypatch.context() as patch:
        patch.setattr(ReadWorker, "read", lose)
        report = knowledge.index(handbook)
    assert counts(report) == (0, 0, 0, 0, 0)
    assert knowledge.registry.find_known("handbook") == {}


def test_a_file_that_vanishes_before_it_is_compared_is_gone_and_no_failure(
    knowledge: Knowledge, handbook: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    knowledge.index(handbook)

    def lose(path: Path) -> tuple[str, None]:
        path.unlink()
        raise FileNotFoundError(2, "No such file or directory", str(path))

    with monkeypatch.context() as patch:
        patch.setattr("kb.indexing.indexing_run.inspect_file", lose)
        named = knowledge.index(handbook, name="handbook", scope=Scope(only=["faq.html"]))
        alone = knowledge.index(handbook / "délais.txt")
    assert (named.failed, named.removed_paths) == ([], ["faq.html"])
    assert (alone.failed, alone.removed_paths) == ([], ["délais.txt"])


def test_files_of_a_disk_that_is_unmounted_meanwhile_are_not_gone(
    knowledge: Knowledge, handbook: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    knowledge.index(handbook)
    for path in ("faq.html", "délais.txt", "policies/returns.md"):
        (handbook / path).write_text(f"Other words: {path}")
    real = ReadWorker.read

    def unmount(worker: ReadWorker, path: Path, *_: Any) -> ReadDocument:
        if handbook.stat().st_ino == inode:
            handbook.rename(handbook.parent / "unmounted")
            handbook.mkdir()
        return real(worker, path)

    inode = handbook.stat().st_ino
    monkeypatch.setattr(ReadWorker, "read", unmount)
    report = knowledge.index(handbook)
    assert (len(report.failed), report.removed_paths) == (3, [])
    assert len(answering(knowledge)) == 3


def test_no_reason_names_a_place_of_this_machine(
    knowledge: Knowledge, handbook: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> tuple[str, None]:
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patch:
        patch.setattr("kb.indexing.indexing_run.inspect_file", refuse)
        assert len(knowledge.index(handbook).failed) == 3

    def refuse_now(worker: ReadWorker, path: Path, *_: Any) -> ReadDocument:
        raise PermissionError(13, "Permission denied", str(path))

    reasons = {failure.reason for failure in knowledge.registry.list_failures()}
    with monkeypatch.context() as patch:
        patch.setattr(ReadWorker, "read", refuse_now)
        knowledge.index(handbook)
    reasons |= {failure.reason for failure in knowledge.registry.list_failures()}
    assert reasons == {"cannot be read: Permission denied"}


# Moved --------------------------------------------------------------------------------------------


def test_a_moved_file_keeps_its_identity_and_costs_nothing(
    knowledge: Knowledge, handbook: Path, read: list[str]
) -> None:
    knowledge.index(handbook)
    before, embedded = chunk_ids(knowledge), len(knowledge.embed_model.embedded)
    read.clear()
    (handbook / "archive").mkdir()
    (handbook / "policies" / "returns.md").rename(handbook / "archive" / "returns 2026.md")
    report = knowledge.index(handbook)
    assert (counts(report), report.chunks) == ((0, 0, 0, 2, 0), 0)
    assert report.moved == [("policies/returns.md", "archive/returns 2026.md")]
    assert (read, len(knowledge.embed_model.embedded)) == ([], embedded)
    after = chunk_ids(knowledge)
    assert after.keys() == before.keys()
    [chunk] = [each for each in before if before[each] == "policies/returns.md"]
    assert after[chunk] == "archive/returns 2026.md"
    assert knowledge.found_by_words("unopened") == ["archive/returns 2026.md"]
    assert counts(knowledge.index(handbook)) == (0, 0, 0, 3, 0)


def test_a_moved_folder_moves_all_of_its_documents(
    knowledge: Knowledge, handbook: Path, read: list[str]
) -> None:
    (handbook / "policies" / "copy.md").write_text("---\ntitle: Another\n---\nSixty days.")
    knowledge.index(handbook)
    read.clear()
    (handbook / "policies").rename(handbook / "rules")
    report = knowledge.index(handbook)
    assert sorted(report.moved) == [
        ("policies/copy.md", "rules/copy.md"),
        ("policies/returns.md", "rules/returns.md"),
    ]
    assert (report.removed, report.added, read) == (0, 0, [])


def test_a_name_that_says_the_title_or_the_format_is_read_again_as_the_same_document(
    knowledge: Knowledge, handbook: Path, read: list[str]
) -> None:
    knowledge.index(handbook)
    before = chunk_ids(knowledge)
    read.clear()
    (handbook / "délais.txt").rename(handbook / "livraison-express.txt")
    (handbook / "policies" / "returns.md").rename(handbook / "returns.txt")
    report = knowledge.index(handbook)
    assert (counts(report), len(report.moved)) == ((0, 2, 0, 1, 0), 2)
    assert sorted(read) == ["livraison-express.txt", "returns.txt"]
    assert chunk_ids(knowledge).keys() == before.keys()
    titles = {node.metadata["path"]: node.metadata["title"] for node in knowledge.store.get_nodes()}
    assert titles["livraison-express.txt"] == "livraison express"
    assert knowledge.found_by_words("express") == ["livraison-express.txt"]


def test_a_run_that_ends_after_the_move_reads_the_new_name_the_next_time(
    knowledge: Knowledge, handbook: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    knowledge.index(handbook)
    (handbook / "délais.txt").rename(handbook / "livraison.txt")

    def stop(worker: ReadWorker, path: Path, *_: Any) -> ReadDocument:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ReadWorker, "read", stop)
        with pytest.raises(KeyboardInterrupt):
            knowledge.index(handbook)
    assert knowledge.found_by_words("Liège") == ["livraison.txt"]
    assert counts(knowledge.index(handbook)) == (0, 1, 0, 2, 0)
    assert counts(knowledge.index(handbook)) == (0, 0, 0, 3, 0)


def test_a_new_file_at_the_former_path_is_a_document_of_its_own(
    knowledge: Knowledge, handbook: Path
) -> None:
    knowledge.index(handbook)
    (handbook / "faq.html").rename(handbook / "old.html")
    knowledge.index(handbook)
    (handbook / "faq.html").write_text("<title>FAQ</title><p>Other words.</p>")
    (handbook / "faq.md").write_bytes(bytes(range(256)) * 4)
    assert counts(knowledge.index(handbook)) == (1, 0, 0, 3, 1)
    assert counts(knowledge.index(handbook)) == (0, 0, 0, 4, 1)
    (handbook / "faq.html").write_bytes(bytes(range(256)) * 4)
    knowledge.index(handbook)
    assert {failure.path for failure in knowledge.registry.list_failures()} == {
        "faq.html",
        "faq.md",
    }
    (handbook / "faq.html").unlink()
    assert knowledge.index(handbook).removed_paths == ["faq.html"]
    assert knowledge.found_by_words("support") == ["old.html"]
    assert knowledge.found_by_words("other") == []


def test_a_copy_moves_nothing_and_of_two_new_ones_that_of_the_same_name_is_the_document(
    knowledge: Knowledge, handbook: Path
) -> None:
    knowledge.index(handbook)
    shutil.copy(handbook / "faq.html", handbook / "copy.html")
    report = knowledge.index(handbook)
    assert (counts(report), report.moved) == ((1, 0, 0, 3, 0), [])
    shutil.copy(handbook / "policies" / "returns.md", handbook / "a.md")
    (handbook / "policies" / "returns.md").rename(handbook / "returns.md")
    report = knowledge.index(handbook)
    assert (counts(report), report.moved) == (
        (1, 0, 0, 3, 0),
        [("policies/returns.md", "returns.md")],
    )


def test_a_move_is_followed_though_what_is_gone_is_kept(
    knowledge: Knowledge, handbook: Path
) -> None:
    knowledge.index(handbook)
    (handbook / "faq.html").rename(handbook / "questions.html")
    (handbook / "délais.txt").unlink()
    report = knowledge.index(handbook, keep=True)
    assert report.moved == [("faq.html", "questions.html")]
    assert report.missing_paths == ["délais.txt"]


def test_a_moved_archive_takes_the_paths_inside_along(knowledge: Knowledge, tmp_path: Path) -> None:
    (folder := tmp_path / "docs").mkdir()
    zip_file(folder / "all.zip", {"notes/a.md": "# A\n\nApples."})
    knowledge.index(folder)
    assert knowledge.found_by_words("apples") == ["all.zip/notes/a.md"]
    (folder / "all.zip").rename(folder / "old.zip")
    assert knowledge.index(folder).moved == [("all.zip", "old.zip")]
    assert knowledge.found_by_words("apples") == ["old.zip/notes/a.md"]


def test_a_secret_name_is_no_move(knowledge: Knowledge, handbook: Path) -> None:
    knowledge.index(handbook)
    (handbook / "faq.html").rename(handbook / "faq.env")
    report = knowledge.index(handbook)
    assert (report.moved, report.removed_paths) == ([], ["faq.html"])
    assert [path for path, _ in report.passed_over] == ["faq.env"]


# Directories that are renamed, and names ----------------------------------------------------------


def index_and_hear(knowledge: Knowledge, path: Path, **options: Any) -> tuple[Any, list[str]]:
    said: list[str] = []
    embedder = ChunkEmbedder(knowledge.embed_model, knowledge.cache)
    return Indexer(knowledge.registry, embedder, say=said.append).index(path, **options), said


def test_a_renamed_directory_is_known_by_its_documents(
    knowledge: Knowledge, handbook: Path, read: list[str]
) -> None:
    knowledge.index(handbook)
    before = knowledge.state()
    read.clear()
    manual = handbook.rename(handbook.parent / "manual")
    report, said = index_and_hear(knowledge, manual)
    assert (counts(report), report.root, read) == ((0, 0, 0, 3, 0), "handbook", [])
    assert (knowledge.state(), knowledge.registry.find_root_path("handbook")) == (
        before,
        str(manual),
    )
    assert len(said) == 1
    assert "the documents of handbook" in said[0]
    assert counts(knowledge.index(manual / "faq.html")) == (0, 0, 0, 1, 0)
    assert [root["name"] for root in knowledge.registry.list_roots()] == ["handbook"]


def test_a_file_of_a_renamed_directory_is_a_file_of_its_root(
    knowledge: Knowledge, handbook: Path
) -> None:
    knowledge.index(handbook)
    manual = handbook.rename(handbook.parent / "manual")
    report = knowledge.index(manual / "faq.html")
    assert (counts(report), report.root) == ((0, 0, 0, 1, 0), "handbook")


def test_another_directory_is_no_renamed_one(
    knowledge: Knowledge, handbook: Path, tmp_path: Path
) -> None:
    knowledge.index(handbook)
    (other := tmp_path / "other").mkdir()
    shutil.copy(handbook / "faq.html", other)
    (other / "note.md").write_text("Something else.")
    shutil.rmtree(handbook)
    report, said = index_and_hear(knowledge, other)
    assert (counts(report), report.root, said) == ((2, 0, 0, 0, 0), "other", [])
    assert len(answering(knowledge)) == 3


def test_a_directory_that_is_there_is_not_renamed(knowledge: Knowledge, handbook: Path) -> None:
    knowledge.index(handbook)
    shutil.copytree(handbook, twin := handbook.parent / "twin")
    report, said = index_and_hear(knowledge, twin)
    assert (counts(report), report.root, said) == ((3, 0, 0, 0, 0), "twin", [])


def test_another_directory_of_the_name_of_a_lost_one_removes_nothing(
    knowledge: Knowledge, handbook: Path, tmp_path: Path
) -> None:
    knowledge.index(handbook)
    handbook.rename(tmp_path / "not mounted")
    (other := tmp_path / "elsewhere" / "handbook").mkdir(parents=True)
    (other / "faq.html").write_text("<p>Another project.</p>")
    with pytest.raises(RootConflict, match="--prune"):
        knowledge.index(other)
    assert len(answering(knowledge)) == 3
    assert counts(knowledge.index(other, prune=True)) == (0, 1, 2, 0, 0)


def test_a_directory_at_another_place_with_the_paths_of_the_former_is_the_same(
    knowledge: Knowledge, handbook: Path, tmp_path: Path
) -> None:
    knowledge.index(handbook)
    built = tmp_path / "second build" / "handbook"
    built.parent.mkdir()
    handbook.rename(built)
    for file in (built / "faq.html", built / "délais.txt", built / "policies" / "returns.md"):
        file.write_text(f"Built again: {file.name}")
    assert counts(knowledge.index(built)) == (0, 3, 0, 0, 0)


def test_a_directory_has_one_name(knowledge: Knowledge, handbook: Path, tmp_path: Path) -> None:
    knowledge.index(handbook, name="manual")
    with pytest.raises(RootConflict, match=r"'manual'.*kb documents forget manual"):
        knowledge.index(handbook, name="work")
    (link := tmp_path / "link").symlink_to(handbook)
    assert (knowledge.index(handbook).root, knowledge.index(link).root) == ("manual", "manual")
    assert counts(knowledge.index(handbook / "faq.html")) == (0, 0, 0, 1, 0)
    assert [root["name"] for root in knowledge.registry.list_roots()] == ["manual"]


def test_two_names_of_one_directory_are_told(knowledge: Knowledge, handbook: Path) -> None:
    knowledge.index(handbook)
    knowledge.registry.set_root("work", str(handbook))
    _, said = index_and_hear(knowledge, handbook)
    assert ["kb documents forget work" in each for each in said] == [True]


def test_a_file_below_a_name_that_is_taken_is_refused_with_a_way_for_the_file(
    knowledge: Knowledge, handbook: Path, tmp_path: Path
) -> None:
    knowledge.index(handbook)
    file = tmp_path / "copy" / "handbook" / "one.md"
    file.parent.mkdir(parents=True)
    file.write_text("One file.")
    with pytest.raises(RootConflict) as refused:
        knowledge.index(file)
    assert f"Give {file.parent} another name: kb index {file} --name NAME" in str(refused.value)


# What was touched ---------------------------------------------------------------------------------


def test_only_what_was_touched_is_compared(
    knowledge: Knowledge, handbook: Path, read: list[str]
) -> None:
    knowledge.index(handbook)
    read.clear()
    for name in ("faq.html", "délais.txt"):
        (handbook / name).write_text("Other words.")
    (handbook / "policies").rename(handbook / "rules")
    (handbook / ".hidden.md").write_text("Nobody asks for it.")
    names = ["faq.html", "policies", "rules", ".hidden.md"]
    changes: list[Change] = []
    embedder = ChunkEmbedder(knowledge.embed_model, knowledge.cache)
    indexer = Indexer(knowledge.registry, embedder, on_change=changes.append)
    report = indexer.index(handbook, scope=Scope(touched=[handbook / name for name in names]))
    assert (counts(report), read) == ((0, 1, 0, 0, 0), ["faq.html"])
    assert changes == [
        Change("moved", "rules/returns.md", "policies/returns.md"),
        Change("changed", "faq.html"),
    ]
    assert answering(knowledge) == {"faq.html", "délais.txt", "rules/returns.md"}


def test_what_may_be_read_later_but_is_still_there_is_a_failure(
    knowledge: Knowledge, handbook: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ended(worker: ReadWorker, path: Path, *_: Any) -> ReadDocument:
        raise UnreadableNow("the parser was ended from outside")

    monkeypatch.setattr(ReadWorker, "read", ended)
    assert len(knowledge.index(handbook).failed) == 3
