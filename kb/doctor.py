"""Look at everything that kb stands on, and say what to change."""

import shutil
import socket
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, assert_never

import httpx
import sqlalchemy as sa

from kb.assembly.business_tables import (
    advise_on_writing,
    connect_to_tables,
    describe_powers,
    find_account_powers,
    make_guarded_database,
)
from kb.assembly.models import (
    ServerProvider,
    embedding_identity,
    make_embedder,
    name_embedding_model,
    name_llm,
    require_key,
    server_url,
)
from kb.assembly.open_database import open_database, private_server
from kb.config import Config, EmbeddingConfig, LLMConfig, ModelConfig, load_config
from kb.config_file import find_literal_secrets
from kb.indexing.secret_files import OwnFiles
from kb.sentence_model import files
from kb.verified_query_file import find_failures, read_verified_queries
from stores.connection import ServerInfo, read_server_info
from stores.errors import ConfigError, KBError, StoreError
from stores.registry.inspection import (
    CollectionFacts,
    inspect_collection,
    inspect_health,
    list_indexed_files,
)
from stores.text.translations import Message

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
    """Check everything, and yield each finding as soon as it is made; none raises or installs."""
    try:
        config = load_config(path)
    except ConfigError as error:
        yield Check(Message("Configuration"), "fail", str(error))
        return
    yield _check_configuration(config)
    yield from _check_database(config)
    if config.tables.include:
        yield from _check_tables(config)
    yield from check_models(config)
    if config.workers.broker:
        yield _check_broker(config)


def _check_broker(config: Config) -> Check:
    """Check whether workers can be told of what is to be indexed."""
    name = Message("Workers")
    try:
        from kb.workers.broker import make_broker  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        missing = Message("{package} is not installed", package=error.name)
        return Check(name, "fail", missing, "pip install 'mariadb-kb[workers]'")
    broker = make_broker(config)
    try:
        broker.has_messages()
    except KBError as error:
        return Check(name, "fail", str(error))
    answers = Message(
        "the broker answers at {address}, queue {queue}",
        address=broker.address,
        queue=broker.queue,
    )
    return Check(name, "ok", answers)


def _check_configuration(config: Config) -> Check:
    name = Message("Configuration")
    if config.file is None:
        return Check(
            name,
            "ok",
            Message("no config.yaml, so the defaults"),
            Message("`kb init` writes one."),
        )
    secrets = find_literal_secrets(config.file)
    if not secrets or not config.file.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
        return Check(name, "ok", str(config.file))
    return Check(
        name,
        "warn",
        Message(
            "{file} holds {secrets}, and other accounts can read it",
            file=config.file,
            secrets=", ".join(secrets),
        ),
        Message(
            "Run chmod 600 {file}, or take them from the environment: ${{NAME}}.",
            file=config.file,
        ),
    )


def _check_database(config: Config) -> Iterator[Check]:
    if config.database.url == "embedded":
        installed = _check_installation(config)
        yield installed
        if installed.state == "fail":
            return
        yield _check_disk_space(config)
        yield from _check_updates(config)
    try:
        engine = open_database(config)
        info = read_server_info(engine)
    except KBError as error:
        yield _check_refusal(Message("Server"), error, config.database.url)
        return
    version = info.version.split("-")[0]
    seen = Message("MariaDB {version} answers and has vectors", version=version)
    yield Check(Message("Server"), "ok", seen)
    yield from _check_collection(config, engine, info)
    engine.dispose()


