"""The providers whose models are made by classes of LlamaIndex's integrations, each an extra."""

import importlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.llms.llm import LLM
from pydantic import ValidationError

from engines.model_attempts import atell_attempt
from kb.config.models import MODEL_VARIABLES, EmbeddingConfig, LLMConfig, ModelConfig
from kb.mistakes import describe_all_mistakes
from stores.errors import ConfigError

SectionName = Literal["llm", "embedding"]

MAX_TOKENS = 4096  # of a reply, for providers that must be told
_LARGE_WINDOW = 1_000_000  # tokens, as Gemini has had since 1.5; asking for it costs a request
_LOCAL_WINDOW = 4096
# What no import path takes from the section: its class has names of its own for all of it.
_OF_KNOWN_PROVIDERS: Final = (
    "model",
    "base_url",
    "api_key",
    "timeout",
    "max_retries",
    "context_window",
    "max_tokens",
    "dimensions",
)


@dataclass(frozen=True)
class Listing:
    """Where a provider lists its models, which costs nothing."""

    path: str
    items: str
    name: str
    header: str = "Authorization"
    headers: Mapping[str, str] = field(default_factory=dict)

    def make_headers(self, key: str) -> dict[str, str]:
        is_bearer = self.header == "Authorization"
        return {**self.headers, self.header: f"Bearer {key}" if is_bearer else key}


@dataclass(frozen=True)
class Integration:
    """How a class of LlamaIndex is made of a section of config.yaml.

    `lacks` names what the section may hold and the class has no parameter for. `finish` sets on a
    model what its class has no parameter for, and kb needs.
    """

    path: str
    extra: str
    example: str
    arguments: Callable[[Any], dict[str, Any]]
    url: str | None = None
    lacks: tuple[str, ...] = ()
    listing: Listing | None = None
    finish: Callable[[Any, Any], None] = lambda _model, _section: None


def find_key(section: ModelConfig) -> str | None:
    return section.api_key.get_secret_value() if section.api_key else None


def _name_anthropic_arguments(llm: LLMConfig) -> dict[str, Any]:
    return {
        "model": llm.model,
        "api_key": find_key(llm),
        "base_url": find_url(llm, LLMS["anthropic"]),
        "timeout": llm.timeout,
        "max_retries": llm.max_retries,
        "max_tokens": llm.max_tokens or MAX_TOKENS,
    }


def _keep_no_anthropic_connections(model: Any, _: LLMConfig) -> None:
    """Kept connections belong to one event loop; a second asyncio.run() would find them closed."""
    anthropic: Any = importlib.import_module("anthropic")
    import httpx  # noqa: PLC0415 - it takes a tenth of a second to import

    client = anthropic.DefaultAsyncHttpxClient(
        limits=httpx.Limits(max_keepalive_connections=0),
        event_hooks={"request": [atell_attempt]},
    )
    model._aclient = model._aclient.with_options(http_client=client)  # noqa: SLF001 - no parameter


def _name_mistral_arguments(llm: LLMConfig) -> dict[str, Any]:
    return {
        "model": llm.model,
        "api_key": find_key(llm),
        "endpoint": find_url(llm, LLMS["mistral"]),
        "timeout": llm.timeout,
        "max_tokens": llm.max_tokens or MAX_TOKENS,
    }


def _keep_no_mistral_connections(model: Any, llm: LLMConfig) -> None:
    httpx2: Any = importlib.import_module("httpx2")  # which its client takes
    mistralai: Any = importlib.import_module("mistralai.client")
    limits = httpx2.Limits(max_keepalive_connections=0)
    model._client = mistralai.Mistral(  # noqa: SLF001 - no parameter
        api_key=find_key(llm),
        server_url=find_url(llm, LLMS["mistral"]),
        async_client=httpx2.AsyncClient(limits=limits, follow_redirects=True),
    )


