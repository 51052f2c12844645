"""Errors as problem documents (RFC 9457): what went wrong, without the insides of this machine."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from limits.errors import StorageError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engines.visible_text import hide_places
from kb.api.guards.request_id import current_request_id
from kb.api.guards.request_language import current_language, take_language
from kb.api.problem_codes import Code
from kb.api.request_mistakes import describe_mistakes
from kb.api.route_lookup import find_routes
from stores import errors
from stores.text.translations import load_translations

MEDIA_TYPE: Final = "application/problem+json"
_MOST_CHARACTERS: Final = 1000  # of a detail, which may quote a statement
OPENAI_PATHS: Final = "/v1/"
# As clients of OpenAI know them, by status or by code; others have the code of kb.
_OPENAI_CODES: Final[Mapping[int | Code, str]] = {
    401: "invalid_api_key",
    429: "rate_limit_exceeded",
    Code.NO_SUCH_MODEL: "model_not_found",
    Code.NO_SUCH_CHAT_MODEL: "model_not_found",
    Code.NO_SUCH_EMBEDDING_MODEL: "model_not_found",
}
_log = logging.getLogger(__name__)


class Problem(Exception):
    """What a client is told; `values` fill its texts, and hold nothing but what they may know."""

    def __init__(
        self,
        code: Code,
        values: Mapping[str, object] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(code.value)
        self.code = code
        self.values = values or {}
        self.headers = headers or {}
        self.more = more or {}
        self.id = current_request_id()

    def __str__(self) -> str:
        return self.in_words()

    @property
    def status(self) -> int:
        return self.code.status

    @property
    def title(self) -> str:
        return self._translate(self.code.title)

    @property
    def detail(self) -> str:
        return self._translate(self.code.detail)

    def _translate(self, text: str) -> str:
        """Return a text of the code in the language of the request."""
        texts = load_translations(current_language())
        return texts.pgettext(self.code.value, text).format(**self.values) if text else ""

    def to_document(self) -> dict[str, Any]:
        return {
            "type": "about:blank",
            "code": self.code.value,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "id": self.id,
            **self.more,
        }

    def in_words(self) -> str:
        return f"{self.title}. {self.detail}".strip()


_LATER: Final = {"Retry-After": "5"}
# By class, the nearest first.
_CODES: Final[Mapping[type[Exception], Code]] = {
    errors.UnsupportedFilter: Code.UNSUPPORTED_FILTER,
    errors.UnsafeQuery: Code.STATEMENT_REFUSED,
    errors.QueryFailed: Code.STATEMENT_FAILED,
    errors.TurnUnderWay: Code.TURN_UNDER_WAY,
    errors.VerifiedQueryConflict: Code.QUERY_IN_THE_WAY,
    errors.StoreUnavailable: Code.DATABASE_UNAVAILABLE,
    errors.ServerIsReadOnly: Code.DATABASE_READ_ONLY,
    errors.WorkersUnavailable: Code.WORKERS_UNAVAILABLE,
    errors.ModelUnavailable: Code.MODEL_UNAVAILABLE,
    errors.InvalidVector: Code.NO_USABLE_VECTOR,
    errors.TooMuchAtOnce: Code.TOO_MUCH_AT_ONCE,
    errors.BudgetSpent: Code.BUDGET_SPENT,
    StorageError: Code.LIMITS_UNCOUNTED,
    errors.ConfigError: Code.NOT_SET_UP,
    errors.EngineError: Code.NOT_ANSWERED,
    errors.StoreError: Code.DATABASE_REFUSED,
}
_HEADERS: Final[Mapping[Code, Mapping[str, str]]] = {
    Code.DATABASE_UNAVAILABLE: _LATER,
    Code.MODEL_UNAVAILABLE: _LATER,
    Code.LIMITS_UNCOUNTED: _LATER,
    Code.TOO_MUCH_AT_ONCE: {"Retry-After": "2"},
}
# What the framework refuses by itself.
_CODE_OF_STATUS: Final[Mapping[int, Code]] = {
    code.status: code
    for code in (Code.BODY_UNREADABLE, Code.NO_SUCH_ADDRESS, Code.METHOD_NOT_ALLOWED)
}


def _find_code(error: BaseException) -> Code:
    if type(error) is errors.StoreError and error.__cause__ is None:  # said by kb, not by MariaDB
        return Code.NOT_POSSIBLE
    return next((_CODES[kind] for kind in type(error).__mro__ if kind in _CODES), Code.UNFORESEEN)


def error_to_problem(error: BaseException) -> Problem:
    """Return what a client is told of an error; the rest is logged under the problem's id."""
    if isinstance(error, Problem):
        return error
    code = _find_code(error)
    tells_all = code.detail == "{reason}"  # the error's own words are about the client's
    values = {"reason": hide_places(str(error))[:_MOST_CHARACTERS]} if tells_all else {}
    problem = Problem(code, values, headers=_HEADERS.get(code))
    if not tells_all:
        words = "".join(letter if letter.isprintable() else " " for letter in str(error))
        what = problem.id, type(error).__name__, words
        is_defect = code is Code.UNFORESEEN
        _log.warning("Problem %s: %s: %s", *what, exc_info=error if is_defect else None)
    return problem


