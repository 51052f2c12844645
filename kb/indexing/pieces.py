"""Text cut into pieces that a chunk may begin and end with."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markdown_it.tree import SyntaxTreeNode

from kb.indexing.document import Kind, Outline
from kb.indexing.markdown_blocks import block_tree, heading_level, heading_text, is_table_delimiter

TARGET = 1_000
"""Characters of a usual chunk: the best of 500 to 1,400 at an equal context."""
CAP = 2_000
"""Characters that no chunk exceeds."""
MAX_REPEATED = 300
"""Characters of a table's header, a fence's first line or a row's first field, if repeated."""

_PARAGRAPH = re.compile(r"\n[ \t]*\n+")
_SENTENCE = re.compile(r"(?<=[.!?…])[\"'”’»)\]]*\s+(?![a-zà-ÿ])|(?<=[。！？])")  # noqa: RUF001 - East Asian
_LINE = re.compile(r"\n")
_HTML_ROW = re.compile(r"(?<=</tr>)", re.IGNORECASE)
_TOP_LEVEL = re.compile(r"(?<=\n\n)(?=[^\s)\]}])")

_Span = tuple[int, int]
_Path = tuple[str, ...]


@dataclass(frozen=True)
class Piece:
    """A slice of a text; `opener` and `closer` complete it where a fence or a table was cut."""

    start: int
    end: int
    path: _Path = ()
    is_heading: bool = False
    opener: str = ""
    closer: str = ""


def pieces_of(text: str, kind: Kind, above: Outline = ()) -> Iterator[Piece]:
    """Yield pieces of at most CAP characters, in order; only blanks lie between them.

    `above` are the headings over the beginning of markdown.
    """
    if kind == "markdown":
        return _Markdown(text, above).pieces()
    if kind == "rows":
        return _rows(text)
    return _code(text) if kind == "code" else _prose(text, (0, len(text)))


def line_offsets(text: str) -> list[int]:
    """Return where each line begins, then where the text ends."""
    return [0, *(match.end() for match in _LINE.finditer(text)), len(text)]


def _cut(text: str, span: _Span, limit: int, bounds: Sequence[re.Pattern[str]]) -> Iterator[_Span]:
    """Cut what is longer than `limit` at the first of `bounds`, then at the next, then anywhere."""
    start, end = span
    if end - start <= limit:
        yield span
    elif not bounds:
        yield from _windows(text, span, limit)
    else:
        for part in _parts(text, span, bounds[0]):
            yield from _cut(text, part, limit, bounds[1:])


def _parts(text: str, span: _Span, bound: re.Pattern[str]) -> Iterator[_Span]:
    start, end = span
    return pairwise([start, *(match.end() for match in bound.finditer(text, start, end)), end])


