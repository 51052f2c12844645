"""Chat sessions, tables, verified queries and feedback over HTTP."""

import csv

import pytest
from api_server import events
from llama_index.core.vector_stores.types import (
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
)


@pytest.fixture
def client(api):
    return api.client


@pytest.fixture(autouse=True)
def _no_sessions(api):
    for session in api.kb.sessions():
        api.kb.delete_session(session.id)


def turn(client, session, message, **body):
    path = f"/api/sessions/{session}/turns"
    return client.post(path, json={"message": message, "source": "documents", **body})


def test_a_session_is_asked_shown_renamed_exported_reset_and_deleted(client):
    session = client.post("/api/sessions").json()["id"]
    told = turn(client, session, "When do goods go back?", turn_id="first").json()
    assert told["answer"] == "They go back [1]."
    assert (told["turn_id"], told["turn"], told["status"]) == ("first", 1, "complete")
    shown = client.get(f"/api/sessions/{session}").json()
    assert [each["question"] for each in shown["turns"]] == ["When do goods go back?"]
    assert shown["turns"][0]["evidence"]["citations"]
    renamed = client.patch(f"/api/sessions/{session}", json={"title": "Way back"}).json()
    assert renamed["title"] == "Way back"
    assert session in {each["id"] for each in client.get("/api/sessions?search=back").json()}
    exported = client.get(f"/api/sessions/{session}/export")
    assert exported.headers["content-type"].startswith("text/markdown")
    assert "# Way back" in exported.text
    assert client.get(f"/api/sessions/{session}/export?format=json").json()["id"] == session
    assert client.post(f"/api/sessions/{session}/reset").status_code == 204
    assert client.get(f"/api/sessions/{session}").json()["turns"] == []
    assert client.delete(f"/api/sessions/{session}").status_code == 204
    assert client.get(f"/api/sessions/{session}").status_code == 404


def test_the_same_turn_twice_is_answered_and_stored_once(client, models):
    asked = len(models.requests)
    first = turn(client, "twice", "Goods?", turn_id="t").json()
    answered = len(models.requests)
    again = turn(client, "twice", "Goods?", turn_id="t").json()
    assert first["answer"] == again["answer"]
    assert len(models.requests) == answered > asked
    assert turn(client, "twice", "Another question?", turn_id="t").status_code == 409


def test_a_turn_keeps_how_it_was_asked(client, api):
    narrowed = {"category": ["manual", "faq"], "year": 2024}
    turn(client, "narrow", "Goods?", turn_id="t", profile="faq", filters=narrowed)
    [stored] = client.get("/api/sessions/narrow").json()["turns"]
    assert stored["options"] == {"source": "documents", "profile": "faq", "filters": narrowed}
    turn(client, "narrow", "And lamps?", turn_id="u")
    plain = client.get("/api/sessions/narrow/turns/u").json()["options"]
    assert plain == {"source": "documents", "filters": {}}
    # Filters of Python that say more than values of keys are stored, and not told as such.
    later = MetadataFilters(
        filters=[MetadataFilter(key="year", value=2020, operator=FilterOperator.GT)]
    )
    api.kb.chat("narrow", source="documents", filters=later).chat("And tables?", turn_id="v")
    assert client.get("/api/sessions/narrow/turns/v").json()["options"]["filters"] == {}
    [*_, last] = api.kb.chat("narrow").turns
    assert MetadataFilters.model_validate(last.options["filters"]) == later


def test_a_stream_of_a_turn_names_the_turn(client):
    body = {"message": "Goods?", "source": "documents", "turn_id": "mine"}
    told = events(client, "/api/sessions/streamed/turns", body)
    assert told[0][0] == "route"
    assert told[0][1]["turn_id"] == "mine"
    assert told[-1][0] == "done"
    assert told[-1][1]["status"] == "complete"


def test_the_sessions_of_a_key_are_nobody_elses(api):
    ana, ben = api.with_key("ana"), api.with_key("ben")
    turn(ana, "of-ana", "Goods?", turn_id="t")
    assert [each["id"] for each in ana.get("/api/sessions").json()] == ["of-ana"]
    assert ben.get("/api/sessions").json() == []
    for method, path in (
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("GET", "/export"),
        ("POST", "/reset"),
    ):
        body = {"title": "x"} if method == "PATCH" else None
        reply = ben.request(method, f"/api/sessions/of-ana{path}", json=body)
        assert reply.status_code == 404
    rating = {"session_id": "of-ana", "turn_id": "t", "rating": 1}
    assert ben.post("/api/feedback", json=rating).status_code == 404
    assert ana.post("/api/feedback", json=rating).status_code == 204


