"""Errors as problem documents (RFC 9457): what went wrong, without the insides of this machine."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from limits.errors import StorageError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kb.api.guards.request_id import current_id
from kb.api.plain_json import without_places
from kb.api.request_mistakes import mistakes_of
from kb.api.route_lookup import routes_at
from stores import errors

MEDIA_TYPE: Final = "application/problem+json"
_MOST_CHARACTERS: Final = 1000  # of a detail, which may quote a statement
OPENAI_PATHS: Final = "/v1/"
_CODES: Final = {401: "invalid_api_key", 429: "rate_limit_exceeded"}  # as clients of OpenAI know
_log = logging.getLogger(__name__)


@dataclass
class Problem(Exception):
    """What a client is told; `detail` holds nothing but what they may know."""

    status: int
    title: str
    detail: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    id: str = field(default_factory=current_id)
    more: Mapping[str, Any] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        told = {"title": self.title, "status": self.status, "detail": self.detail, "id": self.id}
        return {"type": "about:blank", **told, **self.more}

    def words(self) -> str:
        return f"{self.title}. {self.detail}".strip()


@dataclass(frozen=True)
class _Told:
    status: int
    title: str
    detail: str | None = None  # None: the error's own words, which are about the client's
    headers: Mapping[str, str] = field(default_factory=dict)


_LATER = {"Retry-After": "5"}
# By class, the nearest first.
_TOLD: dict[type[Exception], _Told] = {
    errors.UnsupportedFilter: _Told(422, "This filter has no meaning"),
    errors.UnsafeQuery: _Told(422, "The statement is refused"),
    errors.QueryFailed: _Told(422, "The statement failed"),
    errors.TurnUnderWay: _Told(
        409, "The turn is being answered", "Wait for its answer, or ask with another turn_id."
    ),
    errors.VerifiedQueryConflict: _Told(409, "Another verified query is in the way"),
    errors.StoreUnavailable: _Told(
        503, "The database does not answer", "Try again in a moment.", _LATER
    ),
    errors.ModelUnavailable: _Told(
        503,
        "The model does not answer",
        "The language or embedding model failed or sent nothing. Try again in a moment.",
        _LATER,
    ),
    errors.InvalidVector: _Told(
        502,
        "The embedding model gave no usable vector",
        "It is the model's fault; the server's log says what was wrong, under this id.",
    ),
    errors.TooMuchAtOnce: _Told(429, "Too much at once", headers={"Retry-After": "2"}),
    StorageError: _Told(
        503, "The limits cannot be counted", "The store of the limits does not answer.", _LATER
    ),
    errors.ConfigError: _Told(
        409,
        "This server is not set up for that",
        "Its configuration does not allow what was asked; its log says why, under this id.",
    ),
    errors.EngineError: _Told(
        502, "The question could not be answered", "Ask again, or in other words."
    ),
    errors.StoreError: _Told(
        500, "The database refused", "The server's log says why, under this id."
    ),
}
_IMPOSSIBLE = _Told(
    409,
    "This is not possible as things are",
    "What was named has changed, or belongs to something else.",
)
_UNFORESEEN = _Told(500, "Something failed", "The server's log says what, under this id.")


def _told(error: BaseException) -> _Told:
    if type(error) is errors.StoreError and error.__cause__ is None:  # said by kb, not by MariaDB
        return _IMPOSSIBLE
    return next((_TOLD[kind] for kind in type(error).__mro__ if kind in _TOLD), _UNFORESEEN)


def problem_of(error: BaseException) -> Problem:
    """What a client is told of an error; the rest is logged under the id of the problem."""
    if isinstance(error, Problem):
        return error
    told = _told(error)
    detail = without_places(str(error))[:_MOST_CHARACTERS] if told.detail is None else told.detail
    problem = Problem(told.status, told.title, detail, told.headers)
    if told.detail is not None:  # else the client was told everything
        is_defect = told is _UNFORESEEN
        words = "".join(each if each.isprintable() else " " for each in str(error))
        what = problem.id, type(error).__name__, words
        _log.warning("Problem %s: %s: %s", *what, exc_info=error if is_defect else None)
    return problem


@contextmanager
def missing(what: str) -> Iterator[None]:
    """What kb itself says is not there is 404; what MariaDB refused stays an error of the store."""
    try:
        yield
    except errors.StoreError as error:
        if type(error) is not errors.StoreError or error.__cause__ is not None:
            raise
        raise Problem(404, f"There is no such {what}") from error


def install(app: FastAPI) -> None:
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _refused)
    for kind in (Problem, errors.KBError, StorageError):
        app.add_exception_handler(kind, _failed)
    app.add_middleware(_Unforeseen)


class _Unforeseen:
    """Tells of a defect as of any problem, and inside the other middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        has_begun = False

        async def noting(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except Exception as error:
            if has_begun or scope["type"] != "http":
                raise
            await response_of(problem_of(error), scope["path"])(scope, receive, send)


async def _failed(request: Request, error: Exception) -> JSONResponse:
    return response_of(problem_of(error), request.url.path)


async def _refused(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for nothing else
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(sorted(_methods(request)))
    title = HTTPStatus(error.status_code).phrase
    detail = "" if error.detail == title else error.detail
    return response_of(Problem(error.status_code, title, detail, headers), request.url.path)


def _methods(request: Request) -> set[str]:
    """Of all routes of the address; the framework names those of the first."""
    routes = routes_at(request.app, request.url.path)
    return {method for route in routes for method in route.methods or ()}


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for nothing else
    mistakes = mistakes_of(error.errors())
    told = "; ".join(f"{each['place']}: {each['reason']}" for each in mistakes[:3])
    problem = Problem(422, "The request is not understood", told, more={"mistakes": mistakes})
    return response_of(problem, request.url.path)


def response_of(problem: Problem, path: str = "") -> JSONResponse:
    """As a problem document, or as clients of OpenAI's API know errors."""
    if path.startswith(OPENAI_PATHS):
        return JSONResponse(openai_error(problem), problem.status, dict(problem.headers))
    return JSONResponse(
        problem.document(), problem.status, dict(problem.headers), media_type=MEDIA_TYPE
    )


def openai_error(problem: Problem) -> dict[str, Any]:
    kind = "invalid_request_error" if problem.status < 500 else "server_error"  # noqa: PLR2004 - HTTP's
    told = {
        "message": problem.words(),
        "type": kind,
        "param": None,
        "code": _CODES.get(problem.status),
    }
    return {"error": {**told, "id": problem.id}}
