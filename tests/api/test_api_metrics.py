"""What operators ask the server: statistics, costs, and the counts for Prometheus."""

import re
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from api_server import configured, database_of, running
from model_server import FakeModels
from prometheus_client.parser import text_string_to_metric_families

from stores.evaluations import EvaluationRun, Evaluations

DEPLOY = Path(__file__).parents[2] / "deploy"
TOKEN = "prometheus-sends-this"


@pytest.fixture(scope="module")
def served(server, models, tmp_path_factory):
    with FakeModels() as embeddings, database_of(server) as url:
        folder = tmp_path_factory.mktemp("metrics")
        (folder / "prices.yaml").write_text(
            "currency: EUR\nmodels: {fake: {input: 1000000, output: 2000000}}\n"
        )
        cost = {"prices": "prices.yaml", "budget": {"month": 100_000, "keys": {"poor": 1}}}
        serve = {"metrics": {"enabled": True, "token": TOKEN}}
        config = configured(url, folder, embeddings, models, cost=cost, serve=serve)
        with running(config) as api:
            api.kb.index()
            yield api


def read_metrics(api, token=TOKEN):
    reply = httpx.get(
        f"{api.client.base_url}/metrics", headers={"Authorization": f"Bearer {token}"}, timeout=30
    )
    assert reply.status_code == 200, reply.text
    assert reply.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(reply.text)
        for sample in family.samples
    }


def ask(client, path="/api/ask", **body):
    reply = client.post(path, json={"question": "When do goods go back?", **body})
    assert reply.status_code == 200, reply.text


def test_a_question_that_is_asked_again_is_not_embedded_again(api):
    question = {"question": "When do goods go back to the embedding cache?"}
    ask(api.client, "/api/search", **question)
    before = read_metrics(api)
    ask(api.client, "/api/search", **question)
    now = read_metrics(api)
    hit, miss = (("kb_cache_lookups_total", "embeddings", result) for result in ("hit", "miss"))
    assert now[hit] == before.get(hit, 0) + 1
    assert now[miss] == before[miss]


def test_the_counts_are_those_of_what_was_asked(api):
    api.kb.components.books.writer.flush()
    before = read_metrics(api)
    ask(api.client, source="documents")
    ask(api.client, "/api/search")
    chat = {"model": "kb-documents", "messages": [{"role": "user", "content": "Goods back?"}]}
    assert api.client.post("/v1/chat/completions", json=chat).status_code == 200
    api.kb.components.books.writer.flush()
    now = read_metrics(api)

    def grown(*sample):
        return now[sample] - before.get(sample, 0)

    assert grown("kb_answers_total", "answered", "api", "documents") == 1
    assert grown("kb_answers_total", "answered", "documents", "v1") == 1
    assert grown("kb_answer_seconds_count", "documents") == 2
    assert grown("kb_step_seconds_count", "documents", "retrieval") == 2
    assert grown("kb_searches_total") == 1
    assert grown("kb_model_calls_total", "answer", "fake", "llm") == 2
    assert grown("kb_cost_total", "EUR", "fake") > 3
    assert now["kb_documents",] == 3
    assert now["kb_jobs", "queued"] == 0
    assert now["kb_database_up",] == 1
    assert now["kb_month_budget",] == 100_000


def test_the_last_results_for_what_was_marked_as_right_are_told(api):
    runs = Evaluations(api.kb.components.engine)
    run = EvaluationRun("marks", "h", 10, "default", {}, "fake", {"ndcg": 0.9})
    for ndcg, marks in ((0.5, "h"), (0.9, "other"), (0.8, "h")):
        runs.add(replace(run, set_hash=marks, metrics={"ndcg": ndcg}), {})
    runs.add(replace(run, profile="semantic"), {})
    runs.add(replace(run, set_name="another"), {})
    now = read_metrics(api)
    assert now["kb_marks_ndcg", "default"] == 0.8
    assert now["kb_marks_ndcg_before", "default"] == 0.5
    assert now["kb_marks_ndcg", "semantic"] == 0.9
    assert ("kb_marks_ndcg_before", "semantic") not in now


def test_no_word_of_a_question_and_no_key_is_in_the_counts(api):
    client = api.with_key("canary-key", "admin")
    assert client.post("/api/ask", json={"question": "canary words?"}).status_code == 200
    api.kb.components.books.writer.flush()
    assert not re.search("canary", str(read_metrics(api)))


def test_the_counts_take_the_token_or_a_key_of_scope_admin(api):
    path = f"{api.client.base_url}/metrics"
    assert httpx.get(path).status_code == 401
    assert httpx.get(path, headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert api.client.get("/metrics").status_code == 200, "the token of the start is for anything"
    assert api.with_key("reader").get("/metrics").status_code == 403
    assert api.with_key("operator", "admin").get("/metrics").status_code == 200
    other = {"Authorization": f"Bearer {TOKEN}"}
    assert httpx.get(f"{api.client.base_url}/api/status", headers=other).status_code == 401


@pytest.mark.parametrize("name", ["prometheus-rules.yaml", "grafana-dashboard.json"])
def test_what_alerts_and_the_dashboard_look_at_is_there(api, name):
    reply = api.client.get("/metrics")
    there = set(re.findall(r"^# TYPE (kb_\w+) ", reply.text, re.MULTILINE))
    text = (DEPLOY / name).read_text("utf-8")
    named = {re.sub(r"_bucket$", "", each) for each in re.findall(r"\bkb_\w+", text)}
    assert named <= there
    assert len(named) > 5


def test_statistics_and_costs_take_a_key_of_scope_admin(api):
    ask(api.client, source="documents")
    api.kb.components.books.writer.flush()
    admin, reader = api.with_key("admin", "admin"), api.with_key("reader-2", "write")
    for path in ("/api/stats", "/api/cost"):
        assert reader.get(path).status_code == 403
        assert admin.get(path, params={"days": 0}).status_code == 422
    told = admin.get("/api/stats").json()
    assert told["total"]["answers"] >= 1
    assert {row["route"] for row in told["days"]} >= {"documents"}
    costs = admin.get("/api/cost", params={"days": 2}).json()
    assert costs["currency"] == "EUR"
    assert costs["month"]["expected"] >= costs["month"]["cost"] > 0
    assert {use["model"] for use in costs["uses"]} == {"fake"}


def test_a_key_whose_budget_is_spent_is_told_so(api):
    poor = api.with_key("poor")
    ask(poor, source="documents")
    api.kb.components.books.writer.flush()
    api.kb.components.books._spent._known.clear()
    reply = poor.post("/api/ask", json={"question": "Goods?", "source": "documents"})
    assert (reply.status_code, reply.json()["code"]) == (402, "budget_spent")
    body = {"model": "kb-documents", "messages": [{"role": "user", "content": "Goods?"}]}
    reply = poor.post("/v1/chat/completions", json=body)
    assert (reply.status_code, reply.json()["error"]["code"]) == (402, "budget_spent")
    reply = poor.post("/v1/embeddings", json={"model": "kb-embedding", "input": "Goods?"})
    assert reply.status_code == 402
    ask(poor, "/api/search")
    ask(api.with_key("rich"), source="documents")


def test_without_being_switched_on_there_are_no_counts(server, tmp_path):
    with FakeModels() as embeddings, database_of(server) as url:
        config = configured(url, tmp_path, embeddings, None)
        with running(config) as api:
            assert api.client.get("/metrics").status_code == 404
