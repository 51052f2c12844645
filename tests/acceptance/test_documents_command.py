"""What is indexed: listed, shown, removed, read again, and forgotten root by root."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from llama_index.core.schema import Document
from typer.testing import CliRunner

from kb import KnowledgeBase, RootConflict, StoreError
from kb.cli import app

NOISE = bytes(range(256)) * 8


@pytest.fixture
def handbook(tmp_path):
    root = tmp_path / "handbook"
    (root / "policies").mkdir(parents=True)
    (root / "policies" / "returns.md").write_text("# Returns\n\nThirty days.\n\n## Whole\n\nYes.\n")
    (root / "faq.md").write_text("---\nlanguage: en\n---\n# FAQ\n\nAsk the support team.\n")
    (root / "noise.md").write_bytes(NOISE)
    return root


@pytest.fixture
def kb(indexed_shop, handbook, monkeypatch):
    """A command in this process, over a knowledge base that holds the handbook too."""
    monkeypatch.chdir(indexed_shop.folder)
    monkeypatch.setenv("KB_HOME", str(indexed_shop.home))
    run = lambda *arguments, **options: CliRunner().invoke(app, arguments, **options)  # noqa: E731 - a fixture
    assert run("index", str(handbook)).exit_code == 3
    yield run
    run("documents", "forget", "handbook", "--yes")


def listed(kb, *options):
    return json.loads(kb("documents", "list", "--root", "handbook", "--json", *options).stdout)


def test_documents_are_listed_by_root_by_state_and_by_page(kb):
    everything = listed(kb)
    assert [each["path"] for each in everything["documents"]] == [
        "faq.md",
        "noise.md",
        "policies/returns.md",
    ]
    assert (everything["total"], everything["offset"]) == (3, 0)
    [failed] = listed(kb, "--failed")["documents"]
    assert (failed["path"], failed["status"], bool(failed["reason"])) == (
        "noise.md",
        "failed",
        True,
    )
    second = listed(kb, "--limit", "1", "--offset", "1")
    assert ([each["path"] for each in second["documents"]], second["total"]) == (["noise.md"], 3)
    assert [each["path"] for each in listed(kb, "--search", "Returns")["documents"]] == [
        "policies/returns.md"
    ]
    shown = kb("documents", "list", "--root", "handbook", "--limit", "2").stdout
    assert "handbook/faq.md" in shown
    assert "1 to 2 of 3" in shown
    assert failed["reason"] in shown
    assert kb("documents", "list", "--root", "nowhere").stdout == "No documents.\n"


def test_groups_of_a_document_are_shown_and_refused_without_access(kb):
    assert kb("documents", "groups", "handbook/faq.md").stdout == "It was given no groups.\n"
    shown = json.loads(kb("documents", "groups", "handbook/faq.md", "--json").stdout)
    assert shown == {"root": "handbook", "path": "faq.md", "groups": []}
    refused = kb("documents", "groups", "handbook/faq.md", "hr")
    assert refused.exit_code == 1
    assert "Write `access`" in refused.stderr
    assert kb("documents", "groups", "handbook/faq.md", "hr", "--none").exit_code == 2


def test_a_document_is_shown_with_its_passages(kb, handbook):
    shown = json.loads(kb("documents", "show", "handbook/policies/returns.md", "--json").stdout)
    assert (shown["title"], shown["chunks"]) == ("Returns", len(shown["passages"]))
    assert shown["file"] == str(handbook / "policies" / "returns.md")
    assert shown["passages"][0]["id"] == f"{shown['id']}:00000"
    assert "Thirty days." in shown["passages"][0]["text"]
    text = kb("documents", "show", "handbook/policies/returns.md").stdout
    assert "Thirty days." in text
    assert "lines 1-" in text
    assert "Not read:" in kb("documents", "show", "handbook/noise.md").stdout
    unknown = kb("documents", "show", "handbook/other.md")
    assert (unknown.exit_code, "kb documents list" in unknown.stderr) == (1, True)


def test_a_removed_document_comes_back_with_the_next_run(kb, handbook):
    removed = kb("documents", "remove", "handbook/faq.md", "handbook/noise.md")
    assert (removed.exit_code, "handbook/faq.md" in removed.stdout) == (0, True)
    assert "The next run over its directory indexes what is still there." in removed.stderr
    assert [each["path"] for each in listed(kb)["documents"]] == ["policies/returns.md"]
    assert (handbook / "faq.md").exists()
    assert kb("documents", "remove", "handbook/faq.md").exit_code == 1
    report = json.loads(kb("index", str(handbook), "--json").stdout)
    assert (report["added"], report["unchanged"]) == (1, 1)
    (handbook / ".kbignore").write_text("faq.md\n")
    assert kb("documents", "remove", "handbook/faq.md", "--json").exit_code == 0
    assert json.loads(kb("index", str(handbook), "--json").stdout)["added"] == 0


def test_what_failed_is_read_again_all_or_named(kb, handbook):
    again = kb("documents", "retry", "--root", "handbook", "--json")
    [report] = json.loads(again.stdout)
    assert (report["root"], report["unread"], len(report["failed"])) == ("handbook", 0, 1)
    assert again.exit_code == 3
    (handbook / "noise.md").write_text("Words by now.")
    done = kb("documents", "retry", "handbook/noise.md")
    assert (done.exit_code, "1 added" in done.stdout) == (0, True)
    assert kb("documents", "retry", "--root", "handbook").stdout == "Nothing has failed.\n"
    assert kb("documents", "retry", "handbook/faq.md", "--root", "handbook").exit_code == 2
    (handbook / "noise.md").write_bytes(NOISE)
    kb("index", str(handbook))
    handbook.rename(handbook.parent / "away")
    lost = kb("documents", "retry", "--root", "handbook")
    assert (lost.exit_code, "the directory of its root is not there" in lost.stdout) == (3, True)


def test_documents_of_a_database_of_an_earlier_kb_are_removed_and_forgotten_first_of_all(kb):
    """Its chunks have no postings of their own: an earlier kb left their words to FULLTEXT."""
    for command in (("remove", "handbook/faq.md"), ("forget", "handbook", "--yes")):
        with KnowledgeBase.open() as knowledge_base, knowledge_base.components.engine.begin() as c:
            c.exec_driver_sql("DROP TABLE kb_chunk_term, kb_chunk_fresh, kb_chunk_gone")
            c.exec_driver_sql("ALTER TABLE kb_chunk DROP COLUMN block")
        done = kb("documents", *command)
        assert done.exit_code == 0, done.stderr
    assert listed(kb)["total"] == 0
    assert kb("search", "return a machine").exit_code == 0


def test_a_root_is_forgotten_when_somebody_says_so(kb, handbook):
    asked = kb("documents", "forget", "handbook", input="n\n")
    assert (asked.exit_code, "Forget handbook with 3 documents?" in asked.stderr) == (1, True)
    assert listed(kb)["total"] == 3
    forgotten = kb("documents", "forget", "handbook", "--yes", "--json")
    assert json.loads(forgotten.stdout) == {"root": "handbook", "removed": 3}
    assert listed(kb)["total"] == 0
    state = json.loads(kb("status", "--json").stdout)
    assert "handbook" not in [root["name"] for root in state["roots"]]
    unknown = kb("documents", "forget", "handbook", "--yes")
    assert (unknown.exit_code, "The roots are docs" in unknown.stderr) == (1, True)
    assert (handbook / "faq.md").exists()
    assert kb("index", str(handbook)).stdout.startswith("Documents: 2 added, 1 failed.")


@pytest.mark.usefixtures("kb")
def test_python_has_the_same_words(handbook):
    with KnowledgeBase.open() as knowledge_base:
        paths = [each.path for each in knowledge_base.list_documents(root="handbook")]
        assert paths == ["faq.md", "noise.md", "policies/returns.md"]
        [failed] = knowledge_base.list_documents(root="handbook", status="failed")
        shown = knowledge_base.show_document("handbook/faq.md")
        assert (shown.file, len(shown.passages)) == (handbook / "faq.md", 1)
        assert knowledge_base.remove_document("handbook/faq.md") is False
        with pytest.raises(StoreError, match="no document"):
            knowledge_base.remove_document("handbook/faq.md")
        [report] = knowledge_base.retry_documents(root="handbook")
        assert report.failed == [(failed.path, failed.reason)]
        assert knowledge_base.forget_root("handbook") == 2
        assert knowledge_base.list_documents(root="handbook") == []


def test_what_a_program_adds_has_a_root_without_a_directory(kb):
    with KnowledgeBase.open() as knowledge_base:
        page = Document(id_="space/returns", text="The wiki says thirty days.")
        assert knowledge_base.add([page], root="wiki").added == 1
        assert knowledge_base.search("wiki thirty days")[0].metadata["root"] == "wiki"
        with pytest.raises(RootConflict, match="uploaded"):
            knowledge_base.add([page], root="uploads")
        knowledge_base.add([Document(id_="empty", text="")], root="wiki")
    assert "none; added by a program" in kb("status").stdout
    assert "wiki/space/returns" in kb("documents", "list").stdout
    assert "add it again" in kb("documents", "retry", "--root", "wiki").stdout
    assert kb("doctor").exit_code == 0
    assert kb("documents", "forget", "wiki", "--yes").exit_code == 0


@pytest.mark.usefixtures("kb")
def test_commands_that_only_look_and_remove_import_no_llama_index():
    script = (
        "import sys\n"
        "from kb.cli import app\n"
        "for words in (['list'], ['show', 'handbook/faq.md'], ['remove', 'handbook/faq.md'],\n"
        "              ['forget', 'handbook', '--yes']):\n"
        "    assert app(['documents', *words], standalone_mode=False) is None\n"
        "assert [name for name in sys.modules if name.startswith('llama_index')] == []\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert "handbook is forgotten, with 2 documents." in done.stdout
