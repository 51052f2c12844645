"""The public MariaDB integrations of frameworks, on a database of their own."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from api_server import database_of

from stores.private_server import PrivateServer


@pytest.fixture
def theirs(server: PrivateServer) -> Iterator[sa.URL]:
    """The database of a program of another framework."""
    with database_of(server) as url:
        yield url
