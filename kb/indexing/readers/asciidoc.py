"""Read AsciiDoc as Markdown, line by line."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from kb.indexing.charset import read_text_file
from kb.indexing.document import Extract, Section

_ATTRIBUTE: Final = re.compile(r":!?([\w-]+)!?:(?:\s+(.*))?$")
_REFERENCE: Final = re.compile(r"\{([\w-]+)\}")
_HEADING: Final = re.compile(r"(={1,6}|#{1,6})\s+(\S.*?)(?:\s+=+)?$")
_BLOCK_LINE: Final = re.compile(r"\[.*\]$")
_SOURCE: Final = re.compile(r"\[(?:source|,)(?:[\w%,]*?,)?\s*([\w+-]+)?.*\]$")
_COLUMNS: Final = re.compile(r"cols=\"?((\d+)\*|[^\"\]]*)")
_KINDS: Final = re.compile(r"\[(NOTE|TIP|IMPORTANT|WARNING|CAUTION)\b.*\]$")
_ADMONITION: Final = re.compile(r"(NOTE|TIP|IMPORTANT|WARNING|CAUTION):\s+(.*)$")
_CODE: Final = re.compile(r"(-{4,}|\.{4,}|`{3,})(\w*)$")
_OTHER_DELIMITER: Final = re.compile(r"(?:={4,}|\*{4,}|_{4,}|--|\+{4,})$")
_COMMENT_BLOCK: Final = re.compile(r"/{4,}$")
_LIST: Final = re.compile(r"(\*{1,5}|-|\.{1,5})\s+(\S.*)$")
_TERM: Final = re.compile(r"(\S.*?):{2,4}(?:\s+(.*))?$")
_DIRECTIVE: Final = re.compile(r"(?:include|ifdef|ifndef|ifeval|endif|toc|video|audio)::.*\]$")
_MACROS: Final = "xref|link|mailto|kbd|btn|menu|image|icon|footnote"
_INLINE: Final = (
    (re.compile(r"\[\[[^\[\]\n]*\]\]|\(\(\(?[^()\n]*\)?\)\)"), ""),
    (re.compile(r"<<[^<>,\n]*,([^<>\n]*)>>"), r"\1"),
    (re.compile(r"<<#?([^<>\n]*)>>"), r"\1"),
    (re.compile(rf"\b(?:{_MACROS}):{{1,2}}[^\s\[\]]*\[([^\[\]\n]*)\]"), r"\1"),
    (re.compile(r"\b(https?://[^\s\[\]]+)\[([^\[\]\n]+)\]"), r"[\2](\1)"),
    (re.compile(r"(?<![\w*])\*(?=\S)([^*\n]{1,300}?)(?<=\S)\*(?![\w*])"), r"**\1**"),
    (re.compile(r"\[[.#][\w.#-]*\](?=[#_*`])"), ""),
)  # fmt: skip


def read(path: Path) -> Extract:
    lines = _AsciiDoc(read_text_file(path).split("\n"))
    section = Section("\n".join(lines.convert()))
    return Extract(kind="markdown", sections=(section,))


class _AsciiDoc:
    """One pass over the lines of a text."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines
        self._attributes: dict[str, str] = {}
        self._fence = ""  # the line that ends the block of code or comment which is open
        self._is_comment = False
        self._language = ""
        self._columns = 0  # that a line above says that the table has

    def convert(self) -> Iterator[str]:
        """Yield the lines as Markdown."""
        table: list[str] | None = None
        for line in map(str.rstrip, self._lines):
            if self._fence:
                yield self._read_in_block(line)
            elif line.startswith("|===") and table is None:
                table = []
            elif line.startswith("|==="):
                yield from self._read_table(table or [])
                table = None
            elif table is not None:
                table.append(line)
            else:
                yield self._read_line(line)
        yield from self._read_table(table or [])

    def _read_in_block(self, line: str) -> str:
        """Return a line of code, nothing for one of a comment."""
        if line != self._fence:
            return "" if self._is_comment else line
        self._fence = ""
        return "" if self._is_comment else "```"

    def _read_table(self, lines: list[str]) -> Iterator[str]:
        """Yield the rows of a table, the first of which is its header."""
        cells: list[str] = []
        first = next((line for line in lines if line.strip()), "")
        for line in filter(None, lines):
            before, *others = line.split("|")
            if cells and before.strip():  # it goes on from the line above
                cells[-1] += f" {before.strip()}"
            cells += [cell.strip() for cell in others]
        columns = max(first.count("|"), 1)
        columns = self._columns if columns == 1 and self._columns else columns
        for at in range(0, len(cells), columns):
            row = " | ".join(map(self._read_inline, cells[at : at + columns]))
            yield f"| {row} |"
            if not at:
                yield "|" + " --- |" * columns
        self._columns = 0
        yield ""

    def _read_line(self, line: str) -> str:
        """Return a line outside of code and tables."""
        if code := _CODE.match(line):
            self._fence, self._is_comment = line.removesuffix(code[2]), False
            language, self._language = code[2] or self._language, ""
            return f"```{language}"
        if _COMMENT_BLOCK.match(line):
            self._fence, self._is_comment = line, True
            return ""
        if attribute := _ATTRIBUTE.match(line):
            self._attributes[attribute[1]] = attribute[2] or ""
            return ""
        if line.startswith("//") or line == "+" or _DIRECTIVE.match(line):
            return ""
        if _OTHER_DELIMITER.match(line):
            return ""
        return self._read_block_line(line)

    def _read_block_line(self, line: str) -> str:
        """Return a line that says what the next block is, or begins a paragraph of a kind."""
        if line.startswith("[") and _BLOCK_LINE.match(line):
            return self._read_attributes(line)
        if line.startswith(".") and line[1:2].isalnum():
            return f"**{self._read_inline(line[1:])}**"
        if heading := _HEADING.match(line):
            return f"{'#' * len(heading[1])} {self._read_inline(heading[2])}"
        if admonition := _ADMONITION.match(line):
            return f"**{admonition[1].capitalize()}:** {self._read_inline(admonition[2])}"
        return self._read_item(line)

    def _read_attributes(self, line: str) -> str:
        """Return the kind of an admonition; note the language of code, the columns of a table."""
        if source := _SOURCE.match(line):
            self._language = source[1] or ""
        if columns := _COLUMNS.search(line):
            self._columns = int(columns[2] or 0) or columns[1].count(",") + 1
        kind = _KINDS.match(line)
        return f"**{kind[1].capitalize()}**" if kind else ""

    def _read_item(self, line: str) -> str:
        """Return the item of a list, or else a line of text."""
        if item := _LIST.match(line.lstrip()):
            mark = "1." if item[1].startswith(".") else "-"
            return f"{'   ' * (len(item[1]) - 1)}{mark} {self._read_inline(item[2])}"
        if term := _TERM.match(line):
            return f"**{self._read_inline(term[1])}**: {self._read_inline(term[2] or '')}".rstrip()
        return self._read_inline(line)

    def _read_inline(self, text: str) -> str:
        """Return text with the references to attributes filled and its marks as in Markdown."""
        text = _REFERENCE.sub(lambda found: self._attributes.get(found[1], found[0]), text)
        parts = re.split(r"(`[^`\n]+`)", text)
        for at in range(0, len(parts), 2):
            for pattern, replacement in _INLINE:
                parts[at] = pattern.sub(replacement, parts[at])
        return "".join(parts)
