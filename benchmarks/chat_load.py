"""Many chat sessions at once on a slow model: cross-talk, order, errors, connections, loop lag.

Each session talks in turns, whole and streamed, and its model echoes the session's canary after
as many seconds. With a small window the sessions also sum up, and find earlier turns again.
"""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from kb.config.loading import load_config
from stores.connection import make_engine
from stores.private_server import PrivateServer
from stores.registry.schema import create_database, migrate

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from chats import chat_session
from many_chats import Watched, check, load


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=64)
    parser.add_argument("--turns", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=0.5, help="that an answer takes")
    parser.add_argument("--token-limit", type=int, default=8000)
    arguments = parser.parse_args()
    config = load_config()
    with tempfile.TemporaryDirectory(prefix="kb-bench-", dir="/tmp") as home:
        server = PrivateServer(Path(home), config.cache, mariadbd=config.mariadbd)
        server.fetch(print)
        server.ensure_running()
        try:
            print(_row(arguments, _measured(server, arguments)))
        finally:
            server.stop()


def _measured(server: PrivateServer, arguments: argparse.Namespace) -> Watched:
    admin = make_engine(server.url(""))
    create_database(admin, "chat")
    admin.dispose()
    engine = make_engine(server.url("chat"))
    migrate(engine)
    work = load(
        engine,
        arguments.sessions,
        arguments.turns,
        arguments.seconds,
        token_limit=arguments.token_limit,
    )
    watched = asyncio.run(work)
    for number in range(arguments.sessions):
        check(chat_session(engine, None, f"canary{number}"), arguments.turns)
    engine.dispose()
    return watched


def _row(arguments: argparse.Namespace, watched: Watched) -> str:
    lags = ", ".join(f"p{p} {watched.lag(p / 100) * 1000:.0f} ms" for p in (50, 99, 100))
    speed = watched.answers / watched.seconds
    return (
        f"{arguments.sessions} sessions x {arguments.turns} turns, {arguments.seconds} s each, "
        f"a window of {arguments.token_limit} tokens: {watched.answers} answers in "
        f"{watched.seconds:.1f} s ({speed:.0f} a second), no cross-talk, order kept, no error; "
        f"at most {watched.connections} connections, {len(watched.on_the_loop)} statements on the "
        f"loop, whose lag was {lags}"
    )


if __name__ == "__main__":
    main()
