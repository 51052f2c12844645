"""Local servers that speak the protocols of other providers: from Anthropic to Voyage and Jina."""

import json
import struct
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias
from zlib import crc32

from fake_models import pieces
from model_server import CutStream, FakeModels, Fault, Handler, Reply, Request

KEY = "sk-canary"
LLM_MODELS = {
    "anthropic": "claude-sonnet-4-5-20250929",
    "mistral": "mistral-small-latest",
    "gemini": "gemini-2.5-flash",
    "azure-openai": "gpt-4o",
    "bedrock": "anthropic.claude-3-haiku-20240307-v1:0",
}
EMBEDDING_MODELS = {"cohere": "embed-v4.0", "voyage": "voyage-3.5"}


# What AWS calls its faults, by their status.
_AWS_FAULTS: Final = {
    401: "UnrecognizedClientException",
    429: "ThrottlingException",
    500: "InternalServerException",
}


@dataclass(frozen=True)
class FailingStream:
    """A stream of Bedrock in which an exception follows the text."""

    text: str
    exception: str


@dataclass(frozen=True)
class DamagedStream:
    """A stream of Bedrock in which a byte of the last frame was changed on the way."""

    text: str


@dataclass(frozen=True)
class StoppedText:
    """A whole answer of Bedrock, with the reason for which its model stopped."""

    text: str
    reason: str


_OfBedrock: TypeAlias = FailingStream | DamagedStream | StoppedText


class ProviderServer(FakeModels):
    """Answers by the protocol of a provider; `script` and `requests` are those of FakeModels."""

    def __init__(self, provider: str, *script: Reply | _OfBedrock) -> None:
        super().__init__(*script)  # type: ignore[arg-type]  # those of Bedrock are read below
        self.provider = provider
        self._server.RequestHandlerClass = _ProviderHandler


class _ProviderHandler(Handler):
    @property
    def fake(self) -> ProviderServer:
        return self.server.fake  # type: ignore[attr-defined]  # set by FakeModels

    def do_GET(self) -> None:  # noqa: N802 - the base class's name
        self._record({})
        names = self.fake.models
        if "/v1beta/" in self.path:
            self._send_json({"models": [{"name": f"models/{name}"} for name in names]})
        else:
            self._send_json({"data": [{"id": name} for name in names]})

    def do_POST(self) -> None:  # noqa: N802 - as above
        length = int(self.headers.get("content-length", 0))
        request = self._record(json.loads(self.rfile.read(length) or b"{}"))
        reply = self.fake.next_reply(request)
        if isinstance(reply, Fault):
            self._fail(reply)
        elif "/converse" in self.path:
            self._converse(self.fake.default if reply is None else reply)
        elif "embed" in self.path:
            vectors = self._embed({**request.body, "input": _texts_of(request)})
            self._send_json(_write_vectors(self.fake.provider, vectors))
        elif "rerank" in self.path:
            self._send_json(_write_ranks(self.fake.provider, request))
        else:
            self._write_reply(request, self.fake.default if reply is None else reply)

    def _write_reply(self, request: Request, reply: Reply) -> None:
        assert isinstance(reply, str | CutStream)
        write = {"anthropic": _anthropic, "gemini": _gemini}.get(self.fake.provider, _mistral)
        text = reply if isinstance(reply, str) else reply.text
        if not (request.body.get("stream") or "stream" in request.path):
            self._send_json(write(text)[0])
            return
        events = write(text)[1]
        is_cut = isinstance(reply, CutStream)
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.send_header("connection", "close")
        self.end_headers()
        for event in [one for one in events if not one.get("after")] if is_cut else events:
            name = f"event: {event['type']}\n" if "type" in event else ""
            body = {key: value for key, value in event.items() if key != "after"}
            self._send_chunk(f"{name}data: {json.dumps(body)}\n\n")
        if not is_cut or reply.polite:
            self.wfile.write(b"0\r\n\r\n")

    def _fail(self, fault: Fault) -> None:
        if self.fake.provider == "bedrock" and fault.status in _AWS_FAULTS:
            headers = {**fault.headers, "x-amzn-errortype": _AWS_FAULTS[fault.status]}
            fault = replace(fault, headers=headers)
        super()._fail(fault)

    def _converse(self, reply: Any) -> None:
        text = reply if isinstance(reply, str) else reply.text
        whole, events = _bedrock(text, getattr(reply, "reason", "end_turn"))
        if self.path.endswith("/converse"):
            self._send_json(whole)
            return
        if not isinstance(reply, str | StoppedText):
            events = [event for event in events if not event.get("after")]
        frames = [_write_frame("event", event["type"], event["data"]) for event in events]
        match reply:
            case CutStream(polite=False):
                frames[-1] = frames[-1][:-5]
            case DamagedStream():
                frames[-1] = frames[-1][:-5] + bytes([frames[-1][-5] ^ 1]) + frames[-1][-4:]
            case FailingStream(exception=name):
                frames.append(_write_frame("exception", name, {"message": "canary"}))
        self.send_response(200)
        self.send_header("content-type", "application/vnd.amazon.eventstream")
        self.send_header("transfer-encoding", "chunked")
        self.send_header("connection", "close")
        self.end_headers()
        for frame in frames:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(frame), frame))
        if not isinstance(reply, CutStream) or reply.polite:
            self.wfile.write(b"0\r\n\r\n")


