"""Responses of OpenAI's API, as its official client asks for them."""

import openai
import pytest
from model_server import SERVER_ERROR

QUESTION = "When do goods go back?"
NOTES = "\n\nSources:\n[1] "


@pytest.fixture
def client(api):
    base = f"{api.client.base_url}/v1"
    with openai.OpenAI(base_url=base, api_key=api.token, max_retries=0) as client:
        yield client


def respond(client, asked=QUESTION, **options):
    return client.responses.create(model="kb-documents", input=asked, **options)


def test_a_response_cites_in_its_text_and_by_links(api, client):
    response = respond(client)
    assert response.output_text.startswith("They go back [1]." + NOTES)
    assert response.status == "completed"
    assert response.usage.total_tokens > 0
    [annotation] = response.output[0].content[0].annotations
    assert response.output_text[annotation.start_index : annotation.end_index] == "[1]"
    assert annotation.url.startswith(f"{api.client.base_url}/#/passage/")
    assert response.model_extra["route"] == "documents"


def test_the_events_of_a_stream_are_those_that_clients_know(client):
    with client.responses.stream(model="kb-documents", input=QUESTION) as stream:
        events = list(stream)
        whole = stream.get_final_response()
    kinds = [event.type for event in events]
    assert kinds[:4] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
    ]
    assert kinds[-4:] == [
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert "response.output_text.annotation.added" in kinds
    assert [event.sequence_number for event in events] == list(range(len(events)))
    said = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert said == whole.output_text == respond(client).output_text


def test_a_response_goes_on_from_the_one_before_it(api, client, models):
    first = respond(client)
    models.requests.clear()
    models.script = ["How long do lamps go back?", "Lamps stay [1]."]
    second = respond(client, "And lamps?", previous_response_id=first.id)
    assert second.output_text.startswith("Lamps stay [1].")
    assert QUESTION in str(models.requests[0].body["messages"])
    session = first.id.removeprefix("resp_").rpartition(".")[0]
    turns = api.client.get(f"/api/sessions/{session}").json()["turns"]
    assert [turn["question"] for turn in turns] == [QUESTION, "And lamps?"]


def test_a_request_that_is_sent_again_gets_its_answer_again(client, models):
    first = respond(client)
    models.script = ["How long do lamps go back?", "Lamps stay [1]."]
    second = respond(client, "And lamps?", previous_response_id=first.id)
    asked = len(models.requests)
    again = respond(client, "And lamps?", previous_response_id=first.id)
    assert (again.id, again.output_text) == (second.id, second.output_text)
    assert len(models.requests) == asked
    with pytest.raises(openai.ConflictError, match="gone on"):
        respond(client, "And kettles?", previous_response_id=first.id)


def test_what_is_not_to_be_stored_is_not(api, client):
    before = api.client.get("/api/sessions").json()
    response = respond(client, store=False)
    assert response.output_text.startswith("They go back [1].")
    assert response.store is False
    assert api.client.get("/api/sessions").json() == before
    with pytest.raises(openai.NotFoundError) as caught:
        respond(client, "And lamps?", previous_response_id=response.id)
    assert caught.value.param == "previous_response_id"


def test_messages_of_the_input_are_the_context_of_the_last_one(client, models):
    models.script = ["How long does the kettle boil?"]
    response = respond(
        client,
        [
            {"role": "developer", "content": "You are a pirate."},
            {"role": "user", "content": "What is the kettle?"},
            {"role": "assistant", "content": [{"type": "output_text", "text": "It boils [1]."}]},
            {"role": "user", "content": [{"type": "input_text", "text": "And how long?"}]},
        ],
    )
    assert response.store is False
    rewriting = str(models.requests[0].body["messages"])
    assert "What is the kettle?" in rewriting
    assert "pirate" not in rewriting


@pytest.mark.parametrize("stream", [False, True])
def test_a_limit_of_tokens_leaves_a_response_incomplete(client, models, stream):
    models.script = ["They go back [1]. Lamps stay, and so do kettles."]
    response = respond(client, max_output_tokens=11, stream=stream)
    if stream:
        last = list(response)[-1]
        assert last.type == "response.incomplete"
        response = last.response
    assert response.status == "incomplete"
    assert response.incomplete_details.reason == "max_output_tokens"
    assert response.output_text.startswith("They go back [1]")
    assert "kettles" not in response.output_text.partition(NOTES)[0]


@pytest.mark.parametrize(
    ("options", "parameter"),
    [
        ({"text": {"format": {"type": "grammar"}}}, "text.format.type"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"previous_response_id": "resp_none.1"}, "previous_response_id"),
        ({"background": True}, "background"),
    ],
)
def test_what_cannot_be_done_is_refused_by_its_name(client, options, parameter):
    with pytest.raises(openai.APIStatusError) as caught:
        respond(client, **options)
    assert caught.value.status_code in (404, 422)
    assert caught.value.param == parameter


def test_a_stream_that_fails_ends_in_an_event_that_says_so(client, embeddings):
    embeddings.script = [SERVER_ERROR] * 5
    asked = "What was never asked before, and has no vector?"
    events = list(client.responses.create(model="kb-documents", input=asked, stream=True))
    embeddings.script.clear()
    assert events[-1].type == "response.failed"
    assert "model does not answer" in events[-1].response.error.message


def test_another_key_cannot_go_on_from_a_response(api, client):
    first = respond(client)
    key = api.with_key("other").headers["authorization"].split()[1]
    with (
        client.with_options(api_key=key) as other,
        pytest.raises(openai.NotFoundError),
    ):
        respond(other, "And lamps?", previous_response_id=first.id)
