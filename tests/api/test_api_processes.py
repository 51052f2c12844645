"""`kb serve` as processes: stopping it, killing it, and several on one database."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest
import yaml
from api_server import configured, database_of, events
from model_server import FakeModels
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from trace_receiver import receiver

from kb.app import KnowledgeBase
from stores.api_keys import ApiKeys
from stores.chats.chat_sessions import SessionStore

PROMETHEUS = shutil.which("prometheus")


def held(words_out: threading.Event, go_on: threading.Event):
    """A reply that comes when it may."""

    def reply(_request):
        words_out.set()
        assert go_on.wait(30)
        return "At last."

    return reply


@pytest.fixture(scope="module")
def kb(server, models, tmp_path_factory):
    with FakeModels() as embeddings, database_of(server) as url:
        directory = tmp_path_factory.mktemp("served")
        config = configured(url, directory, embeddings, models)
        written = {
            "database": {"url": url.render_as_string(hide_password=False)},
            "documents": {"path": str(config.documents.path)},
            "embedding": _model(embeddings),
            "llm": {**_model(models), "context_window": 8000},
            "serve": {"metrics": {"enabled": True}},
        }
        (directory / "config.yaml").write_text(yaml.safe_dump(written))
        with KnowledgeBase.open(config) as kb:
            kb.index()
            yield kb


def _model(server):
    return {"provider": "openai-like", "model": "fake", "base_url": server.openai_url}


@contextmanager
def serving(kb, *options):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    file = kb.config.directory / "config.yaml"
    command = [sys.executable, "-m", "kb", "--config", str(file), "serve", "--port", str(port)]
    said = kb.config.directory / "said.txt"
    with said.open("w") as errors:
        process = subprocess.Popen(
            [*command, *options], stdout=subprocess.PIPE, stderr=errors, text=True
        )
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
        try:
            try:
                _await_readiness(client, process)
            except AssertionError as error:
                raise AssertionError(said.read_text()) from error
            [token] = re.findall(rf" http://127.0.0.1:{port}/\?token=(\S+) ", said.read_text())
            client.headers["Authorization"] = f"Bearer {token}"
            yield process, client
        finally:
            process.terminate()
            process.communicate(timeout=60)


def _await_readiness(client, process):
    for _ in range(600):
        assert process.poll() is None, "the server did not start"
        try:
            if client.get("/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError("the server is not ready after a minute")


@pytest.mark.slow
def test_several_processes_behave_as_one_and_finish_their_answers_when_stopped(kb, models):
    with serving(kb, "--processes", "2") as (process, client):
        assert _listening(client.base_url.port) == 2, "one process would take all connections"
        _share_turns(client)
        _share_keys(kb, client.base_url)
        _finish(kb, models, process, client)
        lines = [json.loads(line) for line in process.stdout if line.startswith("{")]
        token = client.headers["Authorization"].split()[1]
    assert lines[-1]["route"] == "/api/sessions/{session_id}/turns"
    assert token not in json.dumps(lines)


def _listening(port):
    """How many sockets of this machine listen there; a process is ready before the other one."""
    for _ in range(600):
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        found = sum(row[1].endswith(f":{port:04X}") and row[3] == "0A" for row in rows)
        if found > 1:
            break
        time.sleep(0.1)
    return found


def _share_turns(client):
    body = {"message": "When do goods go back?", "source": "documents"}
    for number in range(6):  # a connection each, so that both processes are asked
        path = f"{client.base_url}/api/sessions/shared/turns"
        asked = {**body, "turn_id": str(number)}
        reply = httpx.post(path, json=asked, headers=client.headers, timeout=30)
        assert reply.json()["turn"] == number + 1


def _share_keys(kb, url):
    secret = ApiKeys(kb.components.engine).create("shared", "read")
    headers = {"Authorization": f"Bearer {secret}"}
    for _ in range(6):
        assert httpx.get(f"{url}/api/status").status_code == 401
        assert httpx.get(f"{url}/api/status", headers=headers).status_code == 200
    ApiKeys(kb.components.engine).revoke("shared")
    for _ in range(6):
        assert httpx.get(f"{url}/api/status", headers=headers).status_code == 401
    with kb.components.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM kb_api_key")


def _finish(kb, models, process, client):
    asked, go_on, told = threading.Event(), threading.Event(), []
    models.script = [held(asked, go_on)]
    body = {"message": "When do goods go back?", "source": "documents", "turn_id": "t"}
    reader = threading.Thread(
        target=lambda: told.extend(events(client, "/api/sessions/stopped/turns", body))
    )
    reader.start()
    assert asked.wait(30)
    process.send_signal(signal.SIGTERM)
    time.sleep(1)
    go_on.set()
    reader.join(30)
    assert process.wait(30) == 0
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{client.base_url}/healthz")
    assert told[-1][0] == "done"
    assert told[-1][1]["answer"] == "At last."
    [turn] = SessionStore(kb.components.engine).list_turns("stopped")
    assert (turn.status, turn.answer) == ("complete", "At last.")


@pytest.mark.slow
def test_each_process_tells_prometheus_of_all(kb):
    """Also of one that was killed: what it counted stays, and what it had under way goes."""
    with serving(kb, "--processes", "2") as (process, client):
        for _ in range(12):  # on connections of their own, which are shared out among processes
            reply = httpx.post(
                f"{client.base_url}/api/ask",
                json={"question": "When do goods go back?", "source": "documents"},
                headers={"Authorization": client.headers["Authorization"], "Connection": "close"},
                timeout=30,
            )
            assert reply.status_code == 200
        counts = [_await_answers(client, 12) for _ in range(6)]
        assert {"kb_answers_total", "kb_log_waiting"} <= counts[0].keys()
        os.kill(_list_processes(process)[0], signal.SIGKILL)
        time.sleep(1)
        _await_answers(client, 12)


@pytest.mark.slow
def test_a_process_that_dies_while_its_sign_of_life_is_awaited_is_replaced_at_once(kb):
    """It is stopped first, so that the server has asked it and waits when it is killed."""
    with serving(kb, "--processes", "2") as (process, client):
        [killed, _] = before = _list_processes(process)
        os.kill(killed, signal.SIGSTOP)
        time.sleep(1.5)  # the server asks twice a second
        os.kill(killed, signal.SIGKILL)
        for _ in range(300):
            if len(set(_list_processes(process)) | set(before)) == 3:
                break
            time.sleep(0.1)
        assert killed not in _list_processes(process)
        _await_readiness(client, process)


def _list_processes(server):
    """The processes of a server that are not dead, oldest first."""
    listed = subprocess.run(
        ["pgrep", "-P", str(server.pid), "-f", "spawn_main"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [int(pid) for pid in listed.stdout.split()]


def _await_answers(client, number):
    """The metrics without labels, once so many answers are counted, on a new connection."""
    for _ in range(100):
        try:
            reply = httpx.get(
                f"{client.base_url}/metrics", headers={**client.headers, "Connection": "close"}
            )
        except httpx.TransportError:  # of the process that was killed
            time.sleep(0.1)
            continue
        assert reply.status_code == 200, reply.text
        found = {}
        for line in reply.text.splitlines():
            name, value = line.rpartition(" ")[::2]
            if not line.startswith("#"):
                key = name.partition("{")[0]
                found[key] = found.get(key, 0) + float(value)
        if found.get("kb_answers_total") == number:
            return found
        time.sleep(0.1)
    raise AssertionError(f"{number} answers are not counted: {found}")


@pytest.mark.slow
@pytest.mark.skipif(PROMETHEUS is None, reason="Prometheus is not installed (Debian's prometheus)")
def test_a_prometheus_that_scrapes_counts_the_answers_of_all_processes(kb, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # where the processes count
    with (
        serving(kb, "--processes", "2") as (_, client),
        _prometheus(client, tmp_path) as prometheus,
    ):
        answers = 0
        while len(_list_answering(tmp_path)) < 2:
            asked = {"question": "When do goods go back?", "source": "documents"}
            headers = {"Authorization": client.headers["Authorization"]}
            url = f"{client.base_url}/api/ask"  # on a connection of its own; these are shared out
            assert httpx.post(url, json=asked, headers=headers, timeout=30).status_code == 200
            answers += 1
            assert answers < 100, "one of the two processes never answers"
        _await_value(prometheus, "sum(kb_answers_total)", answers)
        _await_value(prometheus, 'up{job="kb"}', 1)
        _await_value(prometheus, "sum(kb_database_up)", 1)


def _list_answering(folder):
    """The files of the processes that have counted an answer."""
    files = folder.glob("kb-metrics-*/counter_*.db")
    return [file for file in files if b"kb_answers_total" in file.read_bytes()]


@contextmanager
def _prometheus(client, folder):
    """Run Prometheus on what a server tells, each second, with the rules of deploy/."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    rules = Path(__file__).parents[2] / "deploy" / "prometheus-rules.yaml"
    token = client.headers["Authorization"].removeprefix("Bearer ")
    job = {
        "job_name": "kb",
        "authorization": {"credentials": token},
        "static_configs": [{"targets": [client.base_url.netloc.decode()]}],
    }
    config = {
        "global": {"scrape_interval": "1s"},
        "rule_files": [str(rules)],
        "scrape_configs": [job],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    process = subprocess.Popen(
        [
            PROMETHEUS,
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'series'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=error",
        ]
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as prometheus:
            yield prometheus
    finally:
        process.terminate()
        process.wait(timeout=30)


def _await_value(prometheus, query, value):
    """Wait until a query has one result of this value."""
    found = None
    for _ in range(300):
        with suppress(httpx.TransportError, json.JSONDecodeError, KeyError):  # it has just begun
            reply = prometheus.get("/api/v1/query", params={"query": query}).json()
            found = [float(each["value"][1]) for each in reply["data"]["result"]]
            if found == [value]:
                return
        time.sleep(0.1)
    raise AssertionError(f"{query} is {found}, not {value}")


@pytest.mark.slow
def test_each_process_exports_its_requests_in_the_trace_of_their_client(kb, monkeypatch):
    sent = {"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01"}
    with receiver() as (address, bodies):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        with serving(kb, "--processes", "2") as (_, client):
            for _ in range(12):  # on connections of their own, which are shared out
                headers = {**sent, "Authorization": client.headers["Authorization"]}
                asked = {"question": "When do goods go back?"}
                url = f"{client.base_url}/api/search"
                assert httpx.post(url, json=asked, headers=headers, timeout=30).status_code == 200
    spans = {}  # of each process, by its resource
    for body in bodies:
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            told = spans.setdefault(resource.resource.SerializeToString(), [])
            told += [span for scope in resource.scope_spans for span in scope.spans]
    of_client = [s for own in spans.values() for s in own if s.trace_id.hex() == "ab" * 16]
    searches = [span for span in of_client if span.name == "POST /api/search"]
    assert [span.parent_span_id.hex() for span in searches] == ["cd" * 8] * 12
    assert "SELECT" in {span.name for span in of_client}
