"""The one id of a request, its response, its line in the access log and its problem."""

import secrets
from contextvars import ContextVar

_of_request: ContextVar[str | None] = ContextVar("request_id", default=None)


def make_request_id() -> str:
    """Make the id of what is done from here on; an id that a client sends is not looked at."""
    request_id = secrets.token_hex(8)
    _of_request.set(request_id)
    return request_id


def current_request_id() -> str:
    """Return the id of the request, a new one each time for what no request asked for."""
    return _of_request.get() or secrets.token_hex(8)
