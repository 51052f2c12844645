"""The API of OpenAI, as its official client, LlamaIndex and Open WebUI speak it."""

import json
from typing import Any
from urllib.parse import quote

import httpx
import openai
import pytest
from llama_index.core.llms import ChatMessage
from llama_index.core.utils import get_tokenizer
from llama_index.embeddings.openai import OpenAIEmbedding
from llama_index.llms.openai_like import OpenAILike
from model_server import NAN, SERVER_ERROR, CutStream, Fault

QUESTION = [{"role": "user", "content": "When do goods go back?"}]
NOTES = "\n\nSources:\n[1] "
SHORT = {"index": 0, "finish_reason": "length", "delta": {"role": "assistant", "content": "They"}}
AT_ITS_LIMIT = Fault(
    headers={"content-type": "text/event-stream"},
    body="data: "
    + json.dumps({"id": "x", "created": 1, "model": "fake", "choices": [SHORT]})
    + "\n\ndata: [DONE]\n\n",
)


@pytest.fixture
def client(api):
    base = f"{api.client.base_url}/v1"
    with openai.OpenAI(base_url=base, api_key=api.token, max_retries=0) as client:
        yield client


def complete(client, messages=QUESTION, model="kb-documents", **options):
    return client.chat.completions.create(model=model, messages=messages, **options)


def test_a_model_for_each_source(client):
    assert [model.id for model in client.models.list()] == [
        "kb-auto",
        "kb-documents",
        "kb-database",
        "kb-embedding",
    ]
    assert client.models.retrieve("kb-auto").owned_by == "kb"


def test_a_completion_cites_in_its_text_and_in_a_field(client):
    reply = complete(client)
    text = reply.choices[0].message.content
    assert text.startswith("They go back [1]." + NOTES)
    assert reply.choices[0].finish_reason == "stop"
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens > 0
    extra = reply.model_extra
    assert extra["citations"][0]["number"] == 1
    assert extra["citations"][0]["document"] in text
    assert extra["route"] == "documents"


def test_a_stream_says_the_same_and_ends_with_the_usage(client):
    stream = complete(client, stream=True, stream_options={"include_usage": True})
    chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == complete(client).choices[0].message.content
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].choices == []
    assert chunks[-1].usage.total_tokens > 0
    last = chunks[-2]
    assert last.choices[0].finish_reason == "stop"
    assert last.model_extra["citations"]
    assert all(chunk.id == chunks[0].id for chunk in chunks)


def test_a_stream_says_no_usage_that_was_not_asked_for(client):
    assert all(chunk.choices and chunk.usage is None for chunk in complete(client, stream=True))


def test_an_answer_that_its_model_cut_says_so(client, models):
    models.script = [AT_ITS_LIMIT, AT_ITS_LIMIT]
    assert complete(client).choices[0].finish_reason == "length"
    assert list(complete(client, stream=True))[-1].choices[0].finish_reason == "length"
    models.script = [CutStream("They go back", words=2, polite=True)]
    with pytest.raises(openai.InternalServerError, match="model does not answer"):
        complete(client)


@pytest.mark.parametrize(
    "option",
    [
        {"n": 2},
        {"response_format": {"type": "grammar"}},
        {"tool_choice": {"type": "function", "function": {"name": "f"}}},
    ],
    ids=str,
)
def test_a_form_that_no_answer_has_is_refused(client, option):
    with pytest.raises(openai.UnprocessableEntityError, match=next(iter(option))):
        complete(client, **option)
    harmless = {"n": 1, "response_format": {"type": "text"}, "max_tokens": 5, "seed": 1}
    tool = {"type": "function", "function": {"name": "f", "parameters": {}}}
    assert complete(client, tools=[tool], tool_choice="auto", **harmless).choices


SCHEMA = {
    "type": "object",
    "properties": {"days": {"type": "integer"}, "who": {"type": ["string", "null"]}},
    "required": ["days"],
    "additionalProperties": False,
}


def form_of(schema, **more):
    return {"type": "json_schema", "json_schema": {"name": "f", "schema": schema, **more}}


