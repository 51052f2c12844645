"""What an answer cites is kept with it, whatever becomes of the documents."""

import threading

import pytest
from api_server import DOCUMENTS, events, wait_until
from model_server import CutStream, PausedStream

QUESTION = "When do goods go back?"


@pytest.fixture
def ask(api):
    for session in api.kb.sessions():
        api.kb.delete_session(session.id)
    directory = api.kb.config.documents.path
    for name, text in DOCUMENTS.items():
        (directory / name).write_text(text, encoding="utf-8")
    api.kb.index()

    def ask(session="s", **body):
        path = f"/api/sessions/{session}/turns"
        asked = {"message": QUESTION, "source": "documents", "turn_id": "t/1", **body}
        return api.client.post(path, json=asked).json()

    return ask


def cited(client, number=1, session="s", turn="t/1"):
    return client.get(f"/api/sessions/{session}/turns/{turn}/citations/{number}")


def write(api, name, text):
    (api.kb.config.documents.path / name).write_text(text, encoding="utf-8")
    api.kb.index()


def test_a_citation_names_its_statements_with_the_words_that_they_rest_on(ask, models):
    models.script = ["Goods go back in time [1]. Yes, within 30 days [1]."]
    told = ask()
    [citation] = told["citations"]
    text = told["answer"]
    said = [text[each["begin"] : each["end"]] for each in citation["statements"]]
    assert said == ["Goods go back in time", "Yes, within 30 days"]
    assert {each["quote"] for each in citation["statements"]} == {"Goods go back within 30 days."}


def test_a_passage_is_kept_as_it_was_when_its_document_is_replaced(api, ask):
    path = ask()["citations"][0]["document"]
    before = cited(api.client).json()
    assert before["state"] == "unchanged"
    assert before["text"] == before["now"]["text"]
    assert before["indexed_at"] == before["indexed_at_now"]
    write(api, path, "# Returns\n\nGoods go back within 14 days.\n")
    after = cited(api.client).json()
    assert after["state"] == "changed"
    assert after["text"] == before["text"]
    assert "14 days" in after["now"]["text"]
    assert after["indexed_at"] == before["indexed_at"] < after["indexed_at_now"]
    assert after["content_hash"] == before["content_hash"]


def test_a_passage_that_only_moved_in_its_document_is_the_same(api, ask):
    path = ask()["citations"][0]["document"]
    former = DOCUMENTS[path].split("---\n")[-1]
    text = cited(api.client).json()["text"]
    write(api, path, f"# News\n\n{'Nothing is new here today. ' * 200}\n\n{former}")
    after = cited(api.client).json()
    assert (after["state"], after["now"]["text"]) == ("document_changed", text)
    assert after["now"]["id"] != after["id"]


def test_of_a_document_that_is_gone_the_passage_and_the_time_are_told(api, ask):
    path = ask()["citations"][0]["document"]
    (api.kb.config.documents.path / path).unlink()
    api.kb.index()
    gone = cited(api.client).json()
    assert (gone["state"], gone["now"], gone["path_now"]) == ("gone", None, None)
    assert gone["removed_at"] > gone["indexed_at"]
    assert gone["text"]
    write(api, path, DOCUMENTS[path])
    assert cited(api.client).json()["state"] != "gone"
    assert cited(api.client).json()["removed_at"] is None


def test_an_answer_that_is_given_again_keeps_its_own_passages(api, ask, models):
    models.script = [CutStream("Goods go back [1].", words=3)]
    body = {"message": QUESTION, "source": "documents", "turn_id": "t/1"}
    told = events(api.client, "/api/sessions/s/turns", body)
    assert told[-1][0] == "error"
    models.script = ["Goods, as [2] says."]
    assert [each["number"] for each in ask()["citations"]] == [2]
    assert cited(api.client, 1).status_code == 404
    assert cited(api.client, 2).json()["state"] == "unchanged"


