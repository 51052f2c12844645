"""Tables as the public MariaDB integrations make them, and rows as they write them."""

import json
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import sqlalchemy as sa
from llama_index.core.schema import MetadataMode, NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.vector_stores.utils import node_to_metadata_dict

from stores.chunks import vectors
from stores.registry.script import run_script

Embed = Callable[[str], list[float]]

# langchain-mariadb 0.0.21, MariaDBStore.create_tables_if_not_exists
LANGCHAIN = """
CREATE TABLE IF NOT EXISTS langchain_embedding (id VARCHAR(36) NOT NULL DEFAULT UUID_v7() \
PRIMARY KEY,content TEXT,metadata JSON,embedding VECTOR({dimension}) NOT NULL,\
VECTOR INDEX idx_langchain_embedding_embedding_idx (embedding) ) ENGINE=InnoDB;
CREATE TABLE IF NOT EXISTS langchain_collection(id UUID NOT NULL DEFAULT UUID_v7() PRIMARY KEY,\
label VARCHAR(256),metadata JSON,UNIQUE KEY idx_langchain_collection_label (label));
ALTER TABLE langchain_embedding ADD COLUMN IF NOT EXISTS collection_id uuid, \
ADD CONSTRAINT FOREIGN KEY IF NOT EXISTS langchain_embedding_collection_id_fkey (collection_id) \
REFERENCES langchain_collection(id) ON DELETE CASCADE;
CREATE INDEX IF NOT EXISTS coll_id_idx ON langchain_embedding (collection_id);
"""
# llama-index-vector-stores-mariadb 0.6.0, MariaDBVectorStore._create_table_if_not_exists
LLAMAINDEX = """
CREATE TABLE IF NOT EXISTS `llamaindex` (
    id SERIAL PRIMARY KEY,
    node_id VARCHAR(255) NOT NULL,
    text TEXT,
    metadata JSON,
    embedding VECTOR({dimension}) NOT NULL,
    INDEX (`node_id`),
    VECTOR INDEX (embedding) M=6 DISTANCE=cosine
);
"""
# mariadb-haystack 1.0.0, _CREATE_TABLE_STATEMENT
HAYSTACK = """
CREATE TABLE IF NOT EXISTS `haystack_documents` (
    id VARCHAR(128) PRIMARY KEY,
    embedding VECTOR({dimension}),
    content LONGTEXT,
    blob_data LONGBLOB,
    blob_meta JSON,
    blob_mime_type VARCHAR(255),
    meta JSON,
    FULLTEXT KEY content_ft_idx (content)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
"""


def make_tables(engine: sa.Engine, statements: str, dimension: int) -> None:
    run_script(engine, statements.format(dimension=dimension))


def _insert(engine: sa.Engine, statement: str, rows: Sequence[dict[str, Any]]) -> None:
    with engine.begin() as connection:
        for row in rows:
            connection.execute(sa.text(statement), row)


def write_langchain(
    engine: sa.Engine, label: str, rows: Sequence[tuple[str, str, Any]], embed: Embed
) -> None:
    """Write rows of id, text and metadata into a collection, as `add_embeddings` does."""
    make = "INSERT INTO langchain_collection(label, metadata) VALUES (:label, 'null') RETURNING id"
    with engine.begin() as connection:
        collection = connection.scalar(sa.text(make), {"label": label})
    _insert(
        engine,
        "INSERT INTO langchain_embedding (id, content, metadata, embedding, collection_id) VALUES "
        "(:id, :text, :metadata, :vector, :collection)",
        [
            {
                "id": id_,
                "text": text,
                "metadata": json.dumps(metadata),
                "vector": to_bytes(embed(text)),
                "collection": str(collection),
            }
            for id_, text, metadata in rows
        ],
    )


def make_nodes(document: str, texts: Sequence[str], **metadata: Any) -> list[TextNode]:
    """Make nodes of one document that know their neighbours, as a node parser does."""
    nodes = [
        TextNode(
            id_=f"{document}-{len(texts) - number}", text=text, metadata={"n": number, **metadata}
        )
        for number, text in enumerate(texts)
    ]
    for node in nodes:
        node.relationships[NodeRelationship.SOURCE] = RelatedNodeInfo(node_id=document)
    for left, right in pairwise(nodes):
        left.relationships[NodeRelationship.NEXT] = RelatedNodeInfo(node_id=right.node_id)
        right.relationships[NodeRelationship.PREVIOUS] = RelatedNodeInfo(node_id=left.node_id)
    return nodes


def write_llamaindex(engine: sa.Engine, nodes: Sequence[TextNode], embed: Embed) -> None:
    """Write nodes as `add` does, embedded as an index embeds them."""
    _insert(
        engine,
        "INSERT INTO `llamaindex` (node_id, text, embedding, metadata) VALUES (:node_id, :text, "
        "VEC_FromText(:embedding), :metadata)",
        [
            {
                "node_id": node.node_id,
                "text": node.text,
                "embedding": json.dumps(embed(node.get_content(MetadataMode.EMBED))),
                "metadata": json.dumps(node_to_metadata_dict(node, remove_text=True)),
            }
            for node in nodes
        ],
    )


def write_haystack(
    engine: sa.Engine, rows: Sequence[tuple[str, str | None, Any]], embed: Embed | None
) -> None:
    """Write rows of id, text and meta, as `write_documents` does; without a vector if need be."""
    _insert(
        engine,
        "INSERT INTO `haystack_documents` (id, embedding, content, meta) VALUES (:id, :vector, "
        ":text, :meta)",
        [
            {
                "id": id_,
                "text": text,
                "meta": json.dumps(meta),
                "vector": to_bytes(embed(text)) if embed and text else None,
            }
            for id_, text, meta in rows
        ],
    )


def to_bytes(vector: list[float]) -> bytes:
    return vectors.to_bytes(vector, len(vector))
