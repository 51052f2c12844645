"""Which lines of a Markdown text are in a fenced code block, while the text is being written."""

import re
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_FENCE: Final = re.compile(r"[ \t>\d.)*+-]*(?:`{3}|~{3})")


@cache
def _blocks() -> "MarkdownIt":
    from markdown_it import MarkdownIt  # noqa: PLC0415 - most answers have no such code

    return MarkdownIt("commonmark").enable("table").disable(["inline", "text_join"])


def may_fence(line: str) -> bool:
    """Whether it may begin or end a block of code."""
    return bool(_FENCE.match(line))


class Fences:
    """Follows a text line by line, as CommonMark divides it into blocks.

    What is said of a line holds whatever comes after it.
    """

    def __init__(self) -> None:
        self.is_open = False
        self._lines: list[str] = []  # that the next one may belong to, without code

    def holds(self, line: str) -> bool:
        """Take the line if it is code of the open fence, or closes it."""
        if not self.is_open:
            return False
        fence = self._last_fence(line)
        holds = fence is not None and _begin(fence) < len(self._lines) < _end(fence)
        self.is_open = holds and fence is not None and not _is_closed(fence)
        if holds and not self.is_open:
            self._lines.append(line)
        return holds

    def begins(self, line: str) -> bool:
        """Take the line if it opens a block of code, and cannot yet become the head of a table."""
        if "|" in line or not may_fence(line):
            return False
        fence = self._last_fence(line)
        self.is_open = fence is not None and _begin(fence) == len(self._lines)
        if self.is_open:
            self._lines.append(line)
        return self.is_open

    def take(self, line: str) -> None:
        is_apart = bool(self._lines) and not self._lines[-1].strip()
        if is_apart and line[:1].isalpha():  # at the top begins another block
            self._lines.clear()
        self._lines.append(line)

    def _last_fence(self, line: str) -> "Token | None":
        """Of the lines with the one that comes next; of the lines stay those it may belong to.

        An item of a list, and a block in a quotation, is read as one that begins it.
        """
        tokens = _parsed(self._lines, line)
        begins = [_begin(token) for token in tokens if token.map and token.level <= 1]
        if unneeded := min(max(begins, default=0), len(self._lines)):
            del self._lines[:unneeded]
            tokens = _parsed(self._lines, line)
        return next((token for token in reversed(tokens) if token.type == "fence"), None)


def _parsed(lines: list[str], line: str) -> "list[Token]":
    return _blocks().parse("".join([*lines, line]))


def _begin(token: "Token") -> int:
    return token.map[0] if token.map else 0


def _end(token: "Token") -> int:
    return token.map[1] if token.map else 0


def _is_closed(fence: "Token") -> bool:
    """Its lines are more than those of its code and the one that opens it."""
    return _end(fence) - _begin(fence) > fence.content.count("\n") + 1
