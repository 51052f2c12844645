"""Takes turns into the memory of their session, after their answers are handed over."""

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from llama_index.core.memory import Memory

from engines.chat.memory import LongTermMemory
from engines.chat.titles import Titles
from stores.chats.chat_sessions import Turn
from stores.errors import KBError

_DEADLINE: Final = 20.0  # seconds for one try; what is not taken in is taken the next time
_PAUSE: Final = 60.0  # seconds without a try, after one that failed
_AT_ONCE: Final = 4  # sessions of a process
_log = logging.getLogger(__name__)
_turns_of_sessions = threading.BoundedSemaphore(_AT_ONCE)


Observe: TypeAlias = Callable[[str | None], AbstractContextManager[object]]


@dataclass
class _Session:
    """The turns of a session to take into memory, and the thread that does it meanwhile."""

    observe: Observe
    lock: threading.Lock = field(default_factory=threading.Lock)
    waiting: deque[tuple[Memory, Turn, str | None, Titles | None]] = field(default_factory=deque)
    thread: threading.Thread | None = None
    not_before: float = 0.0

    @property
    def is_idle(self) -> bool:
        """Whether no thread is at work, nor a pause after a failure is kept."""
        return self.thread is None and time.monotonic() >= self.not_before

    def add_turn(self, memory: Memory, turn: Turn, user: str | None, titles: Titles | None) -> None:
        """Add a turn of a user, and start a thread unless one is at work."""
        with self.lock:
            self.waiting.append((memory, turn, user, titles))
            if self.thread is None:
                self.thread = threading.Thread(target=self._take_in_waiting_turns, daemon=True)
                self.thread.start()

    def wait_for_thread(self, seconds: float) -> None:
        """Wait for the thread that is at work, if any, but no longer than that."""
        if thread := self.thread:
            thread.join(seconds)

    def _take_in_waiting_turns(self) -> None:
        """Take in turns until none waits; after a failure the memory has a pause."""
        while taken := self._take_next_turn():
            memory, turn, user, titles = taken
            with _turns_of_sessions:
                try:
                    with self.observe(user):
                        asyncio.run(self._take_in_turn(memory, turn, titles))
                except Exception as error:  # noqa: BLE001 - the answer is stored and stays right
                    self.not_before = time.monotonic() + _PAUSE
                    reason = error if isinstance(error, KBError) else type(error).__name__
                    _log.warning("A session could not take a turn into its memory: %s", reason)

    def _take_next_turn(self) -> tuple[Memory, Turn, str | None, Titles | None] | None:
        with self.lock:
            if not self.waiting:
                self.thread = None
                return None
            return self.waiting.popleft()

    async def _take_in_turn(self, memory: Memory, turn: Turn, titles: Titles | None) -> None:
        if titles:
            async with asyncio.timeout(_DEADLINE):
                await titles.entitle(memory.session_id, turn)
        for block in memory.memory_blocks:
            if isinstance(block, LongTermMemory):
                await block.aput_turn(turn)
        if time.monotonic() >= self.not_before:
            async with asyncio.timeout(_DEADLINE):
                await memory._manage_queue()  # noqa: SLF001 - the store wrote the messages, with the turn


class MemoryUpdates:
    """Takes the turns of one knowledge base into memory, each session's in a thread of its own.

    Models are asked within `observe`, which gets the user whose turn it is.
    """

    def __init__(self, observe: Observe = nullcontext) -> None:
        self._observe = observe
        self._sessions: dict[str, _Session] = {}
        self._finding = threading.Lock()

    def take_in(
        self, memory: Memory, turn: Turn, user: str | None = None, titles: Titles | None = None
    ) -> None:
        """Take a turn of a user into memory, in the background; `titles` entitle its session."""
        with self._finding:
            idle = [name for name, session in self._sessions.items() if session.is_idle]
            for name in idle:
                del self._sessions[name]
            session = self._sessions.setdefault(memory.session_id, _Session(self._observe))
            session.add_turn(memory, turn, user, titles)

    def wait(self, seconds: float, session_id: str | None = None) -> None:
        """Wait, no longer than that, until all turns of a session, or of all, are taken in."""
        until = time.monotonic() + seconds
        with self._finding:
            known = dict(self._sessions)
        for name, session in known.items():
            if session_id in (None, name):
                session.wait_for_thread(max(0.0, until - time.monotonic()))
