"""One trace from a request to its SQL and the calls of its models, at a receiver of OTLP."""

import subprocess
import sys
from pathlib import Path

import pytest
from api_server import configured, database_of, events, running
from model_server import FakeModels
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from trace_receiver import receiver

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
            span.name.split()[0] in ("GET", "POST") for span in spans if not span.parent_span_id
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
