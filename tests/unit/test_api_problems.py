"""What a client is told of an error, and what is only for the log."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from limits.errors import StorageError
from starlette.testclient import TestClient

import kb
from engines.visible_text import hide_places
from kb.api.guards.access import Caller
from kb.api.guards.limits import Limits
from kb.api.plain_json import to_plain
from kb.api.problem_codes import Code
from kb.api.problems import Problem, error_to_problem, install_problems, problem_to_openai_error
from kb.config.serving import ServeConfig
from kb.document_files import clean_upload_name
from stores import errors

SOCKET = "/home/ana/.local/share/kb/mariadb.sock"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.StoreUnavailable(f"MariaDB at {SOCKET}/kb does not answer: gone."), 503),
        (errors.ModelUnavailable("Answering failed: http://10.0.0.7:11434/v1 is down."), 503),
        (errors.ConfigError(f"There is no {SOCKET} to index."), 409),
        (errors.RootConflict(f"'x' is already the name of {SOCKET}."), 500),
        (errors.CollectionMismatch("kb_chunk was built with another model"), 500),
        (errors.EngineError("Neither could be asked: SELECT secret FROM kb_api_key"), 502),
        (RuntimeError(f"SELECT 1 FROM kb_api_key at {SOCKET}"), 500),
        (KeyError("canary"), 500),
    ],
    ids=lambda each: type(each).__name__,
)
def test_an_error_is_told_without_places_statements_and_addresses(error, status):
    problem = error_to_problem(error)
    assert problem.status == status
    told = str(problem.to_document())
    for secret in (SOCKET, "10.0.0.7", "kb_api_key", "kb_chunk", "canary", "SELECT"):
        assert secret not in told


def test_what_kb_refuses_by_itself_is_a_conflict_and_what_mariadb_refuses_is_not():
    assert (
        error_to_problem(errors.StoreError("The session 'x' belongs to another user.")).status
        == 409
    )
    refused = errors.StoreError("MariaDB at 10.0.0.7:3306/kb refused: x")
    refused.__cause__ = OSError()
    assert error_to_problem(refused).status == 500


def test_a_refused_statement_is_explained_without_the_account():
    error = errors.QueryFailed(
        "MariaDB refused the statement: SELECT command denied to user 'kb_reader'@'localhost' "
        "for table `shop`.`secrets`"
    )
    detail = error_to_problem(error).detail
    assert "SELECT command denied" in detail
    assert "kb_reader" not in detail


def test_the_log_gets_the_error_in_one_line_under_the_id_of_the_problem(caplog):
    problem = error_to_problem(errors.StoreUnavailable("gone\nINFO forged line\x1b[31m"))
    [record] = caplog.records
    assert problem.id in record.message
    assert "\n" not in record.message
    assert "\x1b" not in record.message


def test_clients_of_openai_are_told_in_their_words():
    told = problem_to_openai_error(Problem(Code.TOO_MUCH_AT_ONCE, {"reason": "Wait."}))["error"]
    assert told["message"] == "Too much at once. Wait."
    assert told["type"] == "invalid_request_error"
    assert (
        problem_to_openai_error(Problem(Code.DATABASE_UNAVAILABLE))["error"]["type"]
        == "server_error"
    )


@pytest.mark.parametrize(
    ("wishes", "language"),
    [
        ("", "en"),
        ("fr", "fr"),
        ("fr-CH, en;q=0.8", "fr"),
        ("en-GB,fr;q=0.9", "en"),
        ("de, fr;q=0.3", "fr"),
        ("fr;q=0, *", "en"),
        ("fr;q=many", "en"),
        ("en;q=0.2, fr;q=0.7", "fr"),
        ("de-DE", "en"),
    ],
)
def test_a_client_is_told_in_the_language_that_it_reads(wishes, language):
    app = FastAPI()
    install_problems(app)

    @app.get("/session")
    def session() -> None:
        raise Problem(Code.NO_SUCH_PROFILE, {"known": "default, {odd}"})

    headers = {"Accept-Language": wishes} if wishes else {}
    reply = TestClient(app).get("/session", headers=headers)
    told = reply.json()
    texts = {
        "en": ("There is no such profile", "There are default, {odd}."),
        "fr": ("Ce profil n'existe pas", "Il y a default, {odd}."),
    }
    assert (told["title"], told["detail"]) == texts[language]
    assert (told["code"], told["type"], told["status"]) == ("no_such_profile", "about:blank", 404)


def test_a_problem_of_the_framework_has_a_code_too():
    app = FastAPI()
    install_problems(app)

    @app.get("/there")
    def there() -> None: ...

    client = TestClient(app)
    assert client.get("/nowhere").json()["code"] == "no_such_address"
    assert client.post("/there").json()["code"] == "method_not_allowed"


def test_each_code_is_used():
    code = "\n".join(path.read_text("utf-8") for path in Path(kb.__file__).parent.rglob("*.py"))
    assert [member.name for member in Code if f"Code.{member.name}" not in code] == []


def test_values_are_told_with_times_in_utc_and_reasons_hide_places():
    now = datetime(2026, 11, 21, 9, 0, 0)  # noqa: DTZ001 - as the database gives it
    told: Any = to_plain(
        {
            "at": now,
            "reason": f"cannot be read at {SOCKET}",
            "errors": {"database": f"MariaDB at {SOCKET}/kb refused: x"},
            "rows": [("/a/path/in/a/cell", 1)],
        }
    )
    assert told["at"] == now.replace(tzinfo=UTC)
    assert SOCKET not in str(told)
    assert told["errors"]["database"].startswith("MariaDB refused")
    assert told["rows"] == [["/a/path/in/a/cell", 1]]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Answering failed: http://10.0.0.7:11434/v1 is down", "Answering failed:  is down"),
        ("MariaDB at 10.0.0.7:3306/kb refused: x", "MariaDB refused: x"),
        ("near 'FORM' at line 1", "near 'FORM' at line 1"),
    ],
)
def test_of_a_reason_its_addresses_are_left_out(text, told):
    assert hide_places(text) == told


@pytest.mark.parametrize("text", ["it has no text", "page 3/4 is damaged", "and/or", "50 km/h"])
def test_a_reason_that_names_no_place_stays(text):
    assert hide_places(text) == text


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("report.pdf", "report.pdf"),
        ("a/b\\c.txt", "c.txt"),
        ("../../.bashrc", "bashrc"),
        ("line\nbreak\x00.md", "linebreak.md"),
        ("é" * 300 + ".md", "é" * 98 + ".md"),
    ],
)
def test_of_an_upload_the_last_part_of_its_name_is_kept(name, kept):
    assert clean_upload_name(name) == kept


@pytest.mark.parametrize("name", ["", ".", "..", "/", "\\", ". .", "\u200b", "a." + "b" * 200])
def test_a_name_that_names_no_file_is_refused(name):
    with pytest.raises(errors.StoreError, match="does not name a file"):
        clean_upload_name(name)


def test_limits_in_redis_say_which_package_they_need(monkeypatch):
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(errors.ConfigError, match="pip install redis"):
        Limits(ServeConfig(redis_url="redis://:canary@localhost:6379"))


async def test_an_answer_is_not_lost_when_its_tokens_cannot_be_counted(caplog):
    limits = Limits(ServeConfig(redis_url="redis://127.0.0.1:1"))
    caller = Caller("ana", "read", tokens_per_day=10)
    with pytest.raises(StorageError):
        await limits.require_tokens(caller)
    await limits.count_tokens(caller, 7)
    assert "7 tokens of ana are not counted" in caplog.text
