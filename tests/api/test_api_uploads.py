"""Uploaded files that the database keeps, for servers on several machines that share no folder."""

import hashlib
import json
import os
import tracemalloc
from io import BytesIO

import pytest
import yaml
from api_server import configured, database_of, machine, running
from typer.testing import CliRunner

import kb as library
from kb.app import KnowledgeBase
from kb.cli import app
from kb.former_uploads import take_in_former_uploads
from kb.shared_uploads import MARKER, SharedDirectory
from stores.connection import make_engine, run_transaction
from stores.errors import RootConflict, StoreError
from stores.jobs import Jobs
from stores.registry.schema import migrate
from stores.uploaded_files import UploadedFiles

CONTENTS = ("kb_upload_content", "kb_upload_piece", "kb_uploaded_file")


@pytest.fixture
def url(server):
    with database_of(server) as url:
        yield url


def upload(api, name, content, **fields):
    return api.client.post("/api/documents", files=[("files", (name, content))], data=fields)


def put(files, path, content):
    run_transaction(files.engine, lambda c: files.put(c, path, BytesIO(content)))


def count_rows(engine):
    with engine.connect() as connection:
        counts = (connection.exec_driver_sql(f"SELECT COUNT(*) FROM {name}") for name in CONTENTS)
        return [count.scalar_one() for count in counts]


def test_servers_that_share_no_folder_do_every_upload_and_show_every_original(
    url, embeddings, tmp_path
):
    with (
        machine(url, tmp_path / "a", embeddings) as one,
        machine(url, tmp_path / "b", embeddings) as two,
    ):
        jobs = []
        for number in range(8):
            reply = upload((one, two)[number % 2], f"f{number}.md", f"# File {number}\n\nWords.")
            jobs.append(reply.json()["job"])
        ended = {job["id"]: two.finished(job) for job in jobs}.values()
        assert {job["status"] for job in ended} == {"done"}
        assert sum(job["report"]["added"] for job in ended) == 8  # some wait in one job
        for api in (one, two):
            for number in range(8):
                original = api.client.get(f"/api/documents/uploads/f{number}.md/original")
                assert (original.status_code, original.text[:8]) == (200, f"# File {number}"[:8])
        everything = one.client.post("/api/jobs", json={"root": "uploads"}).json()
        assert one.finished(everything)["report"]["unchanged"] == 8
        retried = two.client.post("/api/documents/uploads/f0.md/retry").json()
        assert one.finished(retried)["report"]["unchanged"] == 1
        assert "a" not in (retried["path"], everything["path"])
        for number in range(8):
            removed = two.client.delete(f"/api/documents/uploads/f{number}.md").json()
            assert removed["file_deleted"] is True
        assert count_rows(one.kb.components.engine) == [0, 0, 0]
    assert not list(tmp_path.rglob("f0.md"))


def test_one_content_is_kept_once_until_its_last_name_goes(url, embeddings, tmp_path):
    content = os.urandom(600_000)
    with machine(url, tmp_path / "a", embeddings) as api:
        engine = api.kb.components.engine
        for name in ("first.bin.md", "second.bin.md"):
            api.finished(upload(api, name, content).json()["job"])
        assert count_rows(engine) == [1, 3, 2]
        assert upload(api, "first.bin.md", b"# Other").status_code == 409
        changed = upload(api, "first.bin.md", b"# Other\n\nWords.", replace="true")
        assert api.finished(changed.json()["job"])["status"] == "done"
        assert count_rows(engine) == [2, 4, 2]
        api.client.delete("/api/documents/uploads/second.bin.md")
        assert count_rows(engine) == [1, 1, 1]


def test_a_job_for_a_directory_waits_for_the_machine_that_sees_it(url, embeddings, tmp_path):
    with machine(url, tmp_path / "a", embeddings) as one:
        jobs, mine = Jobs(one.kb.components.engine), str(one.kb.config.documents.path)
        waiting, seen = jobs.add(mine, seen_by="b"), jobs.add(mine, seen_by="a")
        told = one.finished({"id": seen.id})
        assert (told["status"], "seen_by" in told) == ("done", False)
        assert jobs.one(waiting.id).status == "queued"
        assert jobs.one(one.client.post("/api/jobs", json={}).json()["id"]).seen_by == "a"
        with machine(url, tmp_path / "b", embeddings) as two:
            assert two.finished({"id": waiting.id})["status"] == "done"


def test_a_job_that_nobody_sees_is_given_up_after_a_day(url):
    engine = make_engine(url)
    migrate(engine)
    jobs = Jobs(engine)
    lost, ours = jobs.add("/srv", seen_by="gone"), jobs.add("/srv", seen_by="here")
    assert jobs.take("me") is None
    assert jobs.take("me", ["here", "elsewhere"]).id == ours.id
    jobs.fail_unseen()
    assert jobs.one(lost.id).status == "queued"
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE kb_job SET created_at = '2026-01-01'")
    jobs.fail_unseen()
    assert (jobs.one(lost.id).status, jobs.one(ours.id).status) == ("failed", "running")
    engine.dispose()


