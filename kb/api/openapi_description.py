"""What the OpenAPI document says besides the types of the endpoints."""

from collections.abc import Mapping
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from kb.api.problem_codes import Code
from kb.api.problems import MEDIA_TYPE

_SCHEMA: Final = "#/components/schemas/{model}"
_STATUSES: Final = {
    400: "The body cannot be read.",
    401: "A key is needed.",
    403: "The key does not allow this, or another site calls.",
    404: "What is named is not there.",
    408: "The body did not come in time.",
    409: "It is not possible as things are.",
    413: "The body is too large.",
    421: "This is not the host.",
    422: "The request is not understood, or the statement is refused.",
    429: "Too much at once, or the tokens of the day are spent.",
    500: "Something failed.",
    502: "The question could not be answered.",
    503: "The server is busy, or the database or the model does not answer.",
}
CACHED: Final = "Whether what was kept may be used; `false` makes everything anew."
EXACT: Final = "Whether passages must hold what is quoted in the question, or are favoured for it."
HTML: Final = "Whether a stream tells its finished blocks, and the end, as HTML too."
MODEL: Final = "A name of `llm.choices`: the language model that answers, instead of the usual one."
STREAMED: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"application/json": {}, "text/event-stream": {}}}
}


class Mistake(BaseModel):
    place: str
    reason: str


class ProblemDocument(BaseModel):
    """RFC 9457; `id` is `X-Request-Id`, which is in the server's log. `mistakes` come with 422.

    `code` says what went wrong and does not change; `title` and `detail` say it in the language
    of Accept-Language, English or French.
    """

    type: str
    code: Code
    title: str
    status: int
    detail: str
    id: str
    mistakes: list[Mistake] | None = None


def describe_api(app: FastAPI) -> dict[str, Any]:
    """Make the OpenAPI document, with the problems that every endpoint may answer."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, routes=app.routes)
        schemas = document["components"]["schemas"]
        schemas["Problem"] = ProblemDocument.model_json_schema(ref_template=_SCHEMA)
        schemas |= schemas["Problem"].pop("$defs")
        for path, operations in document["paths"].items():
            for operation in operations.values():
                operation["responses"] |= _describe_problems(path)
        app.openapi_schema = document
    return app.openapi_schema


def _describe_problems(path: str) -> dict[str, Mapping[str, Any]]:
    media_type = "application/json" if path.startswith("/v1/") else MEDIA_TYPE
    schema = {} if path.startswith("/v1/") else {"$ref": _SCHEMA.format(model="Problem")}
    return {
        str(status): {"description": meaning, "content": {media_type: {"schema": schema}}}
        for status, meaning in _STATUSES.items()
    }
