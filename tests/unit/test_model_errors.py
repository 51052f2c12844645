"""Real clients against a server of faults: one clear message each."""

import socket

import pytest
from fake_models import ScriptedLLM
from model_calls import (
    EMBED_WAYS,
    EMBEDDERS,
    KEY,
    LLMS,
    PROMPT,
    STREAMS,
    WAYS,
    astream,
    complete,
    embed,
    embedder_of,
    llm_of,
)
from model_server import (
    BAD_KEY,
    HANG,
    MALFORMED,
    NO_CHOICES,
    NO_PATH,
    NO_QUOTA,
    SERVER_ERROR,
    TOO_LONG,
    UNKNOWN_MODEL,
    UNKNOWN_OLLAMA_MODEL,
    WEB_PAGE,
    CutStream,
    FakeModels,
    Fault,
    Vectors,
    rate_limited,
)

from engines.model_errors import model_errors
from kb.assembly.models import make_llm
from kb.config.models import LLMConfig
from kb.config.sections import Config
from stores.errors import ModelUnavailable, StoreError


def failure(way, model) -> str:
    with pytest.raises(ModelUnavailable) as caught:
        way(model)
    message = str(caught.value)
    assert message.startswith(("Answering failed: ", "Embedding documents failed: "))
    assert caught.value.__cause__ is not None
    assert "canary" not in message  # neither key nor prompt
    return message


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("provider", LLMS)
def test_a_refused_connection_names_the_server_and_what_to_start(provider, way):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://user:{KEY}@127.0.0.1:{unused.getsockname()[1]}"
        message = failure(
            way,
            make_llm(
                Config(llm=LLMConfig(provider=provider, model="fake", base_url=url, max_retries=0))
            ),
        )
        assert f"at http://127.0.0.1:{unused.getsockname()[1]} cannot be reached" in message
    assert "Connection refused" in message
    assert "llm.base_url" in message
    assert ("ollama serve" in message) == (provider == "ollama")


@pytest.mark.parametrize("way", [complete, astream])
@pytest.mark.parametrize(
    ("provider", "fault", "parts"),
    [
        ("openai-like", BAD_KEY, ["refused the key (HTTP 401)", "llm.api_key", "OPENAI_API_KEY"]),
        ("openai-like", UNKNOWN_MODEL, ["LLM fake", "is unknown there", "llm.model"]),
        ("openai-like", NO_PATH, ["no /chat/completions", "llm.base_url", "/v1"]),
        ("openai-like", TOO_LONG, ["HTTP 400, context_length_exceeded", "retrieval.top_k"]),
        ("openai-like", NO_QUOTA, ["quota", "used up"]),
        ("openai-like", rate_limited(7), ["wait 7 s", "llm.max_retries"]),
        ("openai-like", SERVER_ERROR, ["failed (HTTP 500)", "log"]),
        ("ollama", BAD_KEY, ["refused the key (HTTP 401)"]),
        ("ollama", UNKNOWN_OLLAMA_MODEL, ["`ollama pull fake`", "llm.model"]),
        ("ollama", NO_PATH, ["no /api/chat", "llm.base_url"]),
        ("ollama", SERVER_ERROR, ["failed (HTTP 500)"]),
        ("ollama", rate_limited(7), ["limits the rate"]),
    ],
)
def test_a_fault_is_told_with_the_way_out(provider, fault, parts, way):
    with FakeModels(fault) as server:
        message = failure(way, llm_of(server, provider, base_url=server.url))
        assert len(server.requests) == 1
    assert [part for part in parts if part not in message] == []


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("fault", [MALFORMED, NO_CHOICES, WEB_PAGE])
@pytest.mark.parametrize("provider", LLMS)
def test_an_answer_outside_the_protocol_is_a_fault(provider, fault, way):
    with FakeModels(fault) as server:
        message = failure(way, llm_of(server, provider))
        assert len(server.requests) == 1
    assert "of another protocol" in message
    assert "llm.base_url" in message


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("provider", LLMS)
def test_a_silent_server_is_left_after_the_timeout(provider, way):
    with FakeModels(HANG) as server:
        message = failure(way, llm_of(server, provider, timeout=0.1))
        assert len(server.requests) == 1
    assert "did not answer in time" in message
    assert "llm.timeout" in message


@pytest.mark.parametrize("way", STREAMS)
@pytest.mark.parametrize("provider", LLMS)
def test_a_cut_stream_is_a_fault_after_its_words(provider, way):
    with FakeModels(CutStream("one two three four", words=2)) as server:
        assert "broke off its answer" in failure(way, llm_of(server, provider))


