"""An export goes into any other base as it was, and never takes anything away there."""

import hashlib
import io
import json
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
import sqlalchemy as sa
import yaml
from killed import kill_at_points
from llama_index.core.schema import Document
from model_server import FakeModels
from typer.testing import CliRunner

from kb import KnowledgeBase, imports
from kb.assembly.access_rules import open_access_rules
from kb.cli import app
from kb.config.loading import load_config
from kb.exports import export_base
from kb.imports import import_base
from stores import make_engine
from stores.api_keys import ApiKeys
from stores.connection import run_transaction
from stores.errors import CollectionMismatch, ConfigError, RootConflict, StoreError
from stores.moves.take_in import Choices, ImportReport
from stores.private_server import PrivateServer
from stores.uploaded_files import UploadedFiles
from stores.verified_queries import Editor, VerifiedQuery

PARTS: Any = ("documents", "sessions", "verified")
QUESTIONS = ("sour coffee", "30 days", "what to return", "grind", "wiki page", "Invoices")
# Everything of a base that an export holds, less when it was written.
TABLES = {
    "kb_root": "name",
    "kb_document": "id, root, path, status, reason, content_hash, failed_hash, size, modified_at, "
    "media_type, title, language, chunks",
    "kb_chunk": "chunk_id, document_id, text, metadata, node, HEX(embedding), HEX(text_hash)",
    "kb_session": "*",
    "kb_turn": "*",
    "kb_message": "*",
    "kb_feedback": "session_id, turn_id, rating, comment, given_at",
    "kb_memory_default": "chunk_id, text, metadata, node, HEX(embedding)",
    "kb_verified_query": "name, origin, key_name, question, statement, parameters, verified_at",
    "kb_uploaded_file": "path, HEX(sha256), modified_at",
    "kb_upload_content": "HEX(sha256), bytes",
    "kb_upload_piece": "HEX(sha256), number, MD5(content)",
}


class Bases:
    """Knowledge bases with a database and a configuration of their own."""

    def __init__(self, server: PrivateServer, administration: sa.Engine, folder: Path) -> None:
        self.server, self.administration, self.folder = server, administration, folder
        self.engines: dict[Path, sa.Engine] = {}

    def configure(self, models: FakeModels, model: str = "fake", **more: Any) -> Path:
        name = f"test_{uuid4().hex[:12]}"
        with self.administration.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
        engine = make_engine(self.server.url(name))
        url = engine.url.render_as_string(hide_password=False)
        about = {"provider": "openai-like", "base_url": models.openai_url, "model": model}
        config = {"database": {"url": url}, "embedding": about, **more}
        file = self.folder / f"{name}.yaml"
        file.write_text(yaml.safe_dump(config), "utf-8")
        self.engines[file] = engine
        return file

    def read(self, config: Path) -> dict[str, list[str]]:
        """The rows that an export is to bring elsewhere."""
        with self.engines[config].connect() as connection:
            there = set(connection.exec_driver_sql("SHOW TABLES").scalars())
            return {
                table: sorted(
                    map(str, connection.exec_driver_sql(f"SELECT {columns} FROM {table}"))
                )
                for table, columns in TABLES.items()
                if table in there
            }

    def run(self, config: Path, statement: str) -> None:
        run_transaction(self.engines[config], lambda c: c.exec_driver_sql(statement))

    def close(self) -> None:
        for engine in self.engines.values():
            engine.dispose()
            with self.administration.connect() as connection:
                connection.exec_driver_sql(f"DROP DATABASE {engine.url.database}")


@pytest.fixture
def models() -> Iterator[FakeModels]:
    with FakeModels() as models:
        yield models


@pytest.fixture
def bases(server: PrivateServer, administration: sa.Engine, tmp_path: Path) -> Iterator[Bases]:
    bases = Bases(server, administration, tmp_path)
    yield bases
    bases.close()


@pytest.fixture
def handbook(tmp_path: Path) -> Path:
    (tmp_path / "handbook").mkdir()
    for name, text in (("returns", "You have 30 days."), ("coffee", "It is too sour: grind it.")):
        (tmp_path / "handbook" / f"{name}.md").write_text(f"# {name}\n\n{text}\n", "utf-8")
    (tmp_path / "handbook" / "broken.pdf").write_bytes(b"%PDF-1.7 of nothing")
    return tmp_path / "handbook"


