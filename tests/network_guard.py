"""No test reaches for the network: a hook on every socket of the process."""

import ipaddress
import sys
from typing import Any

left_loopback: list[str] = []


def _guard_network(event: str, arguments: tuple[Any, ...]) -> None:
    """Refuse to connect, send or resolve anywhere but this machine."""
    if event in {"socket.connect", "socket.sendto"} and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    elif event == "socket.getaddrinfo":
        host = arguments[0]
    else:
        return
    if not _is_local(host):
        left_loopback.append(f"{event} {host}")
        raise PermissionError(f"a test reaches for the network: {event} {host}")


def _is_local(host: Any) -> bool:
    name = host.decode() if isinstance(host, bytes) else host
    if not name or name == "localhost":
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


sys.addaudithook(_guard_network)
