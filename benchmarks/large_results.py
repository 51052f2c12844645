"""What reading a large result takes: by an engine of kb, and by the driver as it is.

The processor's milliseconds of the client for rows of 200 bytes, the median of three.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import sqlalchemy as sa

from kb.config.loading import load_config
from stores.connection import make_engine
from stores.private_server import PrivateServer
from stores.reader import find_reader

ROWS = "SELECT seq, REPEAT('x', 200) AS text FROM seq_1_to_{}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", default="10000,50000,100000")
    arguments = parser.parse_args()
    with opened() as (engine, plain):
        print("| rows | driver | engine of kb | searches' reader |")
        print("|---|---|---|---|")
        for rows in map(int, arguments.rows.split(",")):
            statement = ROWS.format(rows)
            ways: list[Callable[[], Any]] = [
                lambda: read(plain, statement),  # noqa: B023 - called within this round
                lambda: read(engine, statement),  # noqa: B023 - as above
                lambda: find_reader(engine).execute(sa.text(statement), {}),  # noqa: B023 - as above
            ]
            print(f"| {rows:,} | " + " | ".join(f"{measure(way):.0f}" for way in ways) + " |")


@contextmanager
def opened() -> Iterator[tuple[sa.Engine, sa.Engine]]:
    """An engine of kb over a server of its own, and one of SQLAlchemy alone."""
    with tempfile.TemporaryDirectory(prefix="kb-bench-", dir="/tmp") as home:
        server = PrivateServer(Path(home), load_config().cache)
        server.fetch(print)
        engine = make_engine(server.url("mysql"), before_connect=server.ensure_running)
        plain = sa.create_engine(engine.url)
        try:
            server.ensure_running()
            yield engine, plain
        finally:
            engine.dispose()
            plain.dispose()
            server.stop()


def read(engine: sa.Engine, statement: str) -> None:
    with engine.connect() as connection:
        connection.exec_driver_sql(statement).all()


def measure(way: Callable[[], Any]) -> float:
    taken = []
    for _ in range(3):
        since = time.thread_time()
        way()
        taken.append((time.thread_time() - since) * 1000)
    return median(taken)


if __name__ == "__main__":
    main()
