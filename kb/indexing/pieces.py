"""Cut text into pieces that a chunk may begin and end with."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import assert_never

from markdown_it.tree import SyntaxTreeNode

from kb.indexing.document import Kind, Outline
from kb.indexing.markdown_blocks import (
    find_heading_level,
    find_heading_text,
    is_table_delimiter,
    parse_blocks,
)

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


def split_text_into_pieces(text: str, kind: Kind, above: Outline = ()) -> Iterator[Piece]:
    """Yield pieces of at most CAP characters, in order; only blanks lie between them.

    `above` are the headings over the beginning of a Markdown text.
    """
    whole = (0, len(text))
    match kind:
        case "markdown":
            yield from _Markdown(text, above).split_blocks()
        case "rows":
            yield from _split_rows(text)
        case "code":  # a function stays whole as long as it fits into a chunk
            for block in _split_at_bound(text, whole, _TOP_LEVEL):
                yield from _spans_to_pieces(text, _cut_span(text, block, CAP, (_PARAGRAPH, _LINE)))
        case "text":
            yield from _split_prose(text, whole)
        case _:
            assert_never(kind)


def find_line_offsets(text: str) -> list[int]:
    """Return the offset at which every line begins, then that of the end of the text."""
    return [0, *(match.end() for match in _LINE.finditer(text)), len(text)]


def _cut_span(
    text: str, span: _Span, limit: int, bounds: Sequence[re.Pattern[str]]
) -> Iterator[_Span]:
    """Cut what is longer than `limit` at the first of `bounds`, then at the next, then anywhere."""
    start, end = span
    if end - start <= limit:
        yield span
    elif not bounds:
        yield from _cut_anywhere(text, span, limit)
    else:
        for part in _split_at_bound(text, span, bounds[0]):
            yield from _cut_span(text, part, limit, bounds[1:])


def _split_at_bound(text: str, span: _Span, bound: re.Pattern[str]) -> Iterator[_Span]:
    """Yield the parts of a span that end where the pattern matches."""
    start, end = span
    return pairwise([start, *(match.end() for match in bound.finditer(text, start, end)), end])


def _cut_anywhere(text: str, span: _Span, limit: int) -> Iterator[_Span]:
    """Cut a span without bounds to the limit, after a space if there is one in the second half."""
    start, end = span
    while end - start > limit:
        after_space = text.rfind(" ", start + limit // 2, start + limit) + 1
        cut = after_space or start + limit
        yield start, cut
        start = cut
    yield start, end


def _spans_to_pieces(
    text: str, spans: Iterator[_Span], path: _Path = (), opener: str = "", closer: str = ""
) -> Iterator[Piece]:
    """Make pieces of the spans with text; where one text was cut, opener and closer complete them.

    All but the first piece get the opener, all but the last the closer.
    """
    filled = [span for span in spans if text[slice(*span)].strip()]
    for number, (start, end) in enumerate(filled, start=1):
        yield Piece(
            start,
            end,
            path,
            opener=opener if number > 1 else "",
            closer=closer if number < len(filled) else "",
        )


def _split_prose(text: str, span: _Span, path: _Path = ()) -> Iterator[Piece]:
    """Split a span into parts of at most TARGET: paragraphs, else sentences, else lines."""
    return _spans_to_pieces(
        text, _cut_span(text, span, TARGET, (_PARAGRAPH, _SENTENCE, _LINE)), path
    )


def _split_rows(text: str) -> Iterator[Piece]:
    """Split records into lines; the parts of one that is too long begin with its first field."""
    path: _Path = ()
    for start, end in pairwise(find_line_offsets(text)):
        line = text[start:end]
        if line.startswith("# "):
            path = (line[2:].strip(),)
            yield Piece(start, end, path, is_heading=True)
        elif len(line) <= CAP:
            yield from _spans_to_pieces(text, iter([(start, end)]), path)
        else:
            key = line.find("; ", 0, MAX_REPEATED) + 1 or line.find(": ", 0, MAX_REPEATED) + 1
            parts = _cut_span(text, (start, end), TARGET, (_SENTENCE,))
            yield from _spans_to_pieces(text, parts, path, opener=f"{line[:key]} … " if key else "")


class _Markdown:
    """One pass over the blocks of a text, which collects the path of headings."""

    def __init__(self, text: str, above: Outline) -> None:
        self._text = text
        self._lines = find_line_offsets(text)
        self._headings = list(above)

    def split_blocks(self) -> Iterator[Piece]:
        """Yield the pieces of the whole text."""
        yield from self._split_between(parse_blocks(self._text), (0, len(self._text)))

    @property
    def _current_path(self) -> _Path:
        """Return the headings over the block at which the pass is."""
        return tuple(words for _, words in self._headings)

    def _split_between(self, nodes: Sequence[SyntaxTreeNode], span: _Span) -> Iterator[Piece]:
        """Yield the blocks of `span` and what the parser keeps to itself: link definitions."""
        position, stop = span
        for node in nodes:
            start, end = self._find_span(node)
            yield from self._split_prose_here((position, start))
            yield from self._split_block(node)
            position = end
        yield from self._split_prose_here((position, stop))

    def _find_span(self, node: SyntaxTreeNode) -> _Span:
        first, last = node.map or (0, 0)
        return self._lines[first], self._lines[last]

    def _split_prose_here(self, span: _Span) -> Iterator[Piece]:
        return _split_prose(self._text, span, self._current_path)

    def _split_block(self, node: SyntaxTreeNode) -> Iterator[Piece]:
        start, end = span = self._find_span(node)
        if node.level == 0 and (words := find_heading_text(node)):
            yield self._enter_heading(find_heading_level(node), words, span)
        elif node.type in ("fence", "code_block"):
            yield from self._split_fence(node)
        elif node.type == "paragraph":
            yield from self._split_paragraph(node)
        elif node.type == "html_block":
            bounds = (_HTML_ROW, _LINE, _SENTENCE)
            yield from _spans_to_pieces(
                self._text, _cut_span(self._text, span, CAP, bounds), self._current_path
            )
        elif end - start <= TARGET:
            yield Piece(start, end, self._current_path)
        else:
            yield from self._split_between([child for child in node.children if child.map], span)

    def _enter_heading(self, level: int, words: str, span: _Span) -> Piece:
        """Leave the sections that a heading ends, and return the piece of the heading."""
        while self._headings and self._headings[-1][0] >= level:
            self._headings.pop()
        self._headings.append((level, words))
        return Piece(*span, self._current_path, is_heading=True)

    def _split_fence(self, node: SyntaxTreeNode) -> Iterator[Piece]:
        """Split code at its lines; each part is completed to a fence of its own."""
        start, end = span = self._find_span(node)
        if end - start <= CAP or not node.markup or len(node.markup) > MAX_REPEATED:
            return self._split_lines(span, CAP)
        first_line_end = self._text.find("\n", start, end) + 1
        if not first_line_end:  # the text ends within the line that opens the fence
            return self._split_lines(span, CAP)
        first_line = self._text[start:first_line_end]
        opener = first_line if len(first_line) <= MAX_REPEATED else f"{node.markup}\n"
        closer = f"\n{node.markup}"
        *spans, before_last, last = _cut_span(self._text, span, TARGET, (_LINE,))
        joined = (before_last[0], last[1])  # the closing line alone would be a poor piece
        fits = len(opener) + joined[1] - joined[0] + len(closer) <= CAP
        spans += [joined] if fits else [before_last, last]
        return _spans_to_pieces(self._text, iter(spans), self._current_path, opener, closer)

    def _split_paragraph(self, node: SyntaxTreeNode) -> Iterator[Piece]:
        """Split a paragraph; a table in it begins at its header and reaches to the end."""
        start, end = self._find_span(node)
        first, last = node.map or (0, 0)
        for line in range(first + 1, last):
            if is_table_delimiter(self._text[self._lines[line] : self._lines[line + 1]]):
                header = self._lines[line - 1]
                yield from self._split_prose_here((start, header))
                yield from self._split_table((header, end), body=self._lines[line + 1])
                return
        yield from self._split_prose_here((start, end))

    def _split_table(self, span: _Span, body: int) -> Iterator[Piece]:
        """Split a table at its rows; if its header is short, every part repeats it."""
        start, end = span
        if end - start <= CAP or body - start > MAX_REPEATED:
            return self._split_lines(span, CAP)
        return self._split_lines(span, TARGET, opener=self._text[start:body])

    def _split_lines(self, span: _Span, limit: int, opener: str = "") -> Iterator[Piece]:
        return _spans_to_pieces(
            self._text, _cut_span(self._text, span, limit, (_LINE,)), self._current_path, opener
        )
