"""What a browser says of the page that has it send a request."""

from typing import Final

from fastapi import Request

_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN: Final = frozenset({"same-origin", "none"})


def is_of_other_site(request: Request) -> bool:
    """Whether a browser says that a page of another site has it send the request."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        return site not in _OWN
    public_url: str | None = request.app.state.kb.config.serve.public_url
    hosts = {request.headers.get("host", ""), _find_host(public_url or "")} - {""}
    return origin is not None and _find_host(origin) not in hosts  # that of a sandbox is "null"


def is_silent_change(request: Request) -> bool:
    """Whether the request changes something, and nothing says which page has it sent."""
    tells = {"sec-fetch-site", "origin"} & set(request.headers)
    return not tells and request.method not in _SAFE_METHODS


def _find_host(address: str) -> str:
    return address.partition("://")[2].partition("/")[0]
