"""A plugin of the tests that chat: one migrated database for all, emptied after each."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
import sqlalchemy as sa
from chats import forget_shared, memory_table, shared

from stores.connection import make_engine
from stores.private_server import PrivateServer
from stores.registry.schema import create_database, migrate


@pytest.fixture(scope="session")
def _migrated(server: PrivateServer) -> Iterator[sa.Engine]:
    name = f"chats_{uuid4().hex[:12]}"
    admin = make_engine(server.url("mysql"))
    create_database(admin, name)
    admin.dispose()
    engine = make_engine(server.url(name), before_connect=server.ensure_running)
    migrate(engine)
    memory_table(engine).set_up()
    yield engine
    engine.dispose()


@pytest.fixture
def chat_engine(_migrated: sa.Engine) -> Iterator[sa.Engine]:
    yield _migrated
    shared(_migrated)[0].wait(30)
    forget_shared(_migrated)  # the next test's session has the same name
    with _migrated.begin() as connection:
        connection.exec_driver_sql("DELETE FROM kb_session")
        connection.exec_driver_sql("DELETE FROM kb_memory")