def test_keys_may_give_their_sessions_the_same_id_and_learn_nothing_of_it(api):
    ana, ben = api.with_key("ana"), api.with_key("ben")
    for client, question in ((ben, "Which kettle?"), (ana, "Goods?")):
        for number in (1, 2):
            told = turn(client, "same", question, turn_id=f"t{number}")
            assert (told.status_code, told.json()["turn"]) == (200, number)
    for client, question in ((ana, "Goods?"), (ben, "Which kettle?")):
        [listed] = client.get("/api/sessions").json()
        assert (listed["id"], listed["turns"]) == ("same", 2)
        shown = client.get("/api/sessions/same").json()
        assert shown["id"] == "same"
        assert {each["question"] for each in shown["turns"]} == {question}
        exported = client.get("/api/sessions/same/export?format=json").json()
        assert exported["id"] == "same"
        assert "Session `same`" in client.get("/api/sessions/same/export").text
    assert ben.patch("/api/sessions/same", json={"title": "Mine"}).json()["id"] == "same"
    assert ben.delete("/api/sessions/same").status_code == 204
    assert len(ana.get("/api/sessions/same").json()["turns"]) == 2
    [stored] = api.kb.sessions(user="ana")
    for foreign in (stored.id, f"same@{stored.id.partition('@')[2]}", "same@", "@"):
        assert ben.get(f"/api/sessions/{foreign}").status_code == 404


def test_the_session_of_a_key_from_before_goes_on(api, client):
    api.kb.chat("older", source="documents", user="ana").chat("Goods?")
    ana, ben = api.with_key("ana"), api.with_key("ben")
    assert turn(ana, "older", "And kettles?").json()["turn"] == 2
    assert turn(ben, "older", "And kettles?").json()["turn"] == 1
    assert len(ana.get("/api/sessions/older").json()["turns"]) == 2
    assert [each["id"] for each in ana.get("/api/sessions").json() if each["id"] == "older"]


def test_a_key_speaks_of_its_own_searches_alone(api):
    ana, ben = api.with_key("ana"), api.with_key("ben")
    asked = {"question": "When do goods go back?"}
    chat = {"model": "kb-documents", "messages": [{"role": "user", "content": "Goods?"}]}
    with api.kb.components.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM kb_search")
    ana.post("/api/ask", json={**asked, "source": "documents"})
    ana.post("/api/search", json=asked)
    ana.post("/v1/chat/completions", json=chat)
    turn(ana, "s", "Goods?")
    api.kb.components.search_log.flush()
    with api.kb.components.engine.connect() as connection:
        searches = connection.exec_driver_sql("SELECT id FROM kb_search").scalars().all()
    assert len(searches) == 4
    for search in searches:
        said = {"search_id": search, "rating": -1, "clicked": 99}
        foreign, nowhere = (
            ben.post("/api/feedback", json={**said, "search_id": each})
            for each in (search, "4f2a90c1d7b3")
        )
        assert foreign.status_code == nowhere.status_code == 404
        assert {**foreign.json(), "id": ""} == {**nowhere.json(), "id": ""}
        said = {"search_id": search, "rating": 1}
        assert ana.post("/api/feedback", json=said).status_code == 204


@pytest.mark.parametrize("session", ["nobody", "é" * 10, "x" * 300, "a'b\"c", "%2e%2e"])
def test_an_unknown_session_is_not_there(client, session):
    assert client.get(f"/api/sessions/{session}").status_code in (404, 422)
    assert client.delete(f"/api/sessions/{session}").status_code in (404, 422)


def test_feedback_is_of_a_search_or_of_a_turn(client, api):
    body = {"question": "When do goods go back?", "source": "documents"}
    search = client.post("/api/ask", json=body).json()["search"]["id"]
    said = {"search_id": search, "rating": -1, "comment": "no", "clicked": 1}
    assert client.post("/api/feedback", json=said).status_code == 204
    with api.kb.components.engine.connect() as connection:
        rows = connection.exec_driver_sql(
            "SELECT rating, comment FROM kb_feedback WHERE search_id IS NOT NULL"
        )
        assert (-1, "no") in set(map(tuple, rows))
    for wrong, status in (
        ({"search_id": "nowhere", "rating": 1}, 404),
        ({"rating": 1}, 422),
        ({"search_id": search}, 422),
        ({"search_id": search, "rating": 2}, 422),
        ({"search_id": search, "session_id": "s", "turn_id": "t", "rating": 1}, 422),
    ):
        assert client.post("/api/feedback", json=wrong).status_code == status


