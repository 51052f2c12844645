"""Clients that ask, chat, upload and index, and send again only what may be sent again."""

import json
import random
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
from cluster import REPLICA_SECONDS, Cluster, Machine
from ledger import Document, Ledger, Turn

PATIENCE: Final = REPLICA_SECONDS + 5  # seconds until each server finds what another one wrote
_AGAIN: Final = (502, 503)
_GIVE_UP: Final = 180  # seconds
_OTHER_TURN: Final = 20  # seconds that a turn is waited for that is said to be answered
_JOB_SECONDS: Final = 300
Part = dict[str, Any]


class Refused(Exception):
    """A request failed that was not to be sent again, or was sent again for too long."""


@dataclass
class Client:
    """One of them, with a connection pool of its own, which ends when `over` is set."""

    cluster: Cluster
    ledger: Ledger
    over: threading.Event
    number: int
    http: httpx.Client = field(init=False)
    chance: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.http = httpx.Client(headers=self.cluster.headers, timeout=60)
        self.chance = random.Random(self.ledger.seed * 100 + self.number)

    def run(self, step: Callable[["Client"], None]) -> None:
        """Do a step again and again; what goes wrong is a fault, and the next step comes."""
        with self.http:
            while not self.over.is_set():
                try:
                    step(self)
                except Refused as refused:
                    self.ledger.blame(str(refused))
                except Exception as error:
                    self.ledger.blame(
                        f"{threading.current_thread().name}: {type(error).__name__}: {error}"
                    )
                    raise
                self.over.wait(self.chance.uniform(0.02, 0.3))

    def send(self, method: str, path: str, *, base: str = "", **content: Any) -> httpx.Response:
        """Send a request until it is answered by something else than "try again".

        Raises Refused for any other error, and after three minutes.
        """
        return self._repeat(
            f"{method} {path}",
            lambda: self.http.request(method, (base or self.cluster.url) + path, **content),
        )

    def stream(self, path: str, body: Mapping[str, Any]) -> str:
        """Ask for an answer as it is written, again if it breaks off; return its text."""

        def ask() -> httpx.Response:
            url = self.cluster.url + path
            with self.http.stream("POST", url, json={**body, "stream": True}) as reply:
                if reply.status_code != 200:
                    reply.read()
                    return reply
                return _end_stream("".join(reply.iter_text()))

        return self._repeat(f"POST {path}, streamed", ask).text

    def _repeat(self, what: str, ask: Callable[[], httpx.Response]) -> httpx.Response:
        begun, waits = time.monotonic(), 0.2
        while True:
            try:
                reply = ask()
                trouble = f"{reply.status_code} {reply.text[:300]}"
            except httpx.TransportError as error:
                reply, trouble = None, f"{type(error).__name__}: {error}"
            if reply is not None and reply.status_code not in _AGAIN:
                break
            if time.monotonic() - begun > _GIVE_UP:
                raise Refused(f"{what} is still refused after {_GIVE_UP} s: {trouble}")
            self.ledger.count("sent again")
            time.sleep(waits * self.chance.uniform(0.5, 1))
            waits = min(waits * 2, 3.0)
        self.ledger.count("requests")
        if time.monotonic() - begun > 1:
            self.ledger.count("requests of more than a second")
        if reply.is_error:
            raise Refused(f"{what}: {trouble}")
        return reply


def _end_stream(text: str) -> httpx.Response:
    """Return what a stream came to as if it had come at once; raise when it has no end."""
    events = [
        (event.split("\n")[0].removeprefix("event: "), json.loads(event.split("data: ", 1)[1]))
        for event in text.strip().split("\n\n")
        if "data: " in event
    ]
    match events[-1:]:
        case [("done", _)]:
            words = "".join(data["text"] for name, data in events if name == "token")
            return httpx.Response(200, text=words)
        case [("error", data)]:
            return httpx.Response(data["problem"]["status"], json=data)
    raise httpx.RemoteProtocolError("the stream has no end")


def ask_question(client: Client) -> None:
    """Ask for the code of a document, of which the answer has to be a version that was known."""
    document = client.ledger.choose(client.chance, known_for=PATIENCE)
    if document is None:
        return
    asked = time.monotonic()
    body = {"question": document.question, "source": "documents"}
    if client.chance.random() < 0.5:
        text = client.stream("/api/ask", body)
    else:
        text = client.send("POST", "/api/ask", json=body).json()["answer"]
    client.ledger.check_answer(document, text, asked, PATIENCE)
    client.ledger.count("questions answered")


