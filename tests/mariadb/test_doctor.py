"""The doctor looks at real servers, and its advice is what helps."""

import re
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml
from french import find_english, shown_on, speak_french, wide_screen
from model_server import FakeModels
from nodes import node
from redis_server import REDIS, running_redis

from kb import KnowledgeBase, load_config
from kb.cli.rendering.state import show_check, show_status
from kb.doctor.check import Check
from kb.doctor.collection import check_buffer_pool, check_log, check_vector_cache
from kb.doctor.examination import examine
from kb.doctor.server import check_clock, check_slow_statements
from stores import MariaDBVectorStore
from stores.connection import (
    ServerInfo,
    count_slow_statements,
    make_engine,
    measure_clock_lead,
)
from stores.errors import StoreUnavailable
from stores.private_server import PrivateServer
from stores.registry.collection import Collection
from stores.registry.inspection import CollectionFacts, inspect_collection, inspect_health
from stores.registry.script import run_script

GIGABYTE = 2**30


@pytest.fixture
def models() -> Iterator[FakeModels]:
    with FakeModels() as models:
        yield models


@pytest.fixture
def settings(database: sa.URL, models: FakeModels) -> dict[str, dict[str, Any]]:
    model = {"base_url": models.openai_url, "model": "fake"}
    return {
        "database": {"url": database.render_as_string(hide_password=False)},
        "embedding": {"provider": "openai-like", **model},
        "llm": {"provider": "openai-like", **model, "api_key": "sk-canary"},
    }


def write(folder: Path, settings: dict[str, dict[str, Any]]) -> Path:
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump(settings), "utf-8")
    file.chmod(0o600)
    return file


def checks(folder: Path, settings: dict[str, dict[str, Any]]) -> dict[str, Check]:
    return {check.name: check for check in examine(write(folder, settings))}


def index(folder: Path, settings: dict[str, dict[str, Any]], **files: str) -> None:
    (folder / "docs").mkdir()
    for name, text in files.items():
        (folder / "docs" / f"{name}.md").write_text(text, "utf-8")
    with KnowledgeBase.open(write(folder, settings)) as knowledge_base:
        knowledge_base.index(folder / "docs")


def test_a_healthy_knowledge_base_is_ok_in_every_check(tmp_path, settings):
    index(tmp_path, settings, returns="You have 30 days.")
    found = checks(tmp_path, settings)
    assert {check.state for check in found.values()} == {"ok"}, found
    assert found["Documents"].seen == "1 chunk"
    assert "MariaDB 11." in found["Server"].seen
    assert not any(check.advice for check in found.values())
    assert "canary" not in str(found)


def test_the_checks_are_shown_in_french_and_stay_english_for_programs(tmp_path, settings):
    index(tmp_path, settings, returns="You have 30 days.")
    screen = wide_screen()
    with speak_french():
        for check in examine(write(tmp_path, settings)):
            show_check(screen, check)
            assert check.name != "Documents" or check.seen == "1 chunk"
    assert "Documents: 1 fragment" in shown_on(screen)
    assert find_english(shown_on(screen)) == []


def test_looking_changes_nothing(tmp_path, settings, database):
    found = checks(tmp_path, settings)
    assert found["Documents"] == Check(
        "Documents", "warn", "nothing is indexed yet", "Run `kb index PATH`."
    )
    engine = make_engine(database)
    assert sa.inspect(engine).get_table_names() == []
    engine.dispose()


def test_failed_documents_are_a_warning(tmp_path, settings):
    index(tmp_path, settings, good="Something to read.", bad="\x00\x01\x02" * 50)
    found = checks(tmp_path, settings)["Documents"]
    assert found.state == "warn"
    assert "not indexed: 1" in found.seen
    assert "kb status" in found.advice


def test_a_secret_that_others_can_read_is_a_warning(tmp_path, settings):
    file = write(tmp_path, settings)
    file.chmod(0o644)
    found = next(iter(examine(file)))
    assert found.state == "warn"
    assert "holds database.url, llm.api_key, and other accounts" in found.seen
    assert f"chmod 600 {file}" in found.advice
    assert "canary" not in str(found)
    settings["llm"]["api_key"] = "${OPENAI_API_KEY:}"
    settings["database"]["url"] = "mariadb+mariadbconnector://kb:${PASSWORD:}@localhost/kb"
    write(tmp_path, settings).chmod(0o644)
    assert next(iter(examine(file))).state == "ok"


