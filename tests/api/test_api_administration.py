"""Who runs a server looks after keys, poor answers and slow ones; nobody else learns of them."""

import pytest
from api_server import configured, database_of, running

PATHS = ("/api/keys", "/api/review", "/api/marks", "/api/slow", "/api/caches")


@pytest.fixture(scope="module")
def served(server, models, embeddings, tmp_path_factory):
    with database_of(server) as url:
        folder = tmp_path_factory.mktemp("administration")
        config = configured(url, folder, embeddings, models, retrieval={"log": "full"})
        with running(config) as api:
            api.kb.index()
            yield api


@pytest.fixture
def admin(api):
    with api.kb.components.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM kb_api_key")
    return api.with_key("boss", "admin")


def test_a_key_is_made_listed_used_and_revoked(api, admin):
    wanted = {
        "name": "ana",
        "scope": "write",
        "collections": ["documents"],
        "groups": ["sales"],
        "requests_per_minute": 60,
        "expires": "2999-01-31T00:00:00Z",
    }
    made = admin.post("/api/keys", json=wanted)
    assert made.status_code == 201, made.text
    secret = made.json()["key"]
    listed = {each["name"]: each for each in admin.get("/api/keys").json()}
    assert secret not in str(listed)
    assert {name: listed["ana"][name] for name in wanted if name != "expires"} == {
        name: value for name, value in wanted.items() if name != "expires"
    }
    headers = {"Authorization": f"Bearer {secret}"}
    me = api.client.get("/api/me", headers=headers).json()
    assert (me["name"], me["scope"], me["groups"]) == ("ana", "write", ["sales"])
    assert admin.delete("/api/keys/ana").status_code == 204
    assert api.client.get("/api/me", headers=headers).status_code == 401
    assert admin.delete("/api/keys/ana").status_code == 404


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        ({"name": "boss"}, "a key named"),
        ({"name": "a  b"}, "A key needs a name"),
        ({"name": "a", "collections": ["none"]}, "No indexed directory is named none"),
        ({"name": "a", "only": "documents", "verifies": True}, "leave out verifies or only"),
        ({"name": "a", "month_budget": 5}, "cost.prices"),
    ],
)
def test_a_key_that_cannot_be_is_refused_with_the_reason(admin, wanted, reason):
    reply = admin.post("/api/keys", json=wanted)
    assert (reply.status_code, reply.json()["code"]) == (422, "key_not_made")
    assert reason in reply.json()["detail"]


def test_a_poor_answer_waits_until_somebody_has_worked_on_it(api, admin, models):
    models.script = ["The documents do not say."]
    question = "Who was the first emperor?"
    admin.post("/api/ask", json={"question": question, "source": "documents"})
    [item] = [each for each in admin.get("/api/review").json() if each["question"] == question]
    assert (item["asked"], item["unanswered"], item["down"]) == (1, 1, 0)
    assert admin.post(f"/api/review/{item['id']}/done").status_code == 204
    assert question not in {each["question"] for each in admin.get("/api/review").json()}
    assert admin.post(f"/api/review/{item['id']}/done").status_code == 404


def test_the_slowest_answers_stand_first_with_their_steps(admin):
    for question in ("When do goods go back?", "How long does the kettle boil?"):
        admin.post("/api/ask", json={"question": question, "source": "documents"})
    slow = admin.get("/api/slow?limit=2").json()
    assert len(slow) == 2
    assert slow[0]["milliseconds"] >= slow[1]["milliseconds"]
    assert {"retrieval", "answer"} <= {each["step"] for each in slow[0]["steps"]}


def test_an_answer_whose_sql_was_changed_is_a_question_to_work_on(admin, models):
    models.script = ["SELECT city FROM orders", "Lyon, Bern."]
    turn = {"message": "Which cities are there?", "source": "database", "turn_id": "cities"}
    assert admin.post("/api/sessions/edited/turns", json=turn).json()["sql"]
    about = {"session_id": "edited", "turn_id": "cities"}
    changed = {**about, "edited_sql": "SELECT DISTINCT city FROM orders"}
    assert admin.post("/api/feedback", json=changed).status_code == 204
    [item] = [each for each in admin.get("/api/review").json() if "cities" in each["question"]]
    assert item["edited_sql"] == ["SELECT DISTINCT city FROM orders"]
    for wrong in (
        about,
        {"search_id": "0" * 12, "edited_sql": "SELECT 1"},
        {**about, "edited_sql": ""},
    ):
        assert admin.post("/api/feedback", json=wrong).status_code == 422


@pytest.mark.parametrize("scope", ["read", "write"])
def test_nobody_else_learns_of_them(api, admin, scope):
    other = api.with_key("other", scope)
    assert {other.get(path).status_code for path in PATHS} == {403}
    assert other.post("/api/keys", json={"name": "mine", "scope": "admin"}).status_code == 403
    assert other.delete("/api/keys/boss").status_code == 403
    assert other.post("/api/review/none/done").status_code == 403
    assert other.post("/api/marks", json={"question": "x", "chunk": "y"}).status_code == 403
    assert other.delete("/api/marks/none").status_code == 403
    assert admin.get("/api/me").status_code == 200


def test_what_answers_a_question_is_marked(admin):
    [first, *_] = admin.post("/api/search", json={"question": "When do goods go back?"}).json()
    body = {"question": "When do goods go back?", "chunk": first["id"]}
    made = admin.post("/api/marks", json=body)
    assert made.status_code == 201, made.text
    [mark] = admin.get("/api/marks").json()
    assert (mark["id"], mark["path"]) == (made.json()["id"], first["path"])
    assert mark["quote"] in first["text"]
    name = f"{mark['root']}/{mark['path']}"
    again = admin.post("/api/marks", json={"question": body["question"], "document": name})
    assert again.json() == made.json()
    for wrong in ({"chunk": "none"}, {"document": "documents/none.md"}):
        assert admin.post("/api/marks", json={"question": "Goods?", **wrong}).status_code == 404
    assert admin.post("/api/marks", json={"question": "Goods?"}).status_code == 422
    assert admin.delete(f"/api/marks/{mark['id']}").status_code == 204
    assert admin.delete(f"/api/marks/{mark['id']}").status_code == 404