@pytest.fixture
def source(bases: Bases, models: FakeModels, handbook: Path) -> Path:
    """A base with files, documents of a program, uploads, a chat and a verified query."""
    config = bases.configure(models)
    with KnowledgeBase.open(config) as kb:
        kb.index(handbook)
        kb.add(
            [Document(text="A page of the wiki.", id_="page", metadata={"team": "a"})], root="wiki"
        )
        upload(kb, "é 1%.md", "# Paid\n\nInvoices of May.\n")
        kb.index_uploads()
        upload(kb, "waiting.md", "# Later\n\nNobody has indexed it yet.\n")
        for question in ("30 days?", "And the coffee?"):
            list(kb.chat("s", source="documents").stream_chat(question).response_gen)
        turn = kb.components.session_store.list_turns("s")[0]
        kb.feedback(session_id="s", turn_id=turn.id, rating=1, comment="Yes")
        remember(kb, "s")
        kb.components.verified_queries.save(verified("late_orders"), Editor("Inès"))
    return config


def upload(kb: KnowledgeBase, name: str, text: str, *, replace: bool = False) -> None:
    files, content = UploadedFiles(kb.components.engine), io.BytesIO(text.encode())
    run_transaction(files.engine, lambda c: files.put(c, name, content, replace=replace))


def remember(kb: KnowledgeBase, session: str) -> None:
    """What memory finds again of a session."""
    about = {"session_id": session, "user": "", "kind": "fact"}
    [node] = kb.components.vector_store.get_nodes()[:1]
    fact = node.model_copy(
        update={"id_": f"fact:1:{session}", "metadata": about, "relationships": {}}
    )
    kb.components.memory_store.add([fact])


def verified(name: str, question: str = "Which orders are late?") -> VerifiedQuery:
    return VerifiedQuery(name, question, "SELECT 1", "en", "Inès Duarte", date(2026, 6, 12))


def write(config: Path, file: Path, parts: Any = PARTS) -> Path:
    loaded = load_config(config)
    engine = make_engine(loaded.database.url)  # type: ignore[arg-type]  # a URL in these tests
    export_base(engine, loaded, file, parts, force=True)
    engine.dispose()
    return file


def take_in(file: Path, config: Path, parts: Any = PARTS, **more: Any) -> ImportReport:
    again = {"embed_again": more.pop("embed_again", False)}
    return import_base(file, load_config(config), Choices(parts, **more), **again)


def answer_all(config: Path) -> list[Any]:
    with KnowledgeBase.open(config) as kb:
        return [
            [(hit.node_id, hit.score, hit.text) for hit in kb.search(question)]
            for question in QUESTIONS
        ]


# What comes along ---------------------------------------------------------------------------------


def test_everything_comes_along_and_back_and_nothing_is_embedded(source, bases, models, tmp_path):
    wanted, answers = bases.read(source), answer_all(source)
    assert all(wanted.values())
    assert any(hits for hits in answers)
    file = write(source, tmp_path / "a.zip")
    there = bases.configure(models)
    models.requests.clear()
    report = take_in(file, there)
    assert (report.documents, report.uploads, report.sessions, report.verified) == (5, 2, 1, 1)
    assert models.requests == []
    assert bases.read(there) == wanted
    assert answer_all(there) == answers
    back = bases.configure(models)
    take_in(write(there, tmp_path / "b.zip"), back)
    assert bases.read(back) == wanted


def test_the_parts_that_are_chosen_come_alone(source, bases, models, tmp_path):
    wanted = bases.read(source)
    everything = write(source, tmp_path / "a.zip")
    for part, tables in (
        ("sessions", {"kb_session", "kb_turn", "kb_message", "kb_feedback", "kb_memory_default"}),
        ("verified", {"kb_verified_query"}),
    ):
        there = bases.configure(models)
        take_in(everything, there, [part])
        assert {name: rows for name, rows in bases.read(there).items() if rows} == {
            name: wanted[name] for name in tables
        }
        alone = bases.configure(models)
        take_in(write(source, tmp_path / f"{part}.zip", [part]), alone)
        assert bases.read(alone) == bases.read(there)


def test_a_second_import_changes_nothing(source, bases, models, tmp_path):
    file = write(source, tmp_path / "a.zip")
    there = bases.configure(models)
    take_in(file, there)
    before = bases.read(there)
    report = take_in(file, there)
    assert report == ImportReport(left=9)
    assert bases.read(there) == before
    assert take_in(file, source) == ImportReport(left=9), "also where it came from"