def _windows(text: str, span: _Span, limit: int) -> Iterator[_Span]:
    start, end = span
    while end - start > limit:
        after_space = text.rfind(" ", start + limit // 2, start + limit) + 1
        cut = after_space or start + limit
        yield start, cut
        start = cut
    yield start, end


def _pieces(
    text: str, spans: Iterator[_Span], path: _Path = (), opener: str = "", closer: str = ""
) -> Iterator[Piece]:
    """Give every piece but the first the opener, every piece but the last the closer."""
    filled = [span for span in spans if text[slice(*span)].strip()]
    for number, (start, end) in enumerate(filled, start=1):
        yield Piece(
            start,
            end,
            path,
            opener=opener if number > 1 else "",
            closer=closer if number < len(filled) else "",
        )


def _prose(text: str, span: _Span, path: _Path = ()) -> Iterator[Piece]:
    return _pieces(text, _cut(text, span, TARGET, (_PARAGRAPH, _SENTENCE, _LINE)), path)


def _code(text: str) -> Iterator[Piece]:
    """Keep a function whole as long as it fits into a chunk."""
    for block in _parts(text, (0, len(text)), _TOP_LEVEL):
        yield from _pieces(text, _cut(text, block, CAP, (_PARAGRAPH, _LINE)))


def _rows(text: str) -> Iterator[Piece]:
    """Keep a row whole; of one that is too long every part begins with its first field."""
    path: _Path = ()
    for start, end in pairwise(line_offsets(text)):
        line = text[start:end]
        if line.startswith("# "):
            path = (line[2:].strip(),)
            yield Piece(start, end, path, is_heading=True)
        elif len(line) <= CAP:
            yield from _pieces(text, iter([(start, end)]), path)
        else:
            key = line.find("; ", 0, MAX_REPEATED) + 1 or line.find(": ", 0, MAX_REPEATED) + 1
            parts = _cut(text, (start, end), TARGET, (_SENTENCE,))
            yield from _pieces(text, parts, path, opener=f"{line[:key]} … " if key else "")


class _Markdown:
    """One pass over the blocks of a text, which collects the path of headings."""

    def __init__(self, text: str, above: Outline) -> None:
        self._text = text
        self._lines = line_offsets(text)
        self._headings = list(above)

    def pieces(self) -> Iterator[Piece]:
        yield from self._between(block_tree(self._text), (0, len(self._text)))

    @property
    def _path(self) -> _Path:
        return tuple(words for _, words in self._headings)

    def _between(self, nodes: Sequence[SyntaxTreeNode], span: _Span) -> Iterator[Piece]:
        """Yield the blocks of `span` and what the parser keeps to itself: link definitions."""
        position, stop = span
        for node in nodes:
            start, end = self._span(node)
            yield from self._prose((position, start))
            yield from self._block(node)
            position = end
        yield from self._prose((position, stop))

    def _span(self, node: SyntaxTreeNode) -> _Span:
        first, last = node.map or (0, 0)
        return self._lines[first], self._lines[last]

    def _prose(self, span: _Span) -> Iterator[Piece]:
        return _prose(self._text, span, self._path)

    def _block(self, node: SyntaxTreeNode) -> Iterator[Piece]:
        start, end = span = self._span(node)
        if node.level == 0 and (words := heading_text(node)):
            yield self._heading(heading_level(node), words, span)
        elif node.type in ("fence", "code_block"):
            yield from self._fence(node)
        elif node.type == "paragraph":
            yield from self._paragraph(node)
        elif node.type == "html_block":
            bounds = (_HTML_ROW, _LINE, _SENTENCE)
            yield from _pieces(self._text, _cut(self._text, span, CAP, bounds), self._path)
        elif end - start <= TARGET:
            yield Piece(start, end, self._path)
        else:
            yield from self._between([child for child in node.children if child.map], span)

    def _heading(self, level: int, words: str, span: _Span) -> Piece:
        while self._headings and self._headings[-1][0] >= level:
            self._headings.pop()
        self._headings.append((level, words))
        return Piece(*span, self._path, is_heading=True)

    def _fence(self, node: SyntaxTreeNode) -> Iterator[Piece]:
        start, end = span = self._span(node)
        if end - start <= CAP or not node.markup or len(node.markup) > MAX_REPEATED:
            return self._lines_of(span, CAP)
        first_line = self._text[start : self._text.index("\n", start) + 1]
        opener = first_line if len(first_line) <= MAX_REPEATED else f"{node.markup}\n"
        *spans, before_last, last = _cut(self._text, span, TARGET, (_LINE,))
        spans.append((before_last[0], last[1]))  # the closing line alone would be a poor piece
        return _pieces(self._text, iter(spans), self._path, opener, closer=f"\n{node.markup}")

    def _paragraph(self, node: SyntaxTreeNode) -> Iterator[Piece]:
        """Find the table in a paragraph: it reaches to the end."""
        start, end = self._span(node)
        first, last = node.map or (0, 0)
        for line in range(first + 1, last):
            if is_table_delimiter(self._text[self._lines[line] : self._lines[line + 1]]):
                header = self._lines[line - 1]
                yield from self._prose((start, header))
                yield from self._table((header, end), body=self._lines[line + 1])
                return
        yield from self._prose((start, end))

    def _table(self, span: _Span, body: int) -> Iterator[Piece]:
        start, end = span
        if end - start <= CAP or body - start > MAX_REPEATED:
            return self._lines_of(span, CAP)
        return self._lines_of(span, TARGET, opener=self._text[start:body])

    def _lines_of(self, span: _Span, limit: int, opener: str = "") -> Iterator[Piece]:
        return _pieces(self._text, _cut(self._text, span, limit, (_LINE,)), self._path, opener)
