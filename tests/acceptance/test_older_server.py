"""A newcomer on Debian 12: its own MariaDB 10.11 holds the tables, a newer one kb's own data.

The shop of the sample knowledge base lies on the older server, with an account that `kb db account`
made; every verified query of the sample must run there.
"""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml
from model_server import FakeModels
from older_server import SERIES, run_older_server
from typer.testing import CliRunner, Result

from kb import KnowledgeBase
from kb.cli import app
from kb.config.loading import load_config
from kb.sentence_model import fetch
from stores.connection import make_engine
from stores.registry.script import run_script, split_script

pytestmark = pytest.mark.slow

DATA = Path(__file__).parents[2] / "data"
LONG = "SELECT COUNT(*) AS n FROM {}".format(" CROSS JOIN ".join(f"orders o{n}" for n in range(9)))
REPORTING = (
    "CREATE USER IF NOT EXISTS reporting@'%' IDENTIFIED BY 'reporting'",
    "GRANT SELECT, SHOW VIEW, LOCK TABLES ON shop.* TO reporting@'%'",
    "GRANT PROCESS ON *.* TO reporting@'%'",
)


@pytest.fixture(scope="module")
def administrator() -> Iterator[sa.Engine]:
    """The administrator of the older server, on which the shop lies."""
    with run_older_server() as url:
        made = make_engine(url)
        with made.begin() as connection:
            version = connection.exec_driver_sql("SELECT VERSION()").scalar()
            assert str(version).startswith(f"{SERIES}.")
            connection.exec_driver_sql("CREATE DATABASE shop")
        made.dispose()
        engine = make_engine(url.set(database="shop"))
        run_script(engine, (DATA / "shop.sql").read_text("utf-8"))
        yield engine
        engine.dispose()


@pytest.fixture
def models() -> Iterator[FakeModels]:
    with FakeModels() as models:
        yield models


@pytest.fixture
def settings(engine: sa.Engine, models: FakeModels) -> dict[str, Any]:
    """Before tables.url is known: kb's own data are on the server of all tests."""
    return {
        "database": {"url": engine.url.render_as_string(hide_password=False)},
        "llm": {"provider": "openai-like", "base_url": models.openai_url, "model": "fake"},
        "tables": {
            "database": "shop",
            "include": ["customers", "products", "orders", "order_items", "reviews"],
            "verified_queries": str(DATA / "verified_queries.yaml"),
            "timeout": 1,
        },
    }


@pytest.fixture
def configure(settings: dict[str, Any], tmp_path: Path) -> Callable[..., Path]:
    def configure(**tables: Any) -> Path:
        path = tmp_path / "config.yaml"
        changed = {**settings, "tables": {**settings["tables"], **tables}}
        path.write_text(yaml.safe_dump(changed), "utf-8")
        fetch(load_config(path).cache, print)
        return path

    return configure


@pytest.fixture
def reader(administrator: sa.Engine, configure: Callable[..., Path]) -> Iterator[str]:
    """The URL that `kb db account` printed, once the administrator has run its SQL."""
    script = run(configure(), "db", "account").stdout
    with administrator.begin() as connection:
        for statement in split_script(script):
            if "CREATE USER" in statement or statement.startswith("GRANT"):
                connection.exec_driver_sql(statement)
    url = re.search(r"url: (\S+)", script)
    assert url
    yield url[1].replace("HOST:3306", f"127.0.0.1:{administrator.url.port}")
    with administrator.begin() as connection:
        connection.exec_driver_sql("DROP USER kb_reader@'%'")


def run(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["--config", str(config), *arguments])


def examine(config: Path) -> dict[str, dict[str, str]]:
    checks = json.loads(run(config, "doctor", "--json").stdout)["checks"]
    return {check["name"]: check for check in checks}


def test_a_newcomer_asks_the_tables_of_the_older_server(configure, reader, models):
    config = configure(url=reader)
    doctor = examine(config)
    assert doctor["Tables"]["state"] == "ok", doctor["Tables"]
    assert doctor["Verified queries"]["state"] == "ok", doctor["Verified queries"]

    own = "SELECT VERSION() AS version"
    models.script = ["SELECT SUM(total) AS revenue FROM orders", "It was much."]
    with KnowledgeBase.open(config) as knowledge:
        kept_by = knowledge.status()["server"]
        with knowledge.components.tables.engine.connect() as connection:
            asked = str(connection.exec_driver_sql(own).scalar())
        answer = knowledge.ask("How much did we earn altogether?", source="database")
        names = knowledge.components.entities.in_text("What did Fonderie Mayer order?")
    assert asked.startswith(f"{SERIES}.")
    assert not kept_by.startswith(f"{SERIES}.")
    assert answer.metadata["rows"][0][0] > 0
    assert isinstance(names, list)

    verified = run(config, "ask", "What was our revenue in 2025?")
    assert verified.exit_code == 0, verified.output
    assert "Route: database (a verified query answers it)" in verified.stdout


def test_limits_and_errors_are_those_of_any_server(configure, reader):
    config = configure(url=reader, row_limit=3)
    late = run(config, "sql", "--sql", LONG)
    assert (late.exit_code, "took too long, and was stopped" in late.stderr) == (1, True)
    cut = run(config, "sql", "--sql", "SELECT order_id FROM orders", "--csv")
    assert (len(cut.stdout.splitlines()), "Only the first 3 rows" in cut.stderr) == (4, True)
    unknown = run(config, "sql", "--sql", "SELECT nothing FROM orders")
    assert "Unknown column 'nothing'" in unknown.stderr
    accents = "SELECT :word = 'ete' AS same, 'É' < 'F' AS before_f FROM orders LIMIT 1"
    found = run(config, "sql", "--sql", accents, "--parameter", "word=été", "--json")
    assert found.exit_code == 0, found.output


def test_a_reporting_account_serves_until_it_may_write(configure, administrator):
    url = administrator.url.set(username="reporting", password="reporting")
    config = configure(url=url.render_as_string(hide_password=False))
    with administrator.begin() as connection:
        for statement in REPORTING:
            connection.exec_driver_sql(statement)
    answered = run(config, "sql", "--sql", "SELECT COUNT(*) AS n FROM orders")
    assert answered.exit_code == 0, answered.output
    doctor = examine(config)
    assert doctor["Tables"]["state"] == "warn"
    assert "may PROCESS on *.*; may SELECT, LOCK TABLES on `shop`.*" in doctor["Tables"]["seen"]
    with administrator.begin() as connection:
        connection.exec_driver_sql("GRANT UPDATE ON shop.orders TO reporting@'%'")
    refused = run(config, "sql", "--sql", "SELECT COUNT(*) AS n FROM orders")
    assert refused.exit_code == 1
    assert "The account reporting@% of tables.url may UPDATE on `shop`.`orders`" in refused.stderr
    assert "REVOKE UPDATE ON `shop`.`orders` FROM `reporting`@`%`;" in refused.stderr
