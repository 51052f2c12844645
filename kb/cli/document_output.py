"""A whole document as the output of a command: on standard output, or in a new file."""

import sys
from pathlib import Path

from kb.cli.language import gettext
from kb.cli.terminal import OUT, make_printable
from stores.errors import ConfigError


def print_document(text: str) -> None:
    """Print a document as it is, in UTF-8 whatever the locale.

    A terminal gets no control characters.
    """
    shown = make_printable(text) if OUT.is_terminal else text
    sys.stdout.buffer.write(shown.encode())
    sys.stdout.buffer.flush()


def write_new_file(file: Path, text: str) -> None:
    """Write a text to a new file.

    Raises ConfigError when the file is there already, or cannot be written.
    """
    try:
        with file.expanduser().open("x", encoding="utf-8", newline="") as written:
            written.write(text)
    except FileExistsError as error:
        there = gettext("{file} is there already. Name a new file.")
        raise ConfigError(there.format(file=file)) from error
    except (OSError, RuntimeError, ValueError) as error:  # the last two: no path at all
        reason = error.strerror if isinstance(error, OSError) else error
        wrong = gettext("{file!r} cannot be written: {reason}.")
        raise ConfigError(wrong.format(file=str(file), reason=reason)) from error