@pytest.mark.parametrize("provider", LLMS)
def test_the_words_before_a_cut_are_seen(provider):
    seen = []

    def read(parts):
        with model_errors("answering"):
            for part in parts:
                seen.append(part.delta)  # noqa: PERF401 - a list would be lost with the error

    with FakeModels(CutStream("one two three four", words=2)) as server:
        parts = llm_of(server, provider).stream_complete(PROMPT)
        with pytest.raises(ModelUnavailable):
            read(parts)
    assert seen == ["one", " two"]


@pytest.mark.parametrize("way", STREAMS)
@pytest.mark.parametrize("provider", LLMS)
def test_an_error_in_the_middle_of_a_stream_is_a_fault(provider, way):
    lines = {
        "openai-like": 'data: {"error": {"message": "sk-canary"}}\n\n',
        "ollama": '{"error": "sk-canary"}\n',
    }
    with FakeModels(Fault(body=lines[provider])) as server:
        assert "of another protocol" in failure(way, llm_of(server, provider))


@pytest.mark.parametrize("way", WAYS)
def test_a_rate_limit_is_waited_for_and_tried_again(way):
    with FakeModels(rate_limited(), rate_limited(), "At last.") as server:
        assert way(llm_of(server, "openai-like", max_retries=2)) == "At last."
        assert len(server.requests) == 3


@pytest.mark.parametrize("fault", [rate_limited(), Fault(500, {"retry-after": "0.01"})], ids=str)
def test_retries_end(fault):
    with FakeModels(*[fault] * 9) as server:
        failure(complete, llm_of(server, "openai-like", max_retries=2))
        assert len(server.requests) == 3


# --- faults of an embedder -----------------------------------------------------------------------


@pytest.mark.parametrize("way", EMBED_WAYS)
@pytest.mark.parametrize(
    ("provider", "fault", "parts"),
    [
        ("openai", BAD_KEY, ["embedding model fake", "embedding.api_key"]),
        ("openai", UNKNOWN_MODEL, ["embedding.model"]),
        ("openai", NO_PATH, ["no /v1/embeddings", "embedding.base_url"]),
        ("openai", MALFORMED, ["of another protocol", "embedding.base_url"]),
        ("openai", WEB_PAGE, ["of another protocol"]),
        ("openai", Vectors([]), ["empty"]),
        ("openai", rate_limited(3), ["wait 3 s", "embedding.max_retries"]),
        ("openai-like", SERVER_ERROR, ["failed (HTTP 500)"]),
        ("ollama", UNKNOWN_OLLAMA_MODEL, ["`ollama pull fake`", "embedding.model"]),
        ("ollama", MALFORMED, ["of another protocol", "embedding.base_url"]),
        ("ollama", NO_CHOICES, ["of another protocol"]),
    ],
)
def test_a_fault_of_an_embedder_is_told_with_the_way_out(provider, fault, parts, way):
    with FakeModels(fault) as server:
        message = failure(way, embedder_of(server, provider))
        assert len(server.requests) == 1
    assert [part for part in parts if part not in message] == []


@pytest.mark.parametrize("provider", EMBEDDERS)
def test_a_silent_embedder_is_left_after_the_timeout(provider):
    with FakeModels(HANG) as server:
        message = failure(embed, embedder_of(server, provider, timeout=0.1))
        assert len(server.requests) == 1
    assert "embedding.timeout" in message


# --- errors that are not the model's --------------------------------------------------------


def test_errors_of_kb_pass_unchanged():
    error = StoreError("the database said no")
    with pytest.raises(StoreError) as caught, model_errors("answering"):
        raise error
    assert caught.value is error


@pytest.mark.parametrize("error", [ValueError("a bug"), IndexError("a bug"), OSError("disk full")])
def test_errors_outside_the_clients_pass_unchanged(error):
    with pytest.raises(type(error)) as caught, model_errors("answering"):
        ScriptedLLM(replies=[error]).complete(PROMPT)
    assert caught.value is error


def test_an_error_after_a_handled_fault_is_not_taken_for_it():
    def fall_back(llm):
        try:
            complete(llm)
        except ModelUnavailable:
            with model_errors("answering without a model"):
                raise ValueError("a bug")  # noqa: B904 - its context is the point

    with FakeModels(SERVER_ERROR) as server, pytest.raises(ValueError, match="a bug"):
        fall_back(llm_of(server, "openai-like"))


def test_a_generator_that_is_closed_early_is_no_fault():
    def tokens():
        with model_errors("answering"):
            yield from ("one", "two")

    stream = tokens()
    assert next(stream) == "one"
    stream.close()
