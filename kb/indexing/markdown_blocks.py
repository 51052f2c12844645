"""Parse the block structure of Markdown."""

from collections.abc import Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markdown_it.tree import SyntaxTreeNode

# Tables stay paragraphs here: the table rule makes ten tokens a cell, and only lines matter.
_BLOCKS = MarkdownIt("commonmark")
_BLOCKS.core.ruler.enableOnly(["normalize", "block"])
_INLINE = MarkdownIt("commonmark")

BEGINNING = 20_000
MAX_HEADING = 200
"""Characters; a longer "heading" is a paragraph that begins with #."""


def parse_blocks(text: str) -> list[SyntaxTreeNode]:
    """Return the top-level blocks; the `map` of a block is its lines (0-based, half open)."""
    return SyntaxTreeNode(_BLOCKS.parse(text)).children


def find_heading_text(node: SyntaxTreeNode) -> str:
    """Return the words of a heading, "" when the block serves as no heading."""
    if node.type != "heading":
        return ""
    words = _plain_words(_INLINE.parseInline(node.children[0].content[: MAX_HEADING * 5]))
    return words if len(words) <= MAX_HEADING else ""


def find_heading_level(node: SyntaxTreeNode) -> int:
    return int(node.tag[1])


def find_first_headings(text: str) -> dict[int, str]:
    """Return for every level the first heading near the beginning of the text."""
    found: dict[int, str] = {}
    for node in parse_blocks(text[:BEGINNING]):
        if words := find_heading_text(node):
            found.setdefault(find_heading_level(node), words)
    return found


def list_headings(text: str) -> list[tuple[int, str]]:
    """Return the headings of a text, each with its level."""
    nodes = parse_blocks(text)
    return [
        (find_heading_level(node), words) for node in nodes if (words := find_heading_text(node))
    ]


def find_last_block(text: str) -> int:
    """Return how many lines stand before the last block of a text, 0 if it has but one."""
    blocks = parse_blocks(text)
    return blocks[-1].map[0] if blocks and blocks[-1].map else 0


def is_table_delimiter(line: str) -> bool:
    """Tell whether a line stands between the header and the rows of a table: `|---|:--:|`."""
    return "|" in line and "-" in line and set(line) <= set("|-: \t\n>")


def _plain_words(tokens: Sequence[Token]) -> str:
    """Return the words of inline Markdown without its marks."""
    words = []
    for token in tokens:
        if token.children:
            words.append(_plain_words(token.children))
        elif token.type in ("text", "code_inline", "text_special"):
            words.append(token.content)
        elif token.type in ("softbreak", "hardbreak"):
            words.append(" ")
    return " ".join("".join(words).split())
