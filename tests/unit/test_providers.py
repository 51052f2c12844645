"""The providers of LlamaIndex's integrations, by their real clients against scripted servers."""

import asyncio
from typing import Any

import numpy as np
import pytest
from model_calls import EMBED_WAYS, PROMPT, STREAMS, WAYS, acomplete, ask, complete, embed
from model_server import (
    BAD_KEY,
    HANG,
    MALFORMED,
    SERVER_ERROR,
    CutStream,
    FakeModels,
    Fault,
    rate_limited,
)
from provider_servers import (
    EMBEDDING_MODELS,
    KEY,
    LLM_MODELS,
    DamagedStream,
    FailingStream,
    ProviderServer,
    StoppedText,
)

from engines.model_calls import ModelCalls
from kb.assembly.integrations import EMBEDDINGS, LLMS
from kb.assembly.models import embedding_identity, make_embedder, make_llm
from kb.config.models import EmbeddingConfig, LLMConfig
from kb.config.sections import Config
from kb.doctor.models import check_models
from kb.prices import RUN_BY_KB
from stores.errors import ConfigError, ModelUnavailable

# What these clients themselves warn of, which nobody can change here.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pydantic.PydanticDeprecatedSince211"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
MODULES = {
    "anthropic": "anthropic",
    "mistral": "mistralai",
    "gemini": "google.genai",
    "azure-openai": "azure.identity",
    "bedrock": "llama_index.llms.bedrock_converse",
    "cohere": "cohere",
    "voyage": "voyageai",
}
LLM_PROVIDERS = list(LLM_MODELS)
OF_BEDROCK = pytest.mark.parametrize("provider", ["bedrock"])
RETRYING = [name for name in LLM_PROVIDERS if "max_retries" not in LLMS[name].lacks]


@pytest.fixture(autouse=True)
def _with_aws_key(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, KEY)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


@pytest.fixture(autouse=True)
def _with_package(request):
    """Run only where the extra of the provider is installed."""
    if hasattr(request.node, "callspec") and (name := request.node.callspec.params.get("provider")):
        pytest.importorskip(MODULES[name])


def make_config(server: FakeModels, provider: str, **settings: Any) -> LLMConfig:
    settings = {"timeout": 5, "base_url": server.url, "model": LLM_MODELS[provider]} | settings
    if "max_retries" not in LLMS[provider].lacks:
        settings.setdefault("max_retries", 0)
    if "api_key" not in LLMS[provider].lacks:
        settings["api_key"] = KEY
    return LLMConfig(provider=provider, **settings)


def llm_of(server: FakeModels, provider: str, **settings: Any) -> Any:
    return make_llm(Config(llm=make_config(server, provider, **settings)))


def embedder_of(server: FakeModels, provider: str, **settings: Any) -> Any:
    settings = {"timeout": 5, "base_url": server.url} | settings
    if "max_retries" not in EMBEDDINGS[provider].lacks:
        settings.setdefault("max_retries", 0)
    model = EMBEDDING_MODELS[provider]
    section = EmbeddingConfig(provider=provider, model=model, api_key=KEY, **settings)
    return make_embedder(Config(embedding=section))


def fault(status: int) -> Fault:
    """A refusal with what both providers of embeddings say in it."""
    return Fault(status, {"retry-after": "0.01"}, '{"detail": "sk-canary", "message": "sk-canary"}')


def failure(way, model) -> str:
    with pytest.raises(ModelUnavailable) as caught:
        way(model)
    assert "canary" not in str(caught.value)  # neither key nor prompt
    return str(caught.value)


# --- answers --------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("provider", LLM_PROVIDERS)
def test_a_model_answers(provider, way):
    with ProviderServer(provider, "The sky is blue.") as server:
        assert way(llm_of(server, provider)) == "The sky is blue."
        [request] = server.requests
    assert PROMPT in str(request.body)
    assert KEY in str(request.headers)
    assert KEY not in request.path


@pytest.mark.parametrize("provider", LLM_PROVIDERS)
def test_two_event_loops_use_one_model(provider):
    with ProviderServer(provider) as server:
        server.keep_alive = True
        llm = llm_of(server, provider)
        assert [acomplete(llm) for _ in range(3)] == ["Fine."] * 3


