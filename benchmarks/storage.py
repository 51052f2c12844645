"""What a chunk weighs in the database: bytes of each table, of directories that are indexed.

The vectors are random: their directions change nothing of their size. Bytes are those of the pages
in use, by the server's own figures; a small file on disk is up to some megabytes larger.
"""

import argparse
import os
import tempfile
from pathlib import Path

import numpy as np
import sqlalchemy as sa
from llama_index.core.base.embeddings.base import BaseEmbedding

from kb import KnowledgeBase
from kb.config.loading import load_config
from kb.config.sections import Config
from kb.indexing.embed import ChunkEmbedder
from kb.indexing.indexing_run import Indexer
from stores.registry.embedding_cache import EmbeddingCache

DIMENSION = 384
VECTOR_INDEX = sa.text(
    "SELECT MAX(stat_value) * @@innodb_page_size FROM mysql.innodb_index_stats "
    "WHERE database_name = DATABASE() AND table_name LIKE 'kb_chunk#i#%' AND stat_name = 'size'"
)
SIZES = sa.text(
    "SELECT table_name, data_length + index_length AS bytes FROM information_schema.tables "
    "WHERE table_schema = DATABASE() ORDER BY bytes DESC"
)


class RandomEmbedding(BaseEmbedding):
    """Vectors of length 1 in any direction."""

    def _get_text_embedding(self, text: str) -> list[float]:
        vector = np.random.default_rng(len(text)).normal(size=DIMENSION)
        direction: list[float] = (vector / np.linalg.norm(vector)).tolist()
        return direction

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_query_embedding(query)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directories", type=Path, nargs="+")
    directories = parser.parse_args().directories
    with tempfile.TemporaryDirectory(prefix="kb-bench-", dir="/tmp") as home:
        os.environ["KB_HOME"] = home
        config = Config(**{**dict(load_config()), "home": Path(home)})
        with KnowledgeBase.open(config) as kb:
            index_directories(kb, directories)
            print_sizes(kb)


def index_directories(kb: KnowledgeBase, directories: list[Path]) -> None:
    used = kb.components
    cache = EmbeddingCache(used.engine, "random", DIMENSION, used.registry.table)
    indexer = Indexer(used.registry, ChunkEmbedder(RandomEmbedding(), cache))
    for directory in directories:
        report = indexer.index(directory)
        print(f"{directory}: {report.added} documents, {report.chunks} chunks", flush=True)


def print_sizes(kb: KnowledgeBase) -> None:
    with kb.components.engine.connect() as connection:
        tables = ", ".join(connection.exec_driver_sql("SHOW TABLES").scalars())
        connection.exec_driver_sql(f"ANALYZE TABLE {tables}").all()
        sizes = {str(row.table_name): int(row.bytes) for row in connection.execute(SIZES)}
        chunks, text = connection.exec_driver_sql(
            "SELECT COUNT(*), SUM(LENGTH(text)) FROM kb_chunk"
        ).one()
        sizes["the vector index"] = int(connection.scalar(VECTOR_INDEX) or 0)
    print(f"{chunks} chunks of {text / chunks:.0f} bytes of text, bytes a chunk:")
    for table, size in sorted(sizes.items(), key=lambda each: -each[1])[:8]:
        print(f"{table:20} {size / chunks:7.0f}")
    print(f"{'all':20} {sum(sizes.values()) / chunks:7.0f}")


if __name__ == "__main__":
    main()
