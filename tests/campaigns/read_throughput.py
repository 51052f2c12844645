"""How many searches a second one replica and two carry, and what the busiest of them works."""

import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, Final

from cluster import Cluster
from ledger import Ledger
from llama_index.core.vector_stores import VectorStoreQuery
from llama_index.core.vector_stores.types import VectorStoreQueryMode
from parts import processor_ms

from kb.app import KnowledgeBase
from kb.config.loading import load_config

BAR: Final = 1.7
_CORES: Final = 8
"""From so many on the throughput itself is judged: clients need several times what servers do."""


def measure_reads(cluster: Cluster, ledger: Ledger, seconds: float) -> dict[str, Any]:
    """Measure hybrid searches by one replica and by two; blame two that carry less than the bar.

    What the busiest database server works for a search says the same where cores are few.
    """
    names = [document.name for document in ledger.documents.values()]
    measured = {
        f"with {number}": _search_with(cluster, number, names[:200], seconds) for number in (1, 2)
    }
    one, two = measured["with 1"], measured["with 2"]
    ratios = {
        "searches a second, two to one": round(two["searches/s"] / one["searches/s"], 2),
        "work of the busiest, one to two": round(one["busiest ms"] / two["busiest ms"], 2),
    }
    judged = (os.cpu_count() or 1) >= _CORES
    for what, ratio in ratios.items():
        if ratio < BAR and (judged or what.startswith("work")):
            ledger.blame(f"reads: {what} is {ratio}, and {BAR} was wanted")
    return {**measured, **ratios, "cores": os.cpu_count(), "throughput is judged": judged}


def _search_with(
    cluster: Cluster, replicas: int, names: list[str], seconds: float
) -> dict[str, Any]:
    servers = (cluster.primary, *cluster.replicas)
    clients = max(2, (os.cpu_count() or 2) - 2)
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(clients, mp_context=spawn) as pool:
        config = cluster.machines[0].config
        list(pool.map(_search, *zip(*[(config, replicas, names, 1.0)] * clients, strict=True)))
        before = [_work_of(server) for server in servers]
        arguments = [(config, replicas, names, seconds)] * clients
        searches = sum(pool.map(_search, *zip(*arguments, strict=True)))
        worked = [_work_of(server) - past for server, past in zip(servers, before, strict=True)]
    each = [round(ms / searches, 2) for ms in worked]
    return {
        "searches/s": round(searches / seconds, 1),
        "ms of primary and replicas a search": each,
        "busiest ms": max(each),
    }


def _work_of(server: Any) -> float:
    return processor_ms(server.status().pid)


def _search(config: Path, replicas: int, names: list[str], seconds: float) -> int:
    """Search for so long in a process of its own; return how often. Its vectors are made before."""
    loaded = load_config(config)
    database = loaded.database.model_copy(update={"replicas": loaded.database.replicas[:replicas]})
    with KnowledgeBase.open(loaded.model_copy(update={"database": database})) as kb:
        vectors = [kb.components.embed_model.get_query_embedding(name) for name in names[:50]]
        end, number = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            query = VectorStoreQuery(
                query_embedding=vectors[number % len(vectors)],
                query_str=names[number % len(vectors)],
                similarity_top_k=10,
                mode=VectorStoreQueryMode.HYBRID,
            )
            kb.vector_store.query(query)
            number += 1
    return number
