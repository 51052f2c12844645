"""Pack the pieces of a section into chunks that make sense alone."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from os.path import commonprefix

from kb.indexing.document import Chunk, Kind, Section
from kb.indexing.pieces import CAP, TARGET, Piece, find_line_offsets, split_text_into_pieces

TINY = 200
"""Characters below which a section, or the rest of one, prefers company."""

_Group = list[Piece]
_Path = tuple[str, ...]


def split_section_into_chunks(section: Section, kind: Kind) -> Iterator[Chunk]:
    """Yield the chunks of a section in order."""
    offsets = find_line_offsets(section.text)
    pieces = split_text_into_pieces(section.text, kind, section.above)
    for group in _join_tiny_groups(_join_wordless_groups(section, _group_by_heading(pieces))):
        for packed in _pack_chunks(group):
            yield _group_to_chunk(section, packed, offsets)


def _group_by_heading(pieces: Iterable[Piece]) -> Iterator[_Group]:
    """Group what stands under one heading; a heading without text goes with the next below it."""
    group: _Group = []
    for piece in pieces:
        if piece.is_heading and group and not _introduces(group[-1], piece):
            yield group
            group = []
        group.append(piece)
    if group:
        yield group


def _introduces(upper: Piece, lower: Piece) -> bool:
    """Tell whether a heading without text stands over the heading after it."""
    return upper.is_heading and upper.path != lower.path and _begins_with(lower.path, upper.path)


def _begins_with(path: _Path, beginning: _Path) -> bool:
    return path[: len(beginning)] == beginning


def _join_wordless_groups(section: Section, groups: Iterable[_Group]) -> Iterator[_Group]:
    """Join figures and signs without a word to what stands before them, under whatever heading."""
    before: _Group = []
    for group in groups:
        text = "".join(section.text[p.start : p.end] for p in group if not p.is_heading)
        says_something = any(map(str.isalpha, text)) or not text
        if before and (says_something or _measure_group([before[0], group[-1]]) > CAP):
            yield before
            before = []
        before = before + group
    if before:
        yield before


def _join_tiny_groups(groups: Iterable[_Group]) -> Iterator[_Group]:
    """Join neighbours that belong together, so that tiny groups do not stand alone."""
    joined: _Group = []
    for group in groups:
        if joined and _belong_together(joined, group):
            joined = joined + group
        else:
            if joined:
                yield joined
            joined = group
    if joined:
        yield joined


def _belong_together(left: _Group, right: _Group) -> bool:
    """Tell whether to join two tiny neighbours, or a tiny one with what it begins or ends."""
    left_path, right_path = _find_common_path(left), _find_common_path(right)
    if (
        not left_path
        or left_path[:1] != right_path[:1]
        or _measure_group([left[0], right[-1]]) > TARGET
    ):
        return False
    tiny = {_measure_group(left) < TINY, _measure_group(right) < TINY}
    return tiny == {True} or (True in tiny and _begins_with(right_path, left_path))


def _pack_chunks(group: _Group) -> Iterator[_Group]:
    """Fill chunks up to TARGET; the leading headings do not count, for they leave the text."""
    leading = next((at for at, piece in enumerate(group) if not piece.is_heading), len(group))
    headings, body = group[:leading], group[leading:]
    packed: list[_Group] = []
    for piece in body:
        if packed and _has_room(packed[-1], piece):
            packed[-1].append(piece)
        else:
            packed.append([piece])
    if (
        len(packed) > 1
        and _measure_group(packed[-1]) < TINY
        and _measure_group([packed[-2][0], packed[-1][-1]]) <= CAP
    ):
        rest = packed.pop()
        packed[-1] += rest
    if not packed:
        return iter([headings])
    packed[0] = headings + packed[0]
    return iter(packed)


def _has_room(packed: _Group, piece: Piece) -> bool:
    """Tell whether a chunk stays small enough with another piece; a tiny one grows up to CAP."""
    size = _measure_group([packed[0], piece])
    return size <= TARGET or (_measure_group(packed) < TINY and size <= CAP)


def _measure_group(group: _Group) -> int:
    """Return how many characters a chunk of these pieces has."""
    first, last = group[0], group[-1]
    return len(first.opener) + last.end - first.start + len(last.closer)


def _find_common_path(group: _Group) -> _Path:
    """Return the headings over all of a group, not counting those that only lead to others."""
    paths = [
        piece.path
        for piece, following in zip(group, [*group[1:], None], strict=True)
        if not (piece.is_heading and following and _begins_with(following.path, piece.path))
    ]
    return tuple(commonprefix(paths))  # noqa: RUF071 - of tuples it compares the elements


def _group_to_chunk(section: Section, group: _Group, offsets: list[int]) -> Chunk:
    """Make a chunk of a group, without the leading headings that the chunk's path names."""
    path = _find_common_path(group)
    body = next(
        (
            at
            for at, piece in enumerate(group)
            if not (piece.is_heading and _begins_with(path, piece.path))
        ),
        len(group) - 1,
    )
    top, bottom = _trim_span(section.text, group[0].start, group[-1].end)
    start, _ = _trim_span(section.text, group[body].start, bottom)
    return Chunk(
        start=start,
        end=bottom,
        headings=path,
        lines=_find_file_lines(section, offsets, top, bottom),
        opener=group[body].opener,
        closer=group[-1].closer,
    )


def _trim_span(text: str, start: int, end: int) -> tuple[int, int]:
    """Move the bounds of a span past empty lines at its beginning and blanks at its end."""
    end = start + len(text[start:end].rstrip())
    return end - len(text[start:end].lstrip("\n")), end


def _find_file_lines(section: Section, offsets: list[int], start: int, end: int) -> str | None:
    """Return the lines of the file that a span covers, as `12-30`; None when unknown."""
    if section.first_line is None:
        return None
    first, last = (section.first_line + bisect_right(offsets, at) - 1 for at in (start, end - 1))
    return f"{max(first, 1)}-{max(last, 1)}"  # above the first row of a sheet stands its name