def test_a_directory_of_another_machine_is_given_its_place_and_not_read_again(
    source, bases, models, handbook, tmp_path
):
    file = write(source, tmp_path / "a.zip")
    there = bases.configure(models)
    take_in(file, there)
    with KnowledgeBase.open(there) as kb:
        assert {root["path"] for root in kb.components.registry.list_roots()} == {None}
        with pytest.raises(RootConflict):
            kb.index(handbook)
    moved = handbook.rename(tmp_path / "moved")
    take_in(file, there, directories={"handbook": str(moved)})
    with KnowledgeBase.open(there) as kb:
        report = kb.index(moved)
        assert (report.unchanged, report.added, report.changed) == (2, 0, 0)


def list_seen(config: Path, *groups: str) -> set[str]:
    """The documents listed for somebody in these groups; what a search finds is among them."""
    with KnowledgeBase.open(config) as kb:
        view = kb.seen_by(groups)
        listed = {f"{each.root}/{each.path}" for each in view.list_documents()}
        found = {
            f"{hit.metadata['root']}/{hit.metadata['path']}"
            for hit in view.search("days coffee wiki page", top_k=9)
        }
    assert found <= listed
    return listed


def test_documents_are_at_once_for_the_groups_of_their_marks_and_of_the_rules_here(
    bases, models, handbook, tmp_path
):
    (handbook / "plans.md").write_text("---\ngroups: [board]\n---\n# Plans\n\nMay.\n", "utf-8")
    closed = {"path": "returns.md", "groups": ["sales"]}
    source = bases.configure(models, access={"documents": [closed]})
    with KnowledgeBase.open(source) as kb:
        kb.index(handbook)
    assert list_seen(source) == {"handbook/coffee.md", "handbook/broken.pdf"}
    file = write(source, tmp_path / "a.zip")

    rules = [{"root": "handbook", "path": "*.md", "groups": ["sales"]}]
    there = bases.configure(models, access={"documents": rules})
    take_in(file, there)
    of_sales = {f"handbook/{name}" for name in ("returns.md", "coffee.md", "broken.pdf")}
    assert list_seen(there) == {"handbook/broken.pdf"}
    assert list_seen(there, "sales") == of_sales
    assert list_seen(there, "board") == {"handbook/broken.pdf"}
    assert list_seen(there, "sales", "board") == of_sales | {"handbook/plans.md"}


def test_groups_that_documents_were_given_come_along(bases, models, handbook, tmp_path):
    source = bases.configure(models, access={"default": ["everyone"]})
    with KnowledgeBase.open(source) as kb:
        kb.index(handbook)
        for path in ("coffee.md", "broken.pdf"):
            [document] = [each for each in kb.list_documents() if each.path == path]
            kb.components.registry.give_groups(document.id, ["board"])
    assert list_seen(source) == {"handbook/returns.md"}
    there = bases.configure(models, access={"default": ["everyone"]})
    take_in(write(source, tmp_path / "a.zip"), there)
    assert list_seen(there) == {"handbook/returns.md"}
    assert list_seen(there, "board") == list_seen(source, "board")


def test_a_version_that_takes_the_place_of_another_is_for_whom_its_own_marks_name(
    bases, models, tmp_path
):
    def configure(**metadata: Any) -> Path:
        config = bases.configure(models, access={"default": ["everyone"]})
        with KnowledgeBase.open(config) as kb:
            text = f"A page of the wiki for {metadata}."
            kb.add([Document(text=text, id_="page", metadata=metadata)], root="wiki")
        return config

    closed, opened = configure(groups=["board"]), configure()
    files = write(closed, tmp_path / "closed.zip"), write(opened, tmp_path / "opened.zip")
    take_in(files[0], opened, replace=True)
    take_in(files[1], closed, replace=True)
    assert (list_seen(opened), list_seen(opened, "board")) == (set(), {"wiki/page"})
    assert list_seen(closed) == {"wiki/page"}


