"""The reference of the command line, from the commands themselves."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from markdown_tables import markdown_table
from typer.main import get_command

from kb.cli import app

_KEPT = "\b\n "

INTRODUCTION = """# Command line

`kb --help` and `kb COMMAND --help` say the same.

`--json` prints one JSON value on standard output and nothing else there; messages go to standard
error. `--config` names another configuration, before the command or behind it, and `kb --debug`
shows the traceback of an error. `kb --version` tells the version.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | failed |
| 2 | wrong usage |
| 3 | partly done: files that could not be read, a source or a model that did not answer |
| 130 | interrupted |
"""


def command_line_page() -> str:
    return "\n".join([INTRODUCTION, *(_section(*named) for named in all_commands())])


def all_commands() -> Iterator[tuple[str, Any]]:
    """Each command with its whole name, in the order of `kb --help`."""
    yield from _commands_of("kb", get_command(app))


def _commands_of(name: str, group: Any) -> Iterator[tuple[str, Any]]:
    for word, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands_of(f"{name} {word}", command)
        else:
            yield f"{name} {word}", command


def _section(name: str, command: Any) -> str:
    choices = _choices(command)
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    options = [each for each in command.params if each.param_type_name == "option"]
    usage = " ".join([name, *map(_usage, arguments), *(["[OPTIONS]"] if options else [])])
    parts = [f"## {name}\n", f"```text\n{usage}\n```\n", _help(command)]
    rows = [(f"`{each.metavar}`", _described(each)) for each in arguments if each.help]
    rows += [(_names(each, choices), _described(each)) for each in options]
    return "\n".join([*parts, markdown_table(("", ""), rows) if rows else ""])


def _choices(command: Any) -> dict[str, str]:
    """The words of which a parameter takes one."""
    hints = get_type_hints(command.callback)
    literals = {
        name: next(filter(_is_literal, (hint, *get_args(hint))), None)
        for name, hint in hints.items()
    }
    return {name: "|".join(get_args(literal)) for name, literal in literals.items() if literal}


def _is_literal(hint: Any) -> bool:
    return get_origin(hint) is Literal


def _usage(argument: Any) -> str:
    name = f"{argument.metavar}…" if argument.nargs == -1 else argument.metavar
    return name if argument.required else f"[{name}]"


def _names(option: Any, choices: dict[str, str]) -> str:
    value = "" if option.is_flag else f" {option.metavar or choices[option.name]}"
    return ", ".join(f"`{name}{value}`" for name in (*option.opts, *option.secondary_opts))


def _described(parameter: Any) -> str:
    text = re.sub(r"\s*\[default: (.*)\]", r" Default: \1.", parameter.help.strip())
    if "Default: " in text or parameter.default in (None, False, "", Path()):
        return text
    return f"{text} Default: {parameter.default}."


def _help(command: Any) -> str:
    r"""The help of a command; what `\b` keeps as it is written is an example."""
    blocks = inspect.cleandoc(command.help).split("\n\n")
    return (
        "\n\n".join(
            f"```console\n{block.strip(_KEPT)}\n```" if "\b" in block else block for block in blocks
        )
        + "\n"
    )
