"""Turns that go on while nobody reads them, are taken up again, and end when somebody says so."""

import threading

import httpx
import pytest
from api_server import events, read_events, wait_until
from model_server import HANG, CutStream, PausedStream
from programs import in_another_process

TEXT = "One two three four."
BODY = {"message": "Goods?", "source": "documents", "turn_id": "t"}
# A process that begins a turn, notes what it says of it, and is gone.
LEFT_OPEN = """
    from stores.chats.chat_sessions import SessionStore
    sessions = SessionStore(engine)
    sessions.begin("left", "t", "Goods?")
    sessions.note_progress("left", "t", said="They go ", evidence={"route": "documents"})
"""


@pytest.fixture
def client(api):
    api.forget_keys()
    yield api.client
    wait_until(lambda: not api.app.state.work.under_way)
    for session in api.kb.sessions():
        api.kb.delete_session(session.id)


@pytest.fixture
def go_on():
    go_on = threading.Event()
    yield go_on
    go_on.set()


def begin(client, session="s", **body):
    """Ask, read up to the second word of the answer, and leave; the number of the last event."""
    asked = {**BODY, "stream": True, **body}
    with client.stream("POST", f"/api/sessions/{session}/turns", json=asked) as reply:
        for name, data, number in read_events(reply):
            if name == "token" and data["text"].startswith("two"):
                return number
    raise AssertionError("the answer ended before its second word")


def follow(client, session="s", **query):
    with client.stream("GET", f"/api/sessions/{session}/turns/t/events", params=query) as reply:
        return list(read_events(reply))


def said(told):
    return "".join(data["text"] for name, data, _ in told if name == "token")


def stored(client, session="s"):
    [turn] = client.get(f"/api/sessions/{session}").json()["turns"]
    return turn


def test_a_turn_goes_on_when_its_reader_leaves_and_is_taken_up_again(client, models, go_on):
    models.script = [PausedStream(TEXT, go_on, words=3)]
    number = begin(client)
    wait_until(lambda: stored(client)["answer"].startswith("One two"))
    assert stored(client)["status"] == "open"
    go_on.set()
    told = follow(client, after=number)
    assert said(told) == "three four."
    assert [name for name, _, _ in told if name != "token"] == ["citations", "done"]
    assert told[-1][1]["answer"] == TEXT
    assert (stored(client)["status"], stored(client)["answer"]) == ("complete", TEXT)
    assert len(models.requests) == 1


def test_all_readers_of_a_turn_are_told_the_same(client, models, go_on):
    models.script = [PausedStream(TEXT, go_on, words=3)]
    asked = []
    asking = threading.Thread(
        target=lambda: asked.extend(events(client, "/api/sessions/s/turns", BODY))
    )
    asking.start()
    wait_until(lambda: client.get("/api/sessions/s").status_code == 200)
    followed = []
    following = threading.Thread(target=lambda: followed.extend(follow(client)))
    following.start()
    go_on.set()
    asking.join(30)
    following.join(30)
    late = follow(client)
    for told in (followed, late):
        assert said(told) == TEXT
        others = [(name, data) for name, data, _ in told if name != "token"]
        ends = {"retrieval", "citations", "rows", "done"}
        assert [each for each in others if each[0] in ends] == [
            each for each in asked if each[0] in ends
        ]
        assert others[0][1]["route"] == "documents"


def test_a_client_that_waits_no_longer_finds_its_answer_later(client, models, go_on):
    models.script = [PausedStream(TEXT, go_on, words=0)]
    with pytest.raises(httpx.ReadTimeout):
        client.post("/api/sessions/s/turns", json=BODY, timeout=1)
    go_on.set()
    wait_until(lambda: stored(client)["status"] == "complete")
    assert stored(client)["answer"] == TEXT


