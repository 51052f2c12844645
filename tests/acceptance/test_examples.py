"""The examples of the documentation, run as somebody would who copies them."""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml
from api_server import running
from documentation import ROOT, Block, blocks, pages, written_blocks
from fake_models import HashEmbedding, ScriptedLLM
from test_routes import drop_readers
from typer.testing import CliRunner

from kb import load_config
from kb.cli import app
from stores.connection import make_engine
from stores.private_server import PrivateServer
from stores.registry.schema import migrate
from stores.registry.script import run_script

PAGES = pages()
RETURNS = """---
category: policy
---
# Returns

Customers have 30 days to return a machine. Companies have 60 days.
"""
TABLES = """CREATE TABLE orders (id INT PRIMARY KEY, total DECIMAL(8,2), ordered_at DATE);
INSERT INTO orders VALUES (1, 420.00, '2025-03-02'), (2, 180.50, '2025-07-19');
"""
VERIFIED = """
- name: revenue_of_year
  question: What was our revenue in 2025?
  sql: SELECT SUM(total) AS revenue FROM orders WHERE YEAR(ordered_at) = 2025
  verified_by: Ana
  verified_at: 2026-06-12
"""
DAYS = "“Customers have 30 days to return a machine. Companies have 60 days.” [1]"
# What the examples of a page print, as far as it is the same every time.
PRINTED = {
    "README.md": [DAYS, "1 returns.md 4-6"],
    "docs/guides/chat.md": [DAYS, "How long do customers have to return a machine?", "Sources:"],
    "docs/guides/documents.md": ["1 0 0 0\n[] []\n", "1 0 0 []\n"],
    "docs/guides/evaluate.md": [],
    "docs/guides/frameworks.md": ["Sixty days, for companies.\n"],
    "docs/guides/langchain.md": [
        " returns.md ",
        "Customers have 30 days to return a machine.",
        "Sixty days, for companies.\n",
        "['Within thirty days.'] 2\n",
    ],
    "docs/guides/llamaindex.md": [
        "Thirty days.\n['All of the chapter on espresso machines.'",
        "\nTrue\nThirty days.Thirty days.\nThirty days.\nTrue 0\n",
    ],
    "docs/guides/permissions.md": ["1 1\nreturns.md\n"],
    "docs/guides/python.md": ["1 0 []\n", DAYS, "1 returns.md 4-6"],
    "docs/guides/search.md": [" returns.md "],
    "docs/guides/serve.md": [DAYS],
    "docs/guides/tables.md": ["SELECT SUM(total) AS revenue", "[[Decimal('600.50')]]"],
    "docs/guides/vector-store.md": ["Thirty days, unopened.\n"],
}
FRAMEWORKS = ("haystack", "semantic_kernel")
INDEX_THEMSELVES = {"README.md", "docs/guides/documents.md", "docs/guides/python.md"}


def python_examples(page: str) -> list[Block]:
    """Those of frameworks that are not installed are run by tests/frameworks."""
    return [
        block
        for block in blocks(page, PAGES[page])
        if block.language == "python"
        and all(find_spec(name) for name in FRAMEWORKS if name in block.text)
    ]


def test_every_page_with_python_is_run() -> None:
    assert {page for page in PAGES if python_examples(page)} == set(PRINTED)


