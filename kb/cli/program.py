"""How a command ends: with one calm message, and an exit code that says what happened."""

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
    """The group of all commands: an error becomes a message, its traceback is for --debug."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        translate_help(self)

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]  # typer's own context
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()  # a reader that went away shows here, not after the end
        except KeyboardInterrupt:
            raise _end_with_message(gettext("Interrupted."), ExitCode.INTERRUPTED) from None
        except typer.BadParameter as error:
            from kb.mistakes import explain_wrong_value

            error.message = explain_wrong_value(error.message)
            raise
        except Exception as error:
            # Typer's own exits and usage errors carry an exit code; a broken pipe is silent.
            is_ending = isinstance(error, typer.Abort | BrokenPipeError)
            if ctx.params["debug"] or is_ending or hasattr(error, "exit_code"):
                raise
            raise _end_with_message(_describe_error(error), ExitCode.FAILED) from None
        return result


def _describe_error(error: Exception) -> str:
    if isinstance(error, KBError):
        return gettext("Error: {reason}").format(reason=error)
    return gettext(
        "Error: kb has a defect: {reason}\nKB_DEBUG=1 shows where; please report it with that."
    ).format(reason=f"{type(error).__name__}: {error}")


def _end_with_message(message: str, code: ExitCode) -> typer.Exit:
    from kb.cli.terminal import say

    say(message, "red" if code is ExitCode.FAILED else "")
    return typer.Exit(code)
