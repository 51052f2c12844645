"""64 sessions at once on a slow model; benchmarks/chat_load.py lets them talk longer."""

import asyncio

import pytest
import sqlalchemy as sa
from chats import chat_session
from many_chats import check, load

SESSIONS, TURNS = 64, 3


pytest_plugins = ["chat_database"]


@pytest.fixture
def engine(chat_engine: sa.Engine) -> sa.Engine:
    return chat_engine


@pytest.mark.slow
def test_many_sessions_at_once_keep_their_words_their_order_and_the_loop_awake(
    engine: sa.Engine, caplog: pytest.LogCaptureFixture
) -> None:
    watched = asyncio.run(load(engine, SESSIONS, TURNS, seconds=0.2))
    for number in range(SESSIONS):
        check(chat_session(engine, None, f"canary{number}"), TURNS)
    assert watched.on_the_loop == []
    assert 1 < watched.connections <= 15
    assert watched.lag(0.5) < 0.1
    assert caplog.records == []