@pytest.fixture
def answers(database: sa.URL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a config.yaml, a handbook and tables."""
    url = database.render_as_string(hide_password=False)
    config = {
        "database": {"url": url},
        "documents": {"path": "handbook", "filter_keys": ["category"]},
        "tables": {
            "url": url,
            "include": ["orders"],
            "allow_powerful_account": True,
            "verified_queries": "verified.yaml",
        },
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config), "utf-8")
    (tmp_path / "verified.yaml").write_text(VERIFIED, "utf-8")
    (tmp_path / "handbook").mkdir()
    (tmp_path / "handbook" / "returns.md").write_text(RETURNS, "utf-8")
    engine = make_engine(database)
    run_script(engine, TABLES)
    engine.dispose()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def event_loop_of_thread() -> Iterator[None]:
    """One that LlamaIndex's synchronous methods find, as the one that they make is never closed."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    asyncio.set_event_loop(None)
    loop.close()


def answer_thirty_days(prompt: str) -> str:
    """Reply as a model that asks its tool before it answers."""
    if "Action Input" not in prompt:
        return "Thirty days."
    if "“" in prompt:
        return "Thought: I can answer.\nAnswer: Thirty days."
    arguments = json.dumps({"input": "How long do customers have to return a machine?"})
    return f"Thought: I ask.\nAction: handbook\nAction Input: {arguments}"


@pytest.mark.filterwarnings(  # what the workflows of LlamaIndex do
    "ignore:The .__fields.*is deprecated:pydantic.PydanticDeprecatedSince20",
    "ignore:Accessing the .model_:pydantic.PydanticDeprecatedSince211",
    "ignore:is_running called from within a step:DeprecationWarning",
)
@pytest.mark.usefixtures("event_loop_of_thread")
@pytest.mark.parametrize("page", PRINTED)
def test_the_python_of_a_page_runs(
    page: str, answers: Path, database: sa.URL, capsys: pytest.CaptureFixture[str]
) -> None:
    if page not in INDEX_THEMSELVES:
        assert CliRunner().invoke(app, ["index"]).exit_code == 0
    names: dict[str, Any] = {"url": database, "embed_model": HashEmbedding(dimensions=384)}
    names["llm"] = ScriptedLLM(reply=answer_thirty_days)
    if page in {"docs/guides/frameworks.md", "docs/guides/langchain.md"}:
        fake = pytest.importorskip("langchain_core.embeddings", reason="the extra langchain")
        names["embedding"] = fake.DeterministicFakeEmbedding(size=384)
    if page == "docs/guides/serve.md":
        with running(load_config()) as api:
            here = {"http://127.0.0.1:8080": str(api.client.base_url).rstrip("/")}
            run_python(page, names, {**here, "the token of the address, or a key": api.token})
    else:
        run_python(page, names, {})
    if "store" in names:
        names["store"].close()
    printed = capsys.readouterr().out
    for text in PRINTED[page]:
        assert text in printed


def run_python(page: str, names: dict[str, object], replaced: dict[str, str]) -> None:
    for block in python_examples(page):
        code = block.text
        for written, real in replaced.items():
            code = code.replace(written, real)
        exec(compile("\n" * block.line + code, ROOT / page, "exec"), names)


# Shell --------------------------------------------------------------------------------------------


@pytest.fixture
def home(server: PrivateServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The home of somebody new, who comes across the private server of the tests."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KB_HOME", str(server.status().data_directory.parent))
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    drop_readers(server)
    name = load_config(tmp_path / "answers" / "config.yaml").database.name
    admin = make_engine(server.url("mysql"))
    run_script(admin, f"DROP DATABASE {name};\nDROP DATABASE IF EXISTS sales;\n")
    admin.dispose()


def run_shell(text: str) -> str:
    """What the commands of a block print; those that install packages were run before."""
    return "".join(
        run_command(command.partition("  #")[0].strip())
        for line in text.splitlines()
        if not line.startswith(("python3 -m venv", "pip install"))
        for command in line.split(" && ")
    )


def run_command(command: str) -> str:
    if command.startswith("cd "):
        os.chdir(Path(command[3:]).expanduser())
        return ""
    if command.startswith("kb db shell"):  # it becomes the client, which must not be this process
        return run_bash(command.replace("kb", f"{sys.executable} -m kb", 1))
    before, _, called = command.rpartition(" | ")
    if not called.startswith("kb "):
        return run_bash(command)
    arguments = run_bash(f"printf '%s\\n' {called.removeprefix('kb ')}").splitlines()
    result = CliRunner().invoke(app, arguments, input=run_bash(before) if before else None)
    assert result.exit_code == 0, (command, result.output)
    return result.output


def run_bash(command: str) -> str:
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (command, done.stderr)
    return done.stdout


def pattern(expected: str) -> str:
    """An expression for a text in which … stands for anything, and a line of it for any lines."""
    lines = (
        "(?:.*\n)*?" if line == "…" else ".*?".join(map(re.escape, line.split("…"))) + " *\n"
        for line in expected.splitlines()
    )
    return "".join(lines)


def test_the_commands_of_the_readme_run(home: Path) -> None:
    (home / "handbook").mkdir()
    (home / "handbook" / "returns.md").write_text(RETURNS, "utf-8")
    outputs = [
        run_shell(block.text)
        for block in blocks("README.md", PAGES["README.md"])
        if block.language == "sh" and "kb " in block.text and "make" not in block.text
    ]
    assert DAYS in outputs[0]
    assert '"unchanged": 1' in outputs[1]


def test_the_tutorial_leads_from_nothing_to_an_answer(home: Path) -> None:
    (home / "handbook").mkdir()
    shown, commands = "", 0
    for block in blocks("docs/tutorial.md", PAGES["docs/tutorial.md"]):
        match block.language:
            case "sh" if "constraints.txt" in block.text or "kb serve" in block.text:
                continue
            case "sh":
                shown, commands = run_shell(block.text), commands + 1
            case "text":
                assert re.search(pattern(block.text), shown), f"{block}:\n{shown}"
            case "yaml" if block.title == "config.yaml":
                config = yaml.safe_load(Path("config.yaml").read_text("utf-8"))
                config |= yaml.safe_load(block.text)
                Path("config.yaml").write_text(yaml.safe_dump(config), "utf-8")
            case _ if block.title:
                Path(block.title).expanduser().write_text(block.text, "utf-8")
    assert commands > 7
    assert "FAIL" not in shown, "kb doctor is content"


def test_the_backup_of_operations_is_restored_elsewhere(
    answers: Path, monkeypatch: pytest.MonkeyPatch, engine: sa.Engine, administration: sa.Engine
) -> None:
    monkeypatch.setenv("HOME", str(answers))
    assert run_command("kb index")
    wanted = run_command("kb search 'return a machine' --json")
    page = blocks("docs/operations.md", PAGES["docs/operations.md"])
    commands = [block.text for block in page if re.match(r"kb (backup|restore) ", block.text)]
    assert "rows of" in run_shell(commands[0])
    refused = CliRunner().invoke(app, ["restore", str(answers / "kb-backup.zip")])
    assert refused.exit_code == 1
    assert "is not empty" in refused.output
    name = f"{engine.url.database}_moved"
    with administration.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    config = yaml.safe_load((answers / "config.yaml").read_text("utf-8"))
    url = engine.url.set(database=name).render_as_string(hide_password=False)
    config["database"]["url"] = config["tables"]["url"] = url
    (answers / "config.yaml").write_text(yaml.safe_dump(config), "utf-8")
    assert "compared all of it" in run_shell(commands[1])
    found = run_command("kb search 'return a machine' --json")
    hits, others = ([hit | {"search": ""} for hit in json.loads(text)] for text in (found, wanted))
    assert hits == others != []
    with administration.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name}")


