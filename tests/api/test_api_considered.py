"""What a search found is listed again: ranked, with what the answer cites, for who may see it."""

QUESTION = "When do goods go back?"


def ask(client):
    return client.post("/api/ask", json={"question": QUESTION, "source": "documents"}).json()


def test_what_an_answer_was_made_of_is_listed_best_first(api):
    answer = ask(api.client)
    path = f"/api/searches/{answer['search']['id']}"
    found = api.client.get(path, params={"question": QUESTION}).json()
    assert [each["rank"] for each in found] == list(range(1, len(found) + 1))
    scores = [each["score"] for each in found]
    assert scores == sorted(scores, reverse=True)
    [cited] = [each for each in found if each["citation"]]
    assert cited["citation"] == 1
    assert cited["passage"]["path"] == "returns.md"
    assert "30 days" in cited["passage"]["excerpt"]
    assert len(found) > 1, "what was not cited is listed too"


def test_a_passage_that_is_gone_keeps_its_rank(api):
    path = api.kb.config.documents.path / "lamps.md"
    path.write_text("# Lamps\n\nGoods such as lamps never go back, nor do their days count.\n")
    api.kb.index()
    answer = ask(api.client)
    path.unlink()
    api.kb.index()
    found = api.client.get(f"/api/searches/{answer['search']['id']}").json()
    assert [each["passage"] for each in found].count(None) == 1


def test_others_see_neither_the_search_nor_documents_of_other_directories(api):
    answer = ask(api.client)
    path = f"/api/searches/{answer['search']['id']}"
    mine = api.with_key("mine")
    assert mine.get(path).status_code == 404
    asked = ask(mine)
    path = f"/api/searches/{asked['search']['id']}"
    assert mine.get(path).status_code == 200
    assert api.with_key("tables", only="tables").get(path).status_code == 403
    unknown = mine.get("/api/searches/none")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "no_such_search")
