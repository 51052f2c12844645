"""Config -> the language model and the embedding model. Nothing here opens a connection."""

import ssl
from collections.abc import Set as AbstractSet
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeAlias, assert_never, cast

import httpx
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.llms.llm import LLM

from engines.model_attempts import atell_attempt, tell_attempt
from engines.search.search_run import VectorWeight
from kb.assembly import integrations
from kb.assembly.integrations import find_key
from kb.assembly.reported_tokens import hear_ollama_tokens, hear_openai_tokens
from kb.config.models import E5, MULTILINGUAL, EmbeddingConfig, LLMConfig, ModelConfig
from kb.config.sections import Config
from stores.errors import ConfigError

OPENAI_URL = "https://api.openai.com/v1"
OLLAMA_URL = "http://localhost:11434"
OPENAI_EMBEDDING = "text-embedding-3-small"
OLLAMA_EMBEDDING = "nomic-embed-text"
# Those of that pair of models; the default of the provider local knows the first alone.
_LANGUAGES = frozenset(
    ("en", "ar", "de", "es", "fr", "it", "ja", "ko", "nl", "pl", "pt", "ru", "th", "tr", "zh")
)
# The vector leg's share in fusion: the best on SciFact, SQuAD and PIAF together, by `kb eval`. Of
# models that could not be measured, what a better one than `local` would still not lose by.
_LOCAL, _WORDLLAMA, _OTHERS = 0.2, 0.1, 0.3
_E5 = 0.7  # whose similarities differ by little; the best on the halves `dev` of languages.py
CONTEXT_WINDOW = 8192  # tokens; asking Ollama for a model's maximum can take all memory
# Kept connections belong to one event loop; a second asyncio.run() would find them closed.
_NOT_KEPT = httpx.Limits(max_keepalive_connections=0)

ServerProvider: TypeAlias = Literal["openai", "openai-like", "ollama"]


def make_llm(config: Config) -> LLM | None:
    """Make the LLM of config.llm, None for the provider `none`. Raises ConfigError."""
    llm = config.llm
    match llm.provider:
        case "none":
            return None
        case "openai":
            return _make_openai(llm)
        case "openai-like":
            url = server_url(llm.provider, llm, "llm")
            return _make_openai_like(llm, url, api_key=find_key(llm) or "none")
        case "ollama":
            return _make_ollama(llm)
        case "llama-cpp":
            from kb.assembly.llama_cpp import make_llama_cpp  # noqa: PLC0415 - only for its users

            return make_llama_cpp(config, _make_openai_clients)
        case _:
            return integrations.make_llm(llm)


def make_embedder(config: Config) -> BaseEmbedding:
    """Make the embedding model of config.embedding. Raises ConfigError."""
    embedding = config.embedding
    match embedding.provider:
        case "local":
            return _make_sentence_model(config)
        case "wordllama":
            return _make_word_vectors(embedding)
        case "openai" | "openai-like":
            return _make_openai_embedding(embedding, embedding.provider)
        case "ollama":
            return _make_ollama_embedding(embedding)
        case "llama-cpp":
            from kb.assembly.llama_cpp_embedding import (  # noqa: PLC0415 - only for its users
                make_llama_cpp_embedding,
            )

            return make_llama_cpp_embedding(config, _make_openai_clients)
        case _:
            return integrations.make_embedder(embedding)


def server_url(provider: ServerProvider, model: ModelConfig, section: str) -> str:
    """Where the server of a model is; a key goes to no other. Raises ConfigError."""
    match provider:
        case "openai":
            return model.base_url or OPENAI_URL
        case "openai-like":
            return _require_url(model, section)
        case "ollama":
            return model.base_url or OLLAMA_URL
        case _:
            assert_never(provider)


def name_embedding_model(provider: ServerProvider, embedding: EmbeddingConfig) -> str:
    """Return the name of the model that a server is asked for. Raises ConfigError."""
    match provider:
        case "openai":
            return embedding.model or OPENAI_EMBEDDING
        case "openai-like":
            return _require_model(embedding, "embedding", OLLAMA_EMBEDDING)
        case "ollama":
            return embedding.model or OLLAMA_EMBEDDING
        case _:
            assert_never(provider)


def name_llm(provider: ServerProvider, llm: LLMConfig) -> str:
    """Return the name of the model that a server is asked for. Raises ConfigError."""
    match provider:
        case "openai":
            return _require_model(llm, "llm", "gpt-4.1-mini")
        case "openai-like":
            return _require_model(llm, "llm", "qwen3-8b")
        case "ollama":
            return _require_model(llm, "llm", "qwen3:8b")
        case _:
            assert_never(provider)


