"""The MariaDB that kb starts itself: found or fetched, bootstrapped, run without root."""

from stores.private_server.private_server import PrivateServer, ServerStatus

__all__ = ["PrivateServer", "ServerStatus"]
