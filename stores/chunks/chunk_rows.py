"""LlamaIndex nodes <-> rows of a chunk table. A node comes back as it went in."""

import json
from typing import Any

from llama_index.core.schema import (
    BaseNode,
    Document,
    ImageNode,
    IndexNode,
    MetadataMode,
    Node,
    TextNode,
)
from pydantic_core import from_json  # several times faster than json.loads

from stores.chunks import vectors
from stores.errors import InvalidVector, StoreError

MAXIMUM_ID = 512
_CLASSES: dict[str, type[BaseNode]] = {
    kind.class_name(): kind for kind in (TextNode, IndexNode, ImageNode, Node, Document)
}
_OWN_COLUMNS = {"text", "metadata", "embedding"}


def node_to_row(node: BaseNode, dimension: int) -> dict[str, Any]:
    """Make the row of a node. Raises StoreError or InvalidVector, naming the node."""
    _check_ids(node)
    return {
        "chunk_id": node.node_id,
        "document_id": node.ref_doc_id,
        "text": _require_unicode(node.get_content(metadata_mode=MetadataMode.NONE), node),
        "metadata": _write_json(node.metadata, node),
        "node": _write_json(_dump_remainder(node), node),
        "embedding": _require_embedding(node, dimension),
    }


def row_to_node(row: Any, *, embedding: bool = False) -> BaseNode:
    remainder = from_json(row.node)
    node_class = _CLASSES[remainder.pop("class_name")]
    remainder["metadata"] = from_json(row.metadata)
    if issubclass(node_class, TextNode):
        remainder["text"] = row.text
    if embedding:
        remainder["embedding"] = vectors.from_bytes(row.embedding)
    return node_class.from_dict(remainder)


def _check_ids(node: BaseNode) -> None:
    for name, value in (("id", node.node_id), ("ref_doc_id", node.ref_doc_id)):
        if value is not None and len(value) > MAXIMUM_ID:
            raise StoreError(
                f"The {name} {value[:60]!r}… has {len(value)} characters; {MAXIMUM_ID} are kept."
            )
    if node.class_name() not in _CLASSES:
        raise StoreError(
            f"The node {node.node_id!r} is a {node.class_name()}; "
            f"{', '.join(_CLASSES)} can be stored."
        )


def _dump_remainder(node: BaseNode) -> dict[str, Any]:
    """Dump what the other columns do not hold, without fields that are as they always are."""
    fields = node.model_dump(exclude_defaults=True)
    own = {name: value for name, value in fields.items() if name not in _OWN_COLUMNS}
    return {**own, "id_": node.node_id, "class_name": node.class_name()}


def _write_json(value: dict[str, Any], node: BaseNode) -> str:
    try:
        return _require_unicode(json.dumps(value, ensure_ascii=False, allow_nan=False), node)
    except (TypeError, ValueError) as error:
        raise StoreError(
            f"The node {node.node_id!r} holds metadata that JSON cannot express: {error}"
        ) from error


def _require_unicode(text: str, node: BaseNode) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise StoreError(
            f"The node {node.node_id!r} holds text that is not Unicode (a lone surrogate)."
        ) from error
    return text


def _require_embedding(node: BaseNode, dimension: int) -> bytes:
    if node.embedding is None:
        raise InvalidVector(f"The node {node.node_id!r} has no embedding. Embed it before adding.")
    try:
        return vectors.to_bytes(node.embedding, dimension)
    except InvalidVector as error:
        raise InvalidVector(f"The node {node.node_id!r} cannot be stored: {error}") from error