@pytest.mark.parametrize("provider", LLM_PROVIDERS)
def test_a_reply_is_as_long_as_the_config_allows(provider):
    with ProviderServer(provider) as server:
        complete(llm_of(server, provider, max_tokens=77))
        [request] = server.requests
    parts = request.body.get("generationConfig", {}), request.body.get("inferenceConfig", {})
    assert 77 in {**request.body, **parts[0], **parts[1]}.values()


@pytest.mark.parametrize("provider", ["anthropic", "mistral", "gemini", "bedrock"])
def test_the_tokens_that_the_server_counts_are_told(provider):
    calls = ModelCalls()
    with ProviderServer(provider, "The sky is blue.") as server, calls.listen():
        complete(llm_of(server, provider))
    assert calls.count_tokens() == (11, 7)


@OF_BEDROCK
@pytest.mark.parametrize("way", STREAMS)
def test_a_stream_tells_its_tokens_and_those_that_were_known(provider, way):
    calls = ModelCalls()
    with ProviderServer(provider, "The sky is blue.") as server, calls.listen():
        assert way(llm_of(server, provider)) == "The sky is blue."
    [use] = calls.list_uses()
    assert (use.prompt_tokens, use.completion_tokens, use.cached_tokens) == (11, 7, 4)
    assert (use.estimated, calls.is_cut, calls.limit) == (0, False, None)


# --- faults ---------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("provider", LLM_PROVIDERS)
@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (BAD_KEY, ["refused the key (HTTP 401)", "llm.api_key"]),
        (SERVER_ERROR, ["failed (HTTP 500)"]),
        (rate_limited(7), ["wait 7 s"]),
    ],
)
def test_a_fault_is_told_with_the_way_out(provider, fault, told, way):
    with ProviderServer(provider, fault) as server:
        message = failure(way, llm_of(server, provider))
        assert len(server.requests) == 1
        named = [server.url, LLM_MODELS[provider]]
    if provider == "bedrock":  # whose client does not tell what it asked, and has its own keys
        told, named = [part.replace("llm.api_key", "AWS's files") for part in told], ["bedrock"]
    assert [part for part in [*told, *named] if part not in message] == []


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("provider", LLM_PROVIDERS)
def test_a_silent_server_is_left_after_the_timeout(provider, way):
    with ProviderServer(provider, HANG) as server:
        message = failure(way, llm_of(server, provider, timeout=0.2))
    assert "did not answer in time" in message


@pytest.mark.parametrize("provider", LLM_PROVIDERS)
def test_an_answer_outside_the_protocol_is_a_fault(provider):
    with ProviderServer(provider, MALFORMED) as server:
        assert "of another protocol" in failure(complete, llm_of(server, provider))


@pytest.mark.parametrize("provider", LLM_PROVIDERS)
def test_a_server_that_is_away_is_told(provider):
    with ProviderServer(provider) as server:
        llm = llm_of(server, provider)
    assert "cannot be reached (Connection refused)" in failure(complete, llm)


@pytest.mark.parametrize("way", STREAMS)
@pytest.mark.parametrize("provider", LLM_PROVIDERS)
def test_a_cut_stream_is_a_fault(provider, way):
    with ProviderServer(provider, CutStream("one two three")) as server:
        assert "broke off its answer" in failure(way, llm_of(server, provider))


@OF_BEDROCK
@pytest.mark.parametrize("way", STREAMS)
@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (FailingStream("one", "throttlingException"), ["limits the rate", "llm.max_retries"]),
        (FailingStream("one", "validationException"), ["refused the request (HTTP 400)"]),
        (FailingStream("one", "internalServerException"), ["broke off its answer"]),
        (FailingStream("one", "modelStreamErrorException"), ["broke off its answer"]),
        (DamagedStream("one two"), ["broken", "(ChecksumMismatch)"]),
    ],
)
def test_a_stream_that_fails_on_its_way_is_a_fault(provider, reply, told, way):
    with ProviderServer(provider, reply) as server:
        message = failure(way, llm_of(server, provider))
        assert len(server.requests) == 1
    assert [part for part in told if part not in message] == []


@OF_BEDROCK
@pytest.mark.parametrize("way", WAYS)
def test_a_limit_of_the_model_is_noticed(provider, way):
    calls = ModelCalls()
    with ProviderServer(provider, StoppedText("one two", "max_tokens")) as server, calls.listen():
        assert way(llm_of(server, provider)) == "one two"
    assert (calls.limit, calls.is_cut) == ("reached the most tokens that it may write", False)


