"""Verified queries over HTTP: whose they are; no key speaks for another or for the file."""

import pytest
import yaml
from api_server import configured, database_of, running
from model_server import FakeModels

from stores.verified_queries import Editor

OF_FILE = {
    "name": "cities",
    "question": "Which cities do we serve?",
    "wordings": ["Quelles villes servons-nous ?"],
    "sql": "SELECT city FROM orders",
    "verified_by": "Inès Duarte",
    "verified_at": "2026-06-12",
}
ORDERS = {"question": "How many orders are there?", "sql": "SELECT COUNT(*) AS orders FROM orders"}
MANY = "SELECT 999999 AS orders FROM orders LIMIT 1"


@pytest.fixture(scope="module")
def served(server, tmp_path_factory):
    folder = tmp_path_factory.mktemp("api")
    file = folder / "verified.yaml"
    file.write_text(yaml.safe_dump([OF_FILE]), "utf-8")
    with FakeModels() as models, database_of(server) as url:
        tables = {"url": url, "include": ["orders"], "allow_powerful_account": True}
        sections = {"tables": {**tables, "verified_queries": file}}
        with running(configured(url, folder, models, None, **sections)) as api:
            yield api


@pytest.fixture
def api(served):
    yield served
    served.forget_keys()
    queries = served.kb.components.verified_queries
    for query in queries:
        if query.origin == "saved":
            queries.remove(query.name, Editor("test"))


@pytest.fixture
def ana(api):
    return api.with_key("ana", verifies=True)


@pytest.fixture
def ben(api):
    return api.with_key("ben", "write", verifies=True)


def save(client, name="orders", **values):
    return client.post("/api/verified", json={**ORDERS, "name": name, **values})


def saved(client):
    return {each["name"]: each for each in client.get("/api/verified").json()}


def asked(client, question=ORDERS["question"]):
    return client.post("/api/ask", json={"question": question, "source": "database"}).json()


@pytest.mark.parametrize(
    ("scope", "limits"),
    [
        ("read", {}),
        ("write", {}),
        ("write", {"collections": ["documents"]}),
        ("write", {"verifies": True, "only": "documents"}),
        ("admin", {"only": "documents"}),
    ],
    ids=str,
)
def test_a_key_that_does_not_verify_saves_and_removes_nothing(api, ana, scope, limits):
    assert save(ana).status_code == 201
    other = api.with_key("other", scope, **limits)
    assert save(other, "another", question="Anything else?").status_code == 403
    assert save(other, replace=True).status_code == 403
    assert other.delete("/api/verified/orders").status_code == 403
    assert set(saved(ana)) == {"cities", "orders"}


def test_a_key_replaces_and_removes_its_own(ana):
    assert save(ana).status_code == 201
    assert save(ana).status_code == 409
    kept = save(ana, replace=True, sql="SELECT COUNT(*) AS n FROM orders")
    assert kept.status_code == 201
    assert kept.json() == saved(ana)["orders"]
    assert (kept.json()["key"], kept.json()["verified_by"]) == ("ana", "ana")
    assert ana.delete("/api/verified/orders").status_code == 204
    assert ana.delete("/api/verified/orders").status_code == 404


@pytest.mark.parametrize("name", ["orders", "cities"])
def test_a_key_replaces_and_removes_neither_anothers_nor_the_files(ana, ben, name):
    save(ana)
    before = saved(ana)
    for refused in (
        save(ben, name, question="Anything else?", sql=MANY, replace=True),
        save(ben, name, question="Anything else?", sql=MANY),
        ben.delete(f"/api/verified/{name}"),
    ):
        assert refused.status_code == 409
        assert refused.headers["content-type"] == "application/problem+json"
        assert name in refused.json()["detail"]
    assert saved(ben) == before
    assert asked(ben)["rows"] == [[3]]


@pytest.mark.parametrize(
    ("question", "name"),
    [
        (ORDERS["question"], "orders"),
        ("how many  orders are there", "orders"),
        ("How many orders do we have?", "orders"),
        (OF_FILE["question"], "cities"),
        ("quelles villes servons-nous", "cities"),
    ],
)
def test_a_key_makes_no_second_query_of_a_question_that_is_answered(ana, ben, question, name):
    save(ana)
    before = asked(ben, question)
    assert before["verified"]["name"] == name
    refused = save(ben, "a_first", question=question, sql=MANY)
    assert refused.status_code == 409
    detail = refused.json()["detail"]
    assert f"The verified query '{name}' answers this question already" in detail
    assert "SELECT" not in detail
    after = asked(ben, question)
    assert (after["rows"], after["verified"]) == (before["rows"], before["verified"])


