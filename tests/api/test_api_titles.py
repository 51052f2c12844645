"""A model names a chat after its first answer, unless a person was quicker."""

import pytest
from api_server import configured, database_of, running, wait_until

from engines.chat.titles import clean_title


@pytest.fixture(scope="module")
def served(server, models, embeddings, tmp_path_factory):
    with database_of(server) as url:
        folder = tmp_path_factory.mktemp("titles")
        config = configured(url, folder, embeddings, models, chat={"titles": "model"})
        with running(config) as api:
            api.kb.index()
            yield api


def ask(api, session, question, **more):
    body = {"message": question, "source": "documents", **more}
    assert api.client.post(f"/api/sessions/{session}/turns", json=body).is_success


def title(api, session):
    api.kb.components.memory_updates.wait(20)
    return api.client.get(f"/api/sessions/{session}").json()["title"]


def test_a_chat_is_called_what_the_model_writes_after_the_first_answer(api, models):
    models.script = ["They go back [1].", '**"The return period."**']
    ask(api, "s", "When do goods go back?")
    assert title(api, "s") == "The return period"
    asked = str(models.requests[-1].body)
    assert "When do goods go back?" in asked
    assert "They go back" in asked
    models.script = ["And lamps?", "They do not."]
    ask(api, "s", "And lamps?")
    assert title(api, "s") == "The return period"
    assert models.script == []


def test_a_name_that_somebody_gave_stays(api, models):
    models.script = ["They go back [1].", "Another"]
    sessions = api.kb.components.session_store
    sessions.begin("named", "t", "When do goods go back?")
    sessions.finish("named", "t", answer="", status="failed")
    sessions.rename("named", "Mine")
    ask(api, "named", "When do goods go back?", turn_id="t")
    wait_until(lambda: models.script == [])
    assert title(api, "named") == "Mine"


def test_a_model_that_fails_leaves_the_question(api, models):
    models.script = ["They go back [1].", "  \n"]
    ask(api, "blank", "When do goods go back?")
    assert title(api, "blank") == "When do goods go back?"


@pytest.mark.parametrize(
    ("written", "cleaned"),
    [
        ("Title", "Title"),
        ("\n\n# A title.\nAnd words on it.", "A title"),
        ("«\u202eTitre»", "Titre"),
        ("", ""),
        ("x" * 200, "x" * 80 + " …"),
    ],
)
def test_only_the_title_of_a_reply_is_taken(written, cleaned):
    assert clean_title(written) == cleaned
