"""The API of OpenAI, as its official client, LlamaIndex and Open WebUI speak it."""

import json
from typing import Any

import httpx
import openai
import pytest
from llama_index.core.llms import ChatMessage
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
        {"response_format": {"type": "json_object"}},
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


def test_rows_and_sql_come_with_an_answer_from_tables(client, models):
    models.script = ["SELECT city FROM orders WHERE id = 7", "It is Lyon."]
    reply = complete(client, model="kb-database")
    assert reply.choices[0].message.content == "It is Lyon."
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
        client.embeddings.create(model="kb-embedding", input=[[1, 2]])
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
    task = [{"role": "user", "content": "### Task:\nGenerate a concise title for the chat."}]
    titled = {
        "model": "kb-documents",
        "messages": task,
        "stream": False,
        "max_completion_tokens": 9,
    }
    reply = api.client.post("/v1/chat/completions", json=titled, headers=headers)
    assert reply.status_code == 200
    assert reply.json()["choices"][0]["message"]["content"]