def test_an_admin_key_changes_the_queries_of_all_keys_but_not_the_files(api, ana):
    save(ana)
    admin = api.with_key("boss", "admin")
    assert save(admin, replace=True, sql="SELECT 4 AS n FROM orders LIMIT 1").status_code == 201
    assert saved(ana)["orders"]["key"] == "boss"
    assert save(ana, replace=True).status_code == 409
    assert ana.delete("/api/verified/orders").status_code == 409
    assert admin.delete("/api/verified/cities").status_code == 409
    assert admin.delete("/api/verified/orders").status_code == 204


def test_nobody_verifies_in_the_name_of_somebody_else(ana):
    refused = save(ana, verified_by="Inès Duarte")
    assert refused.status_code == 422
    assert "Leave verified_by out: it is ana" in refused.json()["detail"]
    assert save(ana, verified_by="ana").status_code == 201


def test_an_answer_tells_whose_query_it_is_from(ana, api):
    save(ana, sql=MANY)
    reader = api.with_key("reader")
    told = asked(reader)
    assert told["rows"] == [[999999]]
    assert "Verified by ana on " in told["answer"]
    verified = told["verified"]
    assert (verified["verified_by"], verified["key"], verified["origin"]) == ("ana", "ana", "saved")
    assert verified["verified_at"]
    body = {"model": "kb-database", "messages": [{"role": "user", "content": ORDERS["question"]}]}
    [choice] = reader.post("/v1/chat/completions", json=body).json()["choices"]
    assert "Verified by ana on " in choice["message"]["content"]
    of_file = asked(reader, OF_FILE["question"])["verified"]
    assert (of_file["verified_by"], of_file["key"], of_file["origin"]) == (
        "Inès Duarte",
        None,
        "file",
    )


def test_versions_tell_who_did_what_and_one_is_restored_by_saving_it_again(ana, api):
    save(ana, "counted")
    save(ana, "counted", replace=True, sql=MANY)
    ana.delete("/api/verified/counted")
    reader = api.with_key("reader")
    first, second, last = reader.get("/api/verified/counted/versions").json()
    assert [(each["action"], each["changed_by"], each["by_key"]) for each in (first, last)] == [
        ("saved", "ana", True),
        ("removed", "ana", True),
    ]
    assert (first["query"]["sql"], second["query"]["sql"]) == (ORDERS["sql"], MANY)
    assert first["changed_at"] <= second["changed_at"] <= last["changed_at"]
    again = {key: first["query"][key] for key in ("name", "question", "sql", "parameters")}
    assert ana.post("/api/verified", json=again).status_code == 201
    assert asked(reader)["rows"] == [[3]]
    for unknown in ("nothing", "cities"):
        assert reader.get(f"/api/verified/{unknown}/versions").status_code == 404


def test_a_name_may_hold_a_slash(ana):
    assert save(ana, "sales/orders of 2025?").status_code == 201
    path = "/api/verified/sales%2Forders%20of%202025%3F"
    assert len(ana.get(f"{path}/versions").json()) == 1
    assert ana.delete(path).status_code == 204


@pytest.mark.parametrize(
    ("wrong", "place"),
    [
        ({"question": "x" * 1_001}, "question"),
        ({"question": " "}, "question"),
        ({"question": "What was our \u202eeunever?"}, "question"),
        ({"question": "What was our\u2066 revenue?"}, "question"),
        ({"question": "What was our re\u200bvenue?"}, "question"),
        ({"question": "What was our\x1b[2J revenue?"}, "question"),
        ({"name": "x" * 191}, "name"),
        ({"name": "or\u202eders"}, "name"),
        ({"sql": "SELECT 1 -- " + "x" * 20_000}, "sql"),
        ({"sql": "SELECT 1 /* \u202e */"}, "sql"),
        ({"parameters": {f"p{number}": 1 for number in range(51)}}, "parameters"),
        ({"parameters": {"p": "x" * 501}}, "parameters"),
        ({"parameters": {"p": "\u202e"}}, "parameters"),
        ({"parameters": {"p" * 191: 1}}, "parameters"),
        ({"parameters": {"p": {"type": "string"}}}, "parameters"),
    ],
    ids=lambda each: ascii(each)[:40],
)
def test_what_is_too_long_or_hidden_is_refused(ana, wrong, place):
    refused = save(ana, **wrong)
    assert refused.status_code == 422
    [mistake] = refused.json()["mistakes"]
    assert mistake["place"].split(".")[:2] == ["body", place]
    assert set(saved(ana)) == {"cities"}


def test_a_question_on_several_lines_is_kept_on_one(ana):
    assert save(ana, question="How many orders\n\tare there?").status_code == 201
    assert saved(ana)["orders"]["question"] == ORDERS["question"]


def test_a_key_saves_so_many_and_no_more(ana, ben, monkeypatch):
    monkeypatch.setattr("stores.verified_queries.MOST_SAVED", 1)
    assert save(ana).status_code == 201
    refused = save(ana, "more", question="Which orders are of Lyon?")
    assert refused.status_code == 409
    assert "ana has saved 1 verified queries" in refused.json()["detail"]
    assert save(ben, "more", question="Which orders are of Lyon?").status_code == 201
