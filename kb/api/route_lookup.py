"""Which routes an address has, also for a request that none of them has answered."""

from collections.abc import Iterator

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.types import Scope


def find_routes(app: FastAPI, path: str) -> Iterator[APIRoute]:
    """Find the routes that an address has, for any method."""
    for route in getattr(app.state, "routes", app.routes):
        if isinstance(route, APIRoute) and route.path_regex.match(path):
            yield route


def find_pattern(scope: Scope) -> str | None:
    """Find the pattern of a request's address, which names nobody, once the request has ended.

    It is known of one that came to its route; that of one that was refused before is looked up.
    """
    route = scope.get("route") or next(find_routes(scope["app"], scope["path"]), None)
    pattern: str | None = getattr(route, "path", None)
    return pattern