@OF_BEDROCK
def test_a_model_without_a_key_is_told_where_it_belongs(provider, monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with ProviderServer(provider) as server:
        assert "Set AWS_ACCESS_KEY_ID" in failure(complete, llm_of(server, provider))
        assert server.requests == []


@pytest.mark.parametrize("provider", ["anthropic", "mistral", "bedrock"])
def test_a_stream_that_ends_politely_before_its_end_is_noticed(provider):
    for reply, is_cut in (("one two", False), (CutStream("one two", polite=True), True)):
        calls = ModelCalls()
        with ProviderServer(provider, reply) as server:
            pieces = llm_of(server, provider).stream_complete(PROMPT)
            with calls.listen():
                text = "".join(part.delta or "" for part in pieces)
        assert (text, calls.is_cut) == ("one two", is_cut)


@pytest.mark.parametrize("provider", RETRYING)
def test_a_rate_limit_is_waited_for_and_tried_again(provider):
    with ProviderServer(provider, rate_limited(), "At last.") as server:
        assert complete(llm_of(server, provider, max_retries=2)) == "At last."
        assert len(server.requests) == 2


def test_transformers_answer_from_a_directory(tmp_path):
    """A model of one layer with random weights, saved and loaded as any other."""
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("llama_index.llms.huggingface")
    from tokenizers import Tokenizer, models, pre_tokenizers  # noqa: PLC0415 - for this test alone

    words = {word: number for number, word in enumerate(["<unk>", "<eos>", "sky", "blue"])}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", eos_token="<eos>", pad_token="<eos>"
    )
    fast.chat_template = "{% for message in messages %}{{ message['content'] }} {% endfor %}"
    fast.save_pretrained(tmp_path)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 2, "vocab_size": len(words)}
    made = transformers.LlamaForCausalLM(transformers.LlamaConfig(**sizes, **heads))
    made.save_pretrained(tmp_path)
    section = LLMConfig(provider="huggingface", model=str(tmp_path), max_tokens=5)
    model = make_llm(Config(llm=section))
    assert {*complete(model).split()} <= {*words}
    assert model.class_name() in RUN_BY_KB, "it costs nothing"


# --- embeddings -----------------------------------------------------------------------------


@pytest.mark.parametrize("provider", EMBEDDING_MODELS)
def test_an_embedder_embeds(provider):
    with ProviderServer(provider) as server:
        embedder = embedder_of(server, provider)
        assert np.shape(embed(embedder)) == (2, 8)
        assert np.shape(ask(embedder)) == (8,)
        assert np.shape(asyncio.run(embedder.aget_query_embedding(PROMPT))) == (8,)
        kinds = [request.body["input_type"] for request in server.requests]
        assert all(KEY in request.headers["authorization"] for request in server.requests)
    assert [kind.removeprefix("search_") for kind in kinds] == ["document", "query", "query"]


@pytest.mark.parametrize("way", EMBED_WAYS)
@pytest.mark.parametrize("provider", EMBEDDING_MODELS)
@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (fault(401), ["refused the key (HTTP 401)", "embedding.api_key"]),
        (fault(500), ["failed (HTTP 500)"]),
        (fault(429), ["wait 0.01 s"]),
    ],
)
def test_a_fault_of_an_embedder_is_told_with_the_way_out(provider, fault, told, way):
    with ProviderServer(provider, *[fault] * 3) as server:
        message = failure(way, embedder_of(server, provider))
    assert [part for part in told if part not in message] == []


@pytest.mark.parametrize("provider", EMBEDDING_MODELS)
def test_a_silent_embedder_is_left_after_the_timeout(provider):
    with ProviderServer(provider, HANG) as server:
        message = failure(embed, embedder_of(server, provider, timeout=0.2))
    assert "embedding.timeout" in message


# --- what cannot be made --------------------------------------------------------------------


