import asyncio
import contextvars
import math

import httpx
import numpy as np
import pytest
from llama_index.core.prompts import PromptTemplate
from llama_index.embeddings.openai import OpenAIEmbedding
from llama_index.llms.openai import OpenAI
from model_calls import (
    EMBEDDERS,
    KEY,
    LLMS,
    WAYS,
    acomplete,
    aembed,
    ask,
    complete,
    embed,
    embedder_of,
    llm_of,
)
from model_server import NAN, SERVER_ERROR, FakeModels, rate_limited
from pydantic import BaseModel, ValidationError

from engines.model_attempts import hear_attempts
from engines.model_errors import model_errors
from kb.assembly.models import (
    OLLAMA_EMBEDDING,
    OPENAI_EMBEDDING,
    choose_sentence_model,
    embedding_identity,
    find_sentence_languages,
    make_embedder,
    make_llm,
    vector_weight,
)
from kb.config.models import EmbeddingConfig, LLMConfig
from kb.config.sections import Config
from kb.doctor.models import check_models
from stores.errors import ConfigError

# --- answers --------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("provider", LLMS)
def test_a_model_answers(provider, way):
    with FakeModels("The sky is blue.") as server:
        assert way(llm_of(server, provider)) == "The sky is blue."
        assert [request.body["model"] for request in server.requests] == ["fake"]


@pytest.mark.parametrize("way", WAYS)
def test_each_further_try_is_told_to_who_waits(way):
    heard: list[int] = []

    def ask_and_hear(llm) -> str:
        hear_attempts(heard.append)
        return way(llm)

    with FakeModels(SERVER_ERROR, SERVER_ERROR, "At last.") as server:
        llm = llm_of(server, "openai-like", max_retries=2)
        assert contextvars.copy_context().run(ask_and_hear, llm) == "At last."
    assert heard == [2, 3]


def test_openai_gets_its_key_and_only_the_chosen_model():
    with FakeModels() as server:
        llm = llm_of(server, "openai", context_window=1000)
        assert complete(llm) == "Fine."
        assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
        assert server.requests[0].path == "/v1/chat/completions"


def test_ollama_is_asked_for_the_context_of_the_config_alone():
    with FakeModels() as server:
        complete(llm_of(server, "ollama", context_window=2000))
        complete(llm_of(server, "ollama"))
        assert [request.path for request in server.requests] == ["/api/chat"] * 2
        sizes = [request.body["options"]["num_ctx"] for request in server.requests]
        assert sizes == [2000, 8192]


@pytest.mark.parametrize("provider", LLMS)
def test_a_reply_is_as_long_as_the_config_allows(provider):
    with FakeModels() as server:
        complete(llm_of(server, provider, max_tokens=77))
        complete(llm_of(server, provider))
        bounds = []
        for request in server.requests:
            body = {**request.body, **request.body.get("options", {})}
            names = ("max_tokens", "max_completion_tokens", "num_predict")
            bounds.append([body[name] for name in names if body.get(name) is not None])
        assert bounds == [[77], []]


@pytest.mark.parametrize("provider", LLMS)
def test_the_context_window_reaches_llamaindex(provider):
    with FakeModels() as server:
        llm = llm_of(server, provider, context_window=3000)
        assert llm.metadata.context_window == 3000
        assert llm.metadata.is_chat_model
        assert server.requests == []


class Route(BaseModel):
    route: str


@pytest.mark.parametrize("provider", LLMS)
def test_a_structured_answer_is_asked_for_by_its_schema(provider):
    with FakeModels('{"route": "both"}') as server:
        llm = llm_of(server, provider)
        assert llm.structured_predict(Route, PromptTemplate("Route: {q}"), q="x").route == "both"
        body = server.requests[0].body
        schema = body["format"] if provider == "ollama" else body["response_format"]["json_schema"]
        assert "route" in str(schema)
        assert "{{" not in str(body["messages"])


@pytest.mark.parametrize("provider", LLMS)
def test_an_answer_outside_the_schema_is_left_to_the_caller(provider):
    with FakeModels("not JSON") as server, pytest.raises(ValidationError):  # noqa: SIM117 - one state
        with model_errors("routing"):
            llm_of(server, provider).structured_predict(Route, PromptTemplate("Route"))


