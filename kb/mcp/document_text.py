"""Documents and passages as text that a client reads."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import yaml
from llama_index.core.schema import BaseNode, MetadataMode

from kb.mcp.tool_results import chunk_uri, document_uri

_CHARACTERS: Final = 1_000_000  # of a document; the rest is read passage by passage


def chunk_document_uri(chunk: BaseNode) -> str:
    return document_uri(chunk.metadata.get("root"), chunk.metadata.get("path"))


def chunk_text(chunk: BaseNode) -> str:
    return chunk.get_content(MetadataMode.NONE)


def join_chunks(chunks: Iterable[BaseNode]) -> str:
    """Join the chunks of a document under their headings, which are not repeated."""
    parts: list[str] = []
    headings, characters = "", 0
    for chunk in chunks:
        text, above = chunk_text(chunk), chunk.metadata.get("headings") or ""
        characters += len(text)
        if characters > _CHARACTERS and parts:
            parts.append(f"(The document goes on at {chunk_uri(chunk.node_id)})")
            break
        if above != headings and above:
            parts.append(f"## {above}")
        headings = above
        parts.append(text)
    return "\n\n".join(parts)


def with_front_matter(metadata: Mapping[str, Any], text: str) -> str:
    header = yaml.safe_dump(dict(metadata), allow_unicode=True, sort_keys=False)
    return f"---\n{header}---\n\n{text}\n"