@contextmanager
def translate_missing(code: Code) -> Iterator[None]:
    """Raise Problem where kb itself says that something is not there.

    What MariaDB refused stays an error of the store.
    """
    try:
        yield
    except errors.StoreError as error:
        if type(error) is not errors.StoreError or error.__cause__ is not None:
            raise
        raise Problem(code) from error


def install_problems(app: FastAPI) -> None:
    """Have an application answer every error as a problem."""
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_exception_handler(HTTPException, _answer_refusal)
    for kind in (Problem, errors.KBError, StorageError):
        app.add_exception_handler(kind, _answer_failure)
    app.add_middleware(_Unforeseen)


class _Unforeseen:
    """Tells of a defect as of any problem, and inside the other middleware.

    All problems of a request are told in the language that it asks for.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        has_begun = False

        async def send_and_note(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            if scope["type"] == "http":
                take_language(scope)
            await self._app(scope, receive, send_and_note)
        except Exception as error:
            if has_begun or scope["type"] != "http":
                raise
            await problem_to_response(error_to_problem(error), scope["path"])(scope, receive, send)


async def _answer_failure(request: Request, error: Exception) -> JSONResponse:
    return problem_to_response(error_to_problem(error), request.url.path)


async def _answer_refusal(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for nothing else
    if isinstance(error.detail, Problem):
        return problem_to_response(error.detail, request.url.path)
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        # Those of all routes of the address; the framework names those of the first.
        routes = find_routes(request.app, request.url.path)
        methods = {method for route in routes for method in route.methods or ()}
        headers["Allow"] = ", ".join(sorted(methods))
    is_plain = error.detail == HTTPStatus(error.status_code).phrase
    code = _CODE_OF_STATUS[error.status_code]
    problem = Problem(code, {"reason": "" if is_plain else error.detail}, headers=headers)
    return problem_to_response(problem, request.url.path)


async def _answer_invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for nothing else
    given = {
        "body": error.body,
        "cookie": request.cookies,
        "header": request.headers,
        "path": request.path_params,
        "query": request.query_params,
    }
    mistakes = describe_mistakes(error.errors(), given)
    reason = "; ".join(f"{mistake['place']}: {mistake['reason']}" for mistake in mistakes[:3])
    problem = Problem(Code.REQUEST_NOT_UNDERSTOOD, {"reason": reason}, more={"mistakes": mistakes})
    return problem_to_response(problem, request.url.path)


def problem_to_response(problem: Problem, path: str = "") -> JSONResponse:
    """Respond with a problem document, or as clients of OpenAI's API know errors."""
    if path.startswith(OPENAI_PATHS):
        return JSONResponse(problem_to_openai_error(problem), problem.status, dict(problem.headers))
    return JSONResponse(
        problem.to_document(), problem.status, dict(problem.headers), media_type=MEDIA_TYPE
    )


def problem_to_openai_error(problem: Problem) -> dict[str, Any]:
    kind = "invalid_request_error" if problem.status < 500 else "server_error"  # noqa: PLR2004 - HTTP's
    return {
        "error": {
            "message": problem.in_words(),
            "type": kind,
            "param": _find_parameter(problem),
            "code": _OPENAI_CODES.get(problem.status)
            or _OPENAI_CODES.get(problem.code, problem.code.value),
            "id": problem.id,
        }
    }


def _find_parameter(problem: Problem) -> str | None:
    """Find which field of the body is at fault, if one is."""
    for mistake in problem.more.get("mistakes", ()):
        return str(mistake["place"]).removeprefix("body.")
    return problem.more.get("param")