def test_an_answer_comes_in_the_form_of_a_schema_with_its_evidence(client, models):
    models.script = ["Within 30 days [1].", '```json\n{"days": 30}\n```']
    reply = complete(client, response_format=form_of(SCHEMA, strict=True))
    assert json.loads(reply.choices[0].message.content) == {"days": 30}
    assert reply.model_extra["citations"][0]["document"] == "returns.md"
    assert "Within 30 days" in json.dumps(models.requests[-1].body)
    assert reply.usage.completion_tokens > 0
    models.script = ["Within 30 days [1].", '{"days": 30, "who": null}']
    chunks = list(complete(client, response_format=form_of(SCHEMA), stream=True))
    streamed = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert json.loads(streamed) == {"days": 30, "who": None}


def test_an_object_is_given_whose_keys_the_question_names(client, models):
    models.script = ["Within 30 days [1].", "30", '{"days": 30}']
    reply = complete(client, response_format={"type": "json_object"})
    assert json.loads(reply.choices[0].message.content) == {"days": 30}
    assert "is not of type 'object'" in json.dumps(models.requests[-1].body)
    models.script = ["Within 30 days [1].", '{"days": 30}']
    asked = {"model": "kb-documents", "input": QUESTION[0]["content"], "store": False}
    reply = client.responses.create(**asked, text={"format": {"type": "json_object"}})
    assert json.loads(reply.output_text) == {"days": 30}


def test_a_response_comes_in_the_form_of_a_schema(client, models):
    models.script = ["Within 30 days [1].", '{"days": 30}']
    form = {"format": {"type": "json_schema", "name": "f", "schema": SCHEMA}}
    reply = client.responses.create(
        model="kb-documents", input=QUESTION[0]["content"], text=form, store=False
    )
    assert json.loads(reply.output_text) == {"days": 30}


def test_a_reply_of_another_form_is_asked_for_once_more_with_the_mistake(client, models):
    models.script = ["Within 30 days [1].", '{"days": "thirty"}', '{"days": 30}']
    reply = complete(client, response_format=form_of(SCHEMA))
    assert json.loads(reply.choices[0].message.content) == {"days": 30}
    assert "$.days: 'thirty' is not of type 'integer'" in json.dumps(models.requests[-1].body)
    models.script = ["Within 30 days [1].", "It is 30.", "Thirty."]
    with pytest.raises(openai.InternalServerError, match="model does not answer"):
        complete(client, response_format=form_of(SCHEMA))


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ({"type": "nope"}, "JSON Schema"),
        ({"properties": {"a": {"pattern": "(a+)+$"}}}, "pattern"),
        ({"$ref": "https://example.com/schema.json"}, "references are all in it"),
        ({"$ref": "#"}, "refers to itself"),
        ({"description": "x" * 20_000}, "20000 characters"),
    ],
)
def test_a_schema_that_cannot_be_held_to_is_refused(client, models, schema, told):
    with pytest.raises(openai.UnprocessableEntityError, match=told) as caught:
        complete(client, response_format=form_of(schema))
    assert caught.value.param.startswith("response_format")
    assert models.requests == []


def test_without_a_language_model_there_is_no_form(api, client, monkeypatch):
    monkeypatch.setattr(api.kb.components, "llm", None)
    with pytest.raises(openai.UnprocessableEntityError) as caught:
        complete(client, response_format=form_of(SCHEMA))
    assert (caught.value.param, caught.value.code) == ("response_format", "form_needs_model")


def test_rows_and_sql_come_with_an_answer_from_tables(client, models):
    models.script = ["SELECT city FROM orders WHERE id = 7", "It is Lyon."]
    reply = complete(client, model="kb-database")
    text = reply.choices[0].message.content
    assert text.startswith("It is Lyon.\n\nSQL:\n```sql\nSELECT city FROM orders")
    assert text.endswith("city: Lyon")
    assert reply.model_extra["sql"] == "SELECT city FROM orders WHERE id = 7"
    assert reply.model_extra["rows"] == [["Lyon"]]


