"""The documentation as the tests read it: pages, their blocks of code, the commands in them."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.main import get_command

from kb.cli import app

ROOT = Path(__file__).parents[1]
FENCE = re.compile(
    r"""^```(?P<language>\w*)(?: title="(?P<title>[^"]*)")?\n(?P<text>.*?)^```$""",
    re.MULTILINE | re.DOTALL,
)
INLINE = re.compile(r"`([^`\n]+(?:\n[^`\n]+)?)`")


@dataclass(frozen=True)
class Block:
    page: str
    line: int
    language: str
    title: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> dict[str, str]:
    """The text of each page that somebody has written, by its path."""
    files = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return {file.relative_to(ROOT).as_posix(): file.read_text("utf-8") for file in files}


def blocks(page: str, text: str) -> Iterator[Block]:
    for match in FENCE.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        yield Block(page, line, match["language"], match["title"] or "", match["text"])


def written_blocks(*languages: str) -> list[Block]:
    """The blocks of all pages, of these languages."""
    every = (block for page, text in pages().items() for block in blocks(page, text))
    return [block for block in every if block.language in languages]


def inline_code(text: str) -> list[str]:
    """What stands between backticks in running text, a line break in it as a space."""
    return [" ".join(code.split()) for code in INLINE.findall(FENCE.sub("", text))]


def shell_lines(block: Block) -> list[str]:
    """The lines of a block that somebody types; behind a prompt, where there are prompts."""
    text = block.text.replace("\\\n", "")
    if prompted := re.findall(r"^\$ (.*)$", text, re.MULTILINE):
        return prompted
    if block.language in ("sh", "bash"):
        return [line for line in text.splitlines() if line.strip()]
    return [line for line in text.splitlines() if line.startswith("kb ")]


def kb_arguments(line: str) -> list[list[str]]:
    """What each `kb` of a line of shell is called with."""
    words = shlex.shlex(re.sub(r" {3,}\S.*$", "", line), posix=True, punctuation_chars="|&;<>()")
    words.whitespace_split = True
    calls: list[list[str]] = []
    current: list[str] | None = None
    for word in words:
        if set(word) <= set("|&;<>()"):
            current = None
        elif word == "kb" and current is None:
            current = []
            calls.append(current)
        elif current is not None:
            current.append(word)
    return calls


def find_command(words: list[str]) -> tuple[Any, list[str]]:
    """The command that the words begin with, and what is left of them. Raises KeyError."""
    command: Any = get_command(app)
    while hasattr(command, "commands") and words and words[0] not in ("--version", "--help"):
        command, words = command.commands[words[0]], words[1:]
    return command, words


def parse(arguments: list[str], directory: Path) -> None:
    """Parse as the command line does, and run nothing; raises what is wrong with it.

    What an example has at home is `directory`, as some commands take only what exists.
    """
    command, words = find_command([word for word in arguments if word != "--debug"])
    if not hasattr(command, "commands"):
        there = [str(directory) if word.startswith("~/") else word for word in words]
        command.make_context("kb", there)
