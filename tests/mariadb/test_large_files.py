"""A large file is one document for people, and several transactions for the database."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from fake_models import HashEmbedding
from knowledge import Knowledge, counts

from kb.indexing.embed import ChunkEmbedder
from kb.indexing.indexing_run import Indexer
from kb.indexing.reading_options import ReadingOptions
from kb.indexing.report import Progress
from stores.registry.document_list import DocumentList

READING = ReadingOptions(most_at_once=1000, part=4000)


@pytest.fixture
def knowledge(engine: sa.Engine) -> Knowledge:
    return Knowledge(engine, reading=READING)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "logs").mkdir()
    write_log(tmp_path / "logs", range(1000))
    return tmp_path / "logs"


def write_log(root: Path, numbers: range, word: str = "request") -> None:
    lines = (f"{word} number{at} was answered" for at in numbers)
    (root / "app.log").write_text("\n".join(lines) + "\n")


def stored_lines(knowledge: Knowledge) -> list[str]:
    """All lines that are stored, in the order of the chunks."""
    nodes = sorted(knowledge.store.get_nodes(), key=lambda node: node.node_id)
    return [line for node in nodes for line in node.get_content().splitlines()]


def expected(numbers: range, word: str = "request") -> list[str]:
    return [f"{word} number{at} was answered" for at in numbers]


def test_the_parts_of_a_file_are_one_document_with_its_own_lines(knowledge, root):
    report = knowledge.index(root)
    assert counts(report) == (1, 0, 0, 0, 0)
    assert stored_lines(knowledge) == expected(range(1000))
    (listed,), total = DocumentList(knowledge.engine).list_page()
    assert (listed.path, listed.chunks, total) == ("app.log", report.chunks, 1)
    assert listed.size == (root / "app.log").stat().st_size
    passages = DocumentList(knowledge.engine).list_passages(knowledge.store.table, listed)
    firsts = [int(str(passage.metadata["lines"]).partition("-")[0]) for passage in passages]
    assert firsts == sorted(firsts)
    (found,) = [p for p in passages if "number777 " in p.text]
    first, last = map(int, str(found.metadata["lines"]).split("-"))
    assert found.text.splitlines()[778 - first] == "request number777 was answered"
    assert first <= 778 <= last
    assert {passage.metadata["path"] for passage in passages} == {"app.log"}
    assert counts(knowledge.index(root)) == (0, 0, 0, 1, 0)


@pytest.mark.parametrize(
    ("numbers", "word"), [(range(1200), "request"), (range(300), "query"), (range(20), "short")]
)
def test_a_changed_file_leaves_nothing_of_the_one_before(knowledge, root, numbers, word):
    knowledge.index(root)
    write_log(root, numbers, word)
    assert counts(knowledge.index(root)) == (0, 1, 0, 0, 0)
    assert stored_lines(knowledge) == expected(numbers, word)
    assert bool(knowledge.found_by_words("request")) is (word == "request")
    (root / "app.log").unlink()
    (root / "other.txt").write_text("Still here.")
    assert counts(knowledge.index(root)) == (1, 0, 1, 0, 0)
    assert stored_lines(knowledge) == ["Still here."]


def test_a_run_that_ends_between_two_parts_loses_nothing_and_the_next_one_finishes(knowledge, root):
    write_log(root, range(6000))
    knowledge.index(root)
    write_log(root, range(6000), "query")

    def stop_in_the_middle(progress: Progress) -> None:
        if progress.chunks > 100:
            raise KeyboardInterrupt

    embedder = ChunkEmbedder(knowledge.embed_model, knowledge.cache)
    with pytest.raises(KeyboardInterrupt):
        Indexer(knowledge.registry, embedder, stop_in_the_middle, options=READING).index(root)
    lines = stored_lines(knowledge)
    words = [line.split()[0] for line in lines]
    assert {"query", "request"} == set(words)
    assert words == sorted(words)  # first what was replaced, then what was not
    assert len(knowledge.registry.find_known("logs")) == 1
    assert counts(knowledge.index(root)) == (0, 1, 0, 0, 0)
    assert stored_lines(knowledge) == expected(range(6000), "query")


class FailingEmbedding(HashEmbedding):
    """Gives what is no vector for one text."""

    def _get_text_embedding(self, text: str) -> list[float]:
        vector = super()._get_text_embedding(text)
        return [float("nan")] * len(vector) if "number500 " in text else vector


def test_a_part_that_cannot_be_written_ends_the_document_until_the_next_run(engine, root):
    knowledge = Knowledge(engine, FailingEmbedding(), READING)
    report = knowledge.index(root)
    ((path, reason),) = report.failed
    assert (path, report.added) == ("app.log", 0)
    assert "vector" in reason or "nan" in reason.lower()
    (failed,) = knowledge.registry.list_failures()
    assert failed.path == "app.log"
    knowledge.embed_model = HashEmbedding()
    assert counts(knowledge.index(root)) == (0, 1, 0, 0, 0)
    assert stored_lines(knowledge) == expected(range(1000))