def chat(client: Client) -> None:
    """Hold a session of some turns; what is answered has to be there at the end, once."""
    session = client.send("POST", "/api/sessions").json()["id"]
    for _ in range(client.chance.randint(2, 6)):
        document = client.ledger.choose(client.chance, known_for=PATIENCE)
        if document is None or client.over.is_set():
            return
        asked = time.monotonic()
        turn_id, answer = _take_turn(client, session, document.question)
        client.ledger.check_answer(document, answer, asked, PATIENCE)
        client.ledger.turns.append(Turn(session, turn_id, document.question, answer))
        client.ledger.count("turns answered")


def _take_turn(client: Client, session: str, question: str) -> tuple[str, str]:
    """Ask a turn, by one id until it is said that nobody else has it; return id and answer."""
    turn_id, begun = secrets.token_hex(8), time.monotonic()
    while True:
        body = {"message": question, "turn_id": turn_id, "source": "documents"}
        try:
            if client.chance.random() < 0.5:
                return turn_id, client.stream(f"/api/sessions/{session}/turns", body)
            reply = client.send("POST", f"/api/sessions/{session}/turns", json=body)
            return turn_id, reply.json()["answer"]
        except Refused as refused:
            if "turn_under_way" not in str(refused):
                raise
        client.ledger.count("turns said to be under way")
        time.sleep(1)
        if time.monotonic() - begun > _OTHER_TURN:  # as the problem says
            client.ledger.count("turns asked by another id")
            turn_id, begun = secrets.token_hex(8), time.monotonic()


def upload(client: Client) -> None:
    """Upload a new file or a new version of one, or remove one."""
    ledger, what = client.ledger, client.chance.random()
    if what < 0.1 and (document := ledger.choose(client.chance, "uploads", known_for=PATIENCE)):
        _remove(client, document)
        return
    is_new = what < 0.7
    document = None if is_new else ledger.choose(client.chance, "uploads")
    document = document or ledger.make_document("uploads")
    code = ledger.make_code()
    document.codes.append((code, None))
    files = {"files": (document.path, document.write(code))}
    # With `replace` the same request twice leaves what it leaves once.
    reply = client.send("POST", "/api/documents", files=files, data={"replace": "true"})
    document.kept = code
    ledger.count("uploads acknowledged")
    _follow_job(client, reply.json()["job"], [document])


def _remove(client: Client, document: Document) -> None:
    document.removed = False
    try:
        client.send("DELETE", f"/api/documents/{document.root}/{document.path}")
    except Refused as refused:  # it went through, and the answer to that was lost
        if "no_such_document" not in str(refused):
            raise
    document.removed = True
    client.ledger.count("removals acknowledged")


def index_directory(client: Client, machine: Machine) -> None:
    """Write and remove files of a machine's own directory, and have its server index them."""
    ledger, root = client.ledger, machine.documents.name
    written = [
        (client.chance.random() < 0.5 and ledger.choose(client.chance, root))
        or ledger.make_document(root)
        for _ in range(client.chance.randint(1, 12))
    ]
    for document in {document.path: document for document in written}.values():
        code = ledger.make_code()
        document.codes.append((code, None))
        (machine.documents / document.path).write_text(document.write(code))
    gone = ledger.choose(client.chance, root) if client.chance.random() < 0.2 else None
    if gone and gone not in written:
        gone.removed = False
        (machine.documents / gone.path).unlink()
    job = client.send("POST", "/api/jobs", base=machine.url, json={}).json()
    if _follow_job(client, job, list({d.path: d for d in written}.values())):
        ledger.count("directories indexed")
        if gone and gone not in written:
            gone.removed = True
    client.over.wait(client.chance.uniform(0, 3))


def _follow_job(client: Client, job: Part, documents: list[Document]) -> bool:
    """Wait for the end of a job; from then on its documents have to be found."""
    ends = time.monotonic() + _JOB_SECONDS
    while job["status"] not in ("done", "failed"):
        if time.monotonic() > ends:
            client.ledger.blame(f"the job {job['id']} does not end: {job}")
            return False
        time.sleep(0.3)
        job = client.send("GET", f"/api/jobs/{job['id']}").json()
    if job["status"] == "failed":
        client.ledger.blame(f"the job {job['id']} has failed: {job['error']}")
        return False
    if job["report"]["failed"]:
        client.ledger.blame(f"the job {job['id']} has not read {job['report']['failed']}")
    now = time.monotonic()
    for document in documents:
        code, _ = document.codes[-1]
        document.codes[-1] = code, now
    return True