def require_key(model: ModelConfig, section: str) -> str:
    """Return the key of a model of OpenAI. Raises ConfigError."""
    key = find_key(model)
    if not key:
        raise ConfigError(
            f"{section}.provider is openai, but there is no key. Set the environment variable "
            f"OPENAI_API_KEY, or {section}.api_key in config.yaml."
        )
    return key


def embedding_identity(config: Config, embed_model: BaseEmbedding) -> str:
    """What a collection remembers: vectors compare only with those of the same identity."""
    dimensions = config.embedding.dimensions
    size = f"@{dimensions}" if dimensions else ""
    named = embed_model.model_name
    if named == BaseEmbedding.model_fields["model_name"].default:  # some classes do not set it
        named = integrations.name_model(config.embedding)
    return f"{config.embedding.provider}/{named}{size}"


def choose_sentence_model(config: Config, embed_model: BaseEmbedding) -> BaseEmbedding:
    """Choose what compares sentences: beside a fetched model the English one, fitted to that."""
    return _make_english_model(config) if config.embedding.is_fetched else embed_model


def find_sentence_languages(embedding: EmbeddingConfig) -> AbstractSet[str] | None:
    """Find the languages of what compares sentences; None when it is taken to know all."""
    is_english = embedding.is_fetched or embedding.provider == "wordllama"
    return {"en"} if is_english else None


def vector_weight(embedding: EmbeddingConfig) -> VectorWeight:
    """Return what the vectors of an embedding model count for in a search."""
    match embedding.provider, embedding.model:
        case "local", "multilingual":
            return VectorWeight(_LOCAL, languages=_LANGUAGES)
        case "local", "e5":
            return VectorWeight(_E5)
        case "local", None:
            return VectorWeight(_LOCAL, languages={"en"})
        case "wordllama", None:
            return VectorWeight(_WORDLLAMA, languages={"en"})
        case _:
            return VectorWeight(_OTHERS)


def _make_openai(llm: LLMConfig) -> LLM:
    from llama_index.llms.openai import OpenAI  # noqa: PLC0415 - takes seconds to import

    model, key = name_llm("openai", llm), require_key(llm, "llm")
    url = server_url("openai", llm, "llm")
    if llm.context_window:
        return _make_openai_like(llm, url, api_key=key, is_function_calling_model=True)
    try:
        known = OpenAI(model=model, **_client_settings(llm, url, key))
        known.metadata  # noqa: B018 - raises for an unknown model
    except ValueError as error:
        raise ConfigError(
            f"llm.model is {model!r}, which kb does not know as a chat model of OpenAI. "
            "Correct it, or set llm.context_window (in tokens) to use it all the same."
        ) from error
    return known


def _make_openai_like(llm: LLMConfig, url: str, *, api_key: str, **options: Any) -> LLM:
    from llama_index.llms.openai_like import OpenAILike  # noqa: PLC0415 - as above

    model: LLM = OpenAILike(
        model=name_llm("openai-like", llm),
        context_window=llm.context_window or CONTEXT_WINDOW,
        is_chat_model=True,
        should_use_structured_outputs=True,
        **_client_settings(llm, url, api_key),
        **options,
    )
    return model


def _client_settings(llm: LLMConfig, url: str, api_key: str) -> dict[str, Any]:
    client, async_client = _make_openai_clients(llm, url, api_key)
    return {
        "api_base": url,
        "api_key": api_key,
        "timeout": llm.timeout,
        "max_retries": 0,
        "openai_client": client,
        "async_openai_client": async_client,
        "max_tokens": llm.max_tokens,
    }


def _make_openai_clients(model: ModelConfig, url: str, api_key: str) -> tuple[Any, Any]:
    """Make clients that retry; LlamaIndex would retry around retries, six requests for two."""
    import openai  # noqa: PLC0415 - takes a second to import

    settings: dict[str, Any] = {
        "base_url": url,
        "api_key": api_key,
        "timeout": model.timeout,
        "max_retries": model.max_retries,
    }
    http = openai.DefaultHttpxClient(
        verify=_read_certificates(), event_hooks={"request": [tell_attempt]}
    )
    async_http = openai.DefaultAsyncHttpxClient(
        verify=_read_certificates(), limits=_NOT_KEPT, event_hooks={"request": [atell_attempt]}
    )
    client = openai.OpenAI(**settings, http_client=http)
    return client, openai.AsyncOpenAI(**settings, http_client=async_http)


@cache
def _read_certificates() -> ssl.SSLContext:
    """Read the certificates once: it takes 30 ms, and each client would do it."""
    return httpx.create_ssl_context()