def test_an_import_by_rules_that_are_no_longer_the_last_ones_takes_nothing_in(
    source, bases, models, tmp_path, monkeypatch
):
    there = bases.configure(models, access={"default": ["everyone"]})
    file = write(source, tmp_path / "a.zip", ("documents",))

    def open_before_others_apply(engine: sa.Engine, config: Any) -> Any:
        opened = open_access_rules(engine, config)
        other = config.access.model_copy(update={"default": ("staff",)})
        changed = config.model_copy(update={"access": other})
        with KnowledgeBase.open(changed) as kb:
            kb.components.registry.apply_access()
        return opened

    monkeypatch.setattr(imports, "open_access_rules", open_before_others_apply)
    with pytest.raises(ConfigError, match="applied by another process"):
        take_in(file, there, ("documents",))
    assert list_seen(there, "staff") == set()


def test_uploads_of_a_directory_go_into_another(bases, models, tmp_path):
    here = bases.configure(models, serve={"uploads": str(tmp_path / "here")})
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "paid.md").write_text("# Paid\n\nInvoices of May.\n", "utf-8")
    (tmp_path / "here" / "gone.md").write_text("# Gone\n\nNobody has it.\n", "utf-8")
    with KnowledgeBase.open(here) as kb:
        kb.index(tmp_path / "here", name="uploads")
    (tmp_path / "here" / "gone.md").unlink()
    loaded = load_config(here)
    report = export_base(bases.engines[here], loaded, tmp_path / "a.zip", PARTS)
    assert report.missing == ["gone.md"]
    there = bases.configure(models, serve={"uploads": str(tmp_path / "there")})
    take_in(tmp_path / "a.zip", there)
    assert (tmp_path / "there" / "paid.md").read_text("utf-8") == "# Paid\n\nInvoices of May.\n"
    assert not (tmp_path / "there" / "gone.md").exists()
    kept = bases.configure(models)
    take_in(tmp_path / "a.zip", kept)
    [row] = bases.read(kept)["kb_uploaded_file"]
    assert "paid.md" in row


def test_a_document_of_many_parts_comes_part_by_part(bases, models, tmp_path, monkeypatch):
    monkeypatch.setattr("kb.indexing.slices.PART_BYTES", 2_000, raising=False)
    source = bases.configure(models)
    with KnowledgeBase.open(source) as kb:
        kb.add([Document(text="First. " * 900, id_="long")], root="wiki")
    rows = "chunk_id = CONCAT(document_id, ':p00003:', RIGHT(chunk_id, 5))"
    bases.run(source, f"UPDATE kb_chunk SET {rows} WHERE chunk_id LIKE '%:00001'")
    there = bases.configure(models)
    take_in(write(source, tmp_path / "a.zip"), there)
    assert bases.read(there)["kb_chunk"] == bases.read(source)["kb_chunk"]
    assert bases.read(there)["kb_document"] == bases.read(source)["kb_document"]


# Beside what is there -----------------------------------------------------------------------------


def test_what_is_there_in_another_content_stays_until_it_is_to_be_replaced(
    source, bases, models, tmp_path
):
    file = write(source, tmp_path / "a.zip")
    wanted = bases.read(source)
    there = bases.configure(models)
    with KnowledgeBase.open(there) as kb:
        kb.add(
            [Document(text="Another page.", id_="page"), Document(text="Own.", id_="own")],
            root="wiki",
        )
        upload(kb, "é 1%.md", "# Mine\n\nOf somebody else.\n")
        list(kb.chat("s", source="documents").stream_chat("Mine?").response_gen)
        kb.components.verified_queries.save(verified("late_orders", "Mine?"), Editor("Inès Duarte"))
    before = bases.read(there)
    report = take_in(file, there)
    assert sorted(map(str, report.refused)) == [
        "the session s",
        (
            "the verified query late_orders (There is a verified query 'late_orders'. Choose "
            "another name, or remove it first.)"
        ),
        "uploads/é 1%.md",
        "wiki/page",
    ]
    after = bases.read(there)
    for table, rows in before.items():
        assert set(rows) <= set(after[table]), table
    report = take_in(file, there, replace=True)
    assert report.refused == []
    replaced = bases.read(there)
    for table in ("kb_session", "kb_turn", "kb_message", "kb_verified_query", "kb_uploaded_file"):
        assert replaced[table] == wanted[table], table
    own = {row for row in after["kb_document"] if "'own'" in row}
    assert own < set(replaced["kb_document"])
    assert {row.split("content_hash")[0] for row in replaced["kb_chunk"]} >= {
        row for row in wanted["kb_chunk"] if "page of the wiki" not in row
    }


