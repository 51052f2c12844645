"""What clients of OpenAI's API send: only what kb has a use for; the rest is ignored."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field

from engines.answer import Citation
from engines.documents.code_spans import write_code
from kb.api.json_bodies import JsonBody, TopK, Words
from kb.api.json_filters import Filters
from kb.api.problem_codes import Code
from kb.api.problems import Problem
from kb.assembly.answer_sources import Source
from kb.plain_markdown import escape_markdown
from stores.text.surrogates import replace_lone_surrogates

MODELS: Final[Mapping[str, Source]] = {
    "kb-auto": "auto",
    "kb-documents": "documents",
    "kb-database": "database",
}
EMBEDDING: Final = "kb-embedding"
_NOTES: Final = "\n\nSources:"  # begins the notes below an answer, which are not of its words


class _LenientBody(JsonBody):
    model_config = ConfigDict(extra="ignore")


class Part(_LenientBody):
    type: str
    text: str = ""


class Message(_LenientBody):
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[Part] | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content if part.type == "text")
        return self.content or ""


class StreamOptions(_LenientBody):
    include_usage: bool = False


class ResponseFormat(_LenientBody):
    type: Literal["text"]


class Completion(_LenientBody):
    """The last message of the user is the question, those before it are its context.

    `top_k`, `profile` and `filters` are as in the native API. What would change the answer's form
    is refused; what only steers a model, and the tools that it may choose, are ignored.
    """

    model: str
    messages: Annotated[list[Message], Field(min_length=1, max_length=1000)]
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    n: Literal[1] | None = None
    response_format: ResponseFormat | None = None
    tool_choice: Literal["none", "auto"] | None = None
    top_k: TopK | None = None
    profile: str | None = None
    filters: Filters = Field(default_factory=dict)

    @property
    def source(self) -> Source:
        """Raises Problem 404 for an unknown model."""
        if self.model not in MODELS:
            raise Problem(Code.NO_SUCH_CHAT_MODEL, {"known": ", ".join(MODELS)})
        return MODELS[self.model]

    @property
    def wants_usage(self) -> bool:
        return bool(self.stream_options and self.stream_options.include_usage)

    def read_question(self) -> tuple[str, list[tuple[str, str]]]:
        """Return the question, and the questions and answers before it.

        Raises Problem 422 without a question.
        """
        said = [message for message in self.messages if message.role in ("user", "assistant")]
        if not said or said[-1].role != "user" or not said[-1].text.strip():
            raise Problem(Code.NO_QUESTION)
        asked = replace_lone_surrogates(said[-1].text)
        return asked, list(_pair_turns(said[:-1]))


class Embedding(_LenientBody):
    model: str
    input: Words | Annotated[list[Words], Field(min_length=1, max_length=256)]
    encoding_format: Literal["float", "base64"] | None = "float"
    dimensions: int | None = None

    @property
    def texts(self) -> list[str]:
        return [self.input] if isinstance(self.input, str) else self.input


def _pair_turns(said: Sequence[Message]) -> Iterator[tuple[str, str]]:
    """Pair each question with its answer; what nobody asked for or answered is left out."""
    asked = ""
    for message in said:
        if message.role == "user":
            asked = message.text
        elif asked:
            yield asked, message.text.partition(_NOTES)[0]
            asked = ""


def format_sources(citations: Sequence[Citation]) -> str:
    """Return the numbered notes below an answer, none for an answer without citations."""
    if not citations:
        return ""
    notes = [_NOTES]
    for citation in citations:
        where = ", ".join(filter(None, [citation.title, citation.place]))
        notes.append(
            f"[{citation.number}] {escape_markdown(where)} ({write_code(citation.document)})"
        )
    return "\n".join(notes)
