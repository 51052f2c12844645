"""The whole result of a statement as CSV and XLSX, bounded, and under the guard."""

import io
from datetime import date, datetime

import openpyxl
import pytest
from api_server import configured, database_of, running

MOST = 2_500
NUMBERS = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {}) "
KINDS = ["csv", "xlsx"]


@pytest.fixture(scope="module")
def served(server, models, embeddings, tmp_path_factory):
    limits = {"row_limit": 10, "export_limit": MOST}
    with database_of(server) as url:
        tables = {"url": url, "include": ["orders"], "allow_powerful_account": True, **limits}
        directory = tmp_path_factory.mktemp("files")
        with running(configured(url, directory, embeddings, models, tables=tables)) as api:
            yield api


@pytest.fixture
def client(api):
    return api.client


def sheet_of(reply):
    assert reply.status_code == 200, reply.text
    book = openpyxl.load_workbook(io.BytesIO(reply.content))
    return list(book.active.iter_rows())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("wanted", "told"), [(MOST, "false"), (MOST + 1, "true")])
def test_a_file_holds_all_rows_up_to_a_limit_that_is_told(client, kind, wanted, told):
    sql = NUMBERS.format(wanted) + "SELECT n FROM n"
    reply = client.post(f"/api/sql.{kind}", json={"sql": sql})
    assert (reply.headers["x-rows"], reply.headers["x-truncated"]) == (str(MOST), told)
    assert int(reply.headers["content-length"]) == len(reply.content)
    rows = sheet_of(reply) if kind == "xlsx" else reply.text.splitlines()
    assert len(rows) == 1 + MOST


@pytest.mark.parametrize("kind", KINDS)
def test_values_are_bound_and_none_may_lack(client, kind):
    asked = {"sql": "SELECT city FROM orders WHERE id = :id AND city = :city"}
    found = client.post(f"/api/sql.{kind}", json=asked | {"parameters": {"id": 7, "city": "Lyon"}})
    assert found.headers["x-rows"] == "1"
    missing = client.post(f"/api/sql.{kind}", json=asked | {"parameters": {"id": 7}})
    assert missing.status_code == 422
    assert "parameters lack city" in missing.text


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM secrets",
        "DELETE FROM orders",
        "SELECT SLEEP(9)",
        "SELECT nothing FROM orders",
        # The error comes in place of a later row: a file would have been begun.
        NUMBERS.format(900) + "SELECT POW(10, n) FROM n",
    ],
)
def test_what_is_refused_or_breaks_off_is_a_problem_and_no_file(client, kind, sql):
    reply = client.post(f"/api/sql.{kind}", json={"sql": sql})
    assert reply.status_code == 422
    assert reply.headers["content-type"] == "application/problem+json"


def test_a_sheet_holds_numbers_and_days_as_such_and_computes_no_text(client):
    sql = (
        "SELECT '=1+1' AS `=a`, '@SUM(A1)' AS b, 'https://evil.example' AS c, 1.50 AS d, "
        "12345678901234567890.5 AS e, DATE '2025-03-01' AS f, TIMESTAMP '2025-03-01 10:30:00' AS g,"
        " NULL AS h, DATE '1812-01-01' AS i, '007' AS j, 42 AS k"
    )
    names, cells = sheet_of(client.post("/api/sql.xlsx", json={"sql": sql}))
    assert [cell.value for cell in names] == ["=a", *"bcdefghijk"]
    assert [cell.value for cell in cells] == [
        *("=1+1", "@SUM(A1)", "https://evil.example", 1.5, "12345678901234567890.5"),
        *(datetime(2025, 3, 1), datetime(2025, 3, 1, 10, 30), None, "1812-01-01", "007", 42),  # noqa: DTZ001 - a sheet knows no zone
    ]
    assert {cell.data_type for cell in (names[0], *cells[:3])} == {"s"}
    assert not any(cell.hyperlink for cell in cells)
    assert cells[5].value.date() == date(2025, 3, 1)


def test_a_text_that_no_cell_can_hold_is_cut_with_a_mark(client):
    sql = "SELECT REPEAT('é', 255) AS a, CONCAT(" + ", ".join(["REPEAT('x', 255)"] * 130) + ") AS b"
    [_, (short, long)] = sheet_of(client.post("/api/sql.xlsx", json={"sql": sql}))
    assert short.value == "é" * 255
    assert (len(long.value), long.value[-1]) == (32_767, "…")


def test_it_takes_a_key_that_reads(api, client):
    api.with_key("reader")
    nobody = {"Authorization": "Bearer kb_wrong"}
    for kind in KINDS:
        reply = client.post(f"/api/sql.{kind}", json={"sql": "SELECT 1"}, headers=nobody)
        assert reply.status_code == 401