@pytest.mark.parametrize("provider", LLMS)
def test_two_event_loops_use_one_model(provider):
    with FakeModels() as server:
        server.keep_alive = True
        llm, embedder = llm_of(server, provider), embedder_of(server, provider)
        for _ in range(3):
            assert acomplete(llm) == "Fine."
            assert len(asyncio.run(embedder.aget_query_embedding("x"))) == 8


def test_no_model_is_none():
    assert make_llm(Config()) is None


# --- embeddings ---


@pytest.mark.parametrize("provider", EMBEDDERS)
def test_an_embedder_embeds(provider):
    with FakeModels() as server:
        embedder = embedder_of(server, provider)
        assert np.shape(embed(embedder)) == (2, 8)
        assert np.shape(aembed(embedder)) == (2, 8)
        assert np.shape(ask(embedder)) == (8,)
        assert {request.body["model"] for request in server.requests} == {"fake"}


def test_dimensions_are_asked_for():
    with FakeModels() as server:
        embed(embedder_of(server, "openai", dimensions=4))
        assert server.requests[0].body["dimensions"] == 4


def test_an_embedder_tries_again_as_often_as_it_may():
    with FakeModels(rate_limited(), rate_limited()) as server:
        assert np.shape(embed(embedder_of(server, "openai", max_retries=2))) == (2, 8)
        assert len(server.requests) == 3


@pytest.mark.parametrize("provider", EMBEDDERS)
def test_what_is_no_vector_arrives_for_the_store_to_refuse(provider):
    with FakeModels(NAN) as server:
        assert math.isnan(ask(embedder_of(server, provider))[0])


# --- what cannot be made --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("llm", "parts"),
    [
        ({"provider": "openai", "model": "gpt-4.1-mini"}, ["OPENAI_API_KEY", "llm.api_key"]),
        ({"provider": "openai", "api_key": KEY}, ["llm.model is not set"]),
        ({"provider": "openai", "model": "gpt-99", "api_key": KEY}, ["gpt-99", "context_window"]),
        ({"provider": "openai-like", "model": "x"}, ["llm.base_url", "OPENAI_API_BASE"]),
        ({"provider": "ollama"}, ["llm.model is not set"]),
    ],
)
def test_an_incomplete_llm_is_refused_with_what_is_missing(llm, parts):
    with pytest.raises(ConfigError) as caught:
        make_llm(Config(llm=LLMConfig(**llm)))
    assert [part for part in parts if part not in str(caught.value)] == []
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("embedding", "parts"),
    [
        ({"provider": "openai", "model": "x"}, ["OPENAI_API_KEY", "embedding.api_key"]),
        ({"provider": "openai-like"}, ["embedding.model is not set"]),
        ({"provider": "openai-like", "model": "x"}, ["embedding.base_url"]),
        ({"provider": "ollama", "model": "x", "dimensions": 4}, ["embedding.dimensions"]),
        ({"provider": "local", "dimensions": 4}, ["embedding.dimensions"]),
        ({"provider": "local", "model": "no/where"}, ["no/where", "model.safetensors"]),
        ({"provider": "wordllama", "dimensions": 4}, ["64, 128 or 256"]),
        ({"provider": "wordllama", "model": "x"}, ["embedding.model"]),
    ],
)
def test_an_incomplete_embedder_is_refused_with_what_is_missing(embedding, parts):
    with pytest.raises(ConfigError) as caught:
        make_embedder(Config(embedding=EmbeddingConfig(**embedding)))
    assert [part for part in parts if part not in str(caught.value)] == []


def test_openai_and_its_models_are_made_without_a_request():
    llm = make_llm(Config(llm=LLMConfig(provider="openai", model="gpt-4.1-mini", api_key=KEY)))
    assert llm.metadata.context_window > 100_000
    embedding = EmbeddingConfig(provider="openai", model="text-embedding-3-small", api_key=KEY)
    embedder = make_embedder(Config(embedding=embedding))
    assert isinstance(llm, OpenAI)
    assert isinstance(embedder, OpenAIEmbedding)
    assert embedder.api_base == llm.api_base == "https://api.openai.com/v1"


