"""LlamaIndex nodes <-> rows of a chunk table. A node comes back as it went in."""

import hashlib
from collections.abc import Mapping
from typing import Any

from llama_index.core.schema import (
    BaseNode,
    Document,
    ImageNode,
    IndexNode,
    MetadataMode,
    Node,
    NodeRelationship,
    TextNode,
)
from pydantic_core import from_json  # several times faster than json.loads

from stores.chunks import vectors
from stores.errors import InvalidVector, StoreError
from stores.plain_json import write_plain_json

MAXIMUM_ID = 512
_CLASSES: dict[str, type[BaseNode]] = {
    kind.class_name(): kind for kind in (TextNode, IndexNode, ImageNode, Node, Document)
}
_OWN_COLUMNS = {"id_", "text", "metadata", "embedding"}
_SOURCE = str(NodeRelationship.SOURCE.value)
_BEGUN = "of_document"  # the rest of an id that begins with that of the document
_SHOWN_TO_ALL = "shown"
_SHOWN = {"excluded_embed_metadata_keys": "embedded", "excluded_llm_metadata_keys": "told"}


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
        "text_hash": hash_text(node.get_content(metadata_mode=MetadataMode.EMBED)),
    }


def row_to_node(row: Any, *, embedding: bool = False) -> BaseNode:
    """Make the node of a row; what an earlier kb wrote has more in its column `node`."""
    metadata, fields = from_json(row.metadata), from_json(row.node)
    if _SHOWN_TO_ALL in fields:
        fields |= dict.fromkeys(_SHOWN.values(), fields.pop(_SHOWN_TO_ALL))
    for hidden_name, shown_name in _SHOWN.items():
        if (shown := fields.pop(shown_name, None)) is not None:
            fields[hidden_name] = [key for key in metadata if key not in shown]
    node_class = _CLASSES[fields.pop("class_name", TextNode.class_name())]
    source = {} if row.document_id is None else {_SOURCE: row.document_id}
    relationships = {**source, **fields.get("relationships", {})}
    fields |= {
        "id_": row.chunk_id,
        "metadata": metadata,
        "relationships": _lengthen_relationships(relationships, row.document_id),
    }
    if issubclass(node_class, TextNode):
        fields["text"] = row.text
    if embedding:
        fields["embedding"] = vectors.from_bytes(row.embedding)
    return node_class.from_dict(fields)


def hash_text(text: str) -> bytes:
    """Make what a text is found again by, in 16 bytes."""
    return hashlib.sha256(text.encode()).digest()[:16]


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
    """Dump what the other columns do not hold, without what is as it always is."""
    fields = node.model_dump(exclude_defaults=True)
    remainder = {name: value for name, value in fields.items() if name not in _OWN_COLUMNS}
    if node.class_name() == TextNode.class_name():
        remainder.pop("class_name", None)
    relationships = _shorten_relationships(remainder.pop("relationships", {}), node.ref_doc_id)
    if relationships.get(_SOURCE) == {_BEGUN: ""}:
        del relationships[_SOURCE]
    if relationships:
        remainder["relationships"] = relationships
    for hidden_name, shown_name in _SHOWN.items():
        hidden = remainder.get(hidden_name)
        if hidden and hidden == [key for key in node.metadata if key in hidden]:
            del remainder[hidden_name]
            remainder[shown_name] = [key for key in node.metadata if key not in hidden]
    embedded, told = (remainder.get(name) for name in _SHOWN.values())
    if embedded is not None and embedded == told:
        remainder[_SHOWN_TO_ALL] = embedded
        for name in _SHOWN.values():
            del remainder[name]
    return remainder


def _shorten_relationships(
    relationships: Mapping[str, Any], document_id: str | None
) -> dict[str, Any]:
    """Write a related node as its id, less that of its document, where no more is known of it."""

    def shorten(related: Any) -> Any:
        if isinstance(related, list):
            return [shorten(each) for each in related]
        known = {name: value for name, value in related.items() if name != "class_name"}
        if known.keys() != {"node_id"}:
            return known
        if document_id is None or not known["node_id"].startswith(document_id):
            return known["node_id"]
        return {_BEGUN: known["node_id"].removeprefix(document_id)}

    return {name: shorten(related) for name, related in relationships.items()}


def _lengthen_relationships(
    relationships: Mapping[str, Any], document_id: str | None
) -> dict[str, Any]:
    """Read what `_shorten_relationships` wrote."""

    def lengthen(related: Any) -> Any:
        match related:
            case list():
                return [lengthen(each) for each in related]
            case str():
                return {"node_id": related}
            case {"of_document": rest}:  # _BEGUN
                return {"node_id": f"{document_id}{rest}"}
        return related

    return {name: lengthen(related) for name, related in relationships.items()}


def _write_json(value: dict[str, Any], node: BaseNode) -> str:
    try:
        return _require_unicode(write_plain_json(value), node)
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
