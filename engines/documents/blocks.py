"""Divides the text of a passage into blocks: paragraphs, items, rows, each with its introduction.

Passages are Markdown, or plain text as a mail has it. Both are read line by line: what no line
begins anew goes on with the block before it, however its lines were wrapped.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Final, Literal, assert_never

Kind = Literal["heading", "text", "item", "definition", "head", "row", "code", "quoted"]

_BEGINNINGS: Final[tuple[tuple[Kind, re.Pattern[str]], ...]] = (
    ("heading", re.compile(r"#{1,6}\s+(?P<text>.+?)\s*#*")),
    ("row", re.compile(r"(?P<text>\|.*\|)")),
    ("row", re.compile(r"(?P<text>(?:[\w .-]{1,60}: [^\n;]*; ){2}.*)")),  # of a sheet
    ("quoted", re.compile(r"(?P<depth>>[> ]*)(?P<text>[^> ].*)")),
    ("item", re.compile(r"(?:[-*+•‣◦▶►]|\d{1,3}[.)])\s+(?P<text>.+)")),
    ("definition", re.compile(r":\s+(?P<text>.+)")),
)
_FENCE: Final = re.compile(
    r"^ *(?P<mark>```|~~~)[^\n]*\n(?P<code>.*?)(?:^ *(?P=mark)|\Z)", re.MULTILINE | re.DOTALL
)
_TABLE_RULE: Final = re.compile(r"\|[\s|:-]*-[\s|:-]*\|")
_RULE: Final = re.compile(r"[\s>:=_*-]*")
_CELL: Final = re.compile(r"(?<!\\)\|")
_LONGEST_TERM: Final = 150  # characters; before a definition, a longer text is a paragraph
_LONGEST_HANGING: Final = 60  # above a text that is indented below it
_LONGEST_TITLE: Final = 100
_ENDS: Final = (".", "!", "?", "…", "“", "”", '"', "«", "»", ")")  # of a sentence
_SAYS_MORE: Final = re.compile(r"[:=\d]|://")
_LINK_ALONE: Final = re.compile(r"\W*\[[^\[\]]*\]\([^()]*\)\W*")
_BOLD: Final = re.compile(r"\*\*[^*]+\*\*")
_ADDRESS: Final = re.compile(r"<?[a-z]+://\S+")
_HEADER: Final = re.compile(r"(?:[A-Z][\w-]*: .*\n?){3,}")  # of a mail
_NO_PROSE: Final = re.compile(r"^(?:-- ?|---|diff --git .*|@@ .*)$", re.MULTILINE)  # to the end


@dataclass(frozen=True)
class Block:
    """A paragraph, an item of a list, a row of a table, or code, on one line.

    `lead` is what introduces it: the sentence before a list, the term of a definition; one that
    `introduces` is the lead of what follows. Blocks of one `group` go on with each other, as the
    paragraphs of an item. The `indent` of what a mail quotes is how often it was quoted.
    """

    kind: Kind
    text: str
    indent: int = 0
    heading: str = ""
    lead: str = ""
    group: int = -1
    introduces: bool = False


def find_blocks(text: str, heading: str, *, is_mail: bool) -> list[Block]:
    """Return the blocks of a passage that stands under a heading, but for the headings.

    A link that stands alone is left out, as in a table of contents; of a mail header, signature
    and patch, and the line that says who wrote what it quotes.
    """
    if is_mail:
        text = _NO_PROSE.split(text.removeprefix(_read_header(text)), maxsplit=1)[0]
    blocks = (block for block in _split_text(text) if not _LINK_ALONE.fullmatch(block.text))
    return list(_introduce(list(_own_paragraphs(blocks)), heading, is_mail=is_mail))


def _read_header(text: str) -> str:
    header = _HEADER.match(text)
    return header[0] if header else ""


def _split_text(text: str) -> Iterator[Block]:
    """Yield the blocks of a text without what they have of each other."""
    place = 0
    for fence in _FENCE.finditer(text):
        yield from _split_prose(text[place : fence.start()])
        yield Block("code", fence["code"].strip("\n"))
        place = fence.end()
    yield from _split_prose(text[place:])


def _split_prose(text: str) -> Iterator[Block]:
    current: Block | None = None
    for line in text.splitlines():
        if current and current.kind == "row" and _TABLE_RULE.fullmatch(line.strip()):
            current = replace(current, kind="head")
            continue
        begun = _begin_block(line)
        if current and begun and _hangs_below(current, begun):
            if _is_section(current.text):
                current = replace(current, kind="heading")
            else:
                begun = replace(begun, kind="definition")
        elif current and begun and _goes_on(current, begun):
            current = replace(current, text=f"{current.text} {begun.text}")
            continue
        if current:
            yield current
        current = begun
    if current:
        yield current


def _begin_block(line: str) -> Block | None:
    """Return the block that a line would begin; None for a line without words."""
    bare = line.strip()
    if _RULE.fullmatch(bare) or _TABLE_RULE.fullmatch(bare):
        return None
    indent = len(line) - len(line.lstrip())
    for kind, pattern in _BEGINNINGS:
        if found := pattern.fullmatch(bare):
            is_quoted = kind == "quoted"
            return Block(kind, found["text"], found["depth"].count(">") if is_quoted else indent)
    return Block("text", bare, indent)


def _hangs_below(current: Block, begun: Block) -> bool:
    """Tell whether a line explains the short one above it, as its indentation shows."""
    is_text = current.kind == begun.kind == "text"
    ends = current.text.endswith((*_ENDS, ":", ",", ";")) or len(current.text) > _LONGEST_HANGING
    return is_text and begun.indent > current.indent + 1 and not ends


def _is_section(text: str) -> bool:
    """Tell whether a line has the capitals of a section of a manual page."""
    return text.isupper() and all(word.isalpha() for word in text.split()) and len(text) > 1


def _goes_on(current: Block, begun: Block) -> bool:
    """Tell whether a line goes on with the block of the line before it."""
    if begun.kind == "quoted":
        return (current.kind, current.indent) == (begun.kind, begun.indent)
    if current.kind == "definition" and begun.indent < current.indent:
        return False
    return begun.kind == "text" and current.kind in {"text", "item", "definition"}


def _own_paragraphs(blocks: Iterator[Block]) -> Iterator[Block]:
    """Give items and definitions the paragraphs that are indented below them.

    An address that stands alone goes on with what is above it.
    """
    above: Block | None = None
    for group, block in enumerate(blocks):
        is_below = above and above.kind in {"item", "definition"} and block.indent > above.indent
        if above and is_below and block.kind == "text":
            yield replace(above, text=block.text)
        elif above and above.kind == "text" and _ADDRESS.fullmatch(block.text):
            yield replace(block, group=above.group)
        else:
            above = replace(block, group=group)
            yield above


def _introduce(blocks: Sequence[Block], heading: str, *, is_mail: bool) -> Iterator[Block]:
    """Yield the blocks with headings and leads; a lead that introduces nothing says nothing.

    What a mail quotes stands above its reply as a heading does.
    """
    lead, term = "", ""
    head: list[str] = []
    for block, following in zip_longest(blocks, blocks[1:]):
        match block.kind:
            case "heading":
                heading, lead = block.text, ""
            case "head":
                head = _split_cells(block.text)
                yield replace(block, text=" | ".join(head), heading=heading)
            case "text" if _is_term(block, following):
                term = block.text
            case "text" if not lead and not is_mail and _is_title(block, following):
                heading = block.text
            case "text":
                is_lead = _introduces(block, following)
                yield replace(block, heading=heading, lead=lead, introduces=is_lead)
                lead = block.text if is_lead else ""
            case "definition":
                yield replace(block, heading=heading, lead=term)
            case "quoted" if is_mail:
                yield replace(block, heading=heading)
                heading, lead = block.text[-_LONGEST_TITLE:], ""
            case "row" | "item" | "quoted" | "code":
                row = _write_row(block.text, head) if block.kind == "row" else block.text
                yield replace(block, text=row, heading=heading, lead=lead)
                lead = lead if block.kind in {"row", "item"} else ""
            case _:
                assert_never(block.kind)


def _introduces(block: Block, following: Block | None) -> bool:
    """Tell whether a text breaks off before what it introduces."""
    if following and following.kind == "code":
        return not block.text.endswith(_ENDS)
    return block.text.endswith(":")


def _is_title(block: Block, following: Block | None) -> bool:
    """Tell whether a text stands above another as a heading, though it is not written as one."""
    if not following or following.kind not in {"text", "item", "row", "head", "definition"}:
        return False
    text, is_bold = block.text.strip("*"), bool(_BOLD.fullmatch(block.text))
    is_short = len(text) <= _LONGEST_TITLE and (is_bold or not _SAYS_MORE.search(text))
    return is_short and not text.endswith((*_ENDS, ":", ",", ";"))


def _is_term(block: Block, following: Block | None) -> bool:
    return bool(following and following.kind == "definition" and len(block.text) <= _LONGEST_TERM)


def _split_cells(row: str) -> list[str]:
    return [cell.strip() for cell in _CELL.split(row.strip("| "))]


def _write_row(row: str, head: Sequence[str]) -> str:
    """Write a row of a table with the name of each column before its cell."""
    cells = _split_cells(row)
    if len(head) != len(cells) or not row.startswith("|"):
        return row
    pairs = zip(head, cells, strict=True)
    return "; ".join(f"{name}: {cell}" if name else cell for name, cell in pairs if cell)