def _name_gemini_arguments(llm: LLMConfig) -> dict[str, Any]:
    import httpx  # noqa: PLC0415 - as above

    unkept = httpx.Limits(max_keepalive_connections=0)
    return {
        "model": llm.model,
        "api_key": find_key(llm),
        "max_tokens": llm.max_tokens or MAX_TOKENS,
        "context_window": llm.context_window or _LARGE_WINDOW,
        "max_retries": 0,  # of LlamaIndex, which retries no refusal
        "http_options": {
            "base_url": find_url(llm, LLMS["gemini"]),
            "timeout": round(llm.timeout * 1000),
            "retry_options": {"attempts": llm.max_retries + 1},
            "httpx_async_client": httpx.AsyncClient(limits=unkept, timeout=llm.timeout),
        },
    }


def _name_azure_arguments(llm: LLMConfig) -> dict[str, Any]:
    import httpx  # noqa: PLC0415 - it takes a tenth of a second to import

    unkept = httpx.Limits(max_keepalive_connections=0)
    return {
        "model": llm.model,
        "engine": llm.model,
        "api_key": find_key(llm),
        "azure_endpoint": find_url(llm, LLMS["azure-openai"]),
        "api_version": "2024-10-21",
        "timeout": llm.timeout,
        "max_retries": llm.max_retries,
        "max_tokens": llm.max_tokens,
        "async_http_client": httpx.AsyncClient(limits=unkept),
    }


def _name_bedrock_arguments(llm: LLMConfig) -> dict[str, Any]:
    botocore_config: Any = importlib.import_module("botocore.config")
    return {
        "model": llm.model,
        "endpoint_url": llm.base_url,
        "botocore_config": botocore_config.Config(
            connect_timeout=llm.timeout,
            read_timeout=llm.timeout,
            retries={"total_max_attempts": llm.max_retries + 1, "mode": "standard"},
        ),
        "max_retries": 1,  # tries of LlamaIndex, within each of which the client tries again
        "max_tokens": llm.max_tokens or MAX_TOKENS,
    }


def _keep_bedrock_stop_reason(model: Any, _: LLMConfig) -> None:
    """Have the last event of a stream tell why it ended, which its class passes over."""
    client = model._client  # noqa: SLF001 - no parameter
    converse_stream = client.converse_stream

    def stream_with_stop_reason(**asked: Any) -> dict[str, Any]:
        reply = converse_stream(**asked)
        return {**reply, "stream": _add_stop_reason(reply["stream"])}

    client.converse_stream = stream_with_stop_reason


def _add_stop_reason(stream: Any) -> Iterator[dict[str, Any]]:
    reason = None
    with closing(stream):
        for event in stream:
            reason = event.get("messageStop", {}).get("stopReason", reason)
            yield {**event, "stopReason": reason} if "metadata" in event else event


def _name_huggingface_arguments(llm: LLMConfig) -> dict[str, Any]:
    return {
        "model_name": llm.model,
        "tokenizer_name": llm.model,
        "context_window": llm.context_window or _LOCAL_WINDOW,
        "max_new_tokens": llm.max_tokens or MAX_TOKENS // 8,
        "is_chat_model": True,
    }


def _name_cohere_arguments(embedding: EmbeddingConfig) -> dict[str, Any]:
    import httpx  # noqa: PLC0415 - as above

    unkept = httpx.Limits(max_keepalive_connections=0)
    return {
        "model_name": embedding.model,
        "api_key": find_key(embedding),
        "base_url": find_url(embedding, EMBEDDINGS["cohere"]),
        "timeout": embedding.timeout,
        "max_retries": 1,  # tries of LlamaIndex, within each of which the client tries again
        "httpx_async_client": httpx.AsyncClient(limits=unkept, timeout=embedding.timeout),
        "embed_batch_size": 96,
    }


def _name_voyage_arguments(embedding: EmbeddingConfig) -> dict[str, Any]:
    return {
        "model_name": embedding.model,
        "voyage_api_key": find_key(embedding),
        "output_dimension": embedding.dimensions,
        "truncation": True,
        "embed_batch_size": 128,
    }


def _complete_voyage_clients(model: Any, embedding: EmbeddingConfig) -> None:
    """Give the clients an address and a time limit, and keep them from the model hub.

    They count tokens by a tokenizer that they fetch. A text has no more tokens than bytes.
    """
    voyageai: Any = importlib.import_module("voyageai")
    settings: dict[str, Any] = {
        "api_key": find_key(embedding),
        "base_url": find_url(embedding, EMBEDDINGS["voyage"]),
        "timeout": embedding.timeout,
        "max_retries": embedding.max_retries + 1,
    }
    client, async_client = voyageai.Client(**settings), voyageai.AsyncClient(**settings)
    client.tokenize = async_client.tokenize = _list_bytes
    model._client, model._aclient = client, async_client  # noqa: SLF001 - it has no parameter