def _write_frame(kind: str, name: str, data: dict[str, Any]) -> bytes:
    """Write a message of application/vnd.amazon.eventstream.

    It is the lengths of all and of the headers, their CRC, the headers, the payload, and the CRC
    of all of that. A header is the length of its name, the name, 7 for a text, and that with its
    length.
    """
    texts = {f":{kind}-type": name, ":message-type": kind, ":content-type": "application/json"}
    headers = b"".join(
        struct.pack("!B", len(key))
        + key.encode()
        + struct.pack("!BH", 7, len(text))
        + text.encode()
        for key, text in texts.items()
    )
    payload = json.dumps(data).encode()
    prelude = struct.pack("!II", 12 + len(headers) + len(payload) + 4, len(headers))
    message = prelude + struct.pack("!I", crc32(prelude)) + headers + payload
    return message + struct.pack("!I", crc32(message))


def _texts_of(request: Request) -> list[str]:
    texts = request.body.get("texts", request.body.get("input"))
    return [texts] if isinstance(texts, str) else texts


def _write_vectors(provider: str, vectors: list[list[float]]) -> dict[str, Any]:
    if provider == "cohere":
        return {"id": "x", "embeddings": {"float": vectors}, "texts": []}
    data = [{"index": i, "embedding": vector} for i, vector in enumerate(vectors)]
    return {"object": "list", "data": data, "model": "fake", "usage": {"total_tokens": 1}}


def _write_ranks(provider: str, request: Request) -> dict[str, Any]:
    """Rank the last document first."""
    count = len(request.body["documents"])
    ranks = [{"index": i, "relevance_score": i / count} for i in reversed(range(count))]
    name = "data" if provider == "voyage" else "results"
    return {"id": "x", name: ranks, "model": "fake", "usage": {"total_tokens": 1}}


def _anthropic(text: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A message whole, and as events; those of `after` are what a cut stream lacks."""
    usage = {"input_tokens": 11, "output_tokens": 7}
    message = {
        "id": "x",
        "type": "message",
        "role": "assistant",
        "model": "fake",
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": usage,
    }
    deltas = [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}}
        for word in pieces(text)
    ]
    begun = {**message, "content": [], "stop_reason": None}
    block = {
        "type": "content_block_start",
        "index": 0,
        "content_block": {"type": "text", "text": ""},
    }
    end = {"stop_reason": "end_turn", "stop_sequence": None}
    return message, [
        {"type": "message_start", "message": begun},
        block,
        *deltas,
        {"type": "content_block_stop", "index": 0, "after": True},
        {"type": "message_delta", "delta": end, "usage": usage, "after": True},
        {"type": "message_stop", "after": True},
    ]


def _mistral(text: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    usage = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
    head = {"id": "x", "object": "chat.completion", "created": 1, "model": "fake"}
    message = {"role": "assistant", "content": text}
    whole = {**head, "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}

    def part(word: str, reason: str | None) -> dict[str, Any]:
        delta = {"role": "assistant", "content": word}
        return {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}

    parts = [part(word, None) for word in pieces(text)]
    return {**whole, "usage": usage}, [*parts, {**part("", "stop"), "usage": usage, "after": True}]


def _gemini(text: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    usage = {"promptTokenCount": 11, "candidatesTokenCount": 7, "totalTokenCount": 18}

    def part(words: str, **more: Any) -> dict[str, Any]:
        content = {"role": "model", "parts": [{"text": words}]}
        return {"candidates": [{"content": content, "index": 0, **more}], "usageMetadata": usage}

    parts = [part(word) for word in pieces(text)]
    return part(text, finishReason="STOP"), [
        *parts,
        {**part("", finishReason="STOP"), "after": True},
    ]


def _bedrock(text: str, reason: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    usage = {"inputTokens": 11, "outputTokens": 7, "totalTokens": 18, "cacheReadInputTokens": 4}
    message = {"role": "assistant", "content": [{"text": text}]}
    whole = {"output": {"message": message}, "stopReason": reason, "usage": usage}
    deltas = [
        {"type": "contentBlockDelta", "data": {"contentBlockIndex": 0, "delta": {"text": word}}}
        for word in pieces(text)
    ]
    told = {"usage": usage, "metrics": {"latencyMs": 5}}
    return whole, [
        {"type": "messageStart", "data": {"role": "assistant"}},
        *deltas,
        {"type": "contentBlockStop", "data": {"contentBlockIndex": 0}, "after": True},
        {"type": "messageStop", "data": {"stopReason": reason}, "after": True},
        {"type": "metadata", "data": told, "after": True},
    ]