def test_a_root_that_is_another_directory_here_is_refused_and_can_be_renamed(
    source, bases, models, tmp_path
):
    file = write(source, tmp_path / "a.zip")
    there = bases.configure(models)
    other = tmp_path / "other" / "handbook"
    other.mkdir(parents=True)
    (other / "own.md").write_text("# Own\n\nOf this machine.\n", "utf-8")
    with KnowledgeBase.open(there) as kb:
        kb.index(other)
    before = bases.read(there)
    with pytest.raises(RootConflict, match="--rename handbook=NAME"):
        take_in(file, there)
    assert bases.read(there) == before
    report = take_in(file, there, names={"handbook": "old"})
    assert report.refused == []
    with KnowledgeBase.open(there) as kb:
        names = {f"{each.root}/{each.path}" for each in kb.list_documents()}
        assert {"handbook/own.md", "old/coffee.md", "old/returns.md", "wiki/page"} <= names
        [hit, *_] = kb.search("sour coffee")
        assert hit.metadata["path"] == "coffee.md"
        assert kb.index(other).unchanged == 1
    assert set(before["kb_chunk"]) <= set(bases.read(there)["kb_chunk"])
    with pytest.raises(RootConflict, match="no root 'x'"):
        take_in(file, there, names={"x": "y"})


def test_an_id_that_another_document_has_is_not_taken_over(source, bases, models, tmp_path):
    """As of a document that was moved here since."""
    file = write(source, tmp_path / "a.zip")
    bases.run(source, "UPDATE kb_document SET path = 'moved' WHERE path = 'page'")
    before = bases.read(source)
    report = take_in(file, source)
    assert report.documents == 1
    after = bases.read(source)
    assert set(before["kb_chunk"]) <= set(after["kb_chunk"])
    assert len(after["kb_chunk"]) == len(before["kb_chunk"]) + 1
    assert take_in(file, source).documents == 0


def test_another_embedding_model_is_refused_by_name_or_embeds_again(
    source, bases, models, tmp_path
):
    file = write(source, tmp_path / "a.zip")
    models.models.append("other")
    there = bases.configure(models, "other")
    with pytest.raises(CollectionMismatch, match=r"openai-like/fake; .* openai-like/other"):
        take_in(file, there)
    assert bases.read(there) == {}
    models.dimensions = 16
    report = take_in(file, there, embed_again=True)
    assert (report.documents, report.sessions) == (5, 1)
    [found, *_] = answer_all(there)
    assert found
    assert bases.read(there)["kb_memory_default"] == []
    assert take_in(file, there, embed_again=True).left == 9


def test_the_commands_say_what_came_along_and_what_did_not(source, bases, models, tmp_path):
    def run(config: Path, *words: str) -> Any:
        return CliRunner().invoke(app, ["--config", str(config), *words])

    file, there = str(tmp_path / "a.zip"), bases.configure(models)
    assert "5 documents" in run(source, "export", file).output
    again = run(source, "export", file)
    assert (again.exit_code, "--force" in again.output) == (1, True)
    told = json.loads(run(source, "export", file, "--force", "--json").stdout)
    assert told["embedding_model"] == "openai-like/fake"
    taken = run(there, "import", file)
    assert (taken.exit_code, "Taken in: 5 documents, 2" in taken.output) == (0, True)
    bases.run(there, "UPDATE kb_session SET title = 'Mine'")
    left = run(there, "import", file, "--sessions", "--json")
    assert (left.exit_code, json.loads(left.stdout)["refused"]) == (3, ["the session s"])
    assert run(there, "import", file, "--rename", "handbook").exit_code == 2
    assert run(there, "import", file, "--directory", "handbook=/nowhere").exit_code == 2


# What is refused ----------------------------------------------------------------------------------


def change(file: Path, changes: dict[str, Callable[[bytes], bytes | None]]) -> Path:
    """Write an export again with other members, whose sums are right."""
    changed = file.with_name(f"changed-{uuid4().hex[:6]}.zip")
    with ZipFile(file) as source, ZipFile(changed, "w", ZIP_DEFLATED) as target:
        manifest = json.loads(source.read("manifest.json"))
        for name in source.namelist():
            content = changes.get(name, lambda old: old)(source.read(name))
            part = name.removesuffix(".jsonl")
            if content is not None and name in changes and part in manifest["parts"]:
                lines = content.count(b"\n")
                manifest["parts"][part] = {
                    "lines": lines,
                    "sha256": hashlib.sha256(content).hexdigest(),
                }
            if content is not None and name != "manifest.json":
                target.writestr(name, content)
        written = json.dumps(manifest).encode()
        target.writestr(
            "manifest.json", changes.get("manifest.json", lambda old: old)(written) or b""
        )
    return changed