def test_a_statement_runs_under_the_guard(client):
    told = client.post("/api/sql", json={"sql": "SELECT id, city FROM orders ORDER BY id"}).json()
    assert told["columns"] == ["id", "city"]
    assert told["rows"] == [[7, "Lyon"], [8, "Bern"], [9, None]]
    assert told["truncated"] is False


def test_the_values_of_a_statement_are_bound_and_its_columns_have_types(client):
    sql = "SELECT id, city, :code AS code, CAST('2025-01-02' AS DATE) AS day FROM orders"
    body = {"sql": f"{sql} WHERE city = :city", "parameters": {"city": "Lyon", "code": "007"}}
    told = client.post("/api/sql", json=body).json()
    assert told["rows"] == [[7, "Lyon", "007", "2025-01-02"]]
    assert told["types"] == ["number", "text", "text", "date"]
    injected = {**body, "parameters": {"city": "' OR 1=1 -- ", "code": None}}
    assert client.post("/api/sql", json=injected).json()["rows"] == []
    assert client.post("/api/sql", json={**injected, "dry_run": True}).status_code == 200
    for wrong in (
        {**body, "parameters": {"city": "Lyon"}},
        {"question": "q", "parameters": {"a": 1}},
    ):
        assert client.post("/api/sql", json=wrong).status_code == 422


def test_a_turn_tells_its_last_rating_and_the_types_of_its_columns(client, models):
    models.script = ["SELECT city, id FROM orders", "Three."]
    turn(client, "rated", "Cities?", turn_id="t", source="database")
    turn(client, "rated", "Goods?", turn_id="u")
    for rating in (1, -1):
        body = {"session_id": "rated", "turn_id": "t", "rating": rating}
        assert client.post("/api/feedback", json=body).status_code == 204
    commented = {"session_id": "rated", "turn_id": "t", "comment": "Which?"}
    assert client.post("/api/feedback", json=commented).status_code == 204
    first, second = client.get("/api/sessions/rated").json()["turns"]
    assert (first["rating"], second["rating"]) == (-1, None)
    assert first["evidence"]["types"] == ["text", "number"]


def test_a_dry_run_runs_nothing(client, models):
    told = client.post("/api/sql", json={"sql": "SELECT id FROM orders", "dry_run": True}).json()
    assert told["rows"] == []
    models.script = ["SELECT city FROM orders"]
    told = client.post("/api/sql", json={"question": "Cities?", "dry_run": True}).json()
    assert told["sql"] == "SELECT city FROM orders"
    assert not told["rows"]


@pytest.mark.parametrize("dry_run", [True, False])
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM secrets",
        "SELECT * FROM kb_api_key",
        "DELETE FROM orders",
        "SELECT SLEEP(9)",
        "SELECT 1 /*! INTO OUTFILE '/tmp/x' */",
        "nonsense",
    ],
)
def test_a_statement_that_does_more_than_read_is_refused(client, sql, dry_run):
    for path in ("/api/sql", "/api/sql.csv"):
        body = {"sql": sql} | ({"dry_run": dry_run} if path == "/api/sql" else {})
        reply = client.post(path, json=body)
        assert reply.status_code == 422
        assert reply.headers["content-type"] == "application/problem+json"
        assert "canary" not in reply.text


def test_a_statement_that_fails_says_why_and_not_where(client, api):
    reply = client.post("/api/sql", json={"sql": "SELECT nothing FROM orders"})
    assert reply.status_code == 422
    assert "nothing" in reply.json()["detail"]
    assert str(api.kb.components.engine.url.username) + "'@" not in reply.text
    assert client.post("/api/sql", json={}).status_code == 422
    assert client.post("/api/sql", json={"sql": "x", "question": "y"}).status_code == 422


def test_rows_are_a_csv_file(client):
    for reply in (
        client.get("/api/sql.csv", params={"sql": "SELECT id, city FROM orders ORDER BY id"}),
        client.post("/api/sql.csv", json={"sql": "SELECT id, city FROM orders ORDER BY id"}),
    ):
        rows = list(csv.reader(reply.text.splitlines()))
        assert rows == [["id", "city"], ["7", "Lyon"], ["8", "Bern"], ["9", ""]]
        assert reply.headers["x-truncated"] == "false"
        assert reply.headers["content-disposition"] == 'attachment; filename="rows.csv"'


def test_a_file_for_a_spreadsheet_holds_no_formula_and_one_for_a_program_the_cells(client):
    sql = "SELECT '=1+1' AS a, '-5' AS b, -5 AS c"
    escaped, plain = "a,b,c\r\n'=1+1,-5,-5\r\n", "a,b,c\r\n=1+1,-5,-5\r\n"
    assert client.get("/api/sql.csv", params={"sql": sql}).text == escaped
    asked = {"sql": sql, "escape_formulas": False}
    assert client.get("/api/sql.csv", params=asked).text == plain
    assert client.post("/api/sql.csv", json={"sql": sql}).text == plain
    assert client.post("/api/sql.csv", json=asked | {"escape_formulas": True}).text == escaped


