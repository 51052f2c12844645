"""A server that lets people wait is waited for once."""

import socket
import threading
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from kb.assembly.outage import Outage
from stores.connection import make_engine


class Silent:
    """A server that takes calls, counts them, and hangs up without a word."""

    def __init__(self) -> None:
        self.calls = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._hang_up)
        self._thread.start()

    @property
    def url(self) -> str:
        port = self._socket.getsockname()[1]
        return f"mariadb+mariadbconnector://kb:wrong@127.0.0.1:{port}/shop"

    def _hang_up(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            if self.calls < 0:
                connection.close()
                return
            self.calls += 1
            connection.close()

    def close(self) -> None:
        self.calls = -1
        socket.create_connection(self._socket.getsockname()).close()
        self._thread.join()
        self._socket.close()


@pytest.fixture
def silent() -> Iterator[Silent]:
    server = Silent()
    yield server
    server.close()


def fail_to_connect(outage: Outage, url: str) -> str:
    """The error of a new engine, as each opening of the tables makes one."""
    engine = make_engine(url)
    outage.watch(engine)
    with pytest.raises(sa.exc.DBAPIError) as caught, engine.connect():
        pass
    engine.dispose()
    return str(caught.value.orig)


def test_a_failure_that_took_its_time_is_remembered(silent):
    outage = Outage(seconds=3600, patience=0)
    first = fail_to_connect(outage, silent.url)
    calls = silent.calls
    assert calls > 0
    assert [fail_to_connect(outage, silent.url) for _ in range(3)] == [first] * 3
    assert silent.calls == calls


@pytest.mark.parametrize("outage", [Outage(seconds=3600, patience=3600), Outage(0, 0)])
def test_a_quick_failure_and_a_former_one_are_not(silent, outage):
    fail_to_connect(outage, silent.url)
    calls = silent.calls
    fail_to_connect(outage, silent.url)
    assert silent.calls > calls


def test_those_who_come_meanwhile_wait_for_the_one_who_tries(silent):
    outage, told = Outage(seconds=3600, patience=0), list[str]()
    threads = [
        threading.Thread(target=lambda: told.append(fail_to_connect(outage, silent.url)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(told) == 4
    calls = silent.calls
    fail_to_connect(Outage(), silent.url)
    assert silent.calls == 2 * calls  # so those were of one attempt
