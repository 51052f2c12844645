"""What goes wrong at the model's server or with MariaDB, in the middle of a conversation."""

import asyncio
import json
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from chats import chat_session
from fake_models import ScriptedLLM
from fetched import CACHE, MARIADBD
from model_calls import llm_of
from model_server import (
    MALFORMED,
    NO_CHOICES,
    SERVER_ERROR,
    CutStream,
    FakeModels,
    Fault,
    rate_limited,
)

from engines.chat.chat_session import ChatSession
from stores.connection import make_engine
from stores.errors import EngineError, ModelUnavailable, StoreUnavailable
from stores.private_server import PrivateServer
from stores.registry.schema import migrate

pytest_plugins = ["chat_database"]

SILENT = Fault(wait=5)
ANSWER = "30 days [1]."


@pytest.fixture
def engine(chat_engine: sa.Engine) -> sa.Engine:
    return chat_engine


def chat(session: ChatSession, **options: str) -> str:
    return session.chat("How long?", **options).response


def stream_chat(session: ChatSession, **options: str) -> str:
    return "".join(session.stream_chat("How long?", **options).response_gen)


def achat(session: ChatSession, **options: str) -> str:
    async def ask() -> str:
        return (await session.achat("How long?", **options)).response

    return asyncio.run(ask())


def astream_chat(session: ChatSession, **options: str) -> str:
    async def read() -> str:
        answer = await session.astream_chat("How long?", **options)
        return "".join([piece async for piece in answer.async_response_gen()])

    return asyncio.run(read())


WAYS = [chat, stream_chat, achat, astream_chat]
STREAMS = [stream_chat, astream_chat]
FAULTS = {
    "timeout": (SILENT, "did not answer in time"),
    "429": (rate_limited(7), "asks to wait 7 s"),
    "500": (SERVER_ERROR, "failed .HTTP 500."),
    "empty choices": (NO_CHOICES, "empty, broken or of another protocol|empty answer"),
    "malformed": (MALFORMED, "empty, broken or of another protocol|empty answer"),
}


@pytest.mark.parametrize("provider", ["openai-like", "ollama"])
@pytest.mark.parametrize("ask", WAYS)
def test_a_fault_of_the_model_is_told_and_stored_and_the_session_goes_on(engine, provider, ask):
    for fault, (reply, words) in FAULTS.items():
        with FakeModels(reply, default=ANSWER) as server:
            session = chat_session(engine, llm_of(server, provider, timeout=0.3), fault)
            with pytest.raises(ModelUnavailable, match=words) as caught:
                ask(session, turn_id="t1")
            assert len(server.requests) == 1
            [turn] = session.turns
            assert (turn.status, turn.answer, turn.error) == ("failed", "", str(caught.value))
            assert "sk-canary" not in turn.error
            assert ask(session, turn_id="t2") == ANSWER
            assert ask(session, turn_id="t1") == ANSWER
        turns = [(turn.id, turn.status) for turn in session.turns]
        assert turns == [("t1", "complete"), ("t2", "complete")]


def ended(way: Callable[..., str], reason: str) -> Fault:
    """Half an answer of OpenAI's kind, whole as its server sends it."""
    is_stream = way in (stream_chat, astream_chat)
    choice = {"index": 0, "finish_reason": reason}
    choice["delta" if is_stream else "message"] = {"role": "assistant", "content": "You have 30"}
    kind = "chat.completion.chunk" if is_stream else "chat.completion"
    body = json.dumps(
        {"id": "x", "object": kind, "created": 1, "model": "fake", "choices": [choice]}
    )
    if is_stream:
        text = f"data: {body}\n\ndata: [DONE]\n\n"
        return Fault(headers={"content-type": "text/event-stream"}, body=text)
    return Fault(headers={"content-type": "application/json"}, body=body)


