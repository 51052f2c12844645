"""Documents and passages as text to read."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import yaml
from llama_index.core.schema import BaseNode, MetadataMode

from kb.mcp.tool_results import chunk_uri, document_uri

_CHARACTERS: Final = 1_000_000  # of a document; the rest is read passage by passage


def document_of(chunk: BaseNode) -> str:
    return document_uri(chunk.metadata.get("root"), chunk.metadata.get("path"))


def text_of(chunk: BaseNode) -> str:
    return chunk.get_content(MetadataMode.NONE)


def whole_text(chunks: Iterable[BaseNode]) -> str:
    """The passages one after another, under their headings, which they do not repeat."""
    parts: list[str] = []
    headings, characters = "", 0
    for chunk in chunks:
        text, above = text_of(chunk), chunk.metadata.get("headings") or ""
        characters += len(text)
        if characters > _CHARACTERS and parts:
            parts.append(f"(The document goes on at {chunk_uri(chunk.node_id)})")
            break
        if above != headings and above:
            parts.append(f"## {above}")
        headings = above
        parts.append(text)
    return "\n\n".join(parts)


def with_front_matter(told: Mapping[str, Any], text: str) -> str:
    header = yaml.safe_dump(dict(told), allow_unicode=True, sort_keys=False)
    return f"---\n{header}---\n\n{text}\n"
