"""Make LlamaIndex nodes of the chunks of a document."""

from itertools import pairwise
from typing import cast

from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode

from kb.indexing.document import Chunk, Metadata, ReadDocument, Section
from stores.registry.document_registry import chunk_prefix

EMBEDDED_KEYS = ("title", "headings")
"""Metadata that precedes the text for the embedding model and the LLM."""


def split_document(document: ReadDocument, document_id: str, part: int = 0) -> list[TextNode]:
    """Return the chunks of a document, or of a part of it, in order; `path` is left to the caller.

    `part` is where in the file that is, if it has files inside.
    """
    nodes: list[TextNode] = []
    prefix = chunk_prefix(document_id, part)
    for section in document.sections:
        for chunk in section.chunks:
            text = chunk.opener + section.text[chunk.start : chunk.end] + chunk.closer
            metadata = _make_chunk_metadata(document, section, chunk)
            nodes.append(_make_node(f"{prefix}{len(nodes):05d}", text, metadata))
    _link_nodes(nodes, document_id)
    return nodes


def _make_chunk_metadata(document: ReadDocument, section: Section, chunk: Chunk) -> Metadata:
    """Return what is known of a chunk, as it is stored; a heading that is the title is left out."""
    title = section.title or document.title
    metadata: Metadata = {"title": title}
    repeats_title = chunk.headings[:1] == (title,)
    if headings := chunk.headings[repeats_title:]:
        metadata["headings"] = " > ".join(headings)
    if section.page is not None:
        metadata["page"] = section.page
    if chunk.lines:
        metadata["lines"] = chunk.lines
    if document.language:
        metadata["language"] = document.language
    metadata["media_type"] = section.media_type or document.media_type
    metadata |= document.metadata
    metadata |= cast("Metadata", section.metadata)
    return metadata | {"part": section.part} if section.part else metadata


def _make_node(chunk_id: str, text: str, metadata: Metadata) -> TextNode:
    """Make a node whose text the models see with no metadata but title and headings."""
    hidden = ["path", *(key for key in metadata if key not in EMBEDDED_KEYS)]
    return TextNode(
        id_=chunk_id,
        text=text,
        metadata=metadata,
        metadata_template="{value}",
        excluded_embed_metadata_keys=hidden,
        excluded_llm_metadata_keys=hidden,
    )


def _link_nodes(nodes: list[TextNode], document_id: str) -> None:
    """Relate every node to its document and to its neighbours."""
    for node in nodes:
        node.relationships[NodeRelationship.SOURCE] = RelatedNodeInfo(node_id=document_id)
    for left, right in pairwise(nodes):
        left.relationships[NodeRelationship.NEXT] = RelatedNodeInfo(node_id=right.node_id)
        right.relationships[NodeRelationship.PREVIOUS] = RelatedNodeInfo(node_id=left.node_id)
