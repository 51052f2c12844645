"""The README promises only what is there: its examples run, its tables are complete."""

import re
from pathlib import Path

import pytest
import sqlalchemy as sa
from fake_models import HashEmbedding
from pydantic import BaseModel
from typer.main import get_command

from kb.cli import app
from kb.config import Config
from stores.private_server import PrivateServer

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
CONFIG = "database: {url: '%s'}\n"


def config_keys() -> list[str]:
    return [
        f"{section}.{key}"
        for section, field in Config.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
        for key in field.annotation.model_fields
    ]


@pytest.mark.parametrize("key", config_keys())
def test_every_configuration_key_is_documented(key: str) -> None:
    assert f"`{key}`" in README


@pytest.mark.parametrize("command", sorted(get_command(app).commands))  # type: ignore[attr-defined]  # it is a group
def test_every_command_is_documented(command: str) -> None:
    assert f"`kb {command}" in README


def test_the_first_screen_shows_the_two_commands() -> None:
    first_screen = "\n".join(README.splitlines()[:25])
    assert "\nmake demo " in first_screen
    assert "\nmake test " in first_screen
    assert not re.search(r"^(DEMO|BENCH)$", README, re.MULTILINE), "a place is still to be filled"


def test_the_knowledge_base_example_runs(
    database: sa.URL,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    url = database.render_as_string(hide_password=False)
    Path("config.yaml").write_text(CONFIG % url)
    Path("handbook").mkdir()
    Path("handbook/returns.md").write_text(
        "# Returns\n\nCustomers have 30 days to return a machine.\n"
    )
    exec(compile(EXAMPLES[0], "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert printed.startswith("1 0 []\n")
    assert "“Customers have 30 days to return a machine.” [1]" in printed
    assert "1 returns.md 1-3" in printed


def test_the_vector_store_example_runs(
    database: sa.URL, server: PrivateServer, capsys: pytest.CaptureFixture[str]
) -> None:
    names = {"url": database, "embed_model": HashEmbedding(dimensions=384)}
    exec(compile(EXAMPLES[1], "README.md", "exec"), names)
    assert capsys.readouterr().out == "Thirty days, unopened.\n"
    names["store"].close()  # type: ignore[attr-defined]  # the example's own name