def _check_refusal(name: Message, error: KBError, url: sa.URL | str) -> Check:
    """Tell why a server cannot be used; of one that does not answer, how far its address goes."""
    seen, question, _ = str(error).partition(" Is it running, and is ")
    if not question or not isinstance(url, sa.URL) or "unix_socket" in url.query:
        return Check(name, "fail", str(error))
    host, port = url.host or "127.0.0.1", url.port or 3306
    place = {"host": host, "port": port}
    try:
        socket.create_connection((host, port), timeout=SECONDS).close()
    except socket.gaierror:
        return Check(name, "fail", seen, Message("{host} is no known name. Correct it.", **place))
    except ConnectionRefusedError:
        advice = Message(
            "Nothing listens on port {port} of {host}. Start the server, correct host and port, or "
            "let it listen at that address (bind-address).",
            **place,
        )
    except OSError:
        advice = Message(
            "Nothing comes back from port {port} of {host}. Look for a firewall or a network that "
            "is not connected.",
            **place,
        )
    else:
        advice = Message(
            "Port {port} of {host} is open, but what listens there does not answer as MariaDB "
            "does. Correct the port, or read the server's log.",
            **place,
        )
    return Check(name, "fail", seen, advice)


def _check_installation(config: Config) -> Check:
    name = Message("Private MariaDB")
    try:
        status = private_server(config).status()
    except KBError as error:
        return Check(name, "fail", str(error))
    if status.binary is None:
        missing = Message("no MariaDB 11.8 or later on this machine")
        return Check(name, "fail", missing, Message("Run `kb setup`."))
    if not status.data_directory.exists():
        return Check(name, "fail", Message("it was never started"), Message("Run `kb setup`."))
    seen = Message(
        "{program}, data in {directory}", program=status.binary, directory=status.data_directory
    )
    return Check(name, "ok", seen)


def _check_updates(config: Config) -> Iterator[Check]:
    """Check a server that kb fetched, which no package manager renews, for newer packages."""
    name = Message("MariaDB updates")
    try:
        updates = private_server(config).find_updates()
    except StoreError as error:
        reason = str(error).splitlines()[0].removesuffix(":")
        seen = Message("could not look: {reason}", reason=reason)
        yield Check(name, "warn", seen, Message("Look again with a network."))
        return
    if updates:
        named, more = ", ".join(updates[:MOST_NAMED]), len(updates) - MOST_NAMED
        if more > 0:
            seen = Message("Debian has {packages} and {n} more", packages=named, n=more)
        else:
            seen = Message("Debian has {packages}", packages=named)
        yield Check(name, "warn", seen, Message("Run `kb setup --upgrade`."))
    elif updates is not None:
        newest = Message("the fetched packages are the newest of Debian's archive")
        yield Check(name, "ok", newest)


def _check_disk_space(config: Config) -> Check:
    free = shutil.disk_usage(config.home).free
    name = Message("Disk")
    seen = Message("{size} free at {directory}", size=_format_size(free), directory=config.home)
    if free < LITTLE_SPACE:
        advice = Message("Free some space, or move KB_HOME to another disk.")
        return Check(name, "warn", seen, advice)
    return Check(name, "ok", seen)


def _check_collection(config: Config, engine: sa.Engine, info: ServerInfo) -> Iterator[Check]:
    try:
        facts = inspect_collection(engine)
    except KBError as error:
        yield Check(Message("Documents"), "fail", str(error))
        return
    if facts is None:
        nothing = Message("nothing is indexed yet")
        yield Check(Message("Documents"), "warn", nothing, Message("Run `kb index PATH`."))
        return
    yield _check_documents(facts)
    yield _check_health(engine, facts)
    yield _check_secrets(config, engine)
    yield _check_vector_cache(config, facts, info)
    yield _check_buffer_pool(config, facts, info)
    yield _check_same_model(config, facts)


def _check_documents(facts: CollectionFacts) -> Check:
    name, chunks = Message("Documents"), facts.chunks
    if facts.failed:
        seen = Message.of_number(
            "{n} chunk; not indexed: {failed}",
            "{n} chunks; not indexed: {failed}",
            chunks,
            failed=facts.failed,
        )
        advice = Message("`kb status` says why; `kb index --retry` reads them again.")
        return Check(name, "warn", seen, advice)
    return Check(name, "ok", Message.of_number("{n} chunk", "{n} chunks", chunks))


