"""However a command ends, it says so in one message and one exit code."""

import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner, Result

from kb.cli import app
from kb.cli.program import Program
from stores.errors import StoreUnavailable


def end_with(error: BaseException | None, *options: str) -> Result:
    program = typer.Typer(cls=Program, rich_markup_mode=None, pretty_exceptions_enable=False)

    @program.command()
    def run() -> None:
        typer.echo("output")
        if error:
            raise error

    @program.callback()
    def options_before(debug: bool = False) -> None:
        pass

    return CliRunner().invoke(program, [*options, "run"])


def test_done_is_0_and_a_chosen_exit_code_is_kept():
    assert end_with(None).exit_code == 0
    assert end_with(typer.Exit(3)).exit_code == 3


def test_an_error_of_ours_is_its_message_on_standard_error():
    result = end_with(StoreUnavailable("MariaDB does not answer. Is it running?"))
    assert result.exit_code == 1
    assert result.stdout == "output\n"
    assert result.stderr == "Error: MariaDB does not answer. Is it running?\n"


def test_any_other_error_is_called_a_defect():
    result = end_with(ZeroDivisionError("division by zero"))
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: kb has a defect: ZeroDivisionError: division by zero\n")
    assert "KB_DEBUG=1" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("error", [StoreUnavailable("gone"), ZeroDivisionError()])
def test_debug_lets_the_error_through(error):
    result = end_with(error, "--debug")
    assert result.exception is error


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("search", "x", "--top-k", "0"), "'--top-k': it should be greater than or equal to 1\n"),
        (("search", "x", "--top-k", "a"), "'--top-k': it should be a valid integer, "),
        (("ask", "x", "--source", "web"), "'--source': 'web' is not one of 'auto', "),
        (("session", "list", "--limit", "0"), "'--limit': it should be greater than "),
    ],
)
def test_a_wrong_value_is_told_in_words(arguments, said):
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_directory_without_a_configuration_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ("search", "x", "--profile", "none"))
    assert result.stderr.startswith("There is no config.yaml here, so the defaults hold. `kb init`")


def test_an_interruption_is_calm():
    result = end_with(KeyboardInterrupt())
    assert result.exit_code == 130
    assert result.stderr == "Interrupted.\n"


def test_wrong_usage_is_2_and_points_to_the_help():
    result = CliRunner().invoke(app, ["ask", "  "])
    assert result.exit_code == 2
    assert "it is empty" in result.stderr
    assert " ask -h' for help" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["serch", "x"],
        ["search"],
        ["search", "x", "--top-k", "0"],
        ["search", "x", "--filter", "category"],
        ["ask", "x", "--source", "web"],
        ["index", "/nowhere/at/all"],
        ["index", "/tmp", "/nowhere/at/all"],
        ["index", "/tmp", "/usr", "--name", "both"],
    ],
)
def test_wrong_usage_is_noticed_before_anything_is_opened(arguments):
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert result.stdout == ""


def test_help_is_quick_as_it_imports_nothing_heavy():
    script = (
        "import sys; from kb.cli import main; sys.argv = ['kb', 'index', '--help']\n"
        "try: main()\n"
        "except SystemExit as end: print('exit', end.code)\n"
        "print([name for name in ('llama_index', 'sqlalchemy', 'numpy') "
        "if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert "Usage: kb index" in done.stdout
    assert done.stdout.endswith("exit 0\n[]\n")


def test_every_command_has_a_help_that_says_what_it_is_for():
    top = CliRunner().invoke(app, ["--help"]).stdout
    for name in ("demo", "init", "setup", "index", "search", "ask", "status", "doctor", "db"):
        assert f"\n  {name} " in top
        assert CliRunner().invoke(app, [name, "--help"]).exit_code == 0
    assert "...\n" not in top.split("Commands:")[1], "a command's first sentence is cut off"


@pytest.mark.parametrize(
    "command", [("status",), ("ask", "How long?"), ("search", "long"), ("chat",)]
)
def test_what_only_asks_begins_no_knowledge_base(tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 1
    assert "nothing was indexed yet, and nothing is in" in result.stderr
    assert "`kb index PATH` begins one" in result.stderr
    assert not (tmp_path / "kb-home").exists()
