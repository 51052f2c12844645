"""Keys that ask from documents alone, or from tables alone."""

import pytest

from kb.api.guards.access import Caller
from stores.api_keys import ApiKey

QUESTION = {"question": "When do goods go back?"}
MESSAGES = [{"role": "user", "content": "When do goods go back?"}]
OTHER_GROUPS = {"documents": {"tables", "verified queries"}, "tables": {"documents", "jobs"}}
OWN_SOURCE = {"documents": "documents", "tables": "database"}


@pytest.fixture(params=["documents", "tables"])
def only(request):
    return request.param


@pytest.fixture
def client(api, only):
    return api.with_key(f"only {only}", "admin", only=only)


def test_it_is_kept_from_every_endpoint_of_the_other_one(api, client, only):
    refused = 0
    for path, operations in api.client.get("/openapi.json").json()["paths"].items():
        for method, operation in operations.items():
            if operation["tags"][0] in OTHER_GROUPS[only]:
                reply = client.request(method, path)
                assert reply.status_code == 403, (method, path)
                assert reply.json()["detail"] == f"It asks from {only} alone."
                refused += 1
    assert refused >= 7


def test_it_is_answered_from_its_own_whatever_auto_means_to_others(client, only, models):
    models.script = ["SELECT city FROM orders", "Lyon."] if only == "tables" else []
    told = client.post("/api/ask", json=QUESTION).json()
    assert told["route"] == OWN_SOURCE[only]
    assert bool(told["citations"]) == (only == "documents")
    assert bool(told["sql"]) == (only == "tables")
    models.script = ["SELECT city FROM orders", "Lyon."] if only == "tables" else []
    asked = {"message": QUESTION["question"]}
    turn = client.post(f"/api/sessions/{only}/turns", json=asked).json()
    assert turn["route"] == OWN_SOURCE[only]
    models.script = ["SELECT city FROM orders", "Lyon."] if only == "tables" else []
    body = {"model": "kb-auto", "messages": MESSAGES}
    assert client.post("/v1/chat/completions", json=body).json()["route"] == OWN_SOURCE[only]


def test_it_may_not_name_another_source(client, only):
    others = {"documents", "database", "both"} - {OWN_SOURCE[only]}
    for source in others:
        for path, body in (("/api/ask", QUESTION), ("/api/sessions/s/turns", {"message": "x"})):
            for stream in (False, True):
                reply = client.post(path, json={**body, "source": source, "stream": stream})
                assert reply.status_code == 403, (path, source)
    model = "kb-database" if only == "documents" else "kb-documents"
    request = {"model": model, "messages": MESSAGES}
    assert client.post("/v1/chat/completions", json=request).status_code == 403
    assert client.post("/v1/chat/completions", json=request | {"stream": True}).status_code == 403
    for path, key in (("/v1/responses", "input"), ("/v1/completions", "prompt")):
        assert client.post(path, json={"model": model, key: "x"}).status_code == 403
    assert client.get(f"/v1/models/{model}").status_code == 404
    listed = [each["id"] for each in client.get("/v1/models").json()["data"]]
    own = ["kb-auto", f"kb-{OWN_SOURCE[only]}"]
    assert listed == [*own, *(["kb-embedding"] if only == "documents" else [])]


def test_searches_vectors_and_counts_are_of_documents(client, only):
    is_open = only == "documents"
    embedding = {"model": "kb-embedding", "input": "x"}
    for path, body in (("/api/search", QUESTION), ("/v1/embeddings", embedding)):
        assert (client.post(path, json=body).status_code == 200) == is_open, path
    status = client.get("/api/status").json()
    assert (bool(status["roots"]), bool(status["documents"])) == (is_open, is_open)
    assert (status["only"], status["verifies"]) == (only, only == "tables")


def test_nothing_is_read_of_what_it_may_not_upload(api):
    client = api.with_key("tables", "admin", only="tables")
    small, large = ({"files": ("a.txt", b"x" * size)} for size in (1, 2 * 2**20))
    assert client.post("/api/documents", files=small).status_code == 403
    assert client.post("/api/documents", files=large).status_code == 413


def test_who_asks_from_tables_alone_sees_no_document_by_any_other_way(only):
    key = ApiKey("1", "ana", "admin", collections=("docs",), only=only)
    assert Caller.from_key(key).may_see("docs") == (only == "documents")
