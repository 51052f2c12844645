"""Makes the OpenAPI document, of the types of the endpoints and of what is said besides."""

import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final, Literal

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import TypeAdapter

from kb.api.answer_shapes import make_events
from kb.api.openai.streamed import make_openai_events
from kb.api.openapi_description import SCHEMA, OpenAIError, Problem
from kb.api.problems import MEDIA_TYPE, OPENAI_PATHS

_NONE: Final = re.compile(r"\bNone\b")  # as the types of Python say it
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
    kinds = {
        "AnswerEvent": make_events(Problem),
        **make_openai_events(OpenAIError),
        "Problem": Problem,
        "OpenAIError": OpenAIError,
    }
    told: Literal["serialization"] = "serialization"
    adapters = [(name, told, TypeAdapter[Any](kind)) for name, kind in kinds.items()]
    named, shared = TypeAdapter.json_schemas(adapters, ref_template=SCHEMA)
    schemas: dict[str, Any] = shared["$defs"]
    for (name, _), schema in named.items():
        schemas.setdefault(name, schema)  # of what has several forms, and therefore no name
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
        return {"application/json": {"schema": {"$ref": SCHEMA.format(model="OpenAIError")}}}
    return {MEDIA_TYPE: {"schema": {"$ref": SCHEMA.format(model="Problem")}}}
