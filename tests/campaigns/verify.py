"""What was acknowledged has to be there at the end: in each database, and for who asks."""

import random
import time
from collections import defaultdict
from typing import Any, Final

import httpx
from cluster import Cluster
from ledger import Document, Ledger, Turn

from kb.app import KnowledgeBase
from kb.config.loading import load_config
from stores.connection import make_engine
from stores.private_server import PrivateServer

_SETTLING: Final = 120  # seconds until replicas have everything, and no job is left
_ROUNDED: Final = {"kb_search_hit"}
"""Tables whose FLOATs a replica rounds anew, from the text of a statement."""
_MOST_ASKED: Final = 300  # documents that each server is asked for


def verify_everything(cluster: Cluster, ledger: Ledger) -> float:
    """Blame whatever is not as it was acknowledged; return the seconds that took."""
    begun = time.monotonic()
    _await_end_of_jobs(cluster, ledger)
    _compare_databases(cluster, ledger)
    texts = _read_chunks(cluster)
    for document in ledger.documents.values():
        _verify_chunks(ledger, document, texts.pop((document.root, document.path), []))
    for root, path in texts:
        if path != "first.md":
            ledger.blame(f"{root}/{path} is there, and nobody wrote it")
    for machine in cluster.machines:
        with httpx.Client(base_url=machine.url, headers=cluster.headers, timeout=60) as http:
            _verify_originals(ledger, http)
            _verify_answers(ledger, http)
            _verify_sessions(ledger, http)
    return time.monotonic() - begun


def _read(server: PrivateServer, statement: str) -> list[Any]:
    engine = make_engine(server.url("kb"))
    try:
        with engine.connect() as connection:
            return list(connection.exec_driver_sql(statement).all())
    finally:
        engine.dispose()


def _await_end_of_jobs(cluster: Cluster, ledger: Ledger) -> None:
    jobs = "SELECT id, status, path FROM kb_job WHERE status IN ('queued', 'running')"
    for _ in range(_SETTLING):
        left = _read(cluster.primary, jobs)
        if not left:
            return
        time.sleep(1)
    ledger.blame(f"jobs that do not end: {left}")


def _compare_databases(cluster: Cluster, ledger: Ledger) -> None:
    """Compare all tables of the replicas with those of the primary, when nothing is on its way."""
    for number, replica in enumerate(cluster.replicas, 1):
        for _ in range(_SETTLING // 10):
            names = {table for (table,) in _read(cluster.primary, "SHOW TABLES")}
            tables = ", ".join(sorted(names - _ROUNDED))
            sums = [
                set(map(tuple, _read(server, f"CHECKSUM TABLE {tables}")))
                for server in (cluster.primary, replica)
            ]
            if sums[0] == sums[1]:
                ledger.count("tables of replicas that equal the primary's", len(sums[0]))
                break
            time.sleep(2)
        else:
            ledger.blame(f"replica {number} differs in {sums[0] ^ sums[1]}")


def _read_chunks(cluster: Cluster) -> dict[tuple[str, str], list[str]]:
    texts = defaultdict(list)
    with KnowledgeBase.open(load_config(cluster.machines[0].config)) as kb:
        for node in kb.vector_store.get_nodes():
            texts[node.metadata["root"], node.metadata["path"]].append(node.get_content())
    return texts


def _verify_chunks(ledger: Ledger, document: Document, texts: list[str]) -> None:
    place = f"{document.root}/{document.path}"
    if document.removed is not None:
        if document.removed and texts:
            ledger.blame(f"{place} was removed, and is still found")
        return
    right = document.list_codes(time.monotonic(), 0)
    told = [code for code, _ in document.codes if any(code in text for text in texts)]
    is_known = any(since for _, since in document.codes) or document.kept
    if is_known and (len(told) != 1 or told[0] not in right):
        ledger.blame(f"{place} is lost or not what was acknowledged: {right} expected, {told} told")
    ledger.count("documents found as acknowledged", int(bool(is_known)))


def _verify_originals(ledger: Ledger, http: httpx.Client) -> None:
    for document in ledger.documents.values():
        if document.kept and document.removed is None:
            place = f"/api/documents/{document.root}/{document.path}/original"
            text = http.get(place).text
            if not any(text == document.write(code) for code in document.list_kept()):
                ledger.blame(f"{place} of {http.base_url} is not what was uploaded: {text[:200]!r}")
            ledger.count("originals as uploaded, by each server")


def _verify_answers(ledger: Ledger, http: httpx.Client) -> None:
    known = [
        document
        for document in ledger.documents.values()
        if document.removed is None and any(since for _, since in document.codes)
    ]
    chosen = random.Random(ledger.seed).sample(known, min(len(known), _MOST_ASKED))
    for document in chosen:
        body = {"question": document.question, "source": "documents"}
        reply = http.post("/api/ask", json=body)
        text = reply.json()["answer"] if reply.is_success else reply.text
        ledger.check_answer(document, text, time.monotonic(), 0)
    ledger.count("questions asked at the end, of each server", len(chosen))


def _verify_sessions(ledger: Ledger, http: httpx.Client) -> None:
    sessions: dict[str, list[Turn]] = defaultdict(list)
    for turn in ledger.turns:
        sessions[turn.session].append(turn)
    for session, turns in sessions.items():
        reply = http.get(f"/api/sessions/{session}")
        stored = reply.json()["turns"] if reply.is_success else []
        for turn in turns:
            found = [(told["question"], told["answer"]) for told in stored if told["id"] == turn.id]
            if found != [(turn.question, turn.answer)]:
                ledger.blame(f"turn {turn.id} of {session} was answered {turn}, and is {found}")
        order = [told["id"] for told in stored if told["id"] in {turn.id for turn in turns}]
        if order != [turn.id for turn in turns]:
            ledger.blame(f"the turns of {session} are in another order: {order}")
        ledger.count("turns found as acknowledged, by each server", len(turns))
