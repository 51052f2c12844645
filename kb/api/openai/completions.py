"""Chat completions and text completions, whole and in chunks."""

import secrets
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final

from kb.api.openai.bodies import ChatCompletionBody, CompletionBody
from kb.api.problems import Problem, error_to_problem, problem_to_openai_error
from kb.api.sse import to_json_line

if TYPE_CHECKING:
    from kb.api.openai.reply import Reply

_DONE: Final = b"data: [DONE]\n\n"


class Completing:
    """The completion of one reply; a chat's is a message, with links to the passages it cites."""

    def __init__(self, body: ChatCompletionBody | CompletionBody, reply: "Reply") -> None:
        self._reply = reply
        self._is_chat = isinstance(body, ChatCompletionBody)
        self._wants_usage = body.wants_usage
        prefix, self._kind = ("chatcmpl", "chat.completion") if self._is_chat else ("cmpl", "")
        self._about = {
            "id": f"{prefix}-{secrets.token_hex(12)}",
            "created": int(time.time()),
            "model": body.model,
        }

    async def make_whole(self) -> dict[str, Any]:
        text = await self._reply.read_text()
        said: dict[str, Any] = {"text": text}
        if self._is_chat:
            annotations = to_chat_annotations(self._reply.links)
            message = {"role": "assistant", "content": text, "annotations": annotations}
            said = {"message": message | {"refusal": None}}
        return {
            **self._make_envelope(said, self._reply.finish_reason, self._kind),
            "usage": make_usage(self._reply.tokens),
            **self._reply.evidence,
        }

    async def stream_chunks(self) -> AsyncGenerator[bytes, None]:
        try:
            async with aclosing(self._make_chunks()) as chunks:
                async for chunk in chunks:
                    yield _format_event(chunk)
        except Exception as error:  # noqa: BLE001 - whatever it is, the client is told
            yield format_problem(error_to_problem(error))
        yield _DONE

    async def _make_chunks(self) -> AsyncGenerator[dict[str, Any], None]:
        if self._is_chat:
            yield self._make_chunk({"role": "assistant", "content": ""})
        async with aclosing(self._reply.stream_text()) as pieces:
            async for piece in pieces:
                yield self._make_chunk({"content": piece})
        links = to_chat_annotations(self._reply.links)
        end: dict[str, Any] = {"annotations": links} if links and self._is_chat else {}
        last = self._make_chunk(end, self._reply.finish_reason)
        yield last | self._reply.evidence
        if self._wants_usage:
            yield self._make_chunk({}) | {"choices": [], "usage": make_usage(self._reply.tokens)}

    def _make_chunk(
        self, delta: Mapping[str, Any], finish_reason: str | None = None
    ) -> dict[str, Any]:
        said = {"delta": delta} if self._is_chat else {"text": delta.get("content", "")}
        return self._make_envelope(said, finish_reason, f"{self._kind}.chunk")

    def _make_envelope(
        self, said: Mapping[str, Any], finish_reason: str | None, kind: str
    ) -> dict[str, Any]:
        choice = {"index": 0, **said, "finish_reason": finish_reason, "logprobs": None}
        what = kind if self._is_chat else "text_completion"
        return {**self._about, "object": what, "choices": [choice]}


def to_chat_annotations(links: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return links as messages of chats hold them."""
    return [
        {"type": kind, kind: {key: value for key, value in link.items() if key != "type"}}
        for link in links
        for kind in [link["type"]]
    ]


def make_usage(tokens: tuple[int, int]) -> dict[str, int]:
    prompt, completion = tokens
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }


def format_problem(problem: Problem) -> bytes:
    return _format_event(problem_to_openai_error(problem))


def _format_event(value: Mapping[str, Any]) -> bytes:
    return f"data: {to_json_line(value)}\n\n".encode()
