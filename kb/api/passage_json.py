"""Passages as HTTP tells them."""

from collections.abc import Mapping
from typing import Any, Final

from llama_index.core.schema import BaseNode, MetadataMode

from engines.answer import find_sheet
from kb.cited_evidence import Evidence
from kb.document_files import Passage

_PLACE: Final = ("root", "path", "title", "headings", "page", "lines")


def passage_to_values(id: str, text: str, metadata: Mapping[str, Any]) -> dict[str, Any]:  # noqa: A002 - the name in the JSON
    """Return a passage with its title and its place in the document."""
    place = {name: metadata.get(name) for name in _PLACE}
    sheet = find_sheet(metadata)
    return {"id": id, **place, "sheet": sheet, "text": text, "metadata": dict(metadata)}


def surroundings_to_values(passage: Passage) -> dict[str, Any]:
    """Return a passage with those before and behind it."""
    return {
        **_node_to_values(passage.chunk),
        "before": [_node_to_values(node) for node in passage.before],
        "after": [_node_to_values(node) for node in passage.after],
    }


def evidence_to_values(evidence: Evidence) -> dict[str, Any]:
    """Return a cited passage as it was, and what is indexed in its place now."""
    kept, cited = evidence.kept, evidence.kept.passage
    return {
        **passage_to_values(cited.chunk, cited.text, cited.metadata),
        "number": cited.number,
        "state": evidence.state,
        "content_hash": kept.content_hash,
        "indexed_at": kept.indexed_at,
        "indexed_at_now": kept.indexed_at_now,
        "removed_at": kept.removed_at if evidence.state == "gone" else None,
        "root_now": kept.root_now,
        "path_now": kept.path_now,
        "now": evidence.now and surroundings_to_values(evidence.now),
    }


def _node_to_values(node: BaseNode) -> dict[str, Any]:
    return passage_to_values(node.node_id, node.get_content(MetadataMode.NONE), node.metadata)
