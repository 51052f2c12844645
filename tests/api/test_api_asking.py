"""Questions over HTTP: whole and as events, with and without a model, and what goes wrong."""

import json

import pytest
from api_server import configured, database_of, events, running
from model_server import MALFORMED, SERVER_ERROR, CutStream, FakeModels


@pytest.fixture
def ask(api):
    def ask(question="When do goods go back?", **body):
        return api.client.post("/api/ask", json={"question": question, **body})

    return ask


def test_an_answer_has_the_fields_that_the_command_line_prints(ask):
    told = ask(source="documents").json()
    assert told["answer"] == "They go back [1]."
    assert told["route"] == "documents"
    assert told["citations"][0]["document"] in ("returns.md", "kettle.md", "page.html")
    assert told["model"] == "fake"
    assert told["errors"] == {}
    assert {"route_reason", "sql", "columns", "rows", "truncated", "timings"} <= told.keys()


def test_a_stream_tells_route_retrieval_words_citations_and_the_end_in_this_order(api):
    told = events(api.client, "/api/ask", {"question": "Goods?", "source": "documents"})
    names = [name for name, _ in told]
    assert names == ["route", "retrieval", *["token"] * (len(names) - 4), "citations", "done"]
    values = dict(told)
    assert values["route"]["route"] == "documents"
    assert values["citations"][0]["number"] == 1
    assert values["done"]["answer"] == "They go back [1]."
    words = "".join(each["text"] for name, each in told if name == "token")
    assert words.strip() == values["done"]["answer"]


def test_an_answer_from_tables_streams_its_sql_and_rows(api, models):
    models.script = ["SELECT city FROM orders ORDER BY id", "Lyon and Bern."]
    told = dict(events(api.client, "/api/ask", {"question": "Cities?", "source": "database"}))
    assert told["rows"]["sql"] == "SELECT city FROM orders ORDER BY id"
    assert told["rows"]["rows"] == [["Lyon"], ["Bern"], [None]]
    assert told["rows"]["truncated"] is False
    assert told["done"]["answer"] == "Lyon and Bern."


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
def test_what_is_no_number_of_json_is_understood_nowhere(api, number):
    """Every operation with a body: each refuses it, in a field that it has and in one deep down."""
    document = api.client.get("/openapi.json").json()
    message = [{"role": "user", "content": "q"}]
    for path, body in (
        ("/api/sql", {"sql": "SELECT :a", "parameters": {"a": "?"}}),
        ("/api/sql", {"sql": "SELECT :a", "parameters": {"a": "?"}, "dry_run": True}),
        ("/api/verified", {"question": "q", "sql": "SELECT :a", "parameters": {"a": "?"}}),
        ("/api/ask", {"question": "q", "top_k": "?"}),
        ("/api/search", {"question": "q", "filters": {"a": ["?"]}}),
        ("/v1/chat/completions", {"model": "kb-auto", "messages": message, "temperature": "?"}),
        ("/v1/embeddings", {"model": "kb-embedding", "input": "x", "user": {"a": ["?"]}}),
        *((path, {"deep": [{"a": ["?"]}]}) for path in document["paths"]),
    ):
        for method in ("post", "patch"):
            contents = document["paths"][path].get(method, {}).get("requestBody", {})
            if "application/json" not in contents.get("content", {}):
                continue
            text = json.dumps(body).replace('"?"', number)
            reply = api.client.request(
                method, path, content=text, headers={"content-type": "application/json"}
            )
            assert reply.status_code == 422, (path, reply.text)
            told = json.dumps(reply.json())  # which is JSON, and so holds no such number
            assert "is no number of JSON" in told, path


def test_filters_choose_the_documents(api):
    for filters, paths in (
        ({"category": "manual"}, {"kettle.md"}),
        ({"category": ["manual", "policy"]}, {"kettle.md", "returns.md"}),
        ({"category": "none of these"}, set()),
    ):
        found = api.client.post("/api/search", json={"question": "goods", "filters": filters})
        assert {each["path"] for each in found.json()} == paths


