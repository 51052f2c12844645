"""What clients of OpenAI's API send: only what kb has a use for; the rest is ignored."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, ConfigDict, Field

from kb.api.json_bodies import JsonBody, TopK, Words
from kb.api.json_filters import Filters
from kb.api.openai.json_form import JsonForm
from kb.api.openai.limited_text import TextLimit
from kb.api.openai.notes import remove_notes
from kb.api.problem_codes import Code
from kb.api.problems import Problem
from kb.assembly.answer_sources import Source
from stores.text.surrogates import replace_lone_surrogates

MODELS: Final[Mapping[str, Source]] = {
    "kb-auto": "auto",
    "kb-documents": "documents",
    "kb-database": "database",
}
EMBEDDING: Final = "kb-embedding"
_MOST_OF_SCHEMA: Final = 20_000  # characters
_MOST_INPUTS: Final = 2048  # as OpenAI takes

_MostTokens = Annotated[int, Field(ge=1)]
_Stop = Annotated[str, Field(max_length=1000)]
_TokenIds = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1, max_length=20_000)]


class LenientBody(JsonBody):
    model_config = ConfigDict(extra="ignore")


class Part(LenientBody):
    type: str
    text: str = ""


class InputMessage(LenientBody):
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[Part] | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content if part.type.endswith("text"))
        return self.content or ""


class StreamOptions(LenientBody):
    include_usage: bool = False


def _require_form(schema: dict[str, Any]) -> dict[str, Any]:
    if len(json.dumps(schema)) > _MOST_OF_SCHEMA:
        raise ValueError(f"a schema of at most {_MOST_OF_SCHEMA} characters")
    JsonForm(schema)
    return schema


class NamedSchema(LenientBody):
    """A JSON Schema; `strict` and `name` change nothing: each answer is held to it."""

    json_schema: Annotated[dict[str, Any], Field(alias="schema"), AfterValidator(_require_form)]


class PlainText(LenientBody):
    type: Literal["text"] = "text"

    @property
    def form(self) -> JsonForm | None:
        return None


class AnyObject(LenientBody):
    """A JSON object, of which the question says what stands in it."""

    type: Literal["json_object"]

    @property
    def form(self) -> JsonForm | None:
        return JsonForm({"type": "object"})


class ChatForm(LenientBody):
    """The form of a chat completion, as OpenAI nests it."""

    type: Literal["json_schema"]
    json_schema: NamedSchema

    @property
    def form(self) -> JsonForm | None:
        return JsonForm(self.json_schema.json_schema)


class ResponseForm(NamedSchema):
    """The form of a response, as OpenAI has it there."""

    type: Literal["json_schema"]

    @property
    def form(self) -> JsonForm | None:
        return JsonForm(self.json_schema)


class Steering(LenientBody):
    """What chooses a source and passages; all but the model are kb's own, as in its native API.

    What would change the form of an answer is refused; what only steers a model, and the tools
    that it may choose, are ignored.
    """

    model: str
    stream: bool | None = False
    top_k: TopK | None = None
    profile: str | None = None
    filters: Filters = Field(default_factory=dict)

    @property
    def source(self) -> Source:
        """Raises Problem 404 for an unknown model."""
        if self.model not in MODELS:
            raise Problem(Code.NO_SUCH_CHAT_MODEL, {"known": ", ".join(MODELS)}, more=_MODEL)
        return MODELS[self.model]


class _Completing(Steering):
    """`max_tokens` and `stop` end the words of an answer, before what kb writes below them."""

    stream_options: StreamOptions | None = None
    n: Literal[1] | None = None
    max_tokens: _MostTokens | None = None
    stop: _Stop | Annotated[list[_Stop], Field(max_length=16)] | None = None

    @property
    def wants_usage(self) -> bool:
        return bool(self.stream_options and self.stream_options.include_usage)

    def make_limit(self, tokens: int | None = None) -> TextLimit:
        stop = [self.stop] if isinstance(self.stop, str) else self.stop or ()
        return TextLimit(self.max_tokens if tokens is None else tokens, stop)


class ChatCompletionBody(_Completing):
    """The last message of the user is the question, those before it are its context."""

    messages: Annotated[list[InputMessage], Field(min_length=1, max_length=1000)]
    max_completion_tokens: _MostTokens | None = None
    response_format: (
        Annotated[PlainText | AnyObject | ChatForm, Field(discriminator="type")] | None
    ) = None
    tool_choice: Literal["none", "auto"] | None = None

    @property
    def limit(self) -> TextLimit:
        return self.make_limit(self.max_completion_tokens)

    @property
    def form(self) -> JsonForm | None:
        """The form of the answer, None for words."""
        return self.response_format.form if self.response_format else None

    def read_question(self) -> tuple[str, list[tuple[str, str]]]:
        """Return the question, and the questions and answers before it.

        Raises Problem 422 without a question.
        """
        return read_conversation(self.messages)


class CompletionBody(_Completing):
    """The prompt is the question; a list of one is taken as well."""

    prompt: Words | Annotated[list[Words], Field(min_length=1, max_length=1)]
    best_of: Literal[1] | None = None
    echo: Literal[False] | None = None
    suffix: Literal[""] | None = None

    @property
    def question(self) -> str:
        return self.prompt if isinstance(self.prompt, str) else self.prompt[0]


class Item(LenientBody):
    """A message of the input of a response; other items, as of tools, are ignored."""

    type: str = "message"
    role: Literal["system", "developer", "user", "assistant"] | None = None
    content: str | list[Part] | None = None


class TextForm(LenientBody):
    format: Annotated[PlainText | AnyObject | ResponseForm, Field(discriminator="type")] | None = (
        None
    )


class ResponseBody(Steering):
    """The last message of the user is the question.

    Those before it are its context, or, with `previous_response_id`, what was answered before,
    which kb has stored as a chat session unless `store` was false.
    """

    input: Words | Annotated[list[Item], Field(min_length=1, max_length=1000)]
    previous_response_id: Annotated[str, Field(max_length=400)] | None = None
    store: bool | None = True
    max_output_tokens: _MostTokens | None = None
    text: TextForm | None = None
    tool_choice: Literal["none", "auto"] | None = None
    background: Literal[False] | None = None
    conversation: None = None
    prompt: None = None
    metadata: dict[str, str] | None = None
    instructions: Any = None

    @property
    def form(self) -> JsonForm | None:
        """The form of the answer, None for words."""
        return self.text.format.form if self.text and self.text.format else None

    def read_question(self) -> tuple[str, list[tuple[str, str]]]:
        """Return the question, and the questions and answers before it in the input.

        Raises Problem 422 without a question.
        """
        if isinstance(self.input, str):
            return self.input, []
        return read_conversation(
            [InputMessage(role=item.role, content=item.content) for item in self.input if item.role]
        )


class EmbeddingBody(LenientBody):
    """Texts, or the numbers of their tokens as OpenAI's models count them (`cl100k_base`)."""

    model: str
    input: (
        Words
        | _TokenIds
        | Annotated[list[Words], Field(min_length=1, max_length=_MOST_INPUTS)]
        | Annotated[list[_TokenIds], Field(min_length=1, max_length=_MOST_INPUTS)]
    )
    encoding_format: Literal["float", "base64"] | None = "float"
    dimensions: int | None = None

    @property
    def inputs(self) -> Sequence[str | list[int]]:
        first = self.input[0] if isinstance(self.input, list) else None
        return [self.input] if first is None or isinstance(first, int) else self.input  # type: ignore[return-value,list-item]  # the first tells of all


_MODEL: Final = {"param": "model"}


def read_conversation(messages: Sequence[InputMessage]) -> tuple[str, list[tuple[str, str]]]:
    """Return the last question, and the questions and answers before it, the oldest first.

    Raises Problem 422 without a question.
    """
    said = [message for message in messages if message.role in ("user", "assistant")]
    if not said or said[-1].role != "user" or not said[-1].text.strip():
        raise Problem(Code.NO_QUESTION)
    asked = replace_lone_surrogates(said[-1].text)
    return asked, list(_pair_turns(said[:-1]))


def _pair_turns(said: Sequence[InputMessage]) -> Iterator[tuple[str, str]]:
    """Pair each question with its answer; what nobody asked for or answered is left out."""
    asked = ""
    for message in said:
        if message.role == "user":
            asked = message.text
        elif asked:
            yield asked, remove_notes(message.text)
            asked = ""
