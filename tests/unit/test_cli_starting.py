"""The database of a knowledge base is named after its directory."""

from pathlib import Path

import pytest

from kb.cli.starting import database_name


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
