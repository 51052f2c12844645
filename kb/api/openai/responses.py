"""Responses: answers that the next one may go on from, whole and as events."""

import secrets
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from hashlib import sha256
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from kb.api.openai.bodies import ResponseBody
from kb.api.problem_codes import Code
from kb.api.problems import Problem, error_to_problem, problem_to_openai_error
from kb.api.sse import format_event

if TYPE_CHECKING:
    from kb.api.openai.reply import Reply

_BEFORE: Final = "resp_"
_BETWEEN: Final = "."


def make_response_id(session: str, turn: str) -> str:
    """Make the id of a response from the session and the turn in which it is stored."""
    return f"{_BEFORE}{session}{_BETWEEN}{turn}"


def read_response_id(response_id: str) -> tuple[str, str]:
    """Return the session and the turn of a stored response. Raises Problem 404."""
    session, _, turn = response_id.removeprefix(_BEFORE).rpartition(_BETWEEN)
    if not (response_id.startswith(_BEFORE) and session and turn):
        raise Problem(Code.NO_SUCH_RESPONSE, more={"param": "previous_response_id"})
    return session, turn


def make_turn_id(previous: str | None, question: str) -> str:
    """Make the id of a turn; a request that is sent again gets the same one, and its answer."""
    if previous is None:
        return secrets.token_hex(8)
    return sha256(f"{previous}\0{question}".encode()).hexdigest()[:16]


class Responding:
    """The response of one reply: one message with its text and links to what it cites."""

    def __init__(self, body: ResponseBody, reply: "Reply", response_id: str) -> None:
        self._body = body
        self._reply = reply
        self._id = response_id
        self._created = int(time.time())
        self._message = f"msg_{secrets.token_hex(12)}"
        self._numbers = count()

    async def make_whole(self) -> dict[str, Any]:
        return self._make_response(await self._reply.read_text())

    async def stream_events(self) -> AsyncGenerator[bytes, None]:
        try:
            async with aclosing(self._make_events()) as events:
                async for event in events:
                    yield event
        except Exception as error:  # noqa: BLE001 - whatever it is, the client is told
            problem = error_to_problem(error)
            failed = {"code": "server_error", "message": problem.in_words()}
            response = self._make_response("", "failed") | {"error": failed}
            yield self._format("failed", response=response)

    async def _make_events(self) -> AsyncGenerator[bytes, None]:
        yield self._format("created", response=self._make_response("", "in_progress"))
        yield self._format("in_progress", response=self._make_response("", "in_progress"))
        item = self._make_message("", "in_progress") | {"content": []}
        yield self._format("output_item.added", output_index=0, item=item)
        place = {"item_id": self._message, "output_index": 0, "content_index": 0}
        yield self._format("content_part.added", **place, part=_make_part("", []))
        text = ""
        async with aclosing(self._reply.stream_text()) as pieces:
            async for piece in pieces:
                text += piece
                yield self._format("output_text.delta", **place, delta=piece, logprobs=[])
        for index, link in enumerate(self._reply.links):
            yield self._format(
                "output_text.annotation.added", **place, annotation_index=index, annotation=link
            )
        yield self._format("output_text.done", **place, text=text, logprobs=[])
        yield self._format("content_part.done", **place, part=_make_part(text, self._reply.links))
        whole = self._make_response(text)
        yield self._format("output_item.done", output_index=0, item=whole["output"][0])
        yield self._format(whole["status"], response=whole)

    def format_problem(self, problem: Problem) -> bytes:
        told = problem_to_openai_error(problem)["error"]
        values = {key: told[key] for key in ("code", "message", "param")}
        return format_event(
            "error", {"type": "error", "sequence_number": next(self._numbers)} | values
        )

    def _format(self, name: str, **values: Any) -> bytes:
        kind = f"response.{name}"
        about = {"type": kind, "sequence_number": next(self._numbers)}
        return format_event(kind, about | values)

    def _make_response(self, text: str, status: str = "") -> dict[str, Any]:
        """Make the response; without a `status` it has ended, with all of its text."""
        is_cut = not status and self._reply.finish_reason == "length"
        ended = status or ("incomplete" if is_cut else "completed")
        prompt, completion = self._reply.tokens
        usage = {
            "input_tokens": prompt,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": completion,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": prompt + completion,
        }
        return {
            **({} if status else self._reply.evidence),
            "id": self._id,
            "object": "response",
            "created_at": self._created,
            "status": ended,
            "error": None,
            "incomplete_details": {"reason": "max_output_tokens"} if is_cut else None,
            "model": self._body.model,
            "output": [] if status else [self._make_message(text, ended)],
            "previous_response_id": self._body.previous_response_id,
            "store": self._reply.asked.turn is not None,
            "usage": None if status else usage,
            "max_output_tokens": self._body.max_output_tokens,
            "metadata": self._body.metadata or {},
            **_FIXED,
        }

    def _make_message(self, text: str, status: str) -> dict[str, Any]:
        return {
            "id": self._message,
            "type": "message",
            "role": "assistant",
            "status": status,
            "content": [_make_part(text, self._reply.links)],
        }


# What clients expect to find, and kb has no choice in.
_FIXED: Final[Mapping[str, Any]] = {
    "instructions": None,
    "parallel_tool_calls": False,
    "temperature": None,
    "top_p": None,
    "tool_choice": "none",
    "tools": [],
    "text": {"format": {"type": "text"}},
    "reasoning": {"effort": None, "summary": None},
    "truncation": "disabled",
    "user": None,
}


def _make_part(text: str, links: list[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": links, "logprobs": []}
