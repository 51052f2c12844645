"""The language of the terminal, and help in it."""

import os
import subprocess
import sys

import pytest

from kb.cli.language import choose_language


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, "en"),
        ({"LANG": "C"}, "en"),
        ({"LANG": "C.UTF-8", "LANGUAGE": "fr"}, "en"),
        ({"LANG": "fr_CA.UTF-8@euro"}, "fr"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "de_DE.UTF-8", "LANGUAGE": "de:fr"}, "fr"),
        ({"LANG": "fr_FR.UTF-8", "LC_MESSAGES": "en_GB.UTF-8"}, "en"),
        ({"LANG": "fr_FR.UTF-8", "LC_MESSAGES": "fr_FR", "LC_ALL": "POSIX"}, "en"),
        ({"LANG": "C", "KB_LANGUAGE": "fr"}, "fr"),
        ({"LANG": "fr_FR.UTF-8", "KB_LANGUAGE": "en"}, "en"),
    ],
)
def test_the_language_is_chosen_as_by_programs_of_gettext(environment, language):
    assert choose_language(environment) == language


@pytest.mark.parametrize(
    ("language", "told"), [("en", "Show what is indexed"), ("fr", "Montrer ce qui est indexé")]
)
def test_help_is_in_the_language_of_the_terminal(language, told):
    run = subprocess.run(
        [sys.executable, "-m", "kb", "--help"],
        env={**os.environ, "KB_LANGUAGE": language, "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        check=True,
        encoding="utf-8",
    )
    assert told in run.stdout


def test_english_help_loads_no_catalogue():
    script = "import sys; from kb.cli import app; import typer; typer.main.get_command(app); "
    script += "sys.exit('babel' in sys.modules)"
    env = {**os.environ, "KB_LANGUAGE": "en"}
    assert subprocess.run([sys.executable, "-c", script], env=env, check=False).returncode == 0
