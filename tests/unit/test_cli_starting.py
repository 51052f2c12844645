"""The starting configuration and its database; what is set up is kb's own."""

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kb.cli import app
from kb.cli.commands.starting import _write_starting_config, database_name


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("answers", "kb_answers"),
        ("Été & co.", "kb_ete_co"),
        ("kb", "kb"),
        ("kb-2", "kb_2"),
        ("kbd", "kb_kbd"),
        ("mysql", "kb_mysql"),
        ("日本", "kb"),
        ("", "kb"),
        ("`; DROP DATABASE x", "kb_drop_database_x"),
        ("x" * 90, "kb_" + "x" * 61),
    ],
)
def test_a_directory_gives_a_name_that_any_database_may_have(folder, name):
    assert database_name(Path("/home/me") / folder if folder else Path("/")) == name


def test_a_server_of_the_users_own_is_not_upgraded(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text("database: {url: 'mariadb+mariadbconnector://kb@127.0.0.1:1/kb'}")
    told = CliRunner().invoke(app, ("--config", str(file), "setup", "--upgrade"))
    assert told.exit_code == 1
    assert "a server of your own, which kb does not renew" in told.stderr


def test_nobody_else_reads_the_starting_configuration(tmp_path):
    before = os.umask(0)
    try:
        _write_starting_config(tmp_path / "new" / "config.yaml")
    finally:
        os.umask(before)
    assert (tmp_path / "new" / "config.yaml").stat().st_mode & 0o777 == 0o600