# SQL ----------------------------------------------------------------------------------------------


@pytest.fixture
def as_administrator(server: PrivateServer) -> Iterator[Callable[[str], None]]:
    """Statements of an administrator, whose databases and accounts go after the test."""
    admin = make_engine(server.url("mysql"))
    run_script(admin, "CREATE DATABASE shop;\nCREATE TABLE shop.orders (id INT);\n")
    run_script(admin, "CREATE TABLE shop.customers (id INT);\n")
    yield lambda text: run_script(admin, text)
    gone = "DROP DATABASE shop;\nDROP DATABASE IF EXISTS kb;\n"
    run_script(admin, f"{gone}DROP USER IF EXISTS kb@'%';\nDROP USER IF EXISTS kb_reader@'%';\n")
    admin.dispose()


@pytest.mark.parametrize(
    "block", [block for block in written_blocks("sql") if not block.title], ids=str
)
def test_sql_runs(block: Block, engine: sa.Engine, as_administrator: Callable[[str], None]) -> None:
    text = re.sub(r" *--.*", "", block.text)
    text = re.sub(r"SET GLOBAL (\w+) = \d+", r"SELECT @@GLOBAL.\1", text)  # takes an administrator
    if "DELETE FROM kb_" in text:
        migrate(engine)
        run_script(engine, text)
    else:
        as_administrator(text)