def edit_items(kind: str, edit: Callable[[dict[str, Any]], None]) -> Callable[[bytes], bytes]:
    """Change each line of a kind."""

    def change_lines(old: bytes) -> bytes:
        lines = [json.loads(line) for line in old.splitlines()]
        for line in lines:
            if kind in line:
                edit(line[kind])
        return b"".join(json.dumps(line).encode() + b"\n" for line in lines)

    return change_lines


def edit_manifest(**values: Any) -> Callable[[bytes], bytes]:
    return lambda old: json.dumps({**json.loads(old), **values}).encode()


HOSTILE: dict[str, tuple[str, Callable[[bytes], bytes | None], str]] = {
    "newer": ("manifest.json", edit_manifest(format=2, kb="9.9"), "format 2, .* reads 1.*'9.9'"),
    "older": ("manifest.json", edit_manifest(format=0), "format 0, and this kb reads 1"),
    "none": ("manifest.json", lambda _: b"[]", "manifest.json is not readable"),
    "deep": ("manifest.json", lambda _: b"[" * 10**6, "manifest.json is not readable"),
    "backup": ("manifest.json", edit_manifest(tables=[]), "`kb restore` reads it"),
    "more": ("manifest.json", edit_manifest(more=1), "does not say what it should"),
    "gone": ("documents.jsonl", lambda _: None, "documents.jsonl is missing"),
    "no json": ("documents.jsonl", lambda old: old + b"{\n", "line .* is not what it should be"),
    "other kind": ("documents.jsonl", lambda old: old + b'{"key": {}}\n', "not what it should be"),
    "bomb": ("documents.jsonl", lambda old: old + b" " * 2**25, "packed too tightly"),
    "lone": ("documents.jsonl", lambda old: old.split(b"\n", 1)[1], "belongs to no root"),
    "fewer": (
        "documents.jsonl",
        edit_items("document", lambda each: each.update(chunks=9)),
        "other chunks than it says",
    ),
    "id": (
        "documents.jsonl",
        edit_items("document", lambda each: each.update(id="../x")),
        "is not what it should be",
    ),
    "chunk id": (
        "documents.jsonl",
        edit_items("chunk", lambda each: each.update(id="0")),
        "is the id of no chunk",
    ),
    "way out": (
        "documents.jsonl",
        edit_items("document", lambda each: each.update(path="../../etc/passwd")),
        "leads out of its root",
    ),
    "secret": (
        "documents.jsonl",
        edit_items("document", lambda each: each.update(path="a/.env")),
        "no document: files of that name",
    ),
    "upload out": (
        "documents.jsonl",
        edit_items("upload", lambda each: each.update(path="/etc/passwd")),
        "leads out of its root",
    ),
    "upload gone": (
        "documents.jsonl",
        edit_items("upload", lambda each: each.update(sha256="0" * 64)),
        "is missing",
    ),
    "vector": (
        "documents.jsonl",
        edit_items("chunk", lambda each: each.update(embedding="AAAA")),
        "another dimension",
    ),
    "no base64": (
        "documents.jsonl",
        edit_items("chunk", lambda each: each.update(embedding="\u00e9")),
        "the vector of the chunk '00000' is none",
    ),
    "zeros": (
        "documents.jsonl",
        edit_items("chunk", lambda each: each.update(embedding="A" * 42 + "A=")),
        "another dimension|all zeros",
    ),
    "template": (
        "documents.jsonl",
        edit_items(
            "chunk", lambda each: each["node"].update(metadata_template="{value:>99999999}")
        ),
        "is none",
    ),
    "class": (
        "documents.jsonl",
        edit_items("chunk", lambda each: each["node"].update(class_name="os.system")),
        "is none",
    ),
    "session": (
        "sessions.jsonl",
        edit_items("session", lambda each: each.update(more=1)),
        "the session 's' is none",
    ),
    "memory": (
        "sessions.jsonl",
        edit_items("memory", lambda each: each["metadata"].update(user="ana")),
        "is of another session",
    ),
    "query": (
        "verified.jsonl",
        edit_items("verified", lambda each: each.update(wordings="{")),
        "a verified query is none",
    ),
}