def test_earlier_messages_are_the_context_of_the_last_one(client, models):
    models.script = ["How long does the kettle boil?"]
    messages = [
        {"role": "system", "content": "You are a pirate."},
        {"role": "user", "content": "What is the kettle?"},
        {"role": "assistant", "content": f"It boils water [1].{NOTES}A canary (k.md)"},
        {"role": "user", "content": [{"type": "text", "text": "And how long does it boil?"}]},
    ]
    complete(client, messages)
    rewriting, answering = (str(request.body["messages"]) for request in models.requests)
    assert "What is the kettle?" in rewriting
    assert "And how long does it boil?" in rewriting
    assert "How long does the kettle boil?" in answering
    assert "pirate" not in rewriting + answering
    assert "canary" not in rewriting + answering


@pytest.mark.parametrize(
    ("messages", "model", "status"),
    [
        (QUESTION, "gpt-4o", 404),
        ([{"role": "assistant", "content": "x"}], "kb-auto", 422),
        ([{"role": "user", "content": "  "}], "kb-auto", 422),
        ([{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}], "kb-auto", 422),
        ([], "kb-auto", 422),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
def test_what_cannot_be_answered_is_an_error_as_clients_know_it(
    client, messages, model, status, stream
):
    with pytest.raises(openai.APIStatusError) as caught:
        complete(client, messages, model, stream=stream)
    assert caught.value.status_code == status
    body: Any = caught.value.body
    assert body["type"] == "invalid_request_error"
    assert body["id"] == caught.value.request_id


def test_without_the_model_an_answer_begins_with_that(client, models):
    models.script = [SERVER_ERROR]
    said = complete(client).choices[0].message.content
    assert said.startswith("The language model does not answer")
    assert "on fire" not in said
    models.script = [SERVER_ERROR]
    pieces = [chunk.choices[0].delta.content or "" for chunk in complete(client, stream=True)]
    assert "".join(pieces).startswith("The language model does not answer")


def test_a_stream_that_fails_ends_in_an_error(client, embeddings):
    asked = "What was never asked before, and has no vector?"
    chat = {"messages": [{"role": "user", "content": asked}]}
    for create, what in (
        (client.chat.completions.create, chat),
        (client.completions.create, {"prompt": asked}),
    ):
        embeddings.script = [SERVER_ERROR] * 5
        with pytest.raises(openai.APIError) as caught:
            list(create(model="kb-documents", stream=True, **what))
        assert caught.value.code == "model_unavailable"
        embeddings.script.clear()


def test_a_link_says_that_the_model_itself_did_not_cite(client, models):
    models.script = ["Goods go back within 30 days."] * 2
    [whole] = complete(client).choices[0].message.annotations
    assert whole.url_citation.inferred is True
    *_, last = complete(client, stream=True)
    assert last.choices[0].delta.annotations == [whole.model_dump()]


def test_a_wrong_key_is_an_authentication_error(api, client):
    key = api.with_key("reader").headers["authorization"].split()[1]
    with pytest.raises(openai.AuthenticationError) as caught:
        complete(client)
    assert caught.value.code == "invalid_api_key"
    with client.with_options(api_key=key) as known:
        assert complete(known).choices


def test_a_model_that_gives_no_numbers_is_at_fault(api, embeddings):
    for path, body in (
        ("/v1/embeddings", {"model": "kb-embedding", "input": "never asked before"}),
        ("/api/search", {"question": "Was this never asked before?"}),
    ):
        embeddings.script = [NAN]
        reply = api.client.post(path, json=body)
        assert reply.status_code == 502
        assert "embedding model gave no usable vector" in reply.text


def test_embeddings_are_those_that_documents_are_found_by(api, client):
    texts = ["goods", "kettle"]
    reply = client.embeddings.create(model="kb-embedding", input=texts)  # as base64
    plain = client.embeddings.create(model="kb-embedding", input=texts, encoding_format="float")
    expected = api.kb.components.embed_model.get_text_embedding_batch(texts)
    for told in (reply, plain):
        for each, vector in zip(told.data, expected, strict=True):
            assert each.embedding == pytest.approx(vector, abs=1e-6)
    assert reply.usage.total_tokens > 0
    assert len(client.embeddings.create(model="kb-embedding", input="goods").data) == 1
    with pytest.raises(openai.UnprocessableEntityError, match="There are 8"):
        client.embeddings.create(model="kb-embedding", input="goods", dimensions=4)
    with pytest.raises(openai.UnprocessableEntityError, match=r"body\.input: .* a valid string"):
        client.embeddings.create(model="kb-embedding", input=[[1.5, "a"]])
    with pytest.raises(openai.NotFoundError):
        client.embeddings.create(model="text-embedding-3-small", input="goods")


def test_llamaindex_speaks_to_it(api):
    base = f"{api.client.base_url}/v1"
    message = ChatMessage(role="user", content="When do goods go back?")
    with httpx.Client() as http:
        about = {"api_base": base, "api_key": api.token, "http_client": http}
        llm = OpenAILike(model="kb-documents", is_chat_model=True, **about)
        assert llm.chat([message]).message.content.startswith("They go back [1].")
        streamed = list(llm.stream_chat([message]))[-1].message.content
        assert streamed.startswith("They go back [1]." + NOTES)
        embedding = OpenAIEmbedding(model_name="kb-embedding", **about)
        assert len(embedding.get_text_embedding("goods")) == 8


async def test_llamaindex_speaks_to_it_without_waiting(api):
    base = f"{api.client.base_url}/v1"
    options = {"model": "kb-auto", "api_base": base, "api_key": api.token, "is_chat_model": True}
    async with httpx.AsyncClient() as http:
        llm = OpenAILike(**options, async_http_client=http)
        reply = await llm.achat([ChatMessage(role="user", content="When do goods go back?")])
    assert "They go back [1]." in reply.message.content


def test_the_requests_of_open_webui_are_answered(api):
    """It sends what its user has set, and for titles a task of its own, which is a question too."""
    headers = {"Authorization": "Bearer ", "X-OpenWebUI-Chat-Id": "c"}
    body = {
        "model": "kb-documents",
        "stream": True,
        "stream_options": {"include_usage": True},
        "messages": QUESTION,
        "temperature": 0.7,
        "max_tokens": 400,
        "seed": 1,
        "stop": ["###"],
        "user": {"name": "Ana", "id": "1", "email": "ana@example.org", "role": "admin"},
        "tools": [],
        "reasoning_effort": "low",
        "metadata": {"chat_id": "c"},
    }
    listed = api.client.get("/v1/models", headers={"Authorization": f"Bearer {api.token}"}).json()
    assert all({"id", "object", "created", "owned_by"} <= model.keys() for model in listed["data"])
    headers["Authorization"] = f"Bearer {api.token}"
    streamed = api.client.post("/v1/chat/completions", json=body, headers=headers)
    assert streamed.headers["content-type"].startswith("text/event-stream")
    assert streamed.text.rstrip().endswith("data: [DONE]")


@pytest.mark.parametrize(
    ("task", "output", "reply"),
    [
        ("Generate a concise title", '{ "title": "your title" }', '{"title": "Do lamps go back?"}'),
        ("Generate 1-3 tags", '{ "tags": ["tag1", "tag2"] }', '{"tags": []}'),
        ("Suggest follow-ups", '{ "follow_ups": ["Why?"] }', '{"follow_ups": []}'),
        ("Finish what is typed", '{ "text": "" }', '{"text": ""}'),
        ("Generate a title of some words", "", "Do lamps go back?"),
    ],
)
def test_what_a_chat_client_wants_besides_answers_costs_nothing(
    client, models, task, output, reply
):
    prompt = (
        f"### Task:\n{task}.\n### Output:\n{output}\n### Chat History:\n<chat_history>\n"
        "USER: Do lamps go back?\nASSISTANT: They do not.\n</chat_history>"
    )
    titled = complete(client, [{"role": "user", "content": prompt}])
    assert titled.choices[0].message.content == reply
    assert titled.model_extra["route"] is None
    assert models.requests == []


def test_a_question_that_only_begins_like_a_task_is_answered(client):
    asked = [{"role": "user", "content": "### Task: When do goods go back?"}]
    assert complete(client, asked).choices[0].message.content.startswith("They go back [1].")


def test_each_number_of_an_answer_is_a_link_to_its_passage(api, client):
    reply = complete(client)
    message = reply.choices[0].message
    [annotation] = message.annotations
    link = annotation.url_citation
    assert message.content[link.start_index : link.end_index] == "[1]"
    chunk = reply.model_extra["citations"][0]["chunk"]
    assert link.url == f"{api.client.base_url}/#/passage/{quote(chunk, safe='')}"
    assert link.title.startswith("Returns")
    last = [chunk for chunk in complete(client, stream=True) if chunk.choices][-1]
    assert last.choices[0].delta.annotations == [annotation.model_dump()]


@pytest.mark.parametrize("stream", [False, True])
def test_a_limit_of_tokens_ends_the_words_and_keeps_the_sources(client, models, stream):
    models.script = ["They go back [1]. Lamps stay, and so do kettles."]
    reply = complete(client, stream=stream, max_tokens=11)
    if stream:
        chunks = list(reply)
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
        reason, extra = chunks[-1].choices[0].finish_reason, chunks[-1].model_extra
    else:
        text, reason = reply.choices[0].message.content, reply.choices[0].finish_reason
        extra = reply.model_extra
    assert text.startswith("They go back [1].")
    assert "kettles" not in text
    assert NOTES in text
    assert reason == "length"
    assert extra["citations"][0]["number"] == 1


def test_a_text_that_ends_an_answer_is_not_in_it(client, models):
    models.script = ["They go back [1]. Lamps stay."]
    reply = complete(client, stop=["stay", "Lamps"])
    assert reply.choices[0].message.content.startswith("They go back [1]. " + NOTES)
    assert reply.choices[0].finish_reason == "stop"
    models.script = ["They go back [1]. Lamps stay."]
    streamed = complete(client, stop="mps s", stream=True)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in streamed)
    assert text.startswith("They go back [1]. La" + NOTES)


def test_an_error_names_the_field_and_says_what_it_is(client):
    with pytest.raises(openai.UnprocessableEntityError) as caught:
        complete(client, response_format={"type": "grammar"})
    assert (caught.value.param, caught.value.code) == (
        "response_format.type",
        "request_not_understood",
    )
    with pytest.raises(openai.NotFoundError) as unknown:
        complete(client, model="gpt-4o")
    assert (unknown.value.param, unknown.value.code) == ("model", "model_not_found")


def test_a_prompt_of_the_older_api_is_a_question(client):
    reply = client.completions.create(model="kb-documents", prompt=QUESTION[0]["content"])
    assert reply.object == "text_completion"
    assert reply.choices[0].text.startswith("They go back [1]." + NOTES)
    streamed = client.completions.create(
        model="kb-documents", prompt=[QUESTION[0]["content"]], stream=True
    )
    assert "".join(chunk.choices[0].text for chunk in streamed) == reply.choices[0].text


def test_tokens_are_embedded_as_their_text_is(client):
    tokens = get_tokenizer()("goods")
    for given in (tokens, [tokens, tokens]):
        by_tokens = client.embeddings.create(model="kb-embedding", input=given)
        by_text = client.embeddings.create(model="kb-embedding", input="goods")
        assert by_tokens.data[0].embedding == by_text.data[0].embedding
        assert len(by_tokens.data) == (2 if given != tokens else 1)
    with pytest.raises(openai.UnprocessableEntityError, match="no tokens"):
        client.embeddings.create(model="kb-embedding", input=[[10**9]])


def test_as_many_texts_as_openai_takes_are_embedded_at_once(client):
    many = client.embeddings.create(model="kb-embedding", input=["goods"] * 2048)
    assert len(many.data) == 2048
    with pytest.raises(openai.UnprocessableEntityError):
        client.embeddings.create(model="kb-embedding", input=["goods"] * 2049)