@pytest.mark.parametrize("ask", WAYS)
@pytest.mark.parametrize(
    ("reason", "said"), [("length", "most tokens"), ("content_filter", "content filter")]
)
def test_an_answer_that_its_model_cut_is_stored_as_partial(engine, ask, reason, said):
    with FakeModels(ended(ask, reason)) as server:
        session = chat_session(engine, llm_of(server, "openai-like"))
        with pytest.raises(EngineError, match=said):
            ask(session)
        [turn] = session.turns
        assert (turn.status, turn.answer) == ("partial", "You have 30")
        assert said in turn.error


@pytest.mark.parametrize("provider", ["openai-like", "ollama"])
@pytest.mark.parametrize("polite", [False, True], ids=["cut", "cut politely"])
@pytest.mark.parametrize("ask", STREAMS)
def test_a_cut_stream_is_stored_as_partial_and_never_as_complete(engine, provider, polite, ask):
    cut = CutStream("You have 30 days to return it.", words=3, polite=polite)
    with FakeModels(cut, default=ANSWER) as server:
        session = chat_session(engine, llm_of(server, provider))
        with pytest.raises(ModelUnavailable, match="broke off its answer"):
            ask(session, turn_id="t1")
        [turn] = session.turns
        assert turn.status == "partial"
        assert turn.answer.split() in (["You", "have"], ["You", "have", "30"])
        assert "broke off" in turn.error
        assert turn.completion_tokens in (3, 4)
        assert ask(session, turn_id="t1") == ANSWER
        [turn] = session.turns
        assert (turn.status, turn.answer) == ("complete", ANSWER)


def test_tokens_are_those_that_the_server_reports(engine):
    with FakeModels(default=ANSWER) as server:
        session = chat_session(engine, llm_of(server, "openai-like"))
        chat(session)
    [turn] = session.turns
    assert (turn.prompt_tokens, turn.completion_tokens) == (1, 1)


@pytest.fixture
def mortal(server: PrivateServer) -> Iterator[PrivateServer]:
    """A server of its own; the session's one has fetched the program by then."""
    home = Path(tempfile.mkdtemp(prefix=f"kb-test-{os.getpid()}-", dir="/tmp"))
    own = PrivateServer(home, CACHE, mariadbd=MARIADBD, buffer_pool_mb=64)
    own.ensure_running()
    yield own
    kill(own)
    shutil.rmtree(home)


def kill(server: PrivateServer) -> None:
    pid = server.status().pid
    if pid:
        os.kill(pid, signal.SIGKILL)
        while server.status().running:
            time.sleep(0.01)


def database(server: PrivateServer) -> sa.URL:
    admin = make_engine(server.url("mysql"))
    with admin.connect() as connection:
        connection.exec_driver_sql("CREATE DATABASE chat")
    admin.dispose()
    return server.url("chat")


@pytest.mark.slow
def test_mariadb_killed_between_question_and_answer(mortal):
    url = database(mortal)
    reviving = make_engine(url, before_connect=mortal.ensure_running)
    mourning = make_engine(url)
    killed: list[int | None] = []

    def reply(prompt: str) -> str:
        killed.append(mortal.status().pid)
        kill(mortal)
        return ANSWER

    llm = ScriptedLLM(reply=reply)
    try:
        migrate(reviving)
        session = chat_session(reviving, llm)
        assert chat(session, turn_id="revived") == ANSWER
        assert session.turns[-1].status == "complete"
        lost = chat_session(mourning, llm)
        with pytest.raises(StoreUnavailable, match=r"could not be stored.*same turn id"):
            chat(lost, turn_id="lost")
        assert len(set(killed)) == 2
        mortal.ensure_running()
        assert [turn.status for turn in session.turns] == ["complete", "open"]
        assert chat(chat_session(mourning, llm), turn_id="lost") == ANSWER
        assert len(killed) == 2
        llm.reply = lambda _: ANSWER
        assert chat(lost) == ANSWER
        assert [turn.status for turn in session.turns] == ["complete"] * 3
    finally:
        reviving.dispose()
        mourning.dispose()
