"""What streams of OpenAI's form tell, each event as the OpenAPI document tells it."""

from collections.abc import Mapping
from functools import reduce
from operator import or_
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from kb.api.described import make_shape
from kb.api.openai.replies import (
    Annotation,
    AnyResponse,
    Empty,
    LinkedText,
    OutputMessage,
    OutputText,
    ResponseObject,
    Usage,
    WithEvidence,
)

Finish: TypeAlias = Literal["stop", "length"]


class ChatDelta(TypedDict, total=False):
    """First the role, then the text piece by piece, at last the passages that it cites."""

    role: Literal["assistant"]
    content: str
    annotations: list[Annotation]


class ChatPiece(BaseModel):
    index: int
    delta: ChatDelta
    finish_reason: None
    logprobs: None


class ChatEnd(BaseModel):
    index: int
    delta: ChatDelta
    finish_reason: Finish
    logprobs: None


class TextPiece(BaseModel):
    index: int
    text: str
    finish_reason: None
    logprobs: None


class TextEnd(BaseModel):
    index: int
    text: str
    finish_reason: Finish
    logprobs: None


class _Chunk(TypedDict):
    id: str
    created: int
    model: str


class _ChatChunk(_Chunk):
    object: Literal["chat.completion.chunk"]


class _TextChunk(_Chunk):
    object: Literal["text_completion"]


class ChatCompletionChunk(_ChatChunk):
    choices: list[ChatPiece]


class ChatCompletionEnd(WithEvidence, _ChatChunk):
    """The last chunk with a choice."""

    choices: list[ChatEnd]


class ChatCompletionUsage(_ChatChunk):
    """The last chunk where `stream_options` ask for the usage."""

    choices: Annotated[list[ChatPiece], Field(max_length=0)]
    usage: Usage


class CompletionChunk(_TextChunk):
    choices: list[TextPiece]


class CompletionEnd(WithEvidence, _TextChunk):
    """The last chunk with a choice."""

    choices: list[TextEnd]


class CompletionUsage(_TextChunk):
    """The last chunk where `stream_options` ask for the usage."""

    choices: Annotated[list[TextPiece], Field(max_length=0)]
    usage: Usage


class ResponseFault(BaseModel):
    code: Literal["server_error"]
    message: str


class UnfinishedResponse(AnyResponse):
    """A response that has no text yet, or failed."""

    status: Literal["in_progress", "failed"]
    error: ResponseFault | None
    incomplete_details: None
    output: Empty
    usage: None


class BegunMessage(BaseModel):
    id: str
    type: Literal["message"]
    role: Literal["assistant"]
    status: Literal["in_progress"]
    content: Empty


_PLACE: Final = {"item_id": str, "output_index": int, "content_index": int}
# By their names behind `response.`, in their order.
_RESPONSE_EVENTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "created": {"response": UnfinishedResponse},
    "in_progress": {"response": UnfinishedResponse},
    "output_item.added": {"output_index": int, "item": BegunMessage},
    "content_part.added": {**_PLACE, "part": OutputText},
    "output_text.delta": {**_PLACE, "delta": str, "logprobs": Empty},
    "output_text.annotation.added": {
        **_PLACE,
        "annotation_index": int,
        "annotation": LinkedText,
    },
    "output_text.done": {**_PLACE, "text": str, "logprobs": Empty},
    "content_part.done": {**_PLACE, "part": OutputText},
    "output_item.done": {"output_index": int, "item": OutputMessage},
    "completed": {"response": ResponseObject},
    "incomplete": {"response": ResponseObject},
    "failed": {"response": UnfinishedResponse},
}


def make_openai_events(error: Any) -> dict[str, Any]:
    """Make the types of all events of each kind of stream, by their names; `error` ends any."""
    return {
        "ChatCompletionEvent": _make_chunk_event(
            "ChatCompletion", ChatCompletionChunk | ChatCompletionEnd | ChatCompletionUsage, error
        ),
        "CompletionEvent": _make_chunk_event(
            "Completion", CompletionChunk | CompletionEnd | CompletionUsage, error
        ),
        "ResponseEvent": _make_response_events(),
    }


def _make_chunk_event(name: str, chunk: Any, error: Any) -> Any:
    """Make the type of the events of chunks, which have no names."""
    return make_shape(f"{name}Event", {"data": chunk | error | Literal["[DONE]"]})


def _make_response_events() -> Any:
    events = [
        _make_response_event(f"response.{name}", name, values)
        for name, values in _RESPONSE_EVENTS.items()
    ]
    fault = {"code": str, "message": str, "param": str | None}
    return reduce(or_, [*events, _make_response_event("error", "error", fault)])


def _make_response_event(kind: str, name: str, values: Mapping[str, Any]) -> Any:
    title = "Response" + "".join(map(str.capitalize, name.replace(".", "_").split("_")))
    data = make_shape(f"{title}Data", {"type": Literal[kind], "sequence_number": int, **values})
    return make_shape(f"{title}Event", {"event": Literal[kind], "data": data})