def test_a_directory_of_uploads_is_the_same_for_all_servers_or_takes_none(
    url, embeddings, tmp_path
):
    shared, other = {"uploads": tmp_path / "shared"}, {"uploads": tmp_path / "other"}
    with machine(url, tmp_path / "a", embeddings, **shared) as one:
        assert one.finished(upload(one, "x.md", "# X").json()["job"])["status"] == "done"
        with machine(url, tmp_path / "b", embeddings, **other) as two:
            refused = upload(two, "y.md", "# Y")
            assert (refused.status_code, refused.json()["code"]) == (409, "not_possible")
            assert two.client.post("/api/jobs", json={"root": "uploads"}).status_code == 409
            assert one.finished(upload(one, "z.md", "# Z").json()["job"])["status"] == "done"
        with machine(url, tmp_path / "c", embeddings, **shared) as three:
            assert three.finished(upload(three, "w.md", "# W").json()["job"])["status"] == "done"
            assert three.client.get("/api/documents/uploads/x.md/original").text == "# X"
        files = UploadedFiles(one.kb.components.engine)
        with pytest.raises(StoreError, match=r"theirs says [0-9a-f]{32}"):
            SharedDirectory(tmp_path / "other", files).require_shared()
    assert not (tmp_path / "other" / MARKER).exists()


def test_a_directory_is_refused_while_the_database_keeps_files(url, embeddings, tmp_path):
    with machine(url, tmp_path / "a", embeddings) as one:
        one.finished(upload(one, "x.md", "# X").json()["job"])
        with pytest.raises(StoreError, match="The database keeps uploaded files"):
            SharedDirectory(tmp_path, UploadedFiles(one.kb.components.engine)).require_shared()


def test_files_of_a_former_kb_move_into_the_database_and_what_broke_off_goes_on(
    url, embeddings, tmp_path, caplog
):
    config = configured(url, tmp_path, embeddings, None, serve={})
    former = config.former_uploads
    former.mkdir(parents=True)
    for name in ("a.md", "b.md", "c.md"):
        (former / name).write_text(f"# {name}\n\nWords.\n")
    engine = make_engine(url)
    migrate(engine)
    files = UploadedFiles(engine)
    put(files, "a.md", b"# a.md\n\nWords.\n")
    put(files, "b.md", b"# of another machine")
    take_in_former_uploads(engine, config, print)
    assert [file.path for file in files.list_all()] == ["a.md", "b.md", "c.md"]
    assert [file.name for file in former.iterdir()] == ["b.md"]
    assert "b.md stays where it is: another file of its name" in caplog.text
    (former / "b.md").unlink()
    with KnowledgeBase.open(config) as kb:
        assert not former.exists()
        assert kb.index_uploads().added == 3
        assert kb.retry_documents(["uploads/c.md"])[0].unchanged == 1
        kb.add([], root="wiki")
    engine.dispose()


def test_a_directory_that_a_user_has_indexed_is_not_taken_for_uploads(url, embeddings, tmp_path):
    (mine := tmp_path / "uploads").mkdir()
    (mine / "own.md").write_text("# Own\n\nWords.")
    with KnowledgeBase.open(configured(url, tmp_path, embeddings, None, serve={})) as kb:
        kb.index(mine)
        with pytest.raises(RootConflict, match="kb documents forget uploads"):
            kb.index_uploads()
        assert [each.path for each in kb.list_documents()] == ["own.md"]


def test_a_backup_holds_uploads_once_and_brings_them_back(server, url, embeddings, tmp_path):
    content = f"# Long\n\n{os.urandom(300_000).hex()}\n"
    with machine(url, tmp_path / "a", embeddings) as api:
        api.finished(upload(api, "long.md", content).json()["job"])
        report = api.kb.backup(tmp_path / "a.zip")
        assert (report.is_whole, report.manifest.uploads) == (True, [])
    with database_of(server) as other:
        config = configured(other, tmp_path / "a", embeddings, None, serve={})
        library.restore(tmp_path / "a.zip", config, replace=True)
        with running(config) as api:
            assert api.client.get("/api/documents/uploads/long.md/original").text == content


