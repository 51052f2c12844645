"""Documents and indexing jobs over HTTP: uploading, reading, retrying, removing."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from api_server import configured, database_of, running, wait_until
from model_server import FakeModels
from sample_files import pdf_file

from kb.api.job_runner import Runner
from kb.app import KnowledgeBase
from kb.shared_uploads import MARKER
from stores.connection import make_engine
from stores.jobs import Jobs
from stores.registry.document_registry import document_id
from stores.registry.schema import migrate
from stores.registry.uploads import Amount, Uploads


@pytest.fixture(scope="module")
def api(server, tmp_path_factory):
    with FakeModels() as models, database_of(server) as url:
        serve = {"uploads": tmp_path_factory.mktemp("up") / "uploads", "max_upload_mb": 1}
        config = configured(url, tmp_path_factory.mktemp("api"), models, None, serve=serve)
        with running(config) as api:
            api.kb.index()
            yield api


@pytest.fixture
def client(api):
    return api.client


def upload(client, name, content, **fields):
    return client.post("/api/documents", files=[("files", (name, content))], data=fields)


def uploaded(api):
    found = api.kb.config.serve.uploads.iterdir()
    return sorted(file.name for file in found if file.name != MARKER)


def listed(client, **filters):
    return client.get("/api/documents", params=filters).json()


def test_an_uploaded_file_is_indexed_found_shown_and_removed(client, api):
    text = "# Zebra\n\nThe zebra lamp flashes seventeen times.\n"
    reply = upload(client, "zebra.md", text)
    assert reply.status_code == 202
    assert reply.json()["documents"] == [{"root": "uploads", "path": "zebra.md"}]
    job = api.finished(reply.json()["job"])
    assert (job["status"], job["files"], job["report"]["added"]) == ("done", 1, 1)
    [found] = client.post("/api/search", json={"question": "zebra lamp", "top_k": 1}).json()
    assert found["path"] == "zebra.md"
    original = client.get("/api/documents/uploads/zebra.md/original")
    assert original.text == text
    assert original.headers["content-security-policy"].startswith("sandbox")
    removed = client.delete("/api/documents/uploads/zebra.md").json()
    assert removed["file_deleted"] is True
    assert uploaded(api) == []
    assert client.get(f"/api/chunks/{found['id']}").status_code == 404
    assert client.delete("/api/documents/uploads/zebra.md").status_code == 404


def test_a_file_of_a_name_that_is_there_takes_its_place_only_when_asked_to(client, api):
    api.finished(upload(client, "same.md", "# One\n\nFirst words.").json()["job"])
    assert upload(client, "same.md", "# Two").status_code == 409
    again = upload(client, "same.md", "# Two\n\nSecond words.", replace="true")
    job = api.finished(again.json()["job"])
    assert job["report"]["changed"] == 1
    assert (api.kb.config.serve.uploads / "same.md").read_text() == "# Two\n\nSecond words."


def test_of_several_files_all_are_kept_or_none(client, api):
    api.finished(upload(client, "taken.md", "# Taken").json()["job"])
    files = [("files", (name, "# New")) for name in ("new.md", "taken.md")]
    refused = client.post("/api/documents", files=files)
    assert (refused.status_code, refused.json()["paths"]) == (409, ["taken.md"])
    assert "new.md" not in uploaded(api)


def test_files_without_text_are_passed_over_and_equal_names_refused(client, api):
    def sent(*names):
        return client.post("/api/documents", files=[("files", (name, "# New")) for name in names])

    some = sent("swan.md", "swan.png").json()
    assert [each["path"] for each in some["documents"]] == ["swan.md"]
    assert some["passed_over"] == ["swan.png"]
    api.finished(some["job"])
    none = sent("swan.png", "swan.mp4")
    assert (none.status_code, none.json()["detail"]) == (422, "They are swan.png, swan.mp4.")
    assert sent("duck.md", "duck.md").json()["title"] == "Files have the same name"
    assert [name for name in uploaded(api) if name.startswith(("swan", "duck"))] == ["swan.md"]


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../etc/cron.d/x.md", "x.md"),
        ("/etc/passwd.md", "passwd.md"),
        ("C:\\Users\\x\\y.md", "y.md"),
        (".hidden.md", "hidden.md"),
        ("a\u202eb\u200bc.md", "abc.md"),
        ("ünïcode 名前.md", "ünïcode 名前.md"),
        ("x" * 400 + ".md", "x" * 197 + ".md"),
    ],
)
def test_a_name_stays_inside_the_directory_of_uploads(client, api, name, kept):
    reply = upload(client, name, b"# Words\n\nSome words.")
    if reply.status_code != 422:  # some names cannot be sent
        assert reply.json()["documents"][0]["path"] == kept
        assert kept in uploaded(api)


@pytest.mark.parametrize("name", ["..", ".", "///", "...", "\u200b", "x." + "y" * 300])
def test_a_name_of_which_nothing_can_be_kept_is_refused(client, name):
    assert upload(client, name, b"words").status_code == 422


def test_an_upload_that_grows_too_large_leaves_nothing_behind(client, api):
    before = uploaded(api)
    reply = upload(client, "large.md", b"x" * 3_000_000)
    assert reply.status_code == 413
    assert uploaded(api) == before


def test_a_file_that_cannot_be_read_is_listed_with_its_reason_and_can_be_retried(client, api):
    job = api.finished(upload(client, "broken.pdf", b"%PDF-1.7 nonsense").json()["job"])
    assert job["status"] == "done"
    assert job["report"]["failed"][0]["path"] == "broken.pdf"
    [failed] = listed(client, status="failed")["documents"]
    assert failed["path"] == "broken.pdf"
    assert failed["reason"]
    assert str(api.kb.config.serve.uploads) not in failed["reason"]
    (api.kb.config.serve.uploads / "broken.pdf").write_bytes(b"")
    (api.kb.config.serve.uploads / "broken.pdf").unlink()
    assert client.post("/api/documents/uploads/broken.pdf/retry").status_code == 409
    retried = client.post("/api/documents/documents/kettle.md/retry")
    assert retried.status_code == 202
    assert api.finished(retried.json())["report"]["unchanged"] == 1
    assert client.delete("/api/documents/uploads/broken.pdf").json()["file_deleted"] is False


def test_the_document_of_the_named_directory_is_retried(client, api, tmp_path):
    (inner := tmp_path / "forest" / "glade").mkdir(parents=True)
    (inner / "fern.md").write_text("# Fern")
    api.kb.index(inner, name="z-glade")
    api.kb.index(tmp_path / "forest", name="a-forest")
    for number, (root, path) in enumerate([("z-glade", "fern.md"), ("a-forest", "glade/fern.md")]):
        (inner / "fern.md").write_text(f"# Fern {number}")
        job = client.post(f"/api/documents/{root}/{path}/retry").json()
        assert (job["root"], job["only_files"], job["retry"]) == (root, [path], True)
        report = api.finished(job)["report"]
        assert (report["changed"], report["failed"]) == (1, [])
        found = {row["root"]: row["title"] for row in listed(client, search="fern")["documents"]}
        assert found[root] == f"Fern {number}"
    assert found == {"z-glade": "Fern 0", "a-forest": "Fern 1"}
    client.delete("/api/documents/z-glade/fern.md")
    client.delete("/api/documents/a-forest/glade/fern.md")


def test_documents_are_listed_by_page_root_status_and_words(client):
    everything = listed(client, root="documents")
    assert [each["path"] for each in everything["documents"]] == [
        "kettle.md",
        "page.html",
        "returns.md",
    ]
    second = listed(client, root="documents", offset=1, limit=1)
    assert [each["path"] for each in second["documents"]] == ["page.html"]
    assert second["total"] == 3
    assert [each["path"] for each in listed(client, search="KETTL")["documents"]] == ["kettle.md"]
    assert listed(client, search="100%_")["total"] == 0
    assert listed(client, root="nowhere")["total"] == 0
    assert everything["documents"][0]["indexed_at"].endswith("Z")


def test_filters_are_what_the_documents_that_the_caller_may_see_hold(client, api):
    text = f"---\ncategory: [news, 7, true, {'x' * 200}]\n---\n# News\n\nSome words.\n"
    api.finished(upload(client, "news.md", text).json()["job"])
    [category, *_] = client.get("/api/filters").json()
    policy = {"value": "policy", "documents": 1}
    others = [{"value": value, "documents": 1} for value in (7, "manual", "news")]
    assert category == {"key": "category", "values": [*others, policy]}
    limited = api.with_key("limited", collections=["uploads"])
    try:
        values = limited.get("/api/filters").json()[0]["values"]
        assert [each["value"] for each in values] == [7, "news"]
        assert api.with_key("blind", collections=["nowhere"]).get("/api/filters").json() == []
    finally:
        api.forget_keys()
    client.delete("/api/documents/uploads/news.md")


def test_a_document_of_another_directory_is_forgotten_and_its_file_stays(client, api):
    file = api.kb.config.documents.path / "extra.md"
    file.write_text("# Extra\n\nSome more words.")
    api.finished(client.post("/api/jobs", json={}).json())
    assert client.delete("/api/documents/documents/extra.md").json()["file_deleted"] is False
    assert file.exists()
    file.unlink()


def test_what_a_browser_would_run_is_only_saved(client):
    page = client.get("/api/documents/documents/page.html/original")
    assert page.headers["content-type"] == "application/octet-stream"
    assert page.headers["content-disposition"].startswith("attachment")
    assert page.headers["x-content-type-options"] == "nosniff"
    text = client.get("/api/documents/documents/kettle.md/original")
    assert text.headers["content-type"] == "text/plain; charset=utf-8"
    assert text.headers["content-disposition"].startswith("inline")
    assert text.headers["content-security-policy"].startswith("sandbox")


def test_a_pdf_is_shown_outside_of_a_sandbox_in_which_browsers_have_no_viewer(
    client, api, tmp_path
):
    content = pdf_file(tmp_path / "shown.pdf", ["Words of a page."]).read_bytes()
    api.finished(upload(client, "shown.pdf", content).json()["job"])
    pdf = client.get("/api/documents/uploads/shown.pdf/original")
    assert pdf.headers["content-type"] == "application/pdf"
    assert pdf.headers["content-disposition"].startswith("inline")
    assert pdf.headers["content-security-policy"] == "frame-ancestors 'none'"


@pytest.mark.parametrize(
    "path",
    [
        "../returns.md",
        "%2e%2e/%2e%2e/etc/passwd",
        "/etc/passwd",
        "none.md",
        "a%00b",
        "returns.md/..",
    ],
)
def test_nothing_but_an_indexed_file_is_given_out(client, path):
    assert client.get(f"/api/documents/documents/{path}/original").status_code in (404, 405)


def test_a_file_that_became_a_link_out_of_its_directory_is_not_given_out(client, api, tmp_path):
    file = api.kb.config.documents.path / "returns.md"
    text = file.read_text()
    (tmp_path / "canary").write_text("canary")
    file.unlink()
    file.symlink_to(tmp_path / "canary")
    try:
        assert client.get("/api/documents/documents/returns.md/original").status_code == 404
    finally:
        file.unlink()
        file.write_text(text)


def test_a_passage_comes_with_those_around_it(client, api):
    paragraphs = "\n\n".join(f"# Part {n}\n\n" + f"word{n} " * 150 for n in range(4))
    api.finished(upload(client, "parts.md", paragraphs).json()["job"])
    [document] = listed(client, search="parts.md")["documents"]
    assert document["chunks"] == 4
    middle = client.get(f"/api/chunks/{document['id']}:00001?around=2").json()
    assert [each["id"][-5:] for each in middle["before"]] == ["00000"]
    assert [each["id"][-5:] for each in middle["after"]] == ["00002", "00003"]
    assert (middle["root"], middle["path"]) == ("uploads", "parts.md")
    assert "word1" in middle["text"]
    assert "word2" in middle["after"][0]["text"]
    assert client.get("/api/chunks/nowhere").status_code == 404


def test_only_what_was_indexed_before_can_be_indexed_again(client, tmp_path):
    for path in ("/etc", "..", "../..", str(tmp_path), "no/such/file", "a\u0000b"):
        assert client.post("/api/jobs", json={"path": path}).status_code == 422
    assert client.post("/api/jobs", json={"path": "kettle.md"}).status_code == 202


def test_a_job_removes_what_is_gone_unless_it_is_to_be_kept(client, api):
    both = client.post("/api/jobs", json={"keep": True, "prune": True})
    assert (both.status_code, "exclude each other" in both.text) == (422, True)
    directory = api.kb.config.documents.path
    (directory / "short-lived.md").write_text("# Short-lived\n\nGone before long.")
    api.finished(client.post("/api/jobs", json={}).json())
    (directory / "short-lived.md").unlink()
    kept = api.finished(client.post("/api/jobs", json={"keep": True}).json())
    assert (kept["keep"], kept["report"]["missing_paths"]) == (True, ["short-lived.md"])
    removed = api.finished(client.post("/api/jobs", json={}).json())
    assert removed["report"]["removed_paths"] == ["short-lived.md"]


def test_a_job_tells_no_place_of_this_machine(client, api):
    job = api.finished(client.post("/api/jobs", json={"prune": True}).json())
    told = client.get("/api/jobs").text
    assert job["path"] == "documents"
    assert str(api.kb.config.documents.path) not in told
    assert client.get("/api/jobs/nowhere").status_code == 404


def test_secrets_are_passed_over_and_never_kept(client, api):
    key = "-----BEGIN PRIVATE KEY-----\n" + "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7\n"
    sent = {
        ".env": "TOKEN=canary",
        "C:\\app\\.env.local": "TOKEN=canary",
        "notes.txt": key,
        "settings.md": "llm:\n  api_key: sk-canary\n",
        ".secrets.yaml": "password: canary",
        "owl.md": "# Owl",
    }
    reply = client.post("/api/documents", files=[("files", each) for each in sent.items()])
    told = reply.json()
    assert [each["path"] for each in told["documents"]] == ["owl.md"]
    secret = ["env", "env.local", "notes.txt", "settings.md", "secrets.yaml"]
    assert told["passed_over"] == secret
    assert told["reasons"]["notes.txt"] == "it holds a private key"
    assert "configuration of kb" in told["reasons"]["settings.md"]
    assert api.finished(told["job"])["report"]["added"] == 1
    assert not set(secret) & set(uploaded(api))
    alone = upload(client, ".env", "TOKEN=canary")
    assert alone.status_code == 422
    assert alone.json()["detail"] == "They are env (files of that name hold keys or passwords)."


@pytest.mark.slow
def test_an_upload_reads_its_own_files_only(client, api):
    broken = api.finished(upload(client, "unread.pdf", b"%PDF-1.7 nonsense").json()["job"])
    assert len(broken["report"]["failed"]) == 1
    other = api.finished(upload(client, "heron.md", "# Heron").json()["job"])
    assert (other["files"], other["report"]["added"], other["report"]["failed"]) == (1, 1, [])
    assert other["only_files"] == ["heron.md"]
    everything = client.post("/api/jobs", json={"path": str(api.kb.config.serve.uploads)}).json()
    assert api.finished(everything)["report"]["unread"] >= 1
    again = client.post("/api/documents/uploads/unread.pdf/retry").json()
    assert api.finished(again)["report"]["unread"] == 0
    assert len(api.finished(again)["report"]["failed"]) == 1


def test_an_upload_that_is_removed_before_its_job_runs_is_no_failure(client, api):
    registry = api.kb.components.registry
    with registry.hold_root("uploads", lambda: None):
        job = upload(client, "mayfly.md", "# Mayfly").json()["job"]
        (api.kb.config.serve.uploads / "mayfly.md").unlink()
    report = api.finished(job)["report"]
    assert (report["added"], report["failed"]) == (0, [])
    assert listed(client, search="mayfly")["total"] == 0


@pytest.fixture
def limited(api):
    """The server with small quotas, and two keys that may upload."""
    kb = api.kb
    serve = {
        "upload_files_per_key": 3,
        "upload_mb_per_key": 1,
        "upload_failures_per_day": 2,
    }
    before = kb.config.serve
    object.__setattr__(kb.config, "serve", before.model_copy(update=serve))  # it is frozen
    yield lambda name: api.with_key(name, "admin")
    object.__setattr__(kb.config, "serve", before)
    api.forget_keys()


def finished(client, job):
    for _ in range(300):
        told = client.get(f"/api/jobs/{job['id']}").json()
        if told["status"] in ("done", "failed"):
            return told
        time.sleep(0.05)
    raise AssertionError(told)


def test_a_key_keeps_so_many_files_and_bytes(limited):
    one, other = limited("one"), limited("other")
    for name in ("q1.md", "q2.md", "q3.md"):
        reply = upload(one, name, f"# {name}")
    finished(one, reply.json()["job"])
    full = upload(one, "q4.md", "# Too many")
    assert (full.status_code, full.json()["title"]) == (413, "There is no room for these files")
    assert "3 files of at most 3 and 0.0 MB of at most 1 MB" in full.json()["detail"]
    assert upload(one, "q3.md", "# In its place", replace="true").status_code == 202
    assert one.delete("/api/documents/uploads/q1.md").status_code == 200
    assert upload(one, "q4.md", "# Room again").status_code == 202
    for name in ("b1.md", "b2.md"):
        reply = upload(other, name, b"words " * 100_000)
    assert "0.6 MB of at most 1 MB" in reply.json()["detail"]


def owners(api):
    """Who keeps each uploaded file."""
    with api.kb.components.engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT id, uploaded_by FROM kb_upload").all()
    by_id = {row[0]: row[1] for row in rows}
    return {name: by_id.get(document_id("uploads", name)) for name in uploaded(api)}


def test_who_loses_the_race_for_a_name_takes_nothing_from_who_wins_it(limited, api):
    keys = [limited(name) for name in ("quick", "quicker", "quickest")]
    with ThreadPoolExecutor(6) as pool:
        for number in range(6):
            name = f"race{number}.md"
            files = [("files", (each, "# Race")) for each in (f"also {name}", name)]
            sent = [
                pool.submit(key.post, "/api/documents", files=files[:: 1 - 2 * (turn % 2)])
                for turn, key in enumerate(keys * 2)
            ]
            won = [keys[n % 3] for n, each in enumerate(sent) if each.result().status_code == 202]
            assert len(won) == 1
            kept = owners(api)
            winner = ("quick", "quicker", "quickest")[keys.index(won[0])]
            assert (kept[name], kept[f"also {name}"]) == (winner, winner)
            for each in (name, f"also {name}"):
                (api.kb.config.serve.uploads / each).unlink()
            with api.kb.components.engine.begin() as connection:
                connection.exec_driver_sql("DELETE FROM kb_upload")


def test_who_uploads_or_removes_a_file_waits_for_who_puts_one_in_its_place(limited, api):
    limited("owner")
    uploads, most, order = Uploads(api.kb.components.engine), Amount(None, None), []
    file_id, begun, going_on = (
        document_id("uploads", "row.md"),
        threading.Event(),
        threading.Event(),
    )

    def put(_connection):
        begun.set()
        going_on.wait(10)
        order.append("put")

    def lose(_connection):
        order.append("lost")
        raise FileExistsError

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(uploads.keep, "owner", {file_id: 7}, most, put)
        assert begun.wait(10)
        second = pool.submit(uploads.keep, "other", {file_id: 9}, most, lose)
        time.sleep(0.3)
        assert order == []
        going_on.set()
        assert first.result() is None
        with pytest.raises(FileExistsError):
            second.result()
    assert order == ["put", "lost"]
    with api.kb.components.engine.begin() as connection:
        rows = "SELECT uploaded_by, bytes FROM kb_upload WHERE id = %s"
        assert connection.exec_driver_sql(rows, (file_id,)).all() == [("owner", 7)]
        connection.exec_driver_sql("DELETE FROM kb_upload")


@pytest.mark.slow
def test_what_is_replaced_while_it_is_removed_is_gone_or_counted(limited, api):
    for turn in range(2):
        key = limited(f"both{turn}")
        reply = upload(key, "again.md", "# Again", replace="true")
        finished(key, reply.json()["job"])
        with ThreadPoolExecutor(2) as pool:
            removed = pool.submit(key.delete, "/api/documents/uploads/again.md")
            replaced = pool.submit(upload, key, "again.md", "# And again", replace="true")
            assert removed.result().status_code == 200
            finished(key, replaced.result().json()["job"])
        assert owners(api).get("again.md", f"both{turn}") == f"both{turn}"
    key.delete("/api/documents/uploads/again.md")


def test_a_key_fails_so_often_a_day(limited, api):
    key = limited("careless")
    noise = [("files", (f"n{number}.pdf", b"noise %d" % number)) for number in range(3)]
    job = finished(key, key.post("/api/documents", files=noise).json()["job"])
    assert len(job["report"]["failed"]) == 3
    refused = upload(key, "good.md", "# Good")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "3600")
    assert "2 files of this key failed" in refused.json()["detail"]
    assert key.post("/api/documents/uploads/n0.pdf/retry").status_code == 429
    assert upload(limited("careful"), "good.md", "# Good").status_code == 202


def test_two_processes_share_the_queue_and_a_dead_one_loses_no_job(api):
    jobs = Jobs(api.kb.components.engine)
    with api.kb.components.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM kb_job")
    job = jobs.add("/nowhere")
    assert jobs.add("/nowhere").id == job.id  # the same thing is done once
    with api.kb.components.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE kb_job SET status = 'running', owner = 'dead', "
            "beat_at = UTC_TIMESTAMP(6) - INTERVAL 1 HOUR"
        )
    assert not jobs.beat(job, "me", 1, 1, 1)
    ended = api.finished({"id": job.id})  # by the server that runs
    assert ended["status"] == "failed"
    jobs.end(job, "dead", report={"added": 1})
    assert jobs.one(job.id).status == "failed"  # the dead one has no say any more


@pytest.fixture
def empty_queue(server):
    """That no runner looks at."""
    with database_of(server) as url:
        engine = make_engine(url)
        migrate(engine)
        yield Jobs(engine)
        engine.dispose()


def test_many_jobs_of_one_key_let_those_of_others_pass(empty_queue):
    for name in ("m1", "m2", "m3"):
        empty_queue.add(name, asked_by="many")
    for name, key in (("n1", None), ("o1", "one"), ("n2", None)):
        empty_queue.add(name, asked_by=key)
    taken = []
    while job := empty_queue.take("me"):
        taken.append(job.path)
        empty_queue.end(job, "me", report={})
    assert taken == ["m1", "n1", "o1", "m2", "n2", "m3"]


def test_each_job_is_taken_once_by_many_processes(empty_queue):
    for number in range(40):
        empty_queue.add(str(number), asked_by=f"key {number % 3}")

    def take_all(owner):
        return [job.path for _ in range(200) if (job := empty_queue.take(owner))]

    with ThreadPoolExecutor(4) as pool:
        taken = [path for paths in pool.map(take_all, "abcd") for path in paths]
    assert sorted(taken) == sorted(map(str, range(40)))


def test_a_job_that_waits_for_another_run_ends_with_its_process(server, tmp_path):
    with FakeModels() as models, database_of(server) as url:
        config = configured(url, tmp_path, models, None)
        with KnowledgeBase.open(config) as kb:
            jobs, runner = Jobs(kb.components.engine), Runner(kb)
            job = jobs.add(str(config.documents.path))
            hold = kb.components.registry.hold_root(config.documents.path.name, lambda: None)
            with ThreadPoolExecutor(1) as process, hold:
                until_stopped = process.submit(asyncio.run, runner.run())
                wait_until(lambda: jobs.one(job.id).status == "running")
                runner.stop()
                until_stopped.result(10)
            assert jobs.one(job.id).status == "queued"


@pytest.mark.slow
def test_a_job_during_which_the_database_goes_away_is_done_when_it_is_back(
    server, tmp_path, caplog
):
    reached, go_on = threading.Event(), threading.Event()

    def held(_request):
        reached.set()
        go_on.wait(20)

    with FakeModels() as models, database_of(server) as url:
        config = configured(url, tmp_path, models, None)
        with running(config) as api:
            models.script = [held]
            job = api.client.post("/api/jobs", json={}).json()
            assert reached.wait(20)
            server.stop()
            try:
                go_on.set()
                for _ in range(600):
                    if "is written when the database answers" in caplog.text:
                        break
                    time.sleep(0.1)
            finally:
                server.ensure_running()
            told = api.finished(job)
            assert (told["status"], told["report"]["added"]) == ("done", 3), told


@pytest.mark.slow
def test_a_job_that_the_end_of_its_process_breaks_off_is_queued_again(server, tmp_path):
    reached, go_on = threading.Event(), threading.Event()

    def held(_request):
        reached.set()
        go_on.wait(20)

    with FakeModels() as models, database_of(server) as url:
        config = configured(url, tmp_path, models, None)
        with KnowledgeBase.open(config) as kb:
            models.script = [held]
            job, runner = Jobs(kb.components.engine).add(str(config.documents.path)), Runner(kb)
            with ThreadPoolExecutor(1) as process:
                until_stopped = process.submit(asyncio.run, runner.run())
                assert reached.wait(20)
                assert Jobs(kb.components.engine).one(job.id).status == "running"
                runner.stop()
                go_on.set()
                until_stopped.result()
            assert Jobs(kb.components.engine).one(job.id).status == "queued"
        with running(config) as api:
            assert api.finished({"id": job.id})["report"]["added"] == 3
