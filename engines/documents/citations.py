"""Passages as a model reads them, numbered, and as an answer cites them."""

from collections.abc import Sequence

from llama_index.core.schema import MetadataMode, NodeWithScore

from engines.answer import Citation
from engines.shortening import shorten
from engines.visible_text import visible

_EXCERPT_CHARACTERS = 300


def numbered(passages: Sequence[NodeWithScore]) -> str:
    """The passages as a model reads them, counted from 1."""
    return "\n\n".join(
        f"[{number}] {_heading(passage)}\n{passage.get_content(MetadataMode.NONE)}"
        for number, passage in enumerate(passages, start=1)
    )


def citation(number: int, passage: NodeWithScore, excerpt: str | None = None) -> Citation:
    """Where a statement comes from: document, title, page or lines, score and excerpt."""
    metadata = passage.metadata
    text = " ".join(passage.get_content(MetadataMode.NONE).split())
    return Citation(
        number=number,
        document=metadata.get("path") or passage.node.ref_doc_id or passage.node_id,
        title=visible(str(metadata.get("title") or metadata.get("path") or "")),
        page=metadata.get("page"),
        lines=metadata.get("lines"),
        score=round(passage.get_score(), 4),
        excerpt=visible(excerpt or shorten(text, _EXCERPT_CHARACTERS)),
        root=metadata.get("root"),
        chunk=passage.node_id,
    )


def _heading(passage: NodeWithScore) -> str:
    metadata = passage.metadata
    parts = (metadata.get("title"), metadata.get("headings"), metadata.get("path"))
    return " · ".join(dict.fromkeys(str(part) for part in parts if part))
