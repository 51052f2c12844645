"""What the OpenAPI document says besides the types of the endpoints."""

import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final, Literal, NotRequired

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import TypeAdapter
from typing_extensions import TypedDict

from kb.api.answer_shapes import make_events
from kb.api.problem_codes import Code
from kb.api.problems import MEDIA_TYPE, OPENAI_PATHS

_NONE: Final = re.compile(r"\bNone\b")  # as the types of Python say it
_SCHEMA: Final = "#/components/schemas/{model}"
# What any operation may answer, by what it takes: a key, a body, anything at all.
_ANYWHERE: Final = {
    500: "Something failed.",
    503: "The server is busy, or the database or the model does not answer.",
}
_OF_KEYS: Final = {
    401: "A key is needed.",
    403: "The key does not allow this, or another site calls.",
    421: "This is not the host.",
    429: "Too much at once, or the tokens of the day are spent.",
}
_OF_BODIES: Final = {
    400: "The body cannot be read.",
    408: "The body did not come in time.",
    413: "The body is too large.",
}
_OF_VALUES: Final = {422: "The request is not understood."}
CACHED: Final = "Whether what was kept may be used; `false` makes everything anew."
EXACT: Final = "Whether passages must hold what is quoted in the question, or are favoured for it."
HTML: Final = "Whether a stream tells its finished blocks, and the end, as HTML too."
MODEL: Final = "A name of `llm.choices`: the language model that answers, instead of the usual one."
# What parameters mean that do not say it themselves, everywhere the same.
_PARAMETERS: Final = {
    "after": "The id of the last event that is known; those behind it come.",
    "around": "How many passages before and behind it come with it.",
    "at": "The id of a passage, around which passages are told instead of from `offset` on.",
    "before": "Only turns before the one of this number.",
    "chunk_id": "The id of a passage.",
    "days": "How many days back from now.",
    "descending": "Whether the last in the order come first.",
    "escape_formulas": "Whether an apostrophe stands before what a spreadsheet would compute.",
    "folder": "A folder of the root, `/` for its top.",
    "format": "Markdown to read, or JSON for programs.",
    "item_id": "The id of a question to review.",
    "job_id": "The id of a job.",
    "last": "Only so many turns, the last ones.",
    "limit": "How many come at most.",
    "mark_id": "The id of a mark.",
    "name": "The whole name, which may hold slashes.",
    "number": "The number by which the answer cites the passage.",
    "offset": "How many are passed over first.",
    "path": "The path of a document in its root.",
    "question": "What was asked, which chooses the excerpts.",
    "root": "The name of an indexed directory.",
    "search": "Words to look for.",
    "search_id": "The id of a search, as answers tell it.",
    "session_id": "The id of a chat session.",
    "share_id": "The id of a link.",
    "sort": "By what documents are sorted.",
    "sql": "A statement that reads.",
    "status": "Only documents of this state.",
    "table": "Only what read this table.",
    "tag": "Only sessions with this tag.",
    "token": "The secret of a link.",
    "turn_id": "The id of a turn of the session.",
    "user": "Only what this key or person asked.",
}
STREAMED: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The answer, or with a stream its events.",
        "content": {
            "text/event-stream": {
                "schema": {
                    "type": "string",
                    "description": "Server-sent events with JSON as `data`: in their order route, "
                    "retrieval, token…, citations, rows, and done or error. An attempt stands "
                    "anywhere before the first token, html between tokens. Lines that begin with "
                    "a colon are signs of life.",
                    "contentMediaType": "text/event-stream",
                    "contentSchema": {"$ref": _SCHEMA.format(model="AnswerEvent")},
                }
            }
        },
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


def describe_api(app: FastAPI) -> dict[str, Any]:
    """Make the OpenAPI document, with the problems that every endpoint may answer."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            summary=app.summary,
            description=app.description,
            contact=app.contact,
            license_info=app.license_info,
            servers=app.servers,
            tags=app.openapi_tags,
            routes=app.routes,
        )
        schemas = document["components"]["schemas"]
        for name in ("HTTPValidationError", "ValidationError"):  # the framework's own
            schemas.pop(name, None)
        schemas |= _describe_shared()
        for schema in schemas.values():
            if "description" in schema:
                schema["description"] = _NONE.sub("null", schema["description"])
        for path, operations in document["paths"].items():
            for operation in operations.values():
                operation["responses"] = dict(_describe_responses(path, operation))
                for parameter in operation.get("parameters", ()):
                    parameter.setdefault("description", _PARAMETERS.get(parameter["name"], ""))
        app.openapi_schema = document
    return app.openapi_schema


def _describe_shared() -> dict[str, Any]:
    """Describe what no endpoint returns by its type: events and problems."""
    kinds = make_events(Problem), Problem, OpenAIError
    told: Literal["serialization"] = "serialization"
    adapters = [(kind, told, TypeAdapter[Any](kind)) for kind in kinds]
    named, shared = TypeAdapter.json_schemas(adapters, ref_template=_SCHEMA)
    schemas: dict[str, Any] = shared["$defs"]
    schemas["AnswerEvent"] = named[kinds[0], told]
    return schemas


def _describe_responses(
    path: str, operation: Mapping[str, Any]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Describe the answers of an operation: its own, and the problems of what it takes."""
    declared = dict(operation["responses"])
    if declared.get("422", {}).get("description") == "Validation Error":  # the framework's own
        del declared["422"]
    for status in sorted({*declared, *map(str, general := _list_general(operation))}):
        response = declared.get(status, {"description": ""})
        if int(status) < HTTPStatus.BAD_REQUEST:
            yield status, response
            continue
        words = f"{general.get(int(status), '')} {response['description']}".strip()
        content = response.get("content", {}) | _problem_content(path)
        yield status, {"description": words, "content": content}


def _list_general(operation: Mapping[str, Any]) -> dict[int, str]:
    general = dict(_ANYWHERE)
    if "security" in operation:
        general |= _OF_KEYS
    if "requestBody" in operation:
        general |= _OF_BODIES
    if "requestBody" in operation or "parameters" in operation:
        general |= _OF_VALUES
    return general


def _problem_content(path: str) -> dict[str, Any]:
    if path.startswith(OPENAI_PATHS):
        return {"application/json": {"schema": {"$ref": _SCHEMA.format(model="OpenAIError")}}}
    return {MEDIA_TYPE: {"schema": {"$ref": _SCHEMA.format(model="Problem")}}}
