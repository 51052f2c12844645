"""Passages as HTTP tells them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from llama_index.core.schema import BaseNode, MetadataMode

from engines.answer import find_sheet
from kb.cited_evidence import Evidence, State
from kb.document_files import Passage

_PLACE: Final = ("root", "path", "title", "headings", "page", "lines")


@dataclass(frozen=True)
class PlacedPassage:
    """A passage with its title and its place in the document."""

    id: str
    root: str | None
    path: str | None
    title: str | None
    headings: str | None
    page: int | None
    lines: str | None
    sheet: str | None
    text: str
    metadata: Mapping[str, Any]


@dataclass(frozen=True)
class SurroundedPassage(PlacedPassage):
    """A passage with those before and behind it."""

    before: list[PlacedPassage]
    after: list[PlacedPassage]


@dataclass(frozen=True)
class CitedEvidence(PlacedPassage):
    """A passage as an answer cites it under its `number`, and what is indexed in its place `now`.

    `content_hash` and `indexed_at` are of the document as it was cited.
    """

    number: int
    state: State
    content_hash: str | None
    indexed_at: datetime | None
    indexed_at_now: datetime | None
    removed_at: datetime | None
    root_now: str | None
    path_now: str | None
    now: SurroundedPassage | None


def place_passage(id: str, text: str, metadata: Mapping[str, Any]) -> PlacedPassage:  # noqa: A002 - the name in the JSON
    """Return a passage with its title and its place in the document."""
    place = {name: metadata.get(name) for name in _PLACE}
    return PlacedPassage(
        id=id, **place, sheet=find_sheet(metadata), text=text, metadata=dict(metadata)
    )


def surround_passage(passage: Passage) -> SurroundedPassage:
    """Return a passage with those before and behind it."""
    return SurroundedPassage(
        **vars(_place_node(passage.chunk)),
        before=[_place_node(node) for node in passage.before],
        after=[_place_node(node) for node in passage.after],
    )


def describe_evidence(evidence: Evidence) -> CitedEvidence:
    """Return a cited passage as it was, and what is indexed in its place now."""
    kept, cited = evidence.kept, evidence.kept.passage
    return CitedEvidence(
        **vars(place_passage(cited.chunk, cited.text, cited.metadata)),
        number=cited.number,
        state=evidence.state,
        content_hash=kept.content_hash,
        indexed_at=kept.indexed_at,
        indexed_at_now=kept.indexed_at_now,
        removed_at=kept.removed_at if evidence.state == "gone" else None,
        root_now=kept.root_now,
        path_now=kept.path_now,
        now=surround_passage(evidence.now) if evidence.now else None,
    )


def _place_node(node: BaseNode) -> PlacedPassage:
    return place_passage(node.node_id, node.get_content(MetadataMode.NONE), node.metadata)