@pytest.mark.parametrize(
    "body",
    [
        {"question": " "},
        {"question": 7},
        {},
        {"question": "x", "source": "elsewhere"},
        {"question": "x", "top_k": 0},
        {"question": "x", "unknown": 1},
        {"question": "x", "filters": {"a": []}},
        {"question": "x", "filters": {"a": {"b": 1}}},
        {"question": "x" * 20_001},
    ],
    ids=str,
)
def test_what_makes_no_sense_is_a_problem_with_an_id(api, body):
    reply = api.client.post("/api/ask", json=body)
    assert reply.status_code == 422
    assert reply.headers["content-type"] == "application/problem+json"
    told = reply.json()
    assert told["status"] == 422
    assert told["id"] == reply.headers["x-request-id"]
    assert told["title"]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"question": "\x01 "}, "body.question: It is empty"),
        ({"question": "x", "unknown": 1}, "body.unknown: There is no such field"),
        (
            {"question": "x", "filters": {"a": None}},
            (
                "body.filters.a: Input should be a valid string, or a valid integer, "
                "or a valid number, or a valid list"
            ),
        ),
        ([], "body: Send a JSON object, as Content-Type: application/json"),
        ({"x" * 999: 1}, f"body.question: Field required; body.{'x' * 60}: There is no such field"),
    ],
    ids=str,
)
def test_a_mistake_is_told_in_words_that_a_reader_understands(api, body, told):
    assert api.client.post("/api/ask", json=body).json()["detail"] == told


def test_of_many_mistakes_the_first_are_told(api):
    body = dict.fromkeys(map(str, range(1000)))
    assert len(api.client.post("/api/ask", json=body).json()["mistakes"]) == 20


def test_a_profile_that_there_is_not_is_named_with_those_that_there_are(ask):
    reply = ask(profile="no such profile")
    assert reply.status_code == 404
    assert "balanced-rrf" in reply.json()["detail"]


def test_a_method_that_an_address_does_not_know_is_told_which_ones_it_knows(api):
    reply = api.client.put("/api/sessions")
    assert reply.status_code == 405
    assert reply.headers["allow"] == "GET, POST"


def test_without_the_model_documents_are_quoted_and_it_is_said_first(api, ask, models):
    models.script = [SERVER_ERROR]
    reply = ask(source="documents")
    assert reply.status_code == 200
    answer = reply.json()
    assert answer["answer"].startswith("The language model does not answer, so this is without it")
    assert (bool(answer["citations"]), answer["model"]) == (True, None)
    assert "HTTP 500" in answer["errors"]["model"]
    assert "on fire" not in reply.text
    assert models.openai_url not in reply.text
    models.script = [MALFORMED]
    body = {"question": "Goods?", "source": "documents", "stream": True}
    streamed = api.client.post("/api/ask", json=body).text
    assert "event: error" not in streamed
    assert "The language model does not answer" in streamed
    assert '"model":"Answering the question failed: ' in streamed.replace('": "', '":"')


@pytest.mark.parametrize("polite", [False, True], ids=["cut", "cut politely"])
def test_below_an_answer_that_breaks_off_stand_quotes(api, ask, models, polite):
    models.script = [CutStream("They go back", words=2, polite=polite)]
    body = {"question": "When do goods go back?", "source": "documents", "stream": True}
    streamed = api.client.post("/api/ask", json=body).text
    assert "*The language model broke off here.*" in streamed
    assert "broke off its answer" in streamed[streamed.index("event: error") :]
    models.script = [CutStream("They go back", words=2, polite=polite)]
    answer = ask("When do goods go back?", source="documents").json()
    assert answer["answer"].startswith("They")
    assert "Goods go back within 30 days.” [1]" in answer["answer"]
    assert [cited["number"] for cited in answer["citations"]] == [1]
    assert "broke off its answer" in answer["errors"]["model"]
    found = api.client.get(f"/api/searches/{answer['search']['id']}").json()
    assert found[0]["citation"] == 1


