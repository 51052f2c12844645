"""Options are documented, and the starting config.yaml keeps up with the sample's."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

import kb
from kb.cli import app
from kb.config import Sections, load_config

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
STARTING_CONFIG = Path(kb.__file__).parent / "starting_config.yaml"


def commands() -> dict[str, list[str]]:
    """The long options of each command."""
    group: Any = get_command(app)
    return {
        name: [option for each in command.params for option in each.opts if option[:2] == "--"]
        for name, command in group.commands.items()
    }


@pytest.mark.parametrize("options", commands().values(), ids=commands())
def test_every_option_of_a_command_is_in_the_readme(options):
    for option in options:
        assert re.search(rf"`(?:[^`]* )?{option}\b", README), option


def test_the_starting_configuration_has_the_keys_of_the_sample():
    starting = yaml.safe_load(STARTING_CONFIG.read_text("utf-8"))
    sample = yaml.safe_load((ROOT / "config.yaml").read_text("utf-8"))
    assert {section: list(keys) for section, keys in starting.items()} == {
        section: list(keys) for section, keys in sample.items()
    }


def test_the_starting_configuration_changes_no_default():
    starting, default = load_config(STARTING_CONFIG), Sections()
    for section in ("database", "embedding", "llm", "retrieval", "chat"):
        assert getattr(starting, section) == getattr(default, section)
    assert not starting.tables.include