@pytest.fixture(scope="module")
def exported(
    server: PrivateServer,
    administration: sa.Engine,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Path, Bases]]:
    """An export that no test changes, and a place for bases."""
    folder = tmp_path_factory.mktemp("exported")
    bases = Bases(server, administration, folder)
    handbook = folder / "handbook"
    handbook.mkdir()
    (handbook / "coffee.md").write_text("# Coffee\n\nIt is too sour: grind it.\n", "utf-8")
    with FakeModels() as models:
        config = bases.configure(models)
        with KnowledgeBase.open(config) as kb:
            kb.index(handbook)
            upload(kb, "paid.md", "# Paid\n\nInvoices of May.\n")
            list(kb.chat("s", source="documents").stream_chat("30 days?").response_gen)
            remember(kb, "s")
            kb.components.verified_queries.save(verified("late_orders"), Editor("Inès"))
        yield write(config, folder / "exported.zip"), bases
    bases.close()


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_with_a_message(exported, models, name):
    file, bases = exported
    member, edit, words = HOSTILE[name]
    there = bases.configure(models)
    hostile = change(file, {member: edit})
    with pytest.raises(StoreError, match=words):
        take_in(hostile, there)
    rows = bases.read(there)
    if name not in ("session", "memory", "query", "lone"):  # what comes behind the documents
        assert not any(rows.get(table) for table in ("kb_document", "kb_session"))


def test_a_file_that_is_not_whole_is_refused(exported, models):
    file, bases = exported
    there, content = bases.configure(models), file.read_bytes()
    cut = file.with_name("cut.zip")
    for size in (len(content) - 30, len(content) // 2, 0):
        cut.write_bytes(content[:size])
        with pytest.raises(StoreError, match="not a whole export"):
            take_in(cut, there)
    broken = bytearray(content)
    with ZipFile(file) as archive:
        broken[archive.getinfo("documents.jsonl").header_offset + 120] ^= 1
    cut.write_bytes(broken)
    with pytest.raises(StoreError, match="not a whole export"):
        take_in(cut, there)
    assert bases.read(there) == {}
    with pytest.raises(StoreError, match="cannot be used"):
        take_in(file.with_name("none.zip"), there)


def test_a_sum_that_is_wrong_is_refused(exported, models):
    file, bases = exported
    with ZipFile(file) as archive:
        said = json.loads(archive.read("manifest.json"))
    for part in said["parts"].values():
        part["sha256"] = "0" * 64
    changed = change(file, {"manifest.json": edit_manifest(parts=said["parts"])})
    with pytest.raises(StoreError, match=r"does not hold the .* lines"):
        take_in(changed, bases.configure(models))


def test_no_secret_is_in_an_export(source, bases, tmp_path):
    with KnowledgeBase.open(source) as kb:
        ApiKeys(kb.components.engine).create("ana", "read")
    file = write(source, tmp_path / "a.zip")
    with bases.engines[source].connect() as connection:
        digest = connection.exec_driver_sql("SELECT HEX(digest) FROM kb_api_key").scalar_one()
    with ZipFile(file) as archive:
        everything = b"".join(map(archive.read, archive.namelist())).upper()
    assert digest.encode() not in everything
    assert (bases.engines[source].url.password or "none").upper().encode() not in everything


# Broken off ---------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_an_import_that_is_killed_anywhere_is_gone_on_with(source, bases, models, tmp_path):
    wanted, answers = bases.read(source), answer_all(source)
    file = write(source, tmp_path / "a.zip")
    there = bases.configure(models)
    setup = """
from pathlib import Path
from kb.config.loading import load_config
from kb.imports import import_base
from stores.moves.take_in import Choices
PARTS = ("documents", "sessions", "verified")
"""
    work = "import_base(Path(arguments[1]), load_config(arguments[0]), Choices(PARTS))"
    kills = kill_at_points(setup, work, [str(there), str(file)], range(1, 160, 3))
    assert kills >= 8
    assert take_in(file, there).refused == []
    assert bases.read(there) == wanted
    assert answer_all(there) == answers
