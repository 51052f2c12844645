"""A document as chunks that make sense alone."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from os.path import commonprefix

from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode

from kb.indexing.document import Metadata, ReadDocument, Section
from kb.indexing.pieces import CAP, TARGET, Piece, line_offsets, pieces_of

TINY = 200
"""Characters below which a section, or the rest of one, prefers company."""
EMBEDDED_KEYS = ("title", "headings")
"""Metadata that precedes the text for the embedding model and the LLM."""

_Group = list[Piece]


@dataclass(frozen=True)
class _Chunk:
    text: str
    path: tuple[str, ...]
    start: int
    end: int


def split(document: ReadDocument, document_id: str) -> list[TextNode]:
    """Return the chunks of a document in order; `path` is left to the caller."""
    nodes: list[TextNode] = []
    for section in document.sections:
        offsets = line_offsets(section.text)
        for chunk in _chunks(section.text, pieces_of(section.text, document.kind)):
            metadata = _metadata(document, section, chunk, offsets)
            nodes.append(_node(f"{document_id}:{len(nodes):05d}", chunk.text, metadata))
    _link(nodes, document_id)
    return nodes


def _metadata(
    document: ReadDocument, section: Section, chunk: _Chunk, offsets: list[int]
) -> Metadata:
    metadata: Metadata = {"title": document.title}
    path = chunk.path[1:] if chunk.path[:1] == (document.title,) else chunk.path
    if path:
        metadata["headings"] = " > ".join(path)
    if section.page is not None:
        metadata["page"] = section.page
    if section.first_line is not None:
        first, last = (bisect_right(offsets, at) - 1 for at in (chunk.start, chunk.end - 1))
        metadata["lines"] = f"{section.first_line + first}-{section.first_line + last}"
    if document.language:
        metadata["language"] = document.language
    return metadata | {"media_type": document.media_type} | document.metadata


def _node(chunk_id: str, text: str, metadata: Metadata) -> TextNode:
    hidden = ["path", *(key for key in metadata if key not in EMBEDDED_KEYS)]
    return TextNode(
        id_=chunk_id,
        text=text,
        metadata=metadata,
        metadata_template="{value}",
        excluded_embed_metadata_keys=hidden,
        excluded_llm_metadata_keys=hidden,
    )


def _link(nodes: list[TextNode], document_id: str) -> None:
    for node in nodes:
        node.relationships[NodeRelationship.SOURCE] = RelatedNodeInfo(node_id=document_id)
    for left, right in pairwise(nodes):
        left.relationships[NodeRelationship.NEXT] = RelatedNodeInfo(node_id=right.node_id)
        right.relationships[NodeRelationship.PREVIOUS] = RelatedNodeInfo(node_id=left.node_id)


def _chunks(text: str, pieces: Iterable[Piece]) -> Iterator[_Chunk]:
    for group in _with_tiny_ones_joined(_by_heading(pieces)):
        for packed in _packed(group):
            yield _chunk(text, packed)


def _by_heading(pieces: Iterable[Piece]) -> Iterator[_Group]:
    """Group what stands under one heading; a heading without text goes with the next below it."""
    group: _Group = []
    for piece in pieces:
        if piece.is_heading and group and not (group[-1].is_heading and _below(piece, group[-1])):
            yield group
            group = []
        group.append(piece)
    if group:
        yield group


def _below(lower: Piece, upper: Piece) -> bool:
    return len(lower.path) > len(upper.path) and lower.path[: len(upper.path)] == upper.path


def _with_tiny_ones_joined(groups: Iterable[_Group]) -> Iterator[_Group]:
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
    """Join tiny neighbours under one top heading, and a tiny one with what it begins or ends."""
    left_path, right_path = _common_path(left), _common_path(right)
    if not left_path or left_path[:1] != right_path[:1] or _size([left[0], right[-1]]) > TARGET:
        return False
    tiny = {_size(left) < TINY, _size(right) < TINY}
    return tiny == {True} or (True in tiny and right_path[: len(left_path)] == left_path)


def _packed(group: _Group) -> Iterator[_Group]:
    """Fill chunks up to TARGET; the leading headings do not count, for they leave the text."""
    leading = next((at for at, piece in enumerate(group) if not piece.is_heading), len(group))
    headings, body = group[:leading], group[leading:]
    packed: list[_Group] = []
    for piece in body:
        if packed and _fits(packed[-1], piece):
            packed[-1].append(piece)
        else:
            packed.append([piece])
    if (
        len(packed) > 1
        and _size(packed[-1]) < TINY
        and _size([packed[-2][0], packed[-1][-1]]) <= CAP
    ):
        rest = packed.pop()
        packed[-1] += rest
    if not packed:
        return iter([headings])
    packed[0] = headings + packed[0]
    return iter(packed)


def _fits(packed: _Group, piece: Piece) -> bool:
    size = _size([packed[0], piece])
    return size <= TARGET or (_size(packed) < TINY and size <= CAP)


def _size(group: _Group) -> int:
    first, last = group[0], group[-1]
    return len(first.opener) + last.end - first.start + len(last.closer)


def _common_path(group: _Group) -> tuple[str, ...]:
    paths = [piece.path for piece in group]
    return tuple(commonprefix(paths))  # noqa: RUF071 - of tuples it compares the elements


def _chunk(text: str, group: _Group) -> _Chunk:
    """Take the text without the leading headings that its path names."""
    path = _common_path(group)
    body = group
    while len(body) > 1 and body[0].is_heading and body[0].path == path[: len(body[0].path)]:
        body = body[1:]
    content = text[body[0].start : body[-1].end].strip("\n").rstrip()
    return _Chunk(
        text=body[0].opener + content + body[-1].closer,
        path=path,
        start=group[0].start,
        end=group[0].start + len(text[group[0].start : group[-1].end].rstrip()),
    )
