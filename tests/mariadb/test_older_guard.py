"""What is promised of the guarded tables, on Debian 12's MariaDB 10.11: the same tests, there."""

import pytest
import sqlalchemy as sa
from older_server import *  # noqa: F403 - the fixtures in the stead of kb's own server
from older_server import run_older_server
from test_guarded_database import *  # noqa: F403 - the tests
from test_guarded_database import SCHEMA, test_vectors_and_bytes_are_left_out

from kb.assembly import business_tables
from kb.config.databases import TablesConfig
from kb.config.sections import Config
from stores.errors import UnsupportedServer

pytestmark = pytest.mark.slow

del test_vectors_and_bytes_are_left_out  # 10.11 has none


@pytest.fixture
def tables(engine: sa.Engine) -> sa.Engine:
    """The tables of these tests, without vectors."""
    with engine.begin() as connection:
        for statement in SCHEMA.split(";\n"):
            plain = statement.replace("at VECTOR(3) NOT NULL", "at BLOB")
            connection.exec_driver_sql(plain.replace("VEC_FromText('[1,2,3]')", "x'00'"))
    return engine


@pytest.mark.parametrize(
    ("version", "reason"),
    [
        ("8.0.36", r"is no MariaDB, .* Correct tables\.url"),
        ("8.0.11-TiDB-v8.5.0", "is no MariaDB"),
        ("10.5.29-MariaDB", r"is 10\.5\.29-MariaDB\. .* on MariaDB 10\.6 or later alone"),
    ],
)
def test_a_server_on_which_the_limits_do_not_hold_is_refused(version, reason):
    """One that says it is another, since none of those can be had here."""
    with run_older_server(f"--version={version}") as url:
        tables = TablesConfig(url=url, database="mysql", include=("user",))
        with pytest.raises(UnsupportedServer, match=reason):
            business_tables.open_tables(Config(tables=tables))
