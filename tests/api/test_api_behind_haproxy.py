"""Two servers of two machines behind the HAProxy of deploy/ behave as one."""

import threading
from contextlib import ExitStack

import haproxy
import httpx
import pytest
from api_server import configured, database_of, machine, running, wait_until

pytestmark = [haproxy.installed, pytest.mark.slow]


@pytest.fixture
def url(server):
    with database_of(server) as url:
        yield url


def list_states(address, headers):
    """Which status the proxy gives to several requests, each of a connection of its own."""
    return [httpx.get(f"{address}/api/status", headers=headers).status_code for _ in range(20)]


def test_uploads_go_through_and_a_server_that_stops_costs_no_answer(url, embeddings, tmp_path):
    with ExitStack() as closing:
        one, two = closing.enter_context(machine(url, tmp_path / "a", embeddings)), ExitStack()
        other = two.enter_context(machine(url, tmp_path / "b", embeddings))
        closing.enter_context(two)
        one.kb.index()
        headers = dict(one.with_key("admin", "admin").headers)
        places = [f"127.0.0.1:{api.client.base_url.port}" for api in (one, other)]
        address = closing.enter_context(haproxy.before(places[0], places[1], tmp_path))
        client = closing.enter_context(httpx.Client(headers=headers, timeout=30))
        jobs = []
        for number in range(8):
            files = {"files": (f"f{number}.md", f"# File {number}\n\nWords.")}
            reply = httpx.post(f"{address}/api/documents", files=files, headers=headers, timeout=30)
            assert reply.status_code == 202
            jobs.append(reply.json()["job"]["id"])

        def count_done():
            told = [client.get(f"{address}/api/jobs/{job}").json()["status"] for job in jobs]
            return told.count("done")

        wait_until(lambda: count_done() == len(jobs))
        for base in (address, *(f"http://{place}" for place in places)):
            original = client.get(f"{base}/api/documents/uploads/f0.md/original")
            assert original.text == "# File 0\n\nWords."
        two.close()
        assert list_states(address, headers) == [200] * 20


def test_an_answer_passes_as_it_is_written(url, embeddings, models, tmp_path):
    words_out, go_on = threading.Event(), threading.Event()

    def reply(_request):
        words_out.set()
        assert go_on.wait(30)
        return "At last."

    config = configured(url, tmp_path, embeddings, models)
    with running(config) as api:
        api.kb.index()
        headers = dict(api.with_key("reader").headers)
        place = f"127.0.0.1:{api.client.base_url.port}"
        models.script = [reply]
        body = {"question": "When do goods go back?", "source": "documents", "stream": True}
        with (
            haproxy.before(place, place, tmp_path) as address,
            httpx.stream(
                "POST", f"{address}/api/ask", json=body, headers=headers, timeout=30
            ) as answer,
        ):
            lines = answer.iter_lines()
            assert next(line for line in lines if line) == "event: route"
            assert words_out.wait(30)
            assert not go_on.is_set()
            go_on.set()
            assert "event: done" in list(lines)