def _check_health(engine: sa.Engine, facts: CollectionFacts) -> Check:
    """Check whether chunks can be found: a dump may have lost their vectors, or their words."""
    name = Message("Chunks")
    try:
        health = inspect_health(engine, facts.collection)
    except KBError as error:
        return Check(name, "fail", str(error))
    if health.without_vector:
        seen = Message(
            "{lost} of {n} that were looked at have a vector of zeros, and are not found by it",
            lost=health.without_vector,
            n=health.looked_at,
        )
        advice = Message(
            "mariadb-dump of 10.11 writes such dumps. `kb restore FILE --replace` brings back a "
            "file of `kb backup`; or run TRUNCATE {table}; TRUNCATE {table}_fresh; in `kb db "
            "shell`, then `kb index` on each directory.",
            table=facts.collection.chunk_table,
        )
        return Check(name, "fail", seen, advice)
    if health.without_words:
        seen = Message(
            "{lost} of {n} that were looked at have no words, and are not found by them",
            lost=health.without_words,
            n=health.looked_at,
        )
        advice = Message(
            "Run TRUNCATE {table}_fresh; in `kb db shell`: the next `kb search` makes them anew.",
            table=facts.collection.chunk_table,
        )
        return Check(name, "fail", seen, advice)
    return Check(name, "ok", Message("have their vectors and words, as far as looked at"))


def _check_secrets(config: Config, engine: sa.Engine) -> Check:
    """Check whether a file was indexed that is passed over now."""
    name, own = Message("Secrets"), OwnFiles.from_config(config)
    found = [path for path in list_indexed_files(engine) if own.why_secret(path)]
    if not found:
        return Check(name, "ok", Message("no document holds keys or passwords"))
    named = ", ".join(map(str, found[:MOST_NAMED])) + (", …" if len(found) > MOST_NAMED else "")
    return Check(
        name,
        "warn",
        Message("{n} indexed with keys or passwords: {files}", n=len(found), files=named),
        Message(
            "Run `kb index` on their directories, which forgets them; replace what others could "
            "see."
        ),
    )


def _check_vector_cache(config: Config, facts: CollectionFacts, info: ServerInfo) -> Check:
    return _check_memory(
        config,
        "mhnsw_max_cache_size",
        "vector_cache_mb",
        info.vector_cache_bytes,
        facts.vector_cache_bytes,
    )


def _check_buffer_pool(config: Config, facts: CollectionFacts, info: ServerInfo) -> Check:
    return _check_memory(
        config,
        "innodb_buffer_pool_size",
        "buffer_pool_mb",
        info.buffer_pool_bytes,
        facts.table_bytes + facts.vector_cache_bytes,
    )