def test_vectors_of_other_models_have_other_identities():
    def identity(**embedding):
        config = Config(embedding=EmbeddingConfig(api_key=KEY, **embedding))
        return embedding_identity(config, make_embedder(config))

    identities = [
        identity(),
        identity(model="multilingual"),
        identity(model="e5"),
        identity(provider="wordllama"),
        identity(provider="wordllama", dimensions=64),
        identity(provider="ollama"),
        identity(provider="openai"),
        identity(provider="openai", dimensions=256),
        identity(provider="openai", model="text-embedding-3-large"),
    ]
    assert identities[:3] == [
        "local/all-MiniLM-L6-v2",
        "local/all-MiniLM-L6-v2+use-multilingual-3",
        "local/multilingual-e5-small",
    ]
    assert len(set(identities)) == len(identities)


@pytest.mark.parametrize(
    ("embedding", "model", "languages"),
    [
        ({}, "all-MiniLM-L6-v2", {"en"}),
        ({"model": "multilingual"}, "all-MiniLM-L6-v2", {"en"}),
        ({"model": "e5"}, "all-MiniLM-L6-v2", {"en"}),
        ({"provider": "ollama", "model": "bge-m3"}, "bge-m3", None),
    ],
)
def test_sentences_are_compared_by_the_model_that_this_was_fitted_to(embedding, model, languages):
    config = Config(embedding=EmbeddingConfig(**embedding))
    compares = choose_sentence_model(config, make_embedder(config))
    assert compares.model_name == model
    assert find_sentence_languages(config.embedding) == languages


# --- weights in fusion ----------------------------------------------------------------------


ENGLISH = [{"provider": "local"}, {"provider": "wordllama"}]


@pytest.mark.parametrize(
    ("embedding", "english", "french"),
    [
        ({"provider": "local"}, 0.2, 0.1),
        ({"provider": "local", "model": "multilingual"}, 0.2, 0.2),
        ({"provider": "local", "model": "e5"}, 0.7, 0.7),
        ({"provider": "wordllama"}, 0.1, 0.1),
        ({"provider": "local", "model": "models/multilingual"}, 0.3, 0.3),
        ({"provider": "ollama"}, 0.3, 0.3),
    ],
)
def test_vectors_weigh_by_what_their_model_knows(embedding, english, french):
    weight = vector_weight(EmbeddingConfig(**embedding))
    assert [weight.weigh_language(language, None) for language in ("en", "", "fr")] == [
        english,
        english,
        french,
    ]
    assert weight.weigh_language("en", 0.9) == 0.9
    assert weight.weigh_language("fr", 0.9) == (0.1 if embedding in ENGLISH else 0.9)


# --- no other provider in the place of one --------------------------------------------------


def test_a_key_is_sent_nowhere_while_its_server_is_not_named(monkeypatch):
    asked = []
    monkeypatch.setattr("kb.doctor.models.httpx.get", lambda url, **_: asked.append(url))
    model = {"provider": "openai-like", "model": "fake", "api_key": KEY}
    config = Config(llm=LLMConfig(**model), embedding=EmbeddingConfig(**model))
    for section, check in zip(("embedding", "llm"), check_models(config), strict=True):
        assert check.state == "fail"
        assert f"{section}.base_url is not set" in check.seen
    assert asked == []


def test_the_doctor_asks_nobody_while_a_key_is_missing(monkeypatch):
    asked = []
    monkeypatch.setattr("kb.doctor.models.httpx.get", lambda url, **_: asked.append(url))
    model = {"provider": "openai", "model": "gpt-4.1-mini"}
    config = Config(llm=LLMConfig(**model), embedding=EmbeddingConfig(**model))
    for section, check in zip(("embedding", "llm"), check_models(config), strict=True):
        assert check.state == "fail"
        assert f"{section}.provider is openai, but there is no key. Set" in check.seen
    assert asked == []


@pytest.mark.parametrize(
    ("provider", "name"), [("openai", OPENAI_EMBEDDING), ("ollama", OLLAMA_EMBEDDING)]
)
def test_the_doctor_asks_for_the_model_that_is_used_where_none_is_named(
    monkeypatch, provider, name
):
    listed = {"data": [{"id": name}], "models": [{"model": name}]}
    answer = httpx.Response(200, json=listed, request=httpx.Request("GET", "http://models"))
    monkeypatch.setattr("kb.doctor.models.httpx.get", lambda *_, **__: answer)
    config = Config(
        embedding=EmbeddingConfig(provider=provider, api_key=KEY),
        llm=LLMConfig(provider=provider, api_key=KEY),
    )
    embedding, llm = check_models(config)
    assert (embedding.state, embedding.seen.split()[0]) == ("ok", name)
    assert (llm.state, "llm.model is not set" in llm.seen) == ("fail", True)