def test_tables_tell_their_columns_and_comments(client):
    [orders] = client.get("/api/tables").json()
    assert orders["name"] == "orders"
    assert [column["name"] for column in orders["columns"]] == ["id", "city"]
    assert orders["columns"][1]["comment"] == "of the customer"


def test_a_verified_query_is_run_kept_listed_and_removed(client):
    query = {"question": "Which cities do we serve?", "sql": "SELECT city FROM orders"}
    added = client.post("/api/verified", json={**query, "verified_by": "Ana"})
    assert added.status_code == 201
    name = added.json()["name"]
    assert client.post("/api/verified", json=query).status_code == 409
    assert client.post("/api/verified", json={**query, "replace": True}).status_code == 201
    [listed] = client.get("/api/verified").json()
    assert listed["sql"] == "SELECT city FROM orders"
    wrong = {"question": "What is secret?", "sql": "SELECT word FROM secrets"}
    assert client.post("/api/verified", json=wrong).status_code == 422
    assert client.delete(f"/api/verified/{name}").status_code == 204
    assert client.delete(f"/api/verified/{name}").status_code == 404
    assert client.get("/api/verified").json() == []


def test_chats_are_pinned_tagged_and_paged_by_a_cursor(client):
    for session in ("one", "two", "three"):
        turn(client, session, "Goods?")
    changed = client.patch("/api/sessions/one", json={"pinned": True, "tags": ["Returns", "2026"]})
    assert (changed.json()["is_pinned"], changed.json()["tags"]) == (True, ["Returns", "2026"])
    assert changed.json()["title"] == "Goods?"
    first = client.get("/api/sessions", params={"limit": 2}).json()
    assert [each["id"] for each in first] == ["one", "three"]
    after = {"limit": 2, "after": first[-1]["cursor"]}
    assert [each["id"] for each in client.get("/api/sessions", params=after).json()] == ["two"]
    assert client.get("/api/sessions/tags").json() == {"2026": 1, "Returns": 1}
    tagged = client.get("/api/sessions", params={"tag": "Returns", "search": "goods"}).json()
    assert [each["id"] for each in tagged] == ["one"]
    for wrong in ("none", "e30=", "WzEsMiwzXQ=="):
        reply = client.get("/api/sessions", params={"after": wrong})
        assert (reply.status_code, reply.json()["code"]) == (422, "bad_cursor")
    assert client.patch("/api/sessions/one", json={"tags": ["x" * 61]}).status_code == 422


def test_chats_are_deleted_together_and_brought_back_by_who_owns_them(client, api):
    mine = api.with_key("mine")
    for session in ("one", "two"):
        turn(mine, session, "Goods?")
    other = api.with_key("other")
    turn(other, "one", "Mine?")
    asked = {"ids": ["one", "two", "none"]}
    assert mine.post("/api/sessions/delete", json=asked).json() == {"deleted": 2}
    assert mine.get("/api/sessions").json() == []
    assert mine.get("/api/sessions/one").status_code == 404
    assert [each["id"] for each in other.get("/api/sessions").json()] == ["one"]
    assert other.post("/api/sessions/restore", json={"ids": ["two"]}).json() == {"restored": 0}
    assert mine.post("/api/sessions/restore", json=asked).json() == {"restored": 2}
    assert {each["id"] for each in mine.get("/api/sessions").json()} == {"one", "two"}


def test_a_turn_has_versions_of_which_one_is_chosen(client):
    turn(client, "s", "Goods?", turn_id="a")
    turn(client, "s", "And lamps?", turn_id="b")
    turn(client, "s", "And bulbs?", turn_id="B", replaces="b")
    shown = client.get("/api/sessions/s").json()["turns"]
    assert [(each["id"], each["versions"]) for each in shown] == [("a", ["a"]), ("B", ["b", "B"])]
    assert client.get("/api/sessions/s/turns/b").json()["question"] == "And lamps?"
    assert client.post("/api/sessions/s/turns/b/choose").status_code == 204
    shown = client.get("/api/sessions/s").json()["turns"]
    assert [each["id"] for each in shown] == ["a", "b"]
    exported = client.get("/api/sessions/s/export").text
    assert "lamps" in exported
    assert "bulbs" not in exported
    assert client.post("/api/sessions/s/turns/none/choose").status_code == 404
    assert turn(client, "s", "Goods?", replaces="none").status_code == 409
