"""One trace from a request to its SQL and the calls of its models, at a receiver of OTLP."""

import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest
from api_server import configured, database_of, events, running, wait_until
from model_server import FakeModels
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from trace_receiver import receiver

from kb.api.traces import Traces
from stores.errors import ConfigError

ROOT = Path(__file__).parents[2]
QUESTION = "When do goods go back to Wonderland?"


@pytest.fixture(scope="module")
def exported(server, models, tmp_path_factory):
    """The bodies that were sent of an answer, a streamed one, and a turn of a chat."""
    patch = pytest.MonkeyPatch()
    with (
        patch.context() as patched,
        receiver() as (address, bodies),
        FakeModels() as embeddings,
        database_of(server) as url,
    ):
        patched.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        config = configured(url, tmp_path_factory.mktemp("traces"), embeddings, models)
        with running(config) as api:
            api.kb.index()
            asked = {"question": QUESTION}
            assert api.client.post("/api/ask", json=asked).status_code == 200
            assert events(api.client, "/api/ask", asked)[-1][0] == "done"
            session = api.client.post("/api/sessions", json={}).json()["id"]
            assert (
                events(api.client, f"/api/sessions/{session}/turns", {"message": QUESTION})[-1][0]
                == "done"
            )
            wrong = {"Authorization": "Bearer wrong"}
            assert api.client.post("/api/sql", json={}, headers=wrong).status_code == 401
            assert api.client.get("/nowhere").status_code == 404
        yield bodies


@pytest.fixture(scope="module")
def traces(exported):
    """The spans of each trace."""
    found = {}
    for body in exported:
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    found.setdefault(span.trace_id, []).append(span)
    return list(found.values())


def test_each_trace_has_one_root_and_that_is_a_request(traces):
    for spans in traces:
        known = {span.span_id for span in spans}
        assert [
            span.name.split()[0] in ("GET", "POST", "job")
            for span in spans
            if not span.parent_span_id
        ] == [True]
        assert {span.parent_span_id for span in spans if span.parent_span_id} <= known


def test_one_trace_goes_from_the_request_to_sql_and_the_model_also_streamed(traces):
    for route, times in (("/api/ask", 2), ("/api/sessions/{session_id}/turns", 1)):
        of_route = [
            {span.name for span in spans}
            for spans in traces
            if any(span.name == f"POST {route}" for span in spans)
        ]
        assert len(of_route) == times, [sorted({s.name for s in t}) for t in traces]
        for names in of_route:
            assert "SELECT" in names
            assert any(name.startswith("OpenAILike.") for name in names), names


def test_a_request_that_is_refused_is_named_by_its_route_and_one_without_a_route_is_not(traces):
    roots = [span for spans in traces for span in spans if not span.parent_span_id]
    told = {
        (span.name, attributes["http.route"], attributes["http.response.status_code"])
        for span in roots
        for attributes in [{pair.key: read_value(pair.value) for pair in span.attributes}]
        if attributes.get("http.response.status_code", 0) >= 400
    }
    assert told == {("POST /api/sql", "/api/sql", 401), ("GET", "", 404)}


def read_value(value):
    return getattr(value, value.WhichOneof("value"))


def test_no_contents_and_no_secrets_are_exported(exported):
    sent = b"".join(exported)
    for content in (QUESTION, "Wonderland", "30 days", "They go back", "Bearer", "FROM"):
        assert content.encode() not in sent


@pytest.mark.parametrize("switch", [{}, {"OTEL_SDK_DISABLED": "true"}], ids=["none", "disabled"])
def test_off_nothing_of_the_sdk_is_imported(switch):
    address = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"} if switch else {}
    program = (
        "import sys\nfrom kb.api.application import make_app\n"
        "from kb.config.sections import Config\nmake_app(Config())\n"
        "print([name for name in sys.modules if name.startswith(('opentelemetry.sdk', "
        "'opentelemetry.exporter')) or name == 'kb.api.traces'])"
    )
    told = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(ROOT), **switch, **address},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.stdout == "[]\n", told.stderr


