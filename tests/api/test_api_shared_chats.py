"""A link shows a chat as it was when it was shared, to whoever has it, until it is revoked."""

import httpx
import pytest
from api_server import configured, database_of, running


@pytest.fixture(scope="module")
def served(server, models, embeddings, tmp_path_factory):
    with database_of(server) as url:
        folder = tmp_path_factory.mktemp("shared")
        links = {"share_links": True, "uploads": None}
        config = configured(url, folder, embeddings, models, serve=links)
        with running(config) as api:
            api.kb.index()
            yield api


@pytest.fixture
def anybody(api):
    """Somebody without a key."""
    with httpx.Client(base_url=api.client.base_url) as client:
        yield client


def ask(client, session, question="When do goods go back?"):
    path = f"/api/sessions/{session}/turns"
    assert client.post(path, json={"message": question, "source": "documents"}).is_success


def test_who_has_the_link_sees_the_chat_as_it_was_and_no_more(api, anybody):
    mine = api.with_key("mine")
    ask(mine, "s")
    made = mine.post("/api/sessions/s/shares")
    assert made.status_code == 201
    token = made.json()["token"]
    assert made.json()["address"] == f"#/shared/{token}"
    ask(mine, "s", "And what is asked later?")
    reply = anybody.get(f"/shared/{token}")
    assert reply.headers["x-robots-tag"] == "noindex, nofollow"
    assert reply.headers["cache-control"] == "no-store"
    shown = reply.json()
    [turn] = shown["turns"]
    assert (shown["title"], turn["question"]) == ("When do goods go back?",) * 2
    assert turn["html"] == "<p>They go back [1].</p>\n"
    [cited] = turn["citations"]
    assert cited["text"] == "Goods go back within 30 days."
    assert "mine" not in reply.text
    assert set(turn) == {
        *("question", "answer", "route", "asked_at", "citations", "html"),
        *("sql", "columns", "rows", "truncated"),
    }
    # What the passage said then stays, whatever becomes of the document.
    path = api.kb.config.documents.path / "returns.md"
    before = path.read_text()
    path.write_text("# Returns\n\nNothing goes back.\n")
    api.kb.index()
    assert anybody.get(f"/shared/{token}").json()["turns"][0]["citations"] == [cited]
    path.write_text(before)
    api.kb.index()


def test_a_link_is_revoked_and_goes_with_its_chat(api, anybody):
    mine = api.with_key("mine")
    ask(mine, "s")
    tokens = [mine.post("/api/sessions/s/shares").json()["token"] for _ in range(2)]
    links = mine.get("/api/sessions/s/shares").json()
    assert len(links) == 2
    assert not any(token in str(links) for token in tokens)
    assert mine.delete(f"/api/sessions/s/shares/{links[0]['id']}").status_code == 204
    assert mine.delete(f"/api/sessions/s/shares/{links[0]['id']}").status_code == 404
    assert sorted(anybody.get(f"/shared/{token}").status_code for token in tokens) == [200, 404]
    mine.post("/api/sessions/delete", json={"ids": ["s"]})
    assert {anybody.get(f"/shared/{token}").status_code for token in tokens} == {404}
    mine.post("/api/sessions/restore", json={"ids": ["s"]})
    assert mine.delete("/api/sessions/s").status_code == 204
    ask(mine, "s")
    assert mine.get("/api/sessions/s/shares").json() == []
    assert {anybody.get(f"/shared/{token}").status_code for token in tokens} == {404}


def test_others_neither_share_a_chat_nor_learn_of_its_links(api, anybody):
    mine, other = api.with_key("mine"), api.with_key("other")
    ask(mine, "s")
    mine.post("/api/sessions/s/shares")
    assert other.post("/api/sessions/s/shares").status_code == 404
    assert other.get("/api/sessions/s/shares").status_code == 404
    assert anybody.post("/api/sessions/s/shares").status_code == 401
    for wrong in ("none", "0" * 43, "%00", "\u00e9"):
        reply = anybody.get(f"/shared/{wrong}")
        assert (reply.status_code, reply.json()["code"]) == (404, "no_such_share")


def test_the_secret_of_a_link_is_not_stored(api):
    mine = api.with_key("mine")
    ask(mine, "s")
    token = mine.post("/api/sessions/s/shares").json()["token"]
    with api.kb.components.engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT * FROM kb_share").all()
    assert rows
    assert token not in str(rows)


def test_links_are_only_made_and_shown_where_the_configuration_allows_them(
    api, anybody, monkeypatch
):
    mine = api.with_key("mine")
    ask(mine, "s")
    token = mine.post("/api/sessions/s/shares").json()["token"]
    monkeypatch.setitem(api.kb.config.serve.__dict__, "share_links", False)  # it is frozen
    assert mine.post("/api/sessions/s/shares").json()["code"] == "no_links"
    assert anybody.get(f"/shared/{token}").status_code == 404
