"""Look at everything that kb stands on, and say what to change."""

import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, assert_never

import httpx
import sqlalchemy as sa

from kb.assembly.business_tables import advice, connect_to_tables, guarded, powers
from kb.assembly.models import ServerProvider, embedding_identity, make_embedder, server_url
from kb.assembly.open_database import open_database, private_server
from kb.config import Config, ModelConfig, load_config
from kb.config_file import literal_secrets
from kb.indexing.secret_files import OwnFiles
from kb.sentence_model import files
from kb.verified_query_file import failing, read_verified_queries
from stores.connection import ServerInfo, read_server_info
from stores.errors import ConfigError, KBError, StoreError
from stores.registry.inspection import CollectionFacts, inspect_collection, list_indexed_files

MEGABYTE = 2**20
LITTLE_SPACE = 1024 * MEGABYTE
MOST_NAMED = 5
SECONDS = 5.0  # for a model server to list its models


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: what was seen and, unless it is ok, what to change."""

    name: str
    state: Literal["ok", "warn", "fail"]
    seen: str
    advice: str = ""


def examine(path: Path | None = None) -> Iterator[Check]:
    """Check after check, each as soon as it is made; none raises or installs."""
    try:
        config = load_config(path)
    except ConfigError as error:
        yield Check("Configuration", "fail", str(error))
        return
    yield _configuration(config)
    yield from _database(config)
    if config.tables.include:
        yield from _tables(config)
    yield from model_checks(config)


def _configuration(config: Config) -> Check:
    name = "Configuration"
    if config.file is None:
        return Check(name, "ok", "no config.yaml, so the defaults", "`kb init` writes one.")
    secrets = literal_secrets(config.file)
    if not secrets or not config.file.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
        return Check(name, "ok", str(config.file))
    return Check(
        name,
        "warn",
        f"{config.file} holds {', '.join(secrets)}, and other accounts can read it",
        f"Run chmod 600 {config.file}, or take them from the environment: ${{NAME}}.",
    )


def _database(config: Config) -> Iterator[Check]:
    if config.database.url == "embedded":
        installed = _installation(config)
        yield installed
        if installed.state == "fail":
            return
        yield _disk_space(config)
        yield from _updates(config)
    try:
        engine = open_database(config)
        info = read_server_info(engine)
    except KBError as error:
        yield Check("Server", "fail", str(error).removesuffix(" `kb doctor` looks closer."))
        return
    yield Check("Server", "ok", f"MariaDB {info.version.split('-')[0]} answers and has vectors")
    yield from _collection(config, engine, info)
    engine.dispose()


def _installation(config: Config) -> Check:
    name = "Private MariaDB"
    try:
        status = private_server(config).status()
    except KBError as error:
        return Check(name, "fail", str(error))
    if status.binary is None:
        return Check(name, "fail", "no MariaDB 11.8 or later on this machine", "Run `kb setup`.")
    if not status.data_directory.exists():
        return Check(name, "fail", "it was never started", "Run `kb setup`.")
    return Check(name, "ok", f"{status.binary}, data in {status.data_directory}")


def _updates(config: Config) -> Iterator[Check]:
    """Of a server that kb fetched, which no package manager renews; asks the machine's archive."""
    name = "MariaDB updates"
    try:
        updates = private_server(config).find_updates()
    except StoreError as error:
        reason = str(error).splitlines()[0].removesuffix(":")
        yield Check(name, "warn", f"could not look: {reason}", "Look again with a network.")
        return
    if updates:
        seen = f"Debian has {', '.join(updates[:MOST_NAMED])}"
        seen += f" and {len(updates) - MOST_NAMED} more" if len(updates) > MOST_NAMED else ""
        yield Check(name, "warn", seen, "Run `kb setup --upgrade`.")
    elif updates is not None:
        yield Check(name, "ok", "the fetched packages are the newest of Debian's archive")


def _disk_space(config: Config) -> Check:
    free = shutil.disk_usage(config.home).free
    seen = f"{_size(free)} free at {config.home}"
    if free < LITTLE_SPACE:
        return Check("Disk", "warn", seen, "Free some space, or move KB_HOME to another disk.")
    return Check("Disk", "ok", seen)


def _collection(config: Config, engine: sa.Engine, info: ServerInfo) -> Iterator[Check]:
    try:
        facts = inspect_collection(engine)
    except KBError as error:
        yield Check("Documents", "fail", str(error))
        return
    if facts is None:
        yield Check("Documents", "warn", "nothing is indexed yet", "Run `kb index PATH`.")
        return
    yield _documents(facts)
    yield _secrets(config, engine)
    yield _vector_cache(config, facts, info)
    yield _buffer_pool(config, facts, info)
    yield _same_model(config, facts)


def _documents(facts: CollectionFacts) -> Check:
    seen = f"{facts.chunks} chunk{'' if facts.chunks == 1 else 's'}"
    if facts.failed:
        return Check(
            "Documents",
            "warn",
            f"{seen}; not indexed: {facts.failed}",
            "`kb status` says why; `kb index --retry` reads them again.",
        )
    return Check("Documents", "ok", seen)


def _secrets(config: Config, engine: sa.Engine) -> Check:
    """Whether a file was indexed, perhaps by an earlier version, that is passed over now."""
    name, own = "Secrets", OwnFiles.from_config(config)
    found = [path for path in list_indexed_files(engine) if own.why_secret(path)]
    if not found:
        return Check(name, "ok", "no document holds keys or passwords")
    named = ", ".join(map(str, found[:MOST_NAMED])) + (", …" if len(found) > MOST_NAMED else "")
    return Check(
        name,
        "warn",
        f"{len(found)} indexed with keys or passwords: {named}",
        "Run `kb index` on their directories, which forgets them; replace what others could see.",
    )


