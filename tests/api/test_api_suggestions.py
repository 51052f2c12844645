"""Questions to begin and to go on with are drawn from what one may ask; samples are added."""

import pytest

QUESTION = "When do goods go back?"
# Long enough for passages of their own.
PARTS = {
    "How do lamps leave?": "A lamp that shall go leaves the house in a box of thick card. " * 25,
    "Bulbs": "Bulbs are goods for which foil and some paper are enough. " * 25,
}


@pytest.fixture(scope="module", autouse=True)
def _more(served):
    directory = served.kb.config.documents.path
    (directory / "faq").mkdir()
    parts = [f"## {heading}\n\n{text}\n" for heading, text in PARTS.items()]
    (directory / "faq" / "lamps.md").write_text("\n".join(["# Lamps\n", *parts]))
    served.kb.index()


def test_documents_of_different_folders_are_asked_about(api):
    found = api.client.get("/api/suggestions").json()
    questions = [each["question"] for each in found if each["source"] == "documents"]
    assert "How do lamps leave?" in questions, "as it stands there"
    [other] = [each for each in questions if each != "How do lamps leave?"]
    assert other in {f"What does “{title}” say?" for title in ("Returns", "Kettle", "Page")}
    assert len(api.client.get("/api/suggestions?limit=1").json()) == 1
    french = api.client.get("/api/suggestions", headers={"Accept-Language": "fr"}).json()
    assert any(each["question"].startswith("Que dit « ") for each in french)


def test_a_key_is_suggested_what_it_may_ask(api):
    tables = api.with_key("tables", only="tables").get("/api/suggestions").json()
    assert tables == [{"question": "How many orders are there by city?", "source": "database"}]
    documents = api.with_key("documents", only="documents").get("/api/suggestions").json()
    assert {each["source"] for each in documents} == {"documents"}
    elsewhere = api.with_key("elsewhere", collections=["other"])
    assert {each["source"] for each in elsewhere.get("/api/suggestions").json()} == {"database"}


def test_what_an_answer_found_and_does_not_cite_is_asked_next(api):
    path = "/api/sessions/s/turns"
    body = {"message": QUESTION, "turn_id": "t", "source": "documents"}
    answer = api.client.post(path, json=body).json()
    assert [cited["title"] for cited in answer["citations"]] == ["Returns"]
    found = api.client.get(f"{path}/t/suggestions").json()
    assert {each["question"] for each in found} == {
        "How do lamps leave?",
        "What does “Lamps” say about “Bulbs”?",
    }
    assert api.client.get(f"{path}/none/suggestions").status_code == 404
    assert api.with_key("other").get(f"{path}/t/suggestions").status_code == 404


def test_sample_documents_are_added_once_as_uploads(api):
    added = api.client.post("/api/documents/samples")
    assert added.status_code == 202
    documents = {each["path"] for each in added.json()["documents"]}
    assert "samples/policies/returns-policy.md" in documents
    assert api.finished(added.json()["job"])["status"] == "done"
    folder = {"root": "uploads", "folder": "samples/policies"}
    listed = api.client.get("/api/documents", params=folder).json()["documents"]
    assert {each["status"] for each in listed} == {"indexed"}
    assert api.client.post("/api/documents/samples").status_code == 409
    assert api.with_key("reader").post("/api/documents/samples").status_code == 403