def test_secrets_among_the_documents_are_a_warning(tmp_path, settings, monkeypatch):
    with monkeypatch.context() as earlier:
        earlier.setattr("kb.indexing.content_hash.why_secret", lambda *_: None)
        index(tmp_path, settings, good="Words.", old="llm:\n  api_key: sk-canary\n")
    found = checks(tmp_path, settings)["Secrets"]
    assert found.state == "warn"
    assert str(tmp_path / "docs" / "old.md") in found.seen
    with KnowledgeBase.open(tmp_path / "config.yaml") as knowledge_base:
        assert knowledge_base.index(tmp_path / "docs").removed == 1
    assert checks(tmp_path, settings)["Secrets"].state == "ok"


def test_a_collection_of_another_model_fails(tmp_path, settings):
    index(tmp_path, settings, returns="You have 30 days.")
    settings["embedding"]["model"] = "other"
    found = checks(tmp_path, settings)
    assert found["Collection"].state == "fail"
    assert "openai-like/fake" in found["Collection"].seen
    assert "openai-like/other" in found["Collection"].seen
    assert (found["Embedding"].state, found["Embedding"].advice) == (
        "warn",
        "Correct the model's name.",
    )


@pytest.mark.slow
def test_a_server_that_does_not_answer_fails_without_its_password(tmp_path, settings):
    url = "mariadb+mariadbconnector://kb:canary@127.0.0.1:9/kb"
    found = checks(tmp_path, settings | {"database": {"url": url}})
    assert found["Server"].state == "fail"
    assert "127.0.0.1:9" in found["Server"].seen
    assert "kb doctor" not in found["Server"].seen
    assert "canary" not in str(found)


def test_of_a_server_that_does_not_answer_it_says_how_far_the_way_goes(
    tmp_path, settings, monkeypatch
):
    def look(place: str) -> Check:
        url = f"mariadb+mariadbconnector://kb:canary@{place}/kb"
        return checks(tmp_path, {**settings, "database": {"url": url}})["Server"]

    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
    nothing = look(f"127.0.0.1:{port}")
    assert "doctor" not in nothing.seen
    assert nothing.advice.startswith(f"Nothing listens on port {port} of 127.0.0.1.")
    assert "canary" not in str(nothing)
    for error, advice in (
        (socket.gaierror(), "127.0.0.1 is no known name."),
        (TimeoutError(), "Look for a firewall"),
        (None, "does not answer as MariaDB does"),
    ):

        def connect(*_: Any, reason: OSError | None = error, **__: Any) -> socket.socket:
            if reason:
                raise reason
            return socket.socket()

        monkeypatch.setattr("kb.doctor.server.socket.create_connection", connect)
        assert advice in look(f"127.0.0.1:{port}").advice


def test_an_llm_that_does_not_answer_fails(tmp_path, settings):
    settings["llm"]["base_url"] = "http://127.0.0.1:9/v1"
    found = checks(tmp_path, settings)["LLM"]
    assert found.state == "fail"
    assert "http://127.0.0.1:9/v1" in found.seen
    assert "llm.base_url" in found.advice


@pytest.mark.parametrize(
    ("pulled", "state", "advice"),
    [("qwen3:8b", "ok", ""), ("other:latest", "warn", "ollama pull qwen3:8b")],
)
def test_a_model_that_ollama_has_not_pulled_is_a_warning(
    tmp_path, settings, models, pulled, state, advice
):
    models.models = [pulled]
    settings["llm"] = {"provider": "ollama", "base_url": models.url, "model": "qwen3:8b"}
    found = checks(tmp_path, settings)["LLM"]
    assert (found.state, found.advice) == (state, advice)
    assert [request.path for request in models.requests][-1] == "/api/tags"


def test_a_configuration_that_cannot_be_used_is_the_only_check(tmp_path):
    (found,) = examine(write(tmp_path, {"llm": {"provder": "none"}}))
    assert found.state == "fail"
    assert "did you mean llm.provider" in found.seen


