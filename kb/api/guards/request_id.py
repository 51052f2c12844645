"""The one id of a request, its response, its line in the access log and its problem."""

import secrets
from contextvars import ContextVar

_of_request: ContextVar[str | None] = ContextVar("request_id", default=None)


def new_id() -> str:
    """For what is done from here on; whatever a client sends as an id is not looked at."""
    request_id = secrets.token_hex(8)
    _of_request.set(request_id)
    return request_id


def current_id() -> str:
    """A new one each time for what no request asked for."""
    return _of_request.get() or secrets.token_hex(8)