def test_an_answer_that_breaks_off_with_nothing_to_quote_is_a_problem(api, ask, models):
    models.script = [CutStream("They go back", words=2)]
    body = {"question": "Zinc?", "source": "documents", "stream": True}
    streamed = api.client.post("/api/ask", json=body)
    assert "event: error" in streamed.text
    assert '"status":503' in streamed.text
    assert streamed.headers["x-request-id"] in streamed.text
    models.script = [CutStream("They go back", words=2, polite=True)]
    assert ask("Zinc?", source="documents").status_code == 503


def test_documents_of_another_type_and_unknown_addresses_are_problems(api):
    reply = api.client.post("/api/ask", content=b"\xff\xfe", headers={"content-type": "text/css"})
    assert reply.status_code == 422
    for path in ("/nowhere", "/api/nowhere", "/api/ask"):
        reply = api.client.get(path)
        assert reply.status_code in (404, 405)
        assert reply.json()["id"]


def test_every_response_carries_the_headers_of_a_page_that_trusts_nobody(api):
    for path in ("/healthz", "/api/status", "/docs", "/nowhere", "/openapi.json"):
        headers = api.client.get(path).headers
        assert "script-src 'self'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "access-control-allow-origin" not in headers
        assert len(headers["x-request-id"]) == 16


def test_a_defect_is_a_problem_like_any_other(api, monkeypatch, caplog):
    def broken(*_args, **_options):
        raise RuntimeError("SELECT canary FROM kb_api_key")

    monkeypatch.setattr(type(api.kb), "search", broken)
    for path in ("/api/search", "/api/search/"):
        reply = api.client.post(path, json={"question": "goods"})
        assert "canary" not in reply.text
        assert reply.headers["x-request-id"]
        assert reply.headers["content-security-policy"]
    reply = api.client.post("/api/search", json={"question": "goods"})
    assert reply.status_code == 500
    assert reply.json()["id"] == reply.headers["x-request-id"]
    assert reply.json()["id"] in caplog.text
    assert "canary" in caplog.text


def test_the_server_says_whether_it_lives_and_can_answer(api):
    assert api.client.get("/healthz").json() == {"status": "ok"}
    assert [api.client.head(path).status_code for path in ("/healthz", "/readyz")] == [200, 200]
    told = api.client.get("/readyz").json()
    assert told == {"status": "ok", "database": "ok", "model": "ok", "index": "ok"}


def test_the_server_is_not_ready_while_its_model_is_away(server, tmp_path):
    with FakeModels() as embeddings, database_of(server) as url:
        with FakeModels() as gone:
            config = configured(url, tmp_path, embeddings, gone)
        with running(config) as api:
            reply = api.client.get("/readyz")
    assert reply.status_code == 503
    told = {"database": "ok", "model": "does not answer", "index": "empty"}
    assert reply.json() == {"status": "not ready", **told}


def test_the_description_of_the_api_needs_no_other_host(api):
    page = api.client.get("/docs").text
    assert "POST /api/ask" in page
    assert "http://" not in page
    assert "https://" not in page
    assert api.client.get("/docs.css").headers["content-type"].startswith("text/css")


def test_status_names_directories_without_their_places(api, tmp_path_factory):
    reply = api.client.get("/api/status")
    assert [root["name"] for root in reply.json()["roots"]] == ["documents"]
    assert str(tmp_path_factory.getbasetemp()) not in reply.text


def test_profiles_say_which_one_searches(api):
    told = api.client.get("/api/profiles").json()
    assert [each["name"] for each in told if each["default"]] == ["default"]


def test_half_a_character_in_markdown_is_shown_as_one_that_is_unknown(api):
    of_json = {"content-type": "application/json"}
    reply = api.client.post("/api/markdown", content=rb'{"texts": ["a\ud800"]}', headers=of_json)
    assert (reply.status_code, reply.json()["html"]) == (200, ["<p>a\ufffd</p>\n"])
