"""Check what is indexed: whether it is found, and what it needs of the server and the model."""

from collections.abc import Iterator
from typing import Final

import sqlalchemy as sa

from kb.assembly.model_choice import choose_embedding
from kb.assembly.models import (
    embedding_identity,
    make_embedder,
)
from kb.config.sections import Config
from kb.doctor.check import MEGABYTE, MOST_NAMED, Check, format_size
from kb.indexing.secret_files import OwnFiles
from stores.connection import ServerInfo
from stores.errors import KBError
from stores.registry.inspection import (
    CollectionFacts,
    inspect_collection,
    inspect_health,
    list_indexed_files,
)
from stores.text.translations import Message

_MOST_LOG: Final = 1024 * MEGABYTE


def check_collection(config: Config, engine: sa.Engine, info: ServerInfo) -> Iterator[Check]:
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
    yield check_vector_cache(config, facts, info)
    yield check_buffer_pool(config, facts, info)
    if config.database.url != "embedded":  # else it follows the buffer pool
        yield check_log(facts, info)
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
    if not facts.has_vector_index:
        seen = Message("have no vector index: each search compares the vectors of all")
        advice = Message("A run of `kb index` was broken off; the next one builds it at its end.")
        return Check(name, "warn", seen, advice)
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


def check_vector_cache(config: Config, facts: CollectionFacts, info: ServerInfo) -> Check:
    return _check_memory(
        config,
        "mhnsw_max_cache_size",
        "vector_cache_mb",
        info.vector_cache_bytes,
        facts.vector_cache_bytes,
        Message("Searches by vector miss what is near, and take longer."),
    )


def check_buffer_pool(config: Config, facts: CollectionFacts, info: ServerInfo) -> Check:
    return _check_memory(
        config,
        "innodb_buffer_pool_size",
        "buffer_pool_mb",
        info.buffer_pool_bytes,
        facts.table_bytes + facts.vector_cache_bytes,
        Message("Searches read from disk."),
    )


def check_log(facts: CollectionFacts, info: ServerInfo) -> Check:
    """Check the log of changes: each time that it is full, writing waits for the tables' pages."""
    variable, bytes_written = "innodb_log_file_size", facts.table_bytes + facts.vector_cache_bytes
    wanted = min(bytes_written // 8, _MOST_LOG)
    seen = Message(
        "{given} for {needed} of tables",
        given=format_size(info.log_bytes),
        needed=format_size(bytes_written),
    )
    if info.log_bytes >= wanted:
        return Check(variable, "ok", seen)
    enough = -(-wanted // (64 * MEGABYTE)) * 64 * MEGABYTE
    advice = Message(
        "Indexing waits for the disk. Run SET GLOBAL {setting}; and put it into the server's "
        "option file.",
        setting=f"{variable} = {enough}",
    )
    return Check(variable, "warn", seen, advice)


def _check_memory(
    config: Config, variable: str, key: str, given: int, needed: int, trouble: Message
) -> Check:
    seen = Message(
        "{given}, and the collection needs {needed}",
        given=format_size(given),
        needed=format_size(needed),
    )
    if given >= needed:
        return Check(variable, "ok", seen)
    enough = -(-needed // (64 * MEGABYTE)) * 64
    setting = f"{variable} = {enough * MEGABYTE}"
    if config.database.url == "embedded":
        advice = Message(
            "{trouble} Set database.{key} to {enough} in config.yaml, then run `kb db stop`.",
            trouble=trouble,
            key=key,
            enough=enough,
        )
    else:
        advice = Message(
            "{trouble} Run SET GLOBAL {setting}; and put it into the server's option file.",
            trouble=trouble,
            setting=setting,
        )
    return Check(variable, "warn", seen, advice)


def _check_same_model(config: Config, facts: CollectionFacts) -> Check:
    name, built_with = Message("Collection"), facts.collection.embedding_model
    try:
        chosen = choose_embedding(config, built_with)
        configured = embedding_identity(chosen, make_embedder(chosen))
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
        Message("Set `embedding` back, or change the model with `kb embeddings`."),
    )
