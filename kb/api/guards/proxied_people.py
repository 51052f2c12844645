"""People whom a proxy has let in, and names by headers; from any other address they are refused."""

from functools import lru_cache
from hashlib import sha256
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from fastapi import Request

from kb.api.guards.own_site import is_of_other_site
from kb.api.problem_codes import Code
from kb.api.problems import Problem
from kb.config.serving import ServeConfig, TrustedProxyConfig
from stores.api_keys import OF_PERSON
from stores.audiences import Groups, join_groups
from stores.look_alikes import find_hidden

_NAME_CHARACTERS: Final = 150


def name_person(name: str) -> tuple[str, str]:
    """Return what a person is called among callers, and their id. Raises Problem 401."""
    is_plain = name == " ".join(name.split()) and find_hidden(name) is None
    if not name or not is_plain or len(name) > _NAME_CHARACTERS:
        raise Problem(Code.USER_WITHOUT_NAME)
    return f"{OF_PERSON}{name}", sha256(name.encode()).hexdigest()[:12]


def find_proxied_person(request: Request, serve: ServeConfig) -> tuple[str, Groups] | None:
    """Find the name and groups of who a trusted proxy says is calling; None without its headers.

    Raises Problem 403 for such headers from elsewhere, for several of one name, and for requests
    that a page of another site has a browser send.
    """
    proxy = serve.trusted_proxy
    if proxy is None:
        return None
    users = request.headers.getlist(proxy.user_header)
    groups = request.headers.getlist(proxy.groups_header) if proxy.groups_header else []
    if not users and not groups:
        return None
    is_trusted = _is_trusted(proxy, request.client.host if request.client else "")
    if not is_trusted or len(users) != 1 or len(groups) > 1:
        raise Problem(Code.PROXY_NOT_TRUSTED)
    if is_of_other_site(request):
        raise Problem(Code.FOREIGN_SITE)
    names = (name.strip() for value in groups for name in _decode(value).split(","))
    return _decode(users[0]), join_groups(name for name in names if name)


def _decode(value: str) -> str:
    """Read a header in UTF-8, which most proxies send, and as it came if it is none."""
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value


def _is_trusted(proxy: TrustedProxyConfig, host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:  # of a socket that has none
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return any(address in network for network in _read_networks(proxy.addresses))


@lru_cache(maxsize=4)
def _read_networks(addresses: tuple[str, ...]) -> list[IPv4Network | IPv6Network]:
    return [ip_network(address, strict=False) for address in addresses]
