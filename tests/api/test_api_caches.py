"""What a server keeps for the next time: shown, forgotten, counted, and left out where one asks."""

import pytest
from api_server import configured, database_of, running
from test_api_metrics import TOKEN, read_metrics

QUESTION = {"question": "When do goods go back?", "source": "documents"}


@pytest.fixture(scope="module")
def served(server, models, embeddings, tmp_path_factory):
    with database_of(server) as url:
        caches = {"results": {}, "replies": {"place": "database"}, "rows": {}}
        serve = {"metrics": {"enabled": True, "token": TOKEN}}
        folder = tmp_path_factory.mktemp("caches")
        config = configured(url, folder, embeddings, models, caches=caches, serve=serve)
        with running(config) as api:
            api.kb.index()
            yield api


@pytest.fixture
def client(api, models):
    assert api.client.delete("/api/caches").status_code == 204
    models.script = ["Once [1].", "Twice [1].", "Thrice [1]."]
    return api.client


def ask(client, **body):
    reply = client.post("/api/ask", json={**QUESTION, **body})
    assert reply.status_code == 200, reply.text
    return reply.json()["answer"]


def describe(client):
    found = {each.pop("kind"): each for each in client.get("/api/caches").json()}
    return {kind: (each["place"], each["values"]) for kind, each in found.items()}


def test_what_is_kept_is_described_and_forgotten(client):
    ask(client)
    assert describe(client) == {
        "embeddings": ("process", 1),
        "results": ("process", 1),
        "replies": ("database", 1),
        "rows": ("process", 0),
    }
    assert client.delete("/api/caches").status_code == 204
    assert {values for _, values in describe(client).values()} == {0}


def test_a_question_is_answered_anew_where_one_asks_for_that(client):
    assert ask(client) == ask(client) == "Once [1]."
    assert ask(client, cached=False) == "Twice [1]."
    assert ask(client) == "Twice [1]."


def test_a_search_is_made_anew_where_one_asks_for_that(api, client):
    results = api.kb.components.caches.results
    hits, misses = results.hits, results.misses
    for cached in (True, True, False):
        client.post("/api/search", json={"question": "goods", "cached": cached})
    assert (results.hits, results.misses) == (hits + 1, misses + 1)


def test_another_version_of_a_turn_is_answered_anew(client):
    first = client.post("/api/sessions/s/turns", json={"message": "When do goods go back?"}).json()
    again = {"message": "When do goods go back?", "replaces": first["turn_id"]}
    second = client.post("/api/sessions/s/turns", json=again).json()
    assert (first["answer"], second["answer"]) == ("Once [1].", "Twice [1].")


def test_lookups_are_counted_by_cache(api, client):
    before = read_metrics(api)
    for _ in range(2):
        ask(client, question="When do lamps go back?")
    now = read_metrics(api)
    for kind in ("embeddings", "results", "replies"):
        for result in ("hit", "miss"):
            key = ("kb_cache_lookups_total", *sorted((kind, result)))
            assert now[key] == before.get(key, 0) + 1, key