def _make_ollama(llm: LLMConfig) -> LLM:
    from llama_index.llms.ollama import Ollama  # noqa: PLC0415 - only for its users
    from ollama import AsyncClient, Client  # noqa: PLC0415 - as above

    url = server_url("ollama", llm, "llm")
    model: LLM = Ollama(
        model=name_llm("ollama", llm),
        base_url=url,
        context_window=llm.context_window or CONTEXT_WINDOW,
        additional_kwargs={"num_predict": llm.max_tokens} if llm.max_tokens else {},
        client=Client(host=url, timeout=llm.timeout, verify=_read_certificates()),
        async_client=AsyncClient(
            host=url, timeout=llm.timeout, verify=_read_certificates(), limits=_NOT_KEPT
        ),
    )
    return model


def _make_sentence_model(config: Config) -> BaseEmbedding:
    # ONNX Runtime, only for its users
    from kb.sentence_model import ModelPair, SentenceModel, files  # noqa: PLC0415

    if config.embedding.dimensions:
        raise ConfigError("embedding.dimensions cannot be set for the provider local. Remove it.")
    if config.embedding.model is None:
        return _make_english_model(config)
    if config.embedding.model == MULTILINGUAL:
        return ModelPair(cache=config.cache)
    if config.embedding.model == E5:
        return SentenceModel(
            directory=files.E5.directory(config.cache),
            model_name=files.E5.name,
            query_instruction="query: ",
            text_instruction="passage: ",
        )
    directory = config.directory / Path(config.embedding.model).expanduser()
    if missing := files.find_missing_file(directory):
        raise ConfigError(
            f"embedding.model is {config.embedding.model!r}, but {directory} has no {missing}. "
            f"For the provider local it is a directory, {MULTILINGUAL} for fifteen languages, {E5} "
            "for a hundred, or null for English."
        )
    name = files.name_model(directory)
    return SentenceModel(directory=directory, users_own=True, model_name=name)


def _make_english_model(config: Config) -> BaseEmbedding:
    from kb.sentence_model import SentenceModel, files  # noqa: PLC0415 - as above

    return SentenceModel(directory=files.MINILM.directory(config.cache))


def _make_word_vectors(embedding: EmbeddingConfig) -> BaseEmbedding:
    from kb.sentence_model import word_vectors  # noqa: PLC0415 - an extra

    if embedding.model:
        raise ConfigError("embedding.model cannot be set for the provider wordllama. Remove it.")
    word_vectors.find_files()
    match embedding.dimensions:
        case None:
            return word_vectors.WordVectors()
        case 64 | 128 | 256 as dimensions:
            return word_vectors.WordVectors(dimensions=dimensions)
    raise ConfigError(
        f"embedding.dimensions is {embedding.dimensions}; wordllama has 64, 128 or 256."
    )


def _make_openai_embedding(
    embedding: EmbeddingConfig, provider: Literal["openai", "openai-like"]
) -> BaseEmbedding:
    from llama_index.embeddings.openai import OpenAIEmbedding  # noqa: PLC0415 - as above

    is_openai = provider == "openai"
    api_key = require_key(embedding, "embedding") if is_openai else find_key(embedding) or "none"
    name = name_embedding_model(provider, embedding)
    url = server_url(provider, embedding, "embedding")
    embedder: Any = OpenAIEmbedding(
        model_name=name,  # not `model`, which refuses names that it does not know
        dimensions=embedding.dimensions,
        api_base=url,
        api_key=api_key,
        timeout=embedding.timeout,
        max_retries=0,
    )
    client, async_client = _make_openai_clients(embedding, url, api_key)
    hear_openai_tokens(client, async_client)
    embedder._client, embedder._aclient = client, async_client  # noqa: SLF001 - it has no parameter
    return cast("BaseEmbedding", embedder)


def _make_ollama_embedding(embedding: EmbeddingConfig) -> BaseEmbedding:
    from llama_index.embeddings.ollama import OllamaEmbedding  # noqa: PLC0415 - as above

    if embedding.dimensions:
        raise ConfigError("embedding.dimensions cannot be set for the provider ollama. Remove it.")
    embedder: Any = OllamaEmbedding(
        model_name=name_embedding_model("ollama", embedding),
        base_url=server_url("ollama", embedding, "embedding"),
        client_kwargs={
            "timeout": embedding.timeout,
            "limits": _NOT_KEPT,
            "verify": _read_certificates(),
        },
    )
    hear_ollama_tokens(embedder._client, embedder._async_client)  # noqa: SLF001 - it gives no other
    return cast("BaseEmbedding", embedder)


def _require_url(model: ModelConfig, section: str) -> str:
    if not model.base_url:
        raise ConfigError(
            f"{section}.provider is openai-like, but {section}.base_url is not set. Set it in "
            "config.yaml, for example to http://localhost:1234/v1, or set OPENAI_API_BASE."
        )
    return model.base_url


def _require_model(model: ModelConfig, section: str, example: str) -> str:
    if not model.model:
        raise ConfigError(
            f"{section}.model is not set in config.yaml. Name one, for example {example}."
        )
    return model.model
