"""What the endpoints of OpenAI's form reply, as its OpenAPI document tells it."""

from collections.abc import Mapping
from typing import Annotated, Literal, NotRequired

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from engines.answer import RouteName
from kb.api.answer_shapes import Cell, CitationValues


class AnyModel(BaseModel):
    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class Models(BaseModel):
    object: Literal["list"]
    data: list[AnyModel]


class Usage(BaseModel):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class Link(TypedDict):
    """A passage that the text cites, at the page of kb; positions are in characters.

    It is `inferred` where the model cited nothing, and the passage says the same.
    """

    start_index: int
    end_index: int
    title: str
    url: str
    inferred: NotRequired[Literal[True]]


class Annotation(BaseModel):
    type: Literal["url_citation"]
    url_citation: Link


class ChatMessage(BaseModel):
    role: Literal["assistant"]
    content: str
    refusal: None = None
    annotations: list[Annotation]


class ChatChoice(BaseModel):
    index: int
    message: ChatMessage
    finish_reason: Literal["stop", "length"]
    logprobs: None = None


class WithEvidence(BaseModel):
    """The extra fields are those of an answer of `/api/ask`."""

    model_config = ConfigDict(extra="allow")

    id: str
    model: str
    route: RouteName | None
    route_reason: str
    citations: list[CitationValues]
    sql: str | None
    columns: list[str]
    rows: list[list[Cell]]
    truncated: bool
    rows_as_of: str | None
    errors: Mapping[str, str]


class ChatCompletion(WithEvidence):
    object: Literal["chat.completion"]
    created: int
    choices: list[ChatChoice]
    usage: Usage


class TextChoice(BaseModel):
    index: int
    text: str
    finish_reason: Literal["stop", "length"]
    logprobs: None = None


class Completion(WithEvidence):
    object: Literal["text_completion"]
    created: int
    choices: list[TextChoice]
    usage: Usage


class LinkedText(Link):
    type: Literal["url_citation"]


class OutputText(BaseModel):
    type: Literal["output_text"]
    text: str
    annotations: list[LinkedText]
    logprobs: Annotated[list[str], Field(max_length=0)]


class OutputMessage(BaseModel):
    id: str
    type: Literal["message"]
    role: Literal["assistant"]
    status: Literal["completed", "incomplete"]
    content: list[OutputText]


class CachedTokens(BaseModel):
    cached_tokens: int


class ReasoningTokens(BaseModel):
    reasoning_tokens: int


class ResponseUsage(BaseModel):
    input_tokens: int
    input_tokens_details: CachedTokens
    output_tokens: int
    output_tokens_details: ReasoningTokens
    total_tokens: int


class ResponseObject(WithEvidence):
    object: Literal["response"]
    created_at: int
    status: Literal["completed", "incomplete", "failed"]
    output: list[OutputMessage]
    previous_response_id: str | None
    store: bool
    usage: ResponseUsage


class EmbeddingUsage(BaseModel):
    prompt_tokens: int
    total_tokens: int


class EmbeddingOfInput(BaseModel):
    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class Embeddings(BaseModel):
    object: Literal["list"]
    data: list[EmbeddingOfInput]
    model: str
    usage: EmbeddingUsage