def _list_bytes(texts: list[str], **_: Any) -> list[bytes]:
    return [text.encode() for text in texts]


LLMS: Final[Mapping[str, Integration]] = {
    "anthropic": Integration(
        "llama_index.llms.anthropic.Anthropic",
        extra="anthropic",
        example="claude-sonnet-4-5",
        arguments=_name_anthropic_arguments,
        url="https://api.anthropic.com",
        lacks=("context_window",),
        listing=Listing(
            "v1/models?limit=1000",
            "data",
            "id",
            "x-api-key",
            {"anthropic-version": "2023-06-01"},
        ),
        finish=_keep_no_anthropic_connections,
    ),
    "mistral": Integration(
        "llama_index.llms.mistralai.MistralAI",
        extra="mistral",
        example="mistral-small-latest",
        arguments=_name_mistral_arguments,
        url="https://api.mistral.ai",
        lacks=("context_window", "max_retries"),
        listing=Listing("v1/models", "data", "id"),
        finish=_keep_no_mistral_connections,
    ),
    "gemini": Integration(
        "llama_index.llms.google_genai.GoogleGenAI",
        extra="gemini",
        example="gemini-2.5-flash",
        arguments=_name_gemini_arguments,
        url="https://generativelanguage.googleapis.com",
        listing=Listing("v1beta/models?pageSize=1000", "models", "name", "x-goog-api-key"),
    ),
    "azure-openai": Integration(
        "llama_index.llms.azure_openai.AzureOpenAI",
        extra="azure",
        example="the name of the deployment",
        arguments=_name_azure_arguments,
        lacks=("context_window",),
    ),
    "bedrock": Integration(
        "llama_index.llms.bedrock_converse.BedrockConverse",
        extra="bedrock",
        example="anthropic.claude-sonnet-4-5-20250929-v1:0",
        arguments=_name_bedrock_arguments,
        lacks=("context_window", "api_key"),
        finish=_keep_bedrock_stop_reason,
    ),
    "huggingface": Integration(
        "llama_index.llms.huggingface.HuggingFaceLLM",
        extra="huggingface",
        example="models/qwen2.5-0.5b-instruct, a directory",
        arguments=_name_huggingface_arguments,
        lacks=("base_url", "api_key", "timeout", "max_retries"),
    ),
}
EMBEDDINGS: Final[Mapping[str, Integration]] = {
    "cohere": Integration(
        "llama_index.embeddings.cohere.CohereEmbedding",
        extra="cohere",
        example="embed-v4.0",
        arguments=_name_cohere_arguments,
        url="https://api.cohere.com",
        lacks=("dimensions", "max_retries"),
        listing=Listing("v1/models?page_size=1000", "models", "name"),
    ),
    "voyage": Integration(
        "llama_index.embeddings.voyageai.VoyageEmbedding",
        extra="voyage",
        example="voyage-3.5",
        arguments=_name_voyage_arguments,
        url="https://api.voyageai.com/v1",
        finish=_complete_voyage_clients,
    ),
    "huggingface": Integration(
        "llama_index.embeddings.huggingface.HuggingFaceEmbedding",
        extra="huggingface",
        example="models/multilingual-e5-small, a directory",
        arguments=lambda embedding: {"model_name": embedding.model},
        lacks=("base_url", "api_key", "timeout", "max_retries", "dimensions"),
    ),
}


def make_llm(llm: LLMConfig) -> LLM:
    """Make the LLM of an integration, or of an import path. Raises ConfigError."""
    model: LLM = _make_model("llm", llm, LLMS.get(llm.provider), LLM)
    try:
        model.metadata  # noqa: B018 - raises for an unknown model
    except ValueError as error:
        raise ConfigError(
            f"llm.model is {llm.model!r}, which {type(model).__name__} of LlamaIndex does not "
            "know. Correct it, or upgrade the package of the extra."
        ) from error
    return model


