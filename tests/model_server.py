"""A local server that speaks the OpenAI and the Ollama protocol and follows a script."""

import json
import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from fake_models import hashed_words, pieces


@dataclass(frozen=True)
class Fault:
    """What goes wrong instead of, or before, an ordinary reply."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    wait: float = 0  # seconds of silence before anything is sent


@dataclass(frozen=True)
class CutStream:
    """A stream that breaks off after `words` words; politely when it ends without an error."""

    text: str
    words: int = 2
    polite: bool = False
    wait: float = 0  # seconds of silence before it breaks off


@dataclass(frozen=True)
class PausedStream:
    """A stream that is silent behind `words` words, until it is told to go on to its end."""

    text: str
    go_on: threading.Event
    words: int = 2


@dataclass(frozen=True)
class Vectors:
    """Embeddings as given, whatever was asked for."""

    values: list[list[float]]


@dataclass(frozen=True)
class Message:
    """A 200 answer whose JSON body is given whole."""

    body: dict[str, Any]


Reply = str | Fault | CutStream | PausedStream | Vectors | Message
HANG = Fault(wait=60)
MALFORMED = Fault(body='{"choices": [{"mess')
NO_CHOICES = Message({"id": "x", "object": "chat.completion", "choices": [], "model": "fake"})
SERVER_ERROR = Fault(500, body='{"error": {"message": "the machine is on fire"}}')
BAD_KEY = Fault(401, body='{"error": {"message": "Incorrect API key provided: sk-canary"}}')
TOO_LONG = Fault(400, body='{"error": {"message": "too long", "code": "context_length_exceeded"}}')
NO_QUOTA = Fault(429, body='{"error": {"message": "pay first", "code": "insufficient_quota"}}')
NO_PATH = Fault(404, {"content-type": "text/html"}, "<html>Not Found</html>")
WEB_PAGE = Fault(200, {"content-type": "text/html"}, "<html>Welcome</html>")
UNKNOWN_MODEL = Fault(404, body='{"error": {"message": "model not found"}}')
UNKNOWN_OLLAMA_MODEL = Fault(404, body='{"error": "model \\"fake\\" not found"}')
NAN = Vectors([[math.nan] * 8])


def rate_limited(retry_after: float = 0.01) -> Fault:
    body = '{"error": {"message": "Rate limit reached", "code": "rate_limit_exceeded"}}'
    return Fault(429, {"retry-after": str(retry_after)}, body)


@dataclass(frozen=True)
class Request:
    path: str
    body: dict[str, Any]
    headers: dict[str, str]


class FakeModels:
    """Give one scripted reply a request; what a server of models would do otherwise.

    Each request for a chat or for embeddings takes the next reply of `script`, which may be a
    callable of the request; after the last one `default` answers chats, and embeddings are
    hashed words of `dimensions` dimensions, or of as many as `sizes` says of a model. `requests`
    remembers everything that was asked.
    """

    def __init__(self, *script: Reply | Callable[[Request], Reply], default: str = "Fine.") -> None:
        self.script = list(script)
        self.default = default
        self.dimensions = 8
        self.sizes: dict[str, int] = {}
        self.models = ["fake"]
        self.keep_alive = False
        self.requests: list[Request] = []
        self.closing = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.fake = self  # type: ignore[attr-defined]  # how a handler finds its script
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )

    @property
    def url(self) -> str:
        """The base URL of the Ollama protocol."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def openai_url(self) -> str:
        return f"{self.url}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def next_reply(self, request: Request) -> Reply | None:
        if not self.script:
            return None
        reply = self.script.pop(0)
        return reply(request) if callable(reply) else reply


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        pass

    @property
    def fake(self) -> FakeModels:
        return self.server.fake  # type: ignore[attr-defined]  # set by FakeModels

    def do_GET(self) -> None:
        self._record({})
        models = self.fake.models
        if self.path == "/v1/models":
            self._send_json(
                {"object": "list", "data": [{"id": m, "object": "model"} for m in models]}
            )
        else:
            self._send_json({"models": [{"name": m, "model": m} for m in models]})

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length", 0))
        request = self._record(json.loads(self.rfile.read(length) or b"{}"))
        if self.path == "/api/show":
            self._send_json({"model_info": {"fake.context_length": 131072}, "capabilities": []})
            return
        reply = self.fake.next_reply(request)
        match reply:
            case Fault():
                self._fail(reply)
            case Message(body):
                self._send_json(body)
            case Vectors(values):
                self._send_vectors(values)
            case None if "embed" in self.path:
                self._send_vectors(self._embed(request.body))
            case CutStream() | PausedStream() | str() | None:
                self._chat(request, self.fake.default if reply is None else reply)

    def _record(self, body: dict[str, Any]) -> Request:
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.path, body, headers)
        self.fake.requests.append(request)
        return request

    def _fail(self, fault: Fault) -> None:
        if self.fake.closing.wait(fault.wait):
            return
        self._send(fault.status, fault.body.encode(), fault.headers)

    def _embed(self, body: dict[str, Any]) -> list[list[float]]:
        texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
        size = self.fake.sizes.get(body["model"], self.fake.dimensions)
        return [hashed_words(text, size) for text in texts]

    def _send_vectors(self, vectors: Sequence[Sequence[float]]) -> None:
        if self.path == "/api/embed":
            self._send_json({"model": "fake", "embeddings": vectors})
            return
        data = [
            {"object": "embedding", "index": i, "embedding": vector}
            for i, vector in enumerate(vectors)
        ]
        usage = {"prompt_tokens": 1, "total_tokens": 1}
        self._send_json({"object": "list", "data": data, "model": "fake", "usage": usage})

    def _chat(self, request: Request, reply: str | CutStream | PausedStream) -> None:
        ollama = self.path == "/api/chat"
        if request.body.get("stream", False):
            self._stream(reply, _ollama_part if ollama else _openai_part)
            return
        text = reply if isinstance(reply, str) else reply.text
        self._send_json(_ollama_whole(text) if ollama else _openai_whole(text))

    def _stream(
        self, reply: str | CutStream | PausedStream, part: Callable[[str, bool], str]
    ) -> None:
        words = pieces(reply if isinstance(reply, str) else reply.text)
        first = len(words) if isinstance(reply, str) else reply.words
        self.send_response(200)
        self.send_header("transfer-encoding", "chunked")
        self.send_header("connection", "close")
        self.end_headers()
        for word in words[:first]:
            self._send_chunk(part(word, False))
        if isinstance(reply, CutStream):
            self.fake.closing.wait(reply.wait)
            if reply.polite:
                self.wfile.write(b"0\r\n\r\n")
            return
        if isinstance(reply, PausedStream):
            assert reply.go_on.wait(60), "nobody told the model to go on"
        for word in words[first:]:
            self._send_chunk(part(word, False))
        self._send_chunk(part("", True))
        self.wfile.write(b"0\r\n\r\n")

    def _send_chunk(self, text: str) -> None:
        self.wfile.write(f"{len(text.encode()):x}\r\n{text}\r\n".encode())

    def _send_json(self, body: dict[str, Any]) -> None:
        self._send(200, json.dumps(body).encode(), {})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"content-type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        if not self.fake.keep_alive:
            self.send_header("connection", "close")
        self.end_headers()
        self.wfile.write(body)


def _openai_whole(text: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {
        "id": "x",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": "fake",
        "choices": [choice],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }


def _openai_part(text: str, last: bool) -> str:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": "stop" if last else None}
    part = {
        "id": "x",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "fake",
        "choices": [choice],
    }
    return f"data: {json.dumps(part)}\n\n" + ("data: [DONE]\n\n" if last else "")


def _ollama_whole(text: str, *, done: bool = True) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    return {"model": "fake", "created_at": "2026-01-01T00:00:00Z", "message": message, "done": done}


def _ollama_part(text: str, last: bool) -> str:
    return json.dumps(_ollama_whole(text, done=last)) + "\n"
