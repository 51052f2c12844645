"""Processes that chat are killed at any moment: what was acknowledged is stored, once, in order."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest
import sqlalchemy as sa
from chats import chat_session, session_store
from fake_models import ScriptedLLM

from stores.chats.chat_sessions import Turn

pytest_plugins = ["chat_database"]

KILLS, MOST_KILLS = 6, 60  # more until one comes in the middle of a turn
SEED = int(os.environ.get("KB_TEST_SEED", "20261121"))
# Everything is imported once; each line read forks a process that chats until it is killed.
CHATTING = """\
import itertools, os, signal, sys, time
sys.path[:0] = sys.argv[2:]
from chats import chat_session
from fake_models import ScriptedLLM
from stores.connection import make_engine

def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())

def reply(prompt):
    time.sleep(0.005)
    return "Answer to " + prompt.split("Question: ")[-1].split()[0] + " in some words [1]."

def chat(name):
    session = chat_session(make_engine(sys.argv[1]), ScriptedLLM(reply=reply))
    for number in itertools.count():
        turn_id = f"{name}-{number}"
        say("ask", turn_id)
        if number % 2:
            answer = session.stream_chat(turn_id, turn_id=turn_id)
            list(answer.response_gen)
        else:
            answer = session.chat(turn_id, turn_id=turn_id)
        say("ack", turn_id, answer.response)

signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the killed leave no zombies
say("ready")
for line in sys.stdin:
    if os.fork() == 0:
        say("pid", os.getpid())
        chat(line.strip())
"""


@pytest.fixture
def engine(chat_engine: sa.Engine) -> sa.Engine:
    return chat_engine


class Chatting:
    """The processes, and the history of what they asked and what was acknowledged to them."""

    def __init__(self, url: sa.URL) -> None:
        arguments = [url.render_as_string(hide_password=False), str(Path(__file__).parents[1])]
        self._launcher = subprocess.Popen(
            [sys.executable, "-c", CHATTING, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        self.asked: list[str] = []
        self.acknowledged: dict[str, str] = {}
        assert self._line() == ["ready"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._launcher as launcher:
            launcher.kill()

    def start(self, name: str) -> int:
        assert self._launcher.stdin
        self._launcher.stdin.write(f"{name}\n")
        return int(self.read_until("pid")[1])

    def read_until(self, words: str) -> list[str]:
        while True:
            line = self._line()
            if line[0] == "ask":
                self.asked.append(line[1])
            elif line[0] == "ack":
                self.acknowledged[line[1]] = line[2]
            if words in (line[0], " ".join(line)):
                return line

    def end(self) -> None:
        """What the killed had said before is still in the pipe."""
        assert self._launcher.stdin
        self._launcher.stdin.close()
        with pytest.raises(EOFError):
            self.read_until("the end")
        self._launcher.wait()

    def _line(self) -> list[str]:
        assert self._launcher.stdout
        line = self._launcher.stdout.readline()
        if not line:
            raise EOFError
        return line.strip().split(" ", 2)


@pytest.fixture
def chatting(engine: sa.Engine) -> Iterator[Chatting]:
    with Chatting(engine.url) as chatting:
        yield chatting


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    time.sleep(0.002)


def order_of(name: str, turn_ids: list[str]) -> list[int]:
    return [int(each.split("-")[1]) for each in turn_ids if each.split("-")[0] == name]


def find_unfinished(engine: sa.Engine, names: list[str]) -> list[str]:
    """Find the turns of some processes that are stored and have no end."""
    turns = chat_session(engine, ScriptedLLM()).turns
    own = [turn for turn in turns if turn.id.split("-")[0] in names]
    return [turn.id for turn in own if turn.status != "complete"]


@pytest.mark.slow
def test_what_was_acknowledged_before_a_kill_is_stored_once_and_in_order(engine, chatting):
    chance = random.Random(SEED)
    names: list[str] = []
    survivor = chatting.start("survivor")
    while len(names) < KILLS or (len(names) < MOST_KILLS and not find_unfinished(engine, names)):
        name = f"p{len(names)}"
        names.append(name)
        pid = chatting.start(name)
        chatting.read_until(f"ask {name}-{chance.randrange(4)}")
        time.sleep(chance.random() * 0.03)
        kill(pid)
    kill(survivor)
    chatting.end()
    session = chat_session(engine, ScriptedLLM(reply=lambda _: "After all [1]."))
    killed = [turn.id for turn in session.turns if turn.status != "complete"]
    session.chat("Does it go on?", turn_id="afterwards")
    turns = session.turns
    assert_history(turns, chatting, [*names, "survivor"])
    assert killed, "no process was killed in the middle of a turn"
    assert len(chatting.acknowledged) > KILLS
    assert {turn.id: turn.status for turn in turns if turn.id in killed} == dict.fromkeys(
        killed, "failed"
    )
    for turn_id in killed:
        assert session.chat(turn_id, turn_id=turn_id).response == "After all [1]."
    assert {turn.status for turn in session.turns} == {"complete"}
    assert session_store(engine).one("s").turns == len(turns)


def assert_history(turns: list[Turn], chatting: Chatting, names: list[str]) -> None:
    stored = {turn.id: turn for turn in turns}
    assert Counter(turn.id for turn in turns).most_common(1)[0][1] == 1
    assert stored.keys() - {"afterwards"} <= set(chatting.asked)
    for turn_id, answer in chatting.acknowledged.items():
        assert (stored[turn_id].status, stored[turn_id].answer) == ("complete", answer), turn_id
        assert answer == f"Answer to {turn_id} in some words [1]."
    assert [turn.number for turn in turns] == list(range(1, len(turns) + 1))
    for name in names:
        order = order_of(name, [turn.id for turn in turns if turn.id != "afterwards"])
        assert order == list(range(len(order))), name