def _vector_cache(config: Config, facts: CollectionFacts, info: ServerInfo) -> Check:
    return _memory(
        config,
        "mhnsw_max_cache_size",
        "vector_cache_mb",
        info.vector_cache_bytes,
        facts.vector_cache_bytes,
    )


def _buffer_pool(config: Config, facts: CollectionFacts, info: ServerInfo) -> Check:
    return _memory(
        config,
        "innodb_buffer_pool_size",
        "buffer_pool_mb",
        info.buffer_pool_bytes,
        facts.table_bytes + facts.vector_cache_bytes,
    )


def _memory(config: Config, variable: str, key: str, given: int, needed: int) -> Check:
    seen = f"{_size(given)}, and the collection needs {_size(needed)}"
    if given >= needed:
        return Check(variable, "ok", seen)
    enough = -(-needed // (64 * MEGABYTE)) * 64
    setting = f"{variable} = {enough * MEGABYTE}"
    advice = f"Run SET GLOBAL {setting}; and put it into the server's option file."
    if config.database.url == "embedded":
        advice = f"Set database.{key} to {enough} in config.yaml, then run `kb db stop`."
    advice = f"Searches read from disk. {advice}"
    return Check(variable, "warn", seen, advice)


def _same_model(config: Config, facts: CollectionFacts) -> Check:
    name, built_with = "Collection", facts.collection.embedding_model
    try:
        configured = embedding_identity(config, make_embedder(config))
    except KBError as error:
        return Check(name, "fail", str(error))
    if configured == built_with:
        return Check(name, "ok", f"built with {built_with}, which the configuration names")
    return Check(
        name,
        "fail",
        f"built with {built_with}, but the configuration names {configured}",
        "Set `embedding` back, or choose another database.name and index again.",
    )


def _tables(config: Config) -> Iterator[Check]:
    """Whether the account that runs SQL of a model can do nothing but read the tables."""
    name = "Tables"
    try:
        engine = connect_to_tables(config)
        found = powers(config, engine)
    except KBError as error:
        yield Check(name, "fail", str(error))
        return
    account = engine.url.username
    if found:
        state: Literal["warn", "fail"] = "warn" if config.tables.allow_powerful_account else "fail"
        yield Check(name, state, f"{account} {'; '.join(found)}", advice(config))
    else:
        yield Check(name, "ok", f"{account} only reads {', '.join(config.tables.include)}")
    if file := config.tables.verified_queries:
        yield _verified_queries(config, file, engine)
    engine.dispose()


def _verified_queries(config: Config, file: Path, engine: sa.Engine) -> Check:
    """Whether those of the file still run."""
    name = "Verified queries"
    try:
        queries = read_verified_queries(file)
        failures = failing(queries, guarded(config, engine).run)
    except KBError as error:
        return Check(name, "fail", str(error))
    if not failures:
        return Check(name, "ok", f"all {len(queries)} of {file} run")
    seen = "; ".join(f"{query}: {reason}" for query, reason in failures.items())
    return Check(name, "warn", seen, f"Correct them in {file}, or take them out.")


def model_checks(config: Config) -> Iterator[Check]:
    """Whether the models of the configuration are there."""
    embedding, llm = config.embedding, config.llm
    match embedding.provider:
        case "local":
            yield _local_embedding(config)
        case "wordllama":  # it comes with its package
            pass
        case "openai" | "openai-like" | "ollama":
            yield _model_server("Embedding", embedding.provider, embedding)
        case _:
            assert_never(embedding.provider)
    match llm.provider:
        case "none":
            yield Check("LLM", "ok", "none: answers are quoted from the documents")
        case "openai" | "openai-like" | "ollama":
            yield _model_server("LLM", llm.provider, llm)
        case _:
            assert_never(llm.provider)


def _local_embedding(config: Config) -> Check:
    name = "Embedding"
    if config.embedding.model:
        return Check(name, "ok", f"local, from {config.embedding.model}")
    directory = files.model_directory(config.cache)
    if files.is_fetched(config.cache):
        return Check(name, "ok", f"{files.MODEL_NAME} in {directory}")
    seen = "is not as it was made" if directory.exists() else "was not fetched yet"
    return Check(name, "fail", f"{files.MODEL_NAME} {seen}", "Run `kb setup`.")


def _model_server(name: str, provider: ServerProvider, model: ModelConfig) -> Check:
    """Ask for the list of models, which costs nothing."""
    section = name.lower()
    try:
        url = server_url(provider, model, section)
    except ConfigError as error:
        return Check(name, "fail", str(error))
    place = httpx.URL(url).copy_with(username=None, password=None)
    try:
        known = _list_models(url, provider, model)
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        reason = _without_address(error)
        return Check(
            name,
            "fail",
            f"{provider} at {place} does not list its models: {reason}",
            f"Start it, or correct {section}.base_url and {section}.api_key.",
        )
    if model.model in known or f"{model.model}:latest" in known:
        return Check(name, "ok", f"{model.model} of {provider} at {place}")
    advice = f"ollama pull {model.model}" if provider == "ollama" else "Correct the model's name."
    return Check(name, "warn", f"{provider} at {place} does not list {model.model}", advice)


def _without_address(error: Exception) -> str:
    """A status error tells the whole address, a password in it included."""
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


def _size(number: int) -> str:
    if number >= 1024 * MEGABYTE:
        return f"{number / 1024 / MEGABYTE:.1f} GB"
    if number >= MEGABYTE:
        return f"{number / MEGABYTE:.0f} MB"
    return f"{number / 1024:.0f} kB"
