"""The passages that a search of the log found, as they are indexed now."""

from dataclasses import dataclass

from llama_index.core.schema import NodeWithScore
from llama_index.core.vector_stores.types import MetadataFilters

from stores.chunks.vector_store import MariaDBVectorStore
from stores.searches.search_log import SearchLog


@dataclass(frozen=True)
class ConsideredPassage:
    """A passage with its `rank` from 1; `citation` is its number in the answer, if that cites it.

    `passage` is None where it is not indexed any more, or not for whoever asks.
    """

    rank: int
    score: float
    citation: int | None
    passage: NodeWithScore | None


def list_considered(
    log: SearchLog,
    store: MariaDBVectorStore,
    search_id: str,
    filters: MetadataFilters | None = None,
    user: str | None = None,
) -> list[ConsideredPassage]:
    """List what a search found, the best first; a `user` sees their own searches alone.

    Raises StoreError for a search that is not in the log.
    """
    hits = log.list_hits(log.find(search_id, user).id)
    nodes = store.get_nodes([hit.chunk_id for hit in hits], filters)
    known = {node.node_id: node for node in nodes}
    return [
        ConsideredPassage(
            rank,
            hit.score,
            hit.citation,
            NodeWithScore(node=known[hit.chunk_id], score=hit.score)
            if hit.chunk_id in known
            else None,
        )
        for rank, hit in enumerate(hits, start=1)
    ]
