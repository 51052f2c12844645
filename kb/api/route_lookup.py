"""Which routes an address has, also for a request that none of them has answered."""

from collections.abc import Iterator

from fastapi import FastAPI
from fastapi.routing import APIRoute


def find_routes(app: FastAPI, path: str) -> Iterator[APIRoute]:
    """Find the routes that an address has, for any method."""
    for route in getattr(app.state, "routes", app.routes):
        if isinstance(route, APIRoute) and route.path_regex.match(path):
            yield route