def test_a_command_indexes_all_uploads_that_are_to_be_read_anew(
    url, embeddings, tmp_path, monkeypatch
):
    with machine(url, tmp_path / "a", embeddings) as api:
        for name in ("one.md", "two.md"):
            api.finished(upload(api, name, f"# {name}\n\nWords.").json()["job"])
    model = {"provider": "openai-like", "model": "fake", "base_url": embeddings.openai_url}
    config = tmp_path / "config.yaml"
    where = {"url": url.render_as_string(hide_password=False)}
    config.write_text(yaml.safe_dump({"database": where, "embedding": model}))

    def run(*options):
        told = CliRunner().invoke(app, ["--config", str(config), "index", "--json", *options])
        return json.loads(told.stdout) if told.exit_code == 0 else told.output

    assert run("--uploads")["unchanged"] == 2
    monkeypatch.setattr("kb.indexing.content_hash.PIPELINE", b"of the next kb")
    report = run("--uploads")
    assert (report["root"], report["changed"], report["removed"]) == ("uploads", 2, 0)
    assert "goes without a path" in run("--uploads", str(tmp_path))


def test_a_part_of_an_original_is_given_out_by_the_positions_of_its_bytes(
    url, embeddings, tmp_path
):
    content = f"# Long\n\n{os.urandom(300_000).hex()}\n".encode()  # three pieces
    size = len(content)
    with machine(url, tmp_path / "a", embeddings) as api:
        api.finished(upload(api, "long.md", content).json()["job"])

        def get(asked, **headers):
            place = "/api/documents/uploads/long.md/original"
            return api.client.get(place, headers={"Range": asked, **headers})

        for asked, first, last in (
            ("bytes=0-0", 0, 0),
            ("bytes=262140-262150", 262_140, 262_150),
            ("bytes=262144-524287", 262_144, 524_287),
            ("bytes=100-", 100, size - 1),
            ("bytes=-7", size - 7, size - 1),
            (f"bytes=-{size + 1}", 0, size - 1),
            (f"bytes={size - 1}-{size + 9}", size - 1, size - 1),
        ):
            part = get(asked)
            told = part.status_code, part.headers["content-range"], part.content
            assert told == (206, f"bytes {first}-{last}/{size}", content[first : last + 1]), asked
        etag = part.headers["etag"]
        assert get("bytes=1-2", **{"If-Range": etag}).content == content[1:3]
        beyond = get(f"bytes={size}-")
        assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{size}")
        assert get("bytes=-0").status_code == 416
        for asked in ("bytes=0-1,5-6", "bytes=5-2", "bytes=-", "lines=1-2", "bytes=a-b"):
            assert (get(asked).status_code, get(asked).content) == (200, content), asked
        assert get("bytes=1-2", **{"If-Range": '"another"'}).content == content


def test_a_damaged_or_hostile_file_is_not_given_out(url, tmp_path):
    engine = make_engine(url)
    migrate(engine)
    files = UploadedFiles(engine)
    for path in ("good.md", "../out.md", "gone.md"):
        put(files, path, path.encode())
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE kb_upload_piece SET content = 'bad' WHERE content = 'good.md'"
        )
        connection.exec_driver_sql("DELETE FROM kb_upload_piece WHERE content = 'gone.md'")
    for path, reason in (("good.md", "damaged"), ("gone.md", "gone"), ("../out.md", "elsewhere")):
        with pytest.raises(StoreError, match=reason):
            files.copy_to(tmp_path / "copies", files.find(path))
    assert not (tmp_path / "out.md").exists()
    assert not list((tmp_path / "copies").iterdir())
    engine.dispose()


def test_a_damaged_file_is_reported_and_stops_no_other(url, embeddings, tmp_path):
    config = configured(url, tmp_path, embeddings, None, serve={})
    with KnowledgeBase.open(config) as kb:
        files = UploadedFiles(kb.components.engine)
        for name in ("bad.md", "good.md"):
            put(files, name, f"# {name}\n\nWords.".encode())
        assert kb.index_uploads().added == 2
        with kb.components.engine.begin() as connection:
            connection.exec_driver_sql(
                "UPDATE kb_upload_piece SET content = 'x' WHERE content LIKE '# bad%%'"
            )
        report = kb.index_uploads()
        assert (report.unchanged, report.removed) == (1, 0)
        assert [path for path, _ in report.failed] == ["bad.md"]
        assert "Upload it again" in report.failed[0][1]


@pytest.mark.slow
def test_a_large_file_never_lies_in_memory_as_a_whole(url, tmp_path):
    engine = make_engine(url)
    migrate(engine)
    files, large = UploadedFiles(engine), tmp_path / "large.bin"
    with large.open("wb") as target:
        for _ in range(48):
            target.write(os.urandom(2**20))
    tracemalloc.start()
    with large.open("rb") as source:
        run_transaction(engine, lambda c: files.put(c, "large.bin", source))
    found = hashlib.sha256()
    for piece in files.read(files.find("large.bin")):
        found.update(piece)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    with large.open("rb") as source:
        assert found.digest() == hashlib.file_digest(source, "sha256").digest()
    assert peak < 12 * 2**20
    engine.dispose()
