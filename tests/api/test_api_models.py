"""The language model that a question names, and the tries of one that does not answer."""

import pytest
from api_server import configured, database_of, events, running
from model_server import SERVER_ERROR, FakeModels

from kb.config.models import LLMConfig

RETRIED = {"provider": "openai-like", "model": "fake", "context_window": 8000, "max_retries": 2}
GOODS = {"question": "When do goods go back?", "source": "documents"}


@pytest.fixture(scope="module")
def large():
    with FakeModels(default="The large one says [1].") as large:
        yield large


@pytest.fixture(scope="module")
def served(server, models, embeddings, large, tmp_path_factory):
    with database_of(server) as url:
        llm = {
            **RETRIED,
            "base_url": models.openai_url,
            "choices": {"large": {**RETRIED, "model": "big", "base_url": large.openai_url}},
        }
        folder = tmp_path_factory.mktemp("models")
        config = configured(url, folder, embeddings, None)
        with running(config.model_copy(update={"llm": LLMConfig(**llm)})) as api:
            api.kb.index()
            yield api


def test_the_models_that_may_be_named_are_listed_behind_the_usual_one(api):
    told = api.client.get("/api/models").json()
    assert told == [{"name": None, "model": "fake"}, {"name": "large", "model": "big"}]


def test_a_question_and_a_turn_are_answered_by_the_model_that_they_name(api):
    told = api.client.post("/api/ask", json={**GOODS, "model": "large"}).json()
    assert (told["answer"], told["model"]) == ("The large one says [1].", "big")
    assert api.client.post("/api/ask", json=GOODS).json()["model"] == "fake"
    turn = {"message": GOODS["question"], "source": "documents", "model": "large"}
    assert api.client.post("/api/sessions/s/turns", json=turn).json()["model"] == "big"
    [stored] = api.client.get("/api/sessions/s").json()["turns"]
    assert stored["options"]["model"] == "large"


def test_a_name_that_no_model_has_is_refused_with_those_that_there_are(api):
    reply = api.client.post("/api/ask", json={**GOODS, "model": "huge"})
    assert (reply.status_code, reply.json()["code"]) == (404, "no_such_model_choice")
    assert "large" in reply.json()["detail"]
    turn = {"message": "Goods?", "model": "huge"}
    assert api.client.post("/api/sessions/t/turns", json=turn).status_code == 404
    assert api.client.get("/api/sessions/t").status_code == 404


def test_where_no_models_can_be_chosen_that_is_said(server, models, embeddings, tmp_path):
    with (
        database_of(server) as url,
        running(configured(url, tmp_path, embeddings, models)) as alone,
    ):
        reply = alone.client.post("/api/ask", json={**GOODS, "model": "large"})
    assert (reply.status_code, reply.json()["code"]) == (404, "no_models_to_choose")
    assert "llm.choices" in reply.json()["detail"]


@pytest.mark.parametrize("path", ["/api/ask", "/api/sessions/tried/turns"])
def test_a_stream_tells_that_a_model_is_asked_again(api, models, path):
    models.script = [SERVER_ERROR, SERVER_ERROR, "They go back [1]."]
    words = {"question": "Goods?"} if path == "/api/ask" else {"message": "Goods?"}
    told = events(api.client, path, {**words, "source": "documents"})
    assert [data for name, data in told if name == "attempt"] == [{"attempt": 2}, {"attempt": 3}]
    names = [name for name, _ in told]
    assert names.index("attempt") < names.index("token")
    assert names[-1] == "done"


def test_clients_of_openai_hear_of_no_attempt(api, models):
    models.script = [SERVER_ERROR, "They go back [1]."]
    body = {
        "model": "kb-documents",
        "messages": [{"role": "user", "content": "Goods?"}],
        "stream": True,
    }
    reply = api.client.post("/v1/chat/completions", json=body)
    assert reply.text.rstrip().endswith("data: [DONE]")
    assert models.script == []
    assert "attempt" not in reply.text
