"""Jobs of a server that workers do, which share no folder with it."""

import time

import pytest
from api_server import configured, database_of, running
from indexing_workers import Setting, working
from model_server import FakeModels
from redis_server import REDIS, running_redis

from kb.indexing.worker import ReadWorker

pytestmark = [
    pytest.mark.skipif(REDIS is None, reason="redis-server is not installed"),
    pytest.mark.timeout(300),
]


def wait_for(api, job):
    for _ in range(600):
        told = api.client.get(f"/api/jobs/{job['id']}").json()
        if told["status"] in ("done", "failed"):
            return told
        time.sleep(0.1)
    raise AssertionError(f"the job does not end: {told}")


def test_a_job_that_no_worker_takes_fails_and_the_queue_goes_on(server, tmp_path):
    pytest.importorskip("celery")
    with FakeModels() as embeddings, database_of(server) as url, running_redis(tmp_path) as redis:
        setting = Setting(tmp_path, embeddings, redis)
        workers = {"broker": f"redis+socket://{redis.socket}", "give_up_after": 0.5}
        (tmp_path / "server").mkdir()
        config = configured(url, tmp_path / "server", embeddings, None, serve={}, workers=workers)
        with running(config) as api:
            reply = api.client.post("/api/documents", files={"files": ("a.md", "# A\n\nWords.")})
            failed = wait_for(api, reply.json()["job"])
            assert failed["status"] == "failed"
            assert failed["error"].startswith("No worker answers. None took what is to be indexed")
            with working(setting.configure(url, "worker")):
                again = {"root": "uploads"}
                for _ in range(60):  # the worker takes longer to start than this server waits
                    told = wait_for(api, api.client.post("/api/jobs", json=again).json())
                    if told["status"] == "done":
                        break
            assert told["report"]["added"] == 1


def test_workers_do_uploads_and_directories(server, tmp_path, monkeypatch):
    pytest.importorskip("celery")

    def refuse(*_):
        raise AssertionError("the server has read a file itself")

    monkeypatch.setattr(ReadWorker, "read", refuse)
    with FakeModels() as embeddings, database_of(server) as url, running_redis(tmp_path) as redis:
        setting = Setting(tmp_path, embeddings, redis)
        broker = f"redis+socket://{redis.socket}"
        home = tmp_path / "server"
        home.mkdir()
        config = configured(url, home, embeddings, None, serve={}, workers={"broker": broker})
        with running(config) as api:
            file = setting.configure(url, "worker", documents={"filter_keys": ["category"]})
            with working(file):
                files = [("files", (f"f{each}.md", f"# File {each}\n\nWords.")) for each in "ab"]
                reply = api.client.post("/api/documents", files=files).json()
                uploaded = wait_for(api, reply["job"])
                assert (uploaded["status"], uploaded["report"]["added"]) == ("done", 2), uploaded
                job = api.client.post("/api/jobs", json={}).json()
                assert wait_for(api, job)["report"]["added"] == 3
            assert broker not in repr(config)
            original = api.client.get("/api/documents/uploads/fa.md/original")
            assert original.text.startswith("# File a")