def make_embedder(embedding: EmbeddingConfig) -> BaseEmbedding:
    """Make the embedding model of an integration, or of an import path. Raises ConfigError."""
    integration = EMBEDDINGS.get(embedding.provider)
    model: BaseEmbedding = _make_model("embedding", embedding, integration, BaseEmbedding)
    return model


def name_model(section: LLMConfig | EmbeddingConfig) -> str:
    """Return the name of the model that a section is for, as people know it."""
    named = section.arguments.get("model", section.arguments.get("model_name"))
    return section.model or (named if isinstance(named, str) else section.provider)


def find_url(section: ModelConfig, integration: Integration) -> str | None:
    """Return the address that a key goes to."""
    return section.base_url or integration.url


def _make_model(
    name: SectionName, section: Any, integration: Integration | None, kind: type
) -> Any:
    if integration is None:
        _refuse_settings(name, section, _OF_KNOWN_PROVIDERS, "arguments holds all that")
        found = _import_class(name, section.provider, "Correct the path, or install its package.")
        arguments = section.arguments
    else:
        _require_settings(name, section, integration)
        install = f"Install it with `pip install 'mariadb-kb[{integration.extra}]'`."
        found = _import_class(name, integration.path, install, provider=section.provider)
        arguments = {**integration.arguments(section), **section.arguments}
    if not (isinstance(found, type) and issubclass(found, kind)):
        raise ConfigError(
            f"{name}.provider is {section.provider}, which is no {kind.__name__} of LlamaIndex. "
            "Name a class that is one."
        )
    try:
        model = found(**arguments)
        if integration:
            integration.finish(model, section)
    except Exception as error:  # noqa: BLE001 - of a class that kb does not know
        raise ConfigError(_explain_unmade(name, section, error)) from None
    return model


def _require_settings(name: SectionName, section: ModelConfig, integration: Integration) -> None:
    provider = getattr(section, "provider", "")
    _refuse_settings(name, section, integration.lacks, f"the provider {provider} has no")
    if not section.model:
        raise ConfigError(
            f"{name}.model is not set in config.yaml. Name one, for example {integration.example}."
        )
    variables = MODEL_VARIABLES.get(provider, {})
    if "api_key" in variables and not section.api_key:
        raise ConfigError(
            f"{name}.provider is {provider}, but there is no key. Set the environment variable "
            f"{variables['api_key']}, or {name}.api_key in config.yaml."
        )
    if "base_url" in variables and not section.base_url:
        raise ConfigError(
            f"{name}.provider is {provider}, but {name}.base_url is not set. Set it in "
            f"config.yaml, or set {variables['base_url']}."
        )


def _refuse_settings(
    name: SectionName, section: ModelConfig, lacking: tuple[str, ...], why: str
) -> None:
    """Refuse what would be set and not heeded."""
    for setting in lacking:
        if getattr(section, setting, None) and setting in section.model_fields_set:
            raise ConfigError(f"{name}.{setting} cannot be set: {why} {setting}. Remove it.")


def _import_class(name: SectionName, path: str, advice: str, provider: str | None = None) -> Any:
    module, _, class_name = path.rpartition(".")
    try:
        return getattr(importlib.import_module(module), class_name)
    except ImportError as error:
        missing = f"{error.name} is not installed" if error.name else f"{module} cannot be imported"
    except AttributeError:
        missing = f"there is no {class_name} in {module}"
    raise ConfigError(f"{name}.provider is {provider or path}, but {missing}. {advice}")


def _explain_unmade(name: SectionName, section: ModelConfig, error: Exception) -> str:
    """Explain why a class could not be made, without the values that it was given."""
    if isinstance(error, ValidationError):
        reason = describe_all_mistakes(error, section.arguments)
    else:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
    for secret in [find_key(section), *section.arguments.values()]:
        if isinstance(secret, str) and secret:
            reason = reason.replace(secret, "…")
    provider = getattr(section, "provider", "")
    return (
        f"The model of {name}.provider {provider} cannot be made ({reason:.300}). "
        f"Correct the section {name} of config.yaml."
    )