def test_a_job_is_a_trace_with_what_it_did(server, models, embeddings, tmp_path, monkeypatch):
    with receiver() as (address, bodies), database_of(server) as url:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        with running(configured(url, tmp_path, embeddings, models)) as api:
            api.kb.index()
            job = api.client.post("/api/jobs", json={"root": "documents"}).json()
            wait_until(lambda: api.client.get(f"/api/jobs/{job['id']}").json()["status"] == "done")
    spans = list_spans(bodies)
    [root] = [span for span in spans if span.name == "job index"]
    assert not root.parent_span_id
    inner = {span.name for span in spans if span.trace_id == root.trace_id}
    assert "SELECT" in inner


def test_what_is_logged_is_exported_in_its_trace_and_named_in_the_line_of_the_request(
    server, models, embeddings, tmp_path, monkeypatch, caplog
):
    logs = []
    with receiver(logs) as (address, bodies), database_of(server) as url:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        monkeypatch.setenv("OTEL_LOGS_EXPORTER", "otlp")
        caplog.set_level(logging.INFO, "kb.access")
        with running(configured(url, tmp_path, embeddings, models)) as api:
            api.kb.index()
            assert api.client.post("/api/search", json={"question": QUESTION}).status_code == 200
    records = [
        record
        for body in logs
        for resource in ExportLogsServiceRequest.FromString(body).resource_logs
        for scope in resource.scope_logs
        for record in scope.log_records
    ]
    lines = {record.body.string_value: record for record in records}
    [line] = [json.loads(each) for each in lines if "/api/search" in each]
    [record] = [record for text, record in lines.items() if "/api/search" in text]
    assert record.severity_text == "INFO"
    assert record.trace_id.hex() == line["trace"]
    assert bytes.fromhex(line["trace"]) in {span.trace_id for span in list_spans(bodies)}
    assert "Wonderland" not in str(records)


def test_a_search_is_traced_to_its_statements(server, models, embeddings, tmp_path, monkeypatch):
    with receiver() as (address, bodies), database_of(server) as url:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        with running(configured(url, tmp_path, embeddings, models)) as api:
            api.kb.index()
            for _ in range(2):
                api.client.post("/api/search", json={"question": QUESTION})
    spans = list_spans(bodies)
    *_, root = [span for span in spans if span.name == "POST /api/search"]
    [retrieving] = [
        span for span in spans if span.trace_id == root.trace_id and span.name.endswith(".retrieve")
    ]
    inside = [
        span
        for span in spans
        if span.name == "SELECT"
        and retrieving.start_time_unix_nano < span.start_time_unix_nano
        and span.end_time_unix_nano < retrieving.end_time_unix_nano
        and span.trace_id == root.trace_id
    ]
    assert inside
    of_models = [
        span
        for span in spans
        if span.trace_id == root.trace_id and span.name.endswith(".get_query_embedding")
    ]
    assert {span.parent_span_id for span in of_models} == {retrieving.span_id}
    assert not [span.name for span in spans if "._retrieve" in span.name]


def test_a_sampler_of_the_standard_variables_leaves_traces_out(
    server, models, embeddings, tmp_path, monkeypatch
):
    with receiver() as (address, bodies), database_of(server) as url:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
        monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0")
        with running(configured(url, tmp_path, embeddings, models)) as api:
            api.client.post("/api/search", json={"question": QUESTION})
            sampled = {"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01"}
            api.client.post("/api/search", json={"question": QUESTION}, headers=sampled)
    assert {span.trace_id.hex() for span in list_spans(bodies)} == {"ab" * 16}


def list_spans(bodies):
    return [
        span
        for body in bodies
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("OTEL_TRACES_EXPORTER", "jaeger", "OTEL_TRACES_EXPORTER is 'jaeger'"),
        ("OTEL_LOGS_EXPORTER", "file", "OTEL_LOGS_EXPORTER is 'file'"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "The protocol of OTLP is 'grpc'"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json", "'http/json'"),
    ],
)
def test_what_kb_does_not_speak_is_refused(monkeypatch, variable, value, told):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError, match=told):
        Traces()
