"""What the endpoints of OpenAI's form reply, as its OpenAPI document tells it."""

from collections.abc import Mapping
from typing import Annotated, Literal, NotRequired, TypeAlias

from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from engines.answer import RouteName
from kb.api.answer_shapes import Cell, CitationValues, RewrittenBy

Empty: TypeAlias = Annotated[list[str], Field(max_length=0)]


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


class WithEvidence(TypedDict):
    """What the text rests on, as an answer of `/api/ask` tells it."""

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
    id: str
    model: str
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
    id: str
    model: str
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
    logprobs: Empty


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


class PlainFormat(BaseModel):
    type: Literal["text"]


class TextOptions(BaseModel):
    format: PlainFormat


class ReasoningOptions(BaseModel):
    effort: None
    summary: None


class AnyResponse(TypedDict):
    """What is known of a response from its beginning; kb has no choice in much of it."""

    id: str
    object: Literal["response"]
    created_at: int
    model: str
    previous_response_id: str | None
    store: bool
    max_output_tokens: int | None
    metadata: Mapping[str, str]
    instructions: None
    parallel_tool_calls: Literal[False]
    temperature: None
    top_p: None
    tool_choice: Literal["none"]
    tools: Empty
    text: TextOptions
    reasoning: ReasoningOptions
    truncation: Literal["disabled"]
    user: None


class IncompleteDetails(BaseModel):
    reason: Literal["max_output_tokens"]


class ResponseObject(WithEvidence, AnyResponse):
    """A response with its text; one that is stored tells its turn of the session."""

    status: Literal["completed", "incomplete"]
    error: None
    incomplete_details: IncompleteDetails | None
    output: list[OutputMessage]
    usage: ResponseUsage
    turn_id: NotRequired[str]
    turn: NotRequired[int]
    standalone: NotRequired[str | None]
    rewritten_by: NotRequired[RewrittenBy]


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
