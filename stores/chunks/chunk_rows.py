"""LlamaIndex nodes <-> rows of a chunk table. A node comes back as it went in."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from llama_index.core.schema import (
    BaseNode,
    Document,
    ImageNode,
    IndexNode,
    MediaResource,
    MetadataMode,
    Node,
    NodeRelationship,
    TextNode,
)
from pydantic import ValidationError
from pydantic_core import from_json  # several times faster than json.loads

from stores.chunks import vectors
from stores.errors import InvalidVector, StoreError
from stores.plain_json import write_plain_json

MAXIMUM_ID = 512
_CLASSES: dict[str, type[BaseNode]] = {
    kind.class_name(): kind for kind in (TextNode, IndexNode, ImageNode, Node, Document)
}
KEPT_BY_INDEXES = {IndexNode.class_name(), ImageNode.class_name()}
_OWN_COLUMNS = {"id_", "metadata", "embedding"}
_SOURCE = str(NodeRelationship.SOURCE.value)
_BEGUN = "of_document"  # the rest of an id that begins with that of the document
_SHOWN_TO_ALL = "shown"
_SHOWN = {"excluded_embed_metadata_keys": "embedded", "excluded_llm_metadata_keys": "told"}
_SUBCLASS = "subclass"  # what a class of a program's own adds to one of LlamaIndex's
NOT_IMPORTED = ("_node_class", "_node_fields")  # metadata that tell of it where it is unknown


def node_to_row(node: BaseNode, dimension: int) -> dict[str, Any]:
    """Make the row of a node. Raises StoreError or InvalidVector, naming the node."""
    _check_ids(node)
    text = node.get_content(metadata_mode=MetadataMode.NONE)
    return {
        "chunk_id": node.node_id,
        "document_id": node.ref_doc_id,
        "text": _require_unicode(text, node),
        "metadata": _write_json(node.metadata, node),
        "node": _write_json(_dump_remainder(node, text), node),
        "embedding": _require_embedding(node, dimension),
        "text_hash": hash_text(node.get_content(metadata_mode=MetadataMode.EMBED)),
    }


def row_to_node(row: Any, *, embedding: bool = False) -> BaseNode:
    """Make the node of a row; what an earlier kb wrote has more in its column `node`.

    A class of a program's own that this process has not imported comes back as the class of
    LlamaIndex's that it is one of; what it adds is in the metadata NOT_IMPORTED, which no model is
    shown. Raises StoreError when it is imported, and does not take what was stored.
    """
    metadata, fields = from_json(row.metadata), from_json(row.node)
    subclass = fields.pop(_SUBCLASS, None)
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
        fields.setdefault("text", row.text)
    if embedding:
        fields["embedding"] = vectors.from_bytes(row.embedding)
    if subclass:
        return _make_subclass_node(node_class, fields, **subclass)
    return node_class.from_dict(fields)


def _make_subclass_node(
    base: type[BaseNode], fields: dict[str, Any], name: str, own: dict[str, Any]
) -> BaseNode:
    for node_class in _list_subclasses(base):
        if _name_class(node_class) == name:
            try:
                return node_class.from_dict(fields | own)
            except ValidationError as error:
                raise StoreError(
                    f"The node {fields['id_']!r} was stored as a {name} that had other fields: "
                    f"{error}. Give those that are new a default, or add the node again."
                ) from error
    told = zip(NOT_IMPORTED, (name, own), strict=True)
    hidden = {key: [*fields.get(key, ()), *NOT_IMPORTED] for key in _SHOWN}
    return base.from_dict(fields | hidden | {"metadata": fields["metadata"] | dict(told)})


def _list_subclasses(base: type[BaseNode]) -> Iterator[type[BaseNode]]:
    """List all classes below one that this process knows, of two by one name first the newer."""
    for node_class in reversed(base.__subclasses__()):
        yield node_class
        yield from _list_subclasses(node_class)


def _name_class(node_class: type[BaseNode]) -> str:
    return f"{node_class.__module__}.{node_class.__qualname__}"


def hash_text(text: str) -> bytes:
    """Make what a text is found again by, in 16 bytes."""
    return hashlib.sha256(text.encode()).digest()[:16]


def _check_ids(node: BaseNode) -> None:
    for name, value in (("id", node.node_id), ("ref_doc_id", node.ref_doc_id)):
        if value is not None and len(value) > MAXIMUM_ID:
            raise StoreError(
                f"The {name} {value[:60]!r}… has {len(value)} characters; {MAXIMUM_ID} are kept."
            )
    if not isinstance(node, tuple(_CLASSES.values())):
        raise StoreError(
            f"The node {node.node_id!r} is a {type(node).__name__}; {', '.join(_CLASSES)} can be "
            "stored, and what is derived from them."
        )


def _dump_remainder(node: BaseNode, text: str) -> dict[str, Any]:
    """Dump what the other columns do not hold, without what is as it always is."""
    remainder = _dump_fields(node)
    if remainder.get("text") == text:
        del remainder["text"]
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


def _dump_fields(node: BaseNode) -> dict[str, Any]:
    """Dump the fields that LlamaIndex's own class has, and apart those that a subclass adds.

    Of a subclass all of them, as its defaults may be others, and other ones tomorrow.
    """
    node_class = type(node)
    base = next(
        each
        for each in node_class.__mro__
        if issubclass(each, BaseNode) and each in _CLASSES.values()
    )
    try:
        fields = node.model_dump(
            mode="json", exclude=_OWN_COLUMNS, exclude_defaults=node_class is base
        )
    except ValueError as error:
        raise StoreError(
            f"The node {node.node_id!r} holds fields that JSON cannot express: {error}"
        ) from error
    dumped = {name: value for name, value in fields.items() if name in base.model_fields}
    for name, value in dumped.items():
        match getattr(node, name):
            case MediaResource(data=bytes(data)):  # base64, which a dump leaves out
                value["data"] = data.decode()
    if base is not TextNode:
        dumped["class_name"] = base.class_name()
    if node_class is not base:
        added = {*node_class.model_fields, *(node.model_extra or ())} - base.model_fields.keys()
        own = {name: value for name, value in fields.items() if name in added}
        dumped[_SUBCLASS] = {"name": _name_class(node_class), "own": own}
    return dumped


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
