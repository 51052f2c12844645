"""How a command ends: one calm message, and an exit code that says what happened."""

import sys
from enum import IntEnum
from typing import Any

import typer
from typer.core import TyperGroup

from kb.cli.language import gettext, translate_help
from stores.errors import KBError


class ExitCode(IntEnum):
    DONE = 0
    FAILED = 1
    WRONG_USAGE = 2
    PARTLY_DONE = 3
    INTERRUPTED = 130


class Program(TyperGroup):
    """The commands; an error is a message on standard error, its traceback is for --debug."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        translate_help(self)

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]  # typer's own context
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()  # a reader that went away shows here, not after the end
        except KeyboardInterrupt:
            raise _end(gettext("Interrupted."), ExitCode.INTERRUPTED) from None
        except typer.BadParameter as error:
            error.message = in_words(error.message)
            raise
        except Exception as error:
            if ctx.params["debug"] or _is_an_ending(error):
                raise
            raise _end(_message(error), ExitCode.FAILED) from None
        return result


def in_words(reason: str) -> str:
    """What pydantic says of a value, for people."""
    if reason == "Field required":
        return "it is missing"
    return reason.removeprefix("Value error, ").replace("Input should be ", "it should be ", 1)


def _is_an_ending(error: Exception) -> bool:
    """Typer's own exits and usage errors carry an exit code; a broken pipe is silent."""
    return hasattr(error, "exit_code") or isinstance(error, typer.Abort | BrokenPipeError)


def _message(error: Exception) -> str:
    if isinstance(error, KBError):
        return gettext("Error: {reason}").format(reason=error)
    return gettext(
        "Error: kb has a defect: {reason}\nKB_DEBUG=1 shows where; please report it with that."
    ).format(reason=f"{type(error).__name__}: {error}")


def _end(message: str, code: ExitCode) -> typer.Exit:
    from kb.cli.terminal import say

    say(message, "red" if code is ExitCode.FAILED else "")
    return typer.Exit(code)
