"""Check whether the models of the configuration are there."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import assert_never

import httpx

from kb.assembly.integrations import (
    EMBEDDINGS,
    LLMS,
    Integration,
    Listing,
    SectionName,
    find_key,
    find_url,
    make_embedder,
    make_llm,
    name_model,
)
from kb.assembly.llama_cpp import find_model_file
from kb.assembly.llama_cpp_embedding import find_embedding_file
from kb.assembly.models import (
    ServerProvider,
    name_embedding_model,
    name_llm,
    require_key,
    server_url,
)
from kb.assembly.rerankers import make_rerank_server
from kb.config.models import EmbeddingConfig, LLMConfig, ModelConfig, RerankerConfig
from kb.config.sections import Config
from kb.doctor.check import SECONDS, Check
from kb.model_file.served_file import require_llama_cpp
from kb.sentence_model import files
from stores.errors import ConfigError
from stores.text.translations import Message


def check_models(config: Config) -> Iterator[Check]:
    """Check whether the models of the configuration are there."""
    embedding = config.embedding
    match embedding.provider:
        case "local":
            yield _check_local_embedding(config)
        case "wordllama":  # it comes with its package
            pass
        case "openai" | "openai-like" | "ollama":
            yield _check_embedding_server(embedding.provider, embedding)
        case "llama-cpp":
            yield _check_model_file(Message("Embedding"), "embedding", config)
        case _:
            yield _check_integration(Message("Embedding"), "embedding", embedding, EMBEDDINGS)
    yield _check_llm(Message("LLM"), config)
    for number, following in enumerate(config.llm.list_next_models(), start=1):
        name = Message("Fallback LLM {number}", number=number)
        yield _check_llm(name, config.model_copy(update={"llm": following}))
    for choice in config.llm.choices:
        name = Message("LLM to choose: {choice}", choice=choice)
        yield _check_llm(name, config.model_copy(update={"llm": config.llm.choose(choice)}))

    if config.reranker.provider != "none":
        yield _check_reranker(config.reranker)


def _check_llm(name: str, config: Config) -> Check:
    llm = config.llm
    match llm.provider:
        case "none":
            return Check(name, "ok", Message("none: answers are quoted from the documents"))
        case "openai" | "openai-like" | "ollama":
            return _check_llm_server(name, llm.provider, llm)
        case "llama-cpp":
            return _check_model_file(name, "llm", config)
        case _:
            return _check_integration(name, "llm", llm, LLMS)


def _check_reranker(reranker: RerankerConfig) -> Check:
    """Make the reranker, which shows what is missing; no provider can be asked for nothing."""
    name = Message("Reranker")
    try:
        model = make_rerank_server(reranker).model
    except ConfigError as error:
        return Check(name, "fail", str(error))
    return Check(name, "ok", _say_unasked(model, reranker.provider))


def _say_unasked(model: str, provider: str) -> Message:
    return Message(
        "{model} of {provider} can be made; whether it answers shows when it is asked",
        model=model,
        provider=provider,
    )


def _check_integration(
    name: str,
    section: SectionName,
    model: LLMConfig | EmbeddingConfig,
    integrations: Mapping[str, Integration],
) -> Check:
    """Make the model, which shows what is missing, and ask its provider where that is free."""
    integration = integrations.get(model.provider)
    listing = integration.listing if integration else None
    try:
        if isinstance(model, LLMConfig):
            make_llm(model)
        else:
            make_embedder(model)
    except ConfigError as error:
        return Check(name, "fail", str(error))
    url = find_url(model, integration) if integration else None
    if listing is None or url is None or not model.model:
        return Check(name, "ok", _say_unasked(name_model(model), model.provider))
    known = partial(_list_by, listing, url, find_key(model) or "")
    return _check_model_list(name, section, model.provider, url, model.model, known)


def _list_by(listing: Listing, url: str, key: str) -> set[str]:
    address = f"{url}/{listing.path}"
    reply = httpx.get(address, headers=listing.make_headers(key), timeout=SECONDS)
    reply.raise_for_status()
    return {str(one[listing.name]).removeprefix("models/") for one in reply.json()[listing.items]}


def _check_local_embedding(config: Config) -> Check:
    name, wanted = Message("Embedding"), config.embedding.model
    if not config.embedding.is_fetched:
        return Check(name, "ok", Message("local, from {model}", model=wanted))
    models = files.FETCHED_BY[wanted]
    for model in models:
        if model.is_fetched(config.cache):
            continue
        if model.directory(config.cache).exists():
            seen = Message("{model} is not as it was made", model=model.name)
        else:
            seen = Message("{model} was not fetched yet", model=model.name)
        return Check(name, "fail", seen, Message("Run `kb setup`."))
    there = Message(
        "{model} in {directory}",
        model=" + ".join(model.name for model in models),
        directory=config.cache / "models",
    )
    return Check(name, "ok", there)


def _check_model_file(name: str, section: SectionName, config: Config) -> Check:
    try:
        require_llama_cpp(section)
        find = find_model_file if section == "llm" else find_embedding_file
        path = find(config)
    except ConfigError as error:
        return Check(name, "fail", str(error))
    return Check(name, "ok", Message("llama-cpp, from {model}", model=path))


def _check_embedding_server(provider: ServerProvider, embedding: EmbeddingConfig) -> Check:
    name = Message("Embedding")
    try:
        url = server_url(provider, embedding, "embedding")
        wanted = name_embedding_model(provider, embedding)
        if provider == "openai":
            require_key(embedding, "embedding")
    except ConfigError as error:
        return Check(name, "fail", str(error))
    return _check_model_server(name, "embedding", provider, embedding, url, wanted)


def _check_llm_server(name: str, provider: ServerProvider, llm: LLMConfig) -> Check:
    try:
        url, wanted = server_url(provider, llm, "llm"), name_llm(provider, llm)
        if provider == "openai":
            require_key(llm, "llm")
    except ConfigError as error:
        return Check(name, "fail", str(error))
    return _check_model_server(name, "llm", provider, llm, url, wanted)


def _check_model_server(
    name: str, section: str, provider: ServerProvider, model: ModelConfig, url: str, wanted: str
) -> Check:
    known = partial(_list_models, url, provider, model)
    return _check_model_list(name, section, provider, url, wanted, known)


def _check_model_list(
    name: str,
    section: str,
    provider: str,
    url: str,
    wanted: str,
    list_models: Callable[[], set[str]],
) -> Check:
    """Ask for the list of models, which costs nothing."""
    place = httpx.URL(url).copy_with(username=None, password=None)
    try:
        known = list_models()
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        reason = _without_address(error)
        return Check(
            name,
            "fail",
            Message(
                "{provider} at {address} does not list its models: {reason}",
                provider=provider,
                address=place,
                reason=reason,
            ),
            Message(
                "Start it, or correct {section}.base_url and {section}.api_key.", section=section
            ),
        )
    if wanted in known or f"{wanted}:latest" in known:
        there = Message(
            "{model} of {provider} at {address}",
            model=wanted,
            provider=provider,
            address=place,
        )
        return Check(name, "ok", there)
    seen = Message(
        "{provider} at {address} does not list {model}",
        provider=provider,
        address=place,
        model=wanted,
    )
    pull = f"ollama pull {wanted}"
    advice = pull if provider == "ollama" else Message("Correct the model's name.")
    return Check(name, "warn", seen, advice)


def _without_address(error: Exception) -> str:
    """Return the words of an error without the address, which may hold a password."""
    if isinstance(error, httpx.HTTPStatusError):
        return f"HTTP {error.response.status_code}"
    return (str(error) or type(error).__name__).splitlines()[0]


def _list_models(url: str, provider: ServerProvider, model: ModelConfig) -> set[str]:
    match provider:
        case "openai" | "openai-like":
            path, names, name, headers = "models", "data", "id", {}
            if model.api_key:
                headers = {"Authorization": f"Bearer {model.api_key.get_secret_value()}"}
        case "ollama":
            path, names, name, headers = "api/tags", "models", "model", {}
        case _:
            assert_never(provider)
    reply = httpx.get(f"{url}/{path}", headers=headers, timeout=SECONDS)
    reply.raise_for_status()
    return {listed[name] for listed in reply.json()[names]}
