"""Errors as a client may know them; the rest is in the log, under the error's id."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError, ToolError

from stores.errors import QueryFailed, UnsafeQuery, UnsupportedFilter


@contextmanager
def raise_as_tool_error() -> Iterator[None]:
    """Turn whatever goes wrong in a tool into the SDK's error, in words for a client."""
    try:
        yield
    except (ToolError, ResourceError):
        raise
    except Exception as error:
        raise ToolError(_describe_for_client(error)[1]) from error


@contextmanager
def raise_as_resource_error() -> Iterator[None]:
    """Turn whatever goes wrong with a resource into the SDK's error, in words for a client."""
    try:
        yield
    except Exception as error:
        status, words = _describe_for_client(error)
        kind = ResourceNotFoundError if status == HTTPStatus.NOT_FOUND else ResourceError
        raise kind(words) from error


def _describe_for_client(error: Exception) -> tuple[int, str]:
    """Return the HTTP status of an error, and its words for a client."""
    from kb.api.problems import Problem, error_to_problem  # noqa: PLC0415 - FastAPI is not needed without errors

    problem = error_to_problem(error)
    if isinstance(error, UnsafeQuery | QueryFailed):
        return problem.status, f"{problem.detail}\ndescribe_database tells what can be read."
    words = f"{problem.title}. {problem.detail}".strip()
    is_logged = not isinstance(error, Problem | UnsupportedFilter)
    return problem.status, f"{words} (problem {problem.id})" if is_logged else words