@pytest.mark.parametrize("provider", LLM_PROVIDERS)
def test_what_is_missing_is_told(provider):
    of_aws = "api_key" in LLMS[provider].lacks
    for settings, part in [
        ({"model": LLM_MODELS[provider]}, "there is no key. Set the environment variable"),
        ({} if of_aws else {"api_key": KEY}, "llm.model is not set"),
    ][of_aws:]:
        with pytest.raises(ConfigError, match=part):
            make_llm(Config(llm=LLMConfig(provider=provider, base_url="http://x", **settings)))
    for setting in LLMS[provider].lacks:
        value = KEY if setting == "api_key" else 5
        section = LLMConfig(provider=provider, model="x", **{"api_key": KEY, setting: value})
        with pytest.raises(ConfigError, match=f"llm.{setting} cannot be set"):
            make_llm(Config(llm=section))


@pytest.mark.parametrize("provider", ["anthropic", "mistral"])
def test_a_model_that_the_integration_does_not_know_is_refused(provider):
    with FakeModels() as server, pytest.raises(ConfigError, match="does not know"):
        llm_of(server, provider, model="unheard-of")


def test_a_provider_that_is_not_installed_is_told_with_what_installs_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "llama_index.llms.anthropic", None)
    section = LLMConfig(provider="anthropic", model="claude-sonnet-4-5", api_key=KEY)
    with pytest.raises(ConfigError, match=r"mariadb-kb\[anthropic\]"):
        make_llm(Config(llm=section))


# --- by an import path ----------------------------------------------------------------------


def test_any_class_of_llamaindex_is_made_with_its_arguments():
    section = LLMConfig(provider="fake_models.ScriptedLLM", arguments={"replies": ["Yes."]})
    assert complete(make_llm(Config(llm=section))) == "Yes."
    embedding = EmbeddingConfig(provider="fake_models.HashEmbedding", arguments={"dimensions": 16})
    embedder = make_embedder(Config(embedding=embedding))
    assert np.shape(ask(embedder)) == (16,)
    assert embedding_identity(Config(embedding=embedding), embedder).endswith("/hash")


@pytest.mark.parametrize(
    ("settings", "parts"),
    [
        ({"provider": "no.such.Class"}, ["no is not installed", "Correct the path"]),
        ({"provider": "fake_models.Nothing"}, ["there is no Nothing in fake_models"]),
        ({"provider": "fake_models.HashEmbedding"}, ["is no LLM of LlamaIndex"]),
        ({"provider": "fake_models.Scripted"}, ["is no LLM of LlamaIndex"]),
        ({"provider": "fake_models.ScriptedLLM", "model": "x"}, ["llm.model cannot be set"]),
        (
            {"provider": "fake_models.ScriptedLLM", "arguments": {"context_window": KEY}},
            ["context_window: ", "integer"],
        ),
    ],
)
def test_what_is_wrong_with_an_import_path_is_told(settings, parts):
    with pytest.raises(ConfigError) as caught:
        make_llm(Config(llm=LLMConfig(**settings)))
    assert [part for part in parts if part not in str(caught.value)] == []
    assert KEY not in str(caught.value)


def test_each_provider_is_either_kbs_own_or_has_its_integration():
    from typing import get_args  # noqa: PLC0415 - of this test alone

    from kb.config.models import EmbeddingProvider, LLMProvider  # noqa: PLC0415 - as above

    own = {"openai", "openai-like", "ollama", "llama-cpp"}
    assert set(get_args(LLMProvider)) == {*LLMS, *own, "none"}
    assert set(get_args(EmbeddingProvider)) == {*EMBEDDINGS, *own, "local", "wordllama"}


# --- the doctor -----------------------------------------------------------------------------


@pytest.mark.parametrize("provider", ["anthropic", "mistral", "gemini"])
def test_the_doctor_asks_whether_the_model_is_there(provider):
    with ProviderServer(provider) as server:
        config = Config(llm=make_config(server, provider))
        *_, missing = check_models(config)
        server.models = [LLM_MODELS[provider]]
        *_, there = check_models(config)
        assert all(KEY in str(request.headers) for request in server.requests)
    assert (missing.state, there.state) == ("warn", "ok")
    assert LLM_MODELS[provider] in there.seen


def test_the_doctor_tells_what_is_missing_of_a_provider_and_of_a_path():
    *_, without_key = check_models(Config(llm=LLMConfig(provider="bedrock")))
    assert (without_key.state, "llm.model is not set" in without_key.seen) == ("fail", True)
    *_, path = check_models(Config(llm=LLMConfig(provider="fake_models.ScriptedLLM")))
    assert (path.state, "fake_models.ScriptedLLM" in path.seen) == ("ok", True)