def test_before_the_set_up_the_doctor_sends_there(tmp_path, monkeypatch):
    monkeypatch.setenv("KB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("stores.private_server.private_server.find_program", lambda _: None)
    found = checks(tmp_path, {})
    assert found["Private MariaDB"].state == "fail"
    assert found["Embedding"].state == "fail"
    assert found["Private MariaDB"].advice == found["Embedding"].advice == "Run `kb setup`."
    assert "Server" not in found
    assert not (tmp_path / "cache").exists()


def test_the_private_server_is_looked_at_where_it_is(tmp_path, monkeypatch, server: PrivateServer):
    monkeypatch.setenv("KB_HOME", str(server.status().data_directory.parent))
    found = checks(tmp_path, {"database": {"name": "doctor"}})
    assert found["Private MariaDB"].state == found["Disk"].state == found["Server"].state == "ok"


@pytest.mark.parametrize(
    ("found_there", "state", "words", "advice"),
    [
        ([], "ok", "are the newest", ""),
        (
            ["mariadb-server-core 2", *"abcdef"],
            "warn",
            "core 2, a, b, c, d and 2 more",
            "--upgrade",
        ),
        (
            StoreUnavailable("no archive answers:\nE: 1"),
            "warn",
            "look: no archive answers",
            "again",
        ),
    ],
)
def test_updates_of_the_fetched_server_are_told(
    tmp_path, monkeypatch, server: PrivateServer, found_there, state, words, advice
):
    def find_updates(_server):
        if isinstance(found_there, StoreUnavailable):
            raise found_there
        return found_there

    monkeypatch.setattr(PrivateServer, "find_updates", find_updates)
    monkeypatch.setenv("KB_HOME", str(server.status().data_directory.parent))
    updates = checks(tmp_path, {"database": {"name": "doctor"}})["MariaDB updates"]
    assert updates.state == state
    assert words in updates.seen
    assert advice in updates.advice


def facts(chunks: int) -> CollectionFacts:
    collection = Collection("default", "kb_chunk", "local/all-MiniLM-L6-v2", 384)
    return CollectionFacts(collection, chunks, failed=0, table_bytes=2 * GIGABYTE)


def test_a_small_vector_cache_is_a_warning_with_the_statement_that_mends_it(tmp_path, settings):
    info = ServerInfo("11.8.6-MariaDB", 16 * 2**20, 4 * GIGABYTE, 2**24, GIGABYTE)
    config = load_config(write(tmp_path, settings))
    found = check_vector_cache(config, facts(chunks=100_000), info)
    assert found.state == "warn"
    assert "16 MB, and the collection needs 140 MB" in found.seen
    assert "SET GLOBAL mhnsw_max_cache_size = 201326592;" in found.advice
    assert check_vector_cache(config, facts(chunks=10_000), info).state == "ok"


def test_on_the_private_server_the_advice_is_a_setting_of_config_yaml(tmp_path):
    info = ServerInfo("11.8.6-MariaDB", 256 * 2**20, 256 * 2**20, 2**24, GIGABYTE)
    found = check_buffer_pool(load_config(write(tmp_path, {})), facts(chunks=100_000), info)
    assert found.state == "warn"
    assert "database.buffer_pool_mb to 2240" in found.advice


def test_a_small_log_is_a_warning_with_the_statement_that_mends_it():
    info = ServerInfo("11.8.6-MariaDB", GIGABYTE, GIGABYTE, 2**24, 96 * 2**20)
    found = check_log(facts(chunks=100_000), info)
    assert found.state == "warn"
    assert "SET GLOBAL innodb_log_file_size = 335544320;" in found.advice
    assert check_log(facts(chunks=100_000), replace(info, log_bytes=GIGABYTE)).state == "ok"


def test_facts_are_none_before_the_first_index_run(engine):
    assert inspect_collection(engine) is None


def shell(settings: dict[str, dict[str, Any]], *statements: str) -> None:
    engine = make_engine(settings["database"]["url"])
    run_script(engine, ";\n".join(statements))
    engine.dispose()


def test_vectors_that_a_dump_has_lost_are_noticed_and_come_back(tmp_path, settings):
    index(tmp_path, settings, returns="You have 30 days.", coffee="Grind it.", tea="Wait.")
    good = checks(tmp_path, settings)["Chunks"]
    assert good.state == "ok"
    shell(
        settings, "UPDATE kb_chunk SET embedding = REPEAT(X'00', LENGTH(embedding)) WHERE seq > 1"
    )
    found = checks(tmp_path, settings)["Chunks"]
    assert (found.state, found.seen.split(" that")[0]) == ("fail", "2 of 3")
    assert "kb restore" in found.advice
    with KnowledgeBase.open(tmp_path / "config.yaml") as knowledge_base:
        status = knowledge_base.status()
        assert status["unfindable"] == {"looked_at": 3, "without_vector": 2, "without_words": 0}
        screen = wide_screen()
        show_status(screen, status)
        assert "2 have lost their vector" in shown_on(screen)
    advised = re.findall(r"TRUNCATE \w+", found.advice)
    assert len(advised) == 2
    shell(settings, *advised)
    with KnowledgeBase.open(tmp_path / "config.yaml") as knowledge_base:
        assert knowledge_base.index(tmp_path / "docs").chunks == 3
        assert len(knowledge_base.search("grind", 3)) == 3
    assert checks(tmp_path, settings)["Chunks"] == good


def test_a_vector_index_that_a_killed_run_has_not_built_is_noticed_and_built(tmp_path, settings):
    index(tmp_path, settings, returns="You have 30 days.", coffee="Grind it.")
    shell(settings, "ALTER TABLE kb_chunk DROP INDEX nearest")
    found = checks(tmp_path, settings)["Chunks"]
    assert (found.state, found.seen.split(":")[0]) == ("warn", "have no vector index")
    with KnowledgeBase.open(tmp_path / "config.yaml") as knowledge_base:
        assert len(knowledge_base.search("grind", 3)) == 2
        knowledge_base.index(tmp_path / "docs")
    assert checks(tmp_path, settings)["Chunks"].state == "ok"


def test_words_that_are_lost_are_noticed_and_come_back(tmp_path, settings):
    index(tmp_path, settings, returns="You have 30 days.", coffee="Grind it.")
    lost = "SELECT block FROM kb_chunk ORDER BY seq LIMIT 1"
    shell(settings, f"DELETE FROM kb_chunk_fresh WHERE block = ({lost})")
    found = checks(tmp_path, settings)["Chunks"]
    assert (found.state, found.seen.split(" that")[0]) == ("fail", "1 of 2")
    shell(settings, *re.findall(r"TRUNCATE \w+", found.advice))
    KnowledgeBase.open(tmp_path / "config.yaml").close()
    assert checks(tmp_path, settings)["Chunks"].state == "ok"


def test_of_many_chunks_a_part_of_them_is_looked_at(database):
    engine = make_engine(database)
    store = MariaDBVectorStore(engine, "kb_chunk", embed_dim=4)
    store.add([node(f"n{number}") for number in range(1500)])
    run_script(engine, "DELETE FROM kb_chunk WHERE seq BETWEEN 2 AND 400")
    collection = Collection("default", "kb_chunk", "m", 4)
    health = inspect_health(engine, collection)
    assert health.is_good
    assert 700 < health.looked_at <= 1000
    store.close()
    engine.dispose()


def test_a_broker_that_does_not_answer_is_named_without_its_password(tmp_path, settings):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    settings["workers"] = {"broker": f"redis://:canary@127.0.0.1:{port}/0", "queue": "mine"}
    check = checks(tmp_path, settings)["Workers"]
    assert check.state == "fail"
    assert f"127.0.0.1:{port}" in check.seen
    assert "canary" not in repr(check) + repr(load_config(tmp_path / "config.yaml"))


@pytest.mark.skipif(REDIS is None, reason="redis-server is not installed")
def test_a_broker_that_answers_is_ok(tmp_path, settings):
    with running_redis(tmp_path) as redis:
        settings["workers"] = {"broker": f"redis+socket://{redis.socket}", "queue": "mine"}
        check = checks(tmp_path, settings)["Workers"]
    assert (check.state, "queue mine" in check.seen) == ("ok", True), check


@pytest.mark.parametrize(
    ("lead", "told"), [(0.3, None), (61.0, "61.0 s ahead"), (-9, "9 s behind")]
)
def test_a_clock_that_differs_is_seen(lead, told):
    check = check_clock(lead)
    assert (check.state, told or "agree") == ("warn" if told else "ok", told or "agree")
    assert (told or "agree") in check.seen


def test_the_clock_of_this_machine_is_that_of_its_server(engine):
    assert abs(measure_clock_lead(engine)) < 5
    with engine.begin() as connection:
        connection.exec_driver_sql("SET timestamp = 1")  # of this connection
    assert measure_clock_lead(engine) < -1_000_000_000


def test_slow_statements_are_counted_by_the_servers_own_measure(engine):
    before, seconds = count_slow_statements(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("SET SESSION long_query_time = 0")
        connection.exec_driver_sql("SELECT SLEEP(0.01)")
    after, _ = count_slow_statements(engine)
    assert after > before
    assert seconds > 0
    assert check_slow_statements(0, 86_400).state == "ok"
    assert check_slow_statements(3, 2 * 86_400).seen == "3 in 2.0 days"