def _check_memory(config: Config, variable: str, key: str, given: int, needed: int) -> Check:
    seen = Message(
        "{given}, and the collection needs {needed}",
        given=_format_size(given),
        needed=_format_size(needed),
    )
    if given >= needed:
        return Check(variable, "ok", seen)
    enough = -(-needed // (64 * MEGABYTE)) * 64
    setting = f"{variable} = {enough * MEGABYTE}"
    if config.database.url == "embedded":
        advice = Message(
            "Searches read from disk. Set database.{key} to {enough} in config.yaml, then run "
            "`kb db stop`.",
            key=key,
            enough=enough,
        )
    else:
        advice = Message(
            "Searches read from disk. Run SET GLOBAL {setting}; and put it into the server's "
            "option file.",
            setting=setting,
        )
    return Check(variable, "warn", seen, advice)


def _check_same_model(config: Config, facts: CollectionFacts) -> Check:
    name, built_with = Message("Collection"), facts.collection.embedding_model
    try:
        configured = embedding_identity(config, make_embedder(config))
    except KBError as error:
        return Check(name, "fail", str(error))
    if configured == built_with:
        same = Message("built with {model}, which the configuration names", model=built_with)
        return Check(name, "ok", same)
    return Check(
        name,
        "fail",
        Message(
            "built with {model}, but the configuration names {configured}",
            model=built_with,
            configured=configured,
        ),
        Message("Set `embedding` back, or choose another database.name and index again."),
    )


def _check_tables(config: Config) -> Iterator[Check]:
    """Check whether the account that runs SQL of a model can only read, and only the tables."""
    name = Message("Tables")
    try:
        engine = connect_to_tables(config)
        powers = find_account_powers(config, engine)
    except KBError as error:
        yield _check_refusal(name, error, config.tables.url)
        return
    account = engine.url.username
    if powers.writing:
        state: Literal["warn", "fail"] = "warn" if config.tables.allow_powerful_account else "fail"
        seen = f"{powers.account} {describe_powers([*powers.writing, *powers.reading])}"
        yield Check(name, state, seen, advise_on_writing(powers))
    elif powers.reading:
        seen = f"{powers.account} {describe_powers(powers.reading)}"
        wider = Message(
            "kb asks tables.include alone, but the account would not hinder it. `kb db account` "
            "prints the SQL of an account for these alone."
        )
        yield Check(name, "warn", seen, wider)
    else:
        tables = ", ".join(config.tables.include)
        seen = Message("{account} only reads {tables}", account=account, tables=tables)
        yield Check(name, "ok", seen)
    if file := config.tables.verified_queries:
        yield _check_verified_queries(config, file, engine)
    engine.dispose()


def _check_verified_queries(config: Config, file: Path, engine: sa.Engine) -> Check:
    """Check whether the verified queries of the file still run."""
    name = Message("Verified queries")
    try:
        queries = read_verified_queries(file)
        failures = find_failures(queries, make_guarded_database(config, engine).run)
    except KBError as error:
        return Check(name, "fail", str(error))
    if not failures:
        return Check(name, "ok", Message("all {n} of {file} run", n=len(queries), file=file))
    seen = "; ".join(f"{query}: {reason}" for query, reason in failures.items())
    advice = Message("Correct them in {file}, or take them out.", file=file)
    return Check(name, "warn", seen, advice)


def check_models(config: Config) -> Iterator[Check]:
    """Check whether the models of the configuration are there."""
    embedding, llm = config.embedding, config.llm
    match embedding.provider:
        case "local":
            yield _check_local_embedding(config)
        case "wordllama":  # it comes with its package
            pass
        case "openai" | "openai-like" | "ollama":
            yield _check_embedding_server(embedding.provider, embedding)
        case _:
            assert_never(embedding.provider)
    match llm.provider:
        case "none":
            seen = Message("none: answers are quoted from the documents")
            yield Check(Message("LLM"), "ok", seen)
        case "openai" | "openai-like" | "ollama":
            yield _check_llm_server(llm.provider, llm)
        case _:
            assert_never(llm.provider)


def _check_local_embedding(config: Config) -> Check:
    name = Message("Embedding")
    if config.embedding.model:
        return Check(name, "ok", Message("local, from {model}", model=config.embedding.model))
    directory = files.model_directory(config.cache)
    if files.is_fetched(config.cache):
        there = Message("{model} in {directory}", model=files.MODEL_NAME, directory=directory)
        return Check(name, "ok", there)
    if directory.exists():
        seen = Message("{model} is not as it was made", model=files.MODEL_NAME)
    else:
        seen = Message("{model} was not fetched yet", model=files.MODEL_NAME)
    return Check(name, "fail", seen, Message("Run `kb setup`."))


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


def _check_llm_server(provider: ServerProvider, llm: LLMConfig) -> Check:
    name = Message("LLM")
    try:
        url, wanted = server_url(provider, llm, "llm"), name_llm(provider, llm)
        if provider == "openai":
            require_key(llm, "llm")
    except ConfigError as error:
        return Check(name, "fail", str(error))
    return _check_model_server(name, "llm", provider, llm, url, wanted)


def _check_model_server(
    name: Message, section: str, provider: ServerProvider, model: ModelConfig, url: str, wanted: str
) -> Check:
    """Ask for the list of models, which costs nothing."""
    place = httpx.URL(url).copy_with(username=None, password=None)
    try:
        known = _list_models(url, provider, model)
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


def _format_size(number: int) -> str:
    if number >= 1024 * MEGABYTE:
        return f"{number / 1024 / MEGABYTE:.1f} GB"
    if number >= MEGABYTE:
        return f"{number / MEGABYTE:.0f} MB"
    return f"{number / 1024:.0f} kB"