def test_whoever_may_stops_a_turn_that_keeps_what_was_said(client, models):
    models.script = [CutStream(TEXT, words=3, wait=60)]
    told = []
    asking = threading.Thread(
        target=lambda: told.extend(events(client, "/api/sessions/s/turns", BODY))
    )
    asking.start()
    wait_until(lambda: client.get("/api/sessions/s").status_code == 200)
    wait_until(lambda: stored(client)["answer"] == "One two ")
    assert client.post("/api/sessions/s/turns/t/stop").status_code == 204
    asking.join(30)
    assert told[-1][0] == "error"
    assert told[-1][1]["problem"]["code"] == "answer_stopped"
    assert (stored(client)["status"], stored(client)["answer"]) == ("partial", "One two ")
    assert client.post("/api/sessions/s/turns/t/stop").status_code == 204
    assert stored(client)["status"] == "partial"
    ended = follow(client)
    assert said(ended) == "One two "
    assert ended[-1][1]["problem"]["code"] == "turn_not_whole"
    assert "stopped" in ended[-1][1]["problem"]["detail"]
    search = stored(client)["evidence"]["search"]["id"]
    wait_until(lambda: client.get(f"/api/searches/{search}").status_code == 200)
    considered = client.get(f"/api/searches/{search}").json()
    assert considered[0]["passage"]["path"] == "returns.md", "it can be looked at all the same"


def test_a_turn_whose_model_says_nothing_is_stopped_too(client, models):
    models.script = [HANG]
    replies = []
    asking = threading.Thread(
        target=lambda: replies.append(client.post("/api/sessions/s/turns", json=BODY, timeout=60))
    )
    asking.start()
    wait_until(lambda: client.post("/api/sessions/s/turns/t/stop").status_code == 204)
    asking.join(30)
    assert replies[0].status_code == 409
    assert replies[0].json()["code"] == "answer_stopped"
    assert (stored(client)["status"], stored(client)["answer"]) == ("partial", "")


def test_a_turn_whose_process_is_gone_ends_with_what_was_said(client, api):
    with in_another_process(api.kb.components.engine, LEFT_OPEN) as process:
        assert process.wait(60) == 0
    assert stored(client, "left")["status"] == "open"
    told = follow(client, "left")
    assert said(told) == "They go "
    assert told[-1][1]["problem"]["code"] == "turn_not_whole"
    turn = stored(client, "left")
    assert (turn["status"], turn["answer"]) == ("partial", "They go ")
    again = client.post("/api/sessions/left/turns", json=BODY).json()
    assert (again["status"], again["turn"]) == ("complete", 1)


def test_finished_blocks_come_as_html_and_the_end_whole(client, models):
    text = "A **first** part.\n\n- one\n- two\n\n```\nx = [1]\n```\nThe end [1]."
    models.script = [text]
    told = events(client, "/api/sessions/s/turns", {**BODY, "html": True})
    blocks = [data for name, data in told if name == "html"]
    assert blocks[0] == {"html": "<p>A <strong>first</strong> part.</p>\n", "from": 0, "until": 18}
    assert [each["until"] for each in blocks[:-1]] == [each["from"] for each in blocks[1:]]
    assert text[blocks[-1]["until"] :] == "The end [1]."
    rendered = "".join(each["html"] for each in blocks)
    assert told[-1][1]["html"] == f"{rendered}<p>The end [1].</p>\n"
    late = [data for name, data, _ in follow(client, html=True, after=9) if name == "html"]
    assert "".join(each["html"] for each in late) == rendered


def test_the_turns_of_a_key_are_followed_and_stopped_by_nobody_else(api):
    ana, ben = api.with_key("ana"), api.with_key("ben")
    assert ana.post("/api/sessions/s/turns", json=BODY).status_code == 200
    for reader, status in ((ana, 200), (ben, 404)):
        assert reader.get("/api/sessions/s/turns/t/events").status_code == status
    assert [c.post("/api/sessions/s/turns/t/stop").status_code for c in (ana, ben)] == [204, 404]
    for path in ("nowhere/turns/t", "s/turns/unknown"):
        assert ana.get(f"/api/sessions/{path}/events").status_code == 404
        assert ana.post(f"/api/sessions/{path}/stop").status_code == 404
