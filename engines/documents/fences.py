"""Tells which lines of a Markdown text are fenced code, while the text is being written."""

import re
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_MARKS: Final = re.compile(r"([^`~]*)(`+|~+)")
_FENCE: Final = re.compile(r"[ \t>\d.)*+-]*(?:`{3}|~{3})")


@cache
def _load_block_parser() -> "MarkdownIt":
    from markdown_it import MarkdownIt  # noqa: PLC0415 - most answers have no such code

    return MarkdownIt("commonmark").enable("table").disable(["inline", "text_join"])


def may_fence(line: str) -> bool:
    """Tell whether a line may begin or end a block of code."""
    return bool(_FENCE.match(line))


class Fences:
    """Follows a text line by line, as CommonMark divides it into blocks.

    What is said of a line holds whatever comes after it.
    """

    def __init__(self) -> None:
        self.is_open = False
        self._lines: list[str] = []  # that the next one may belong to, without code

    def write_closing(self) -> str:
        """Write the line that closes the open fence, in the quote or the list that it is in."""
        before, marks = _MARKS.match(self._lines[-1]).groups()  # type: ignore[union-attr]  # it opened it
        return f"\n{re.sub('[^>]', ' ', before)}{marks}"

    def take_code(self, line: str) -> bool:
        """Take the line if it is code of the open fence, or closes it; tell whether it was."""
        if not self.is_open:
            return False
        fence = self._last_fence(line)
        if fence is None or not _first_line_of(fence) < len(self._lines) < _line_after(fence):
            self.is_open = False
            return False
        lines = _line_after(fence) - _first_line_of(fence)
        self.is_open = lines <= fence.content.count("\n") + 1  # the code and the line above it
        if not self.is_open:
            self._lines.append(line)
        return True

    def take_opening(self, line: str) -> bool:
        """Take the line if it opens a block of code; tell whether it did.

        A line that may yet become the head of a table opens none.
        """
        if "|" in line or not may_fence(line):
            return False
        fence = self._last_fence(line)
        self.is_open = fence is not None and _first_line_of(fence) == len(self._lines)
        if self.is_open:
            self._lines.append(line)
        return self.is_open

    def take_text(self, line: str) -> None:
        """Take a line that is neither code nor the opening of code."""
        is_apart = bool(self._lines) and not self._lines[-1].strip()
        if is_apart and line[:1].isalpha():  # at the top begins another block
            self._lines.clear()
        self._lines.append(line)

    def _last_fence(self, line: str) -> "Token | None":
        """Return the last fence of the lines and the next one; drop lines that it cannot belong to.

        An item of a list, and a block in a quotation, is read as one that begins it.
        """
        tokens = _parse_blocks(self._lines, line)
        begins = [_first_line_of(token) for token in tokens if token.map and token.level <= 1]
        if unneeded := min(max(begins, default=0), len(self._lines)):
            del self._lines[:unneeded]
            tokens = _parse_blocks(self._lines, line)
        return next((token for token in reversed(tokens) if token.type == "fence"), None)


def _parse_blocks(lines: list[str], line: str) -> "list[Token]":
    return _load_block_parser().parse("".join([*lines, line]))


def _first_line_of(token: "Token") -> int:
    return token.map[0] if token.map else 0


def _line_after(token: "Token") -> int:
    return token.map[1] if token.map else 0
