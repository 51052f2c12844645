"""What a client is told of an error; the rest is in the log, under the error's id."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError, ToolError

from stores.errors import QueryFailed, UnsafeQuery, UnsupportedFilter


@contextmanager
def of_a_tool() -> Iterator[None]:
    try:
        yield
    except (ToolError, ResourceError):
        raise
    except Exception as error:
        raise ToolError(_told(error)[1]) from error


@contextmanager
def of_a_resource() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        status, words = _told(error)
        kind = ResourceNotFoundError if status == HTTPStatus.NOT_FOUND else ResourceError
        raise kind(words) from error


def _told(error: Exception) -> tuple[int, str]:
    from kb.api.problems import Problem, problem_of  # noqa: PLC0415 - FastAPI is not needed without errors

    problem = problem_of(error)
    if isinstance(error, UnsafeQuery | QueryFailed):
        return problem.status, f"{problem.detail}\ndescribe_database tells what can be read."
    words = f"{problem.title}. {problem.detail}".strip()
    is_logged = not isinstance(error, Problem | UnsupportedFilter)
    return problem.status, f"{words} (problem {problem.id})" if is_logged else words