def test_a_stopped_answer_keeps_what_it_cites_so_far(api, ask, models):
    go_on = threading.Event()
    models.script = [PausedStream("They go back [1]. And so on, and on.", go_on, words=5)]
    body = {"message": QUESTION, "source": "documents", "turn_id": "t/1"}
    told = []
    asking = threading.Thread(
        target=lambda: told.extend(events(api.client, "/api/sessions/s/turns", body))
    )
    asking.start()
    store = api.kb.components.session_store
    wait_until(lambda: api.kb.sessions() and "[1]" in store.read_turn("s", "t/1").answer)
    noted = store.read_turn("s", "t/1")
    assert (noted.status, noted.evidence["citations"][0]["number"]) == ("open", 1)
    assert api.client.post("/api/sessions/s/turns/t/1/stop").status_code == 204
    asking.join()
    go_on.set()
    by_name = dict(told)
    assert by_name["error"]["problem"]["code"] == "answer_stopped"
    assert [each["number"] for each in by_name["citations"]] == [1]
    turn = api.client.get("/api/sessions/s/turns/t/1").json()
    assert turn["status"] == "partial"
    assert turn["evidence"]["citations"] == by_name["citations"]
    assert turn["evidence"]["citations"][0]["statements"][0]["quote"]
    assert cited(api.client).json()["state"] == "unchanged"


def test_an_answer_whose_model_breaks_off_keeps_what_it_cites(api, ask, models):
    models.script = [CutStream("They go back [1]. And so on, and on.", words=6)]
    body = {"message": QUESTION, "source": "documents", "turn_id": "t/1"}
    told = dict(events(api.client, "/api/sessions/s/turns", body))
    assert [each["number"] for each in told["citations"]] == [1]
    assert cited(api.client).json()["text"]


def test_what_is_not_the_callers_or_not_there_is_no_passage(api, ask):
    ana = api.with_key("ana", "read")
    other = api.with_key("ines", "read")
    body = {"message": QUESTION, "source": "documents", "turn_id": "t/1"}
    assert ana.post("/api/sessions/s/turns", json=body).status_code == 200
    assert cited(ana).status_code == 200
    for refused in (cited(other), cited(ana, 99), cited(ana, turn="x"), cited(ana, session="x")):
        assert refused.status_code == 404
    assert other.get("/api/sessions/s/turns/t/1").status_code == 404
    assert ana.get("/api/sessions/s/turns/t/1").json()["question"] == QUESTION
    assert ana.get("/api/sessions/s/turns/x").json()["code"] == "no_such_turn"
    assert cited(ana, "x").status_code == 422


def test_a_key_that_may_no_more_see_the_documents_sees_no_kept_passage(api, ask):
    ana = api.with_key("ana", "read")
    body = {"message": QUESTION, "source": "documents", "turn_id": "t/1"}
    ana.post("/api/sessions/s/turns", json=body)
    with api.kb.components.engine.begin() as connection:
        connection.exec_driver_sql("""UPDATE kb_api_key SET collections = '["other"]'""")
    assert cited(ana).status_code == 404


def test_a_document_is_told_as_it_was_read(api, ask):
    root = api.client.get("/api/documents").json()["documents"][0]["root"]
    text = "\n\n".join(f"## Part {n}\n\n{f'Words of part {n}. ' * 60}" for n in range(20))
    write(api, "long.md", f"# Long\n\n{text}\n")
    path = f"/api/documents/{root}/long.md/passages"
    first = api.client.get(path, params={"limit": 5}).json()
    assert (first["offset"], len(first["passages"])) == (0, 5)
    assert first["chunks"] >= 20
    at = api.client.get(path, params={"offset": 11, "limit": 1}).json()["passages"][0]["id"]
    around = api.client.get(path, params={"at": at, "limit": 5}).json()
    assert around["passages"][11 - around["offset"]]["id"] == at
    assert api.client.get(f"/api/documents/{root}/x.md/passages").status_code == 404
    with_others = api.with_key("ana", "read", collections=["other"])
    assert with_others.get(path).status_code == 404
