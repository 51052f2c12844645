"""What the OpenAPI document says besides the types of the endpoints."""

from typing import Any, Final, NotRequired

from typing_extensions import TypedDict

from kb.api.problem_codes import Code

SCHEMA: Final = "#/components/schemas/{model}"
CACHED: Final = "Whether what was kept may be used; `false` makes everything anew."
EXACT: Final = "Whether passages must hold what is quoted in the question, or are favoured for it."
HTML: Final = "Whether a stream tells its finished blocks, and the end, as HTML too."
MODEL: Final = "A name of `llm.choices`: the language model that answers, instead of the usual one."


def describe_stream(event: str, order: str) -> dict[str, Any]:
    """Describe the content of a stream, by the name of the type of its events."""
    schema = {
        "type": "string",
        "description": f"Server-sent events with JSON as `data`: {order} Lines that begin with a "
        "colon are signs of life.",
        "contentMediaType": "text/event-stream",
        "contentSchema": {"$ref": SCHEMA.format(model=event)},
    }
    return {"text/event-stream": {"schema": schema}}


STREAMED: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The answer, or with a stream its events.",
        "content": describe_stream(
            "AnswerEvent",
            "in their order route, retrieval, token…, citations, rows, and done or error. An "
            "attempt stands anywhere before the first token, html between tokens.",
        ),
    }
}
# What answers and statements may end with, besides what any operation may.
OF_ANSWERS: Final = (
    *(Code.BUDGET_SPENT, Code.NO_SUCH_PROFILE, Code.NO_SUCH_MODEL_CHOICE, Code.NOT_SET_UP),
    *(Code.UNSUPPORTED_FILTER, Code.NOT_ANSWERED, Code.NO_USABLE_VECTOR),
)
OF_SEARCHES: Final = (Code.NO_SUCH_PROFILE, Code.UNSUPPORTED_FILTER, Code.NO_USABLE_VECTOR)
OF_STATEMENTS: Final = (Code.NOT_SET_UP, Code.STATEMENT_REFUSED, Code.STATEMENT_FAILED)


class Mistake(TypedDict):
    place: str
    reason: str


class Problem(TypedDict):
    """RFC 9457; `id` is `X-Request-Id`, which is in the server's log. `mistakes` come with 422.

    `code` says what went wrong and does not change; `title` and `detail` say it in the language
    of Accept-Language, English or French. `paths` are of files that are there already, `reason` is
    why a model's answer is not whole.
    """

    type: str
    code: Code
    title: str
    status: int
    detail: str
    id: str
    mistakes: NotRequired[list[Mistake]]
    paths: NotRequired[list[str]]
    reason: NotRequired[str]


class OpenAIErrorValues(TypedDict):
    message: str
    type: str
    param: str | None
    code: str
    id: str


class OpenAIError(TypedDict):
    """An error as clients of OpenAI know it; `id` is `X-Request-Id`."""

    error: OpenAIErrorValues


def problems(*codes: Code) -> dict[int | str, dict[str, Any]]:
    """Describe the problems that an endpoint answers besides those of what it takes."""
    described: dict[int | str, dict[str, Any]] = {}
    for code in codes:
        known = described.setdefault(code.status, {"description": ""})
        known["description"] += f"{code.title} (`{code.value}`). "
    return described
