"""Taking turns into the memory of their session, after their answers are handed over."""

import asyncio
import logging
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from llama_index.core.memory import Memory

from engines.chat.memory import LongTermMemory
from stores.chats.chat_sessions import Turn
from stores.errors import KBError

_DEADLINE: Final = 20.0  # seconds for one try; what is not taken in is taken the next time
_PAUSE: Final = 60.0  # seconds without a try, after one that failed
_AT_ONCE: Final = 4  # sessions of a process
_log = logging.getLogger(__name__)
_turns_of_sessions = threading.BoundedSemaphore(_AT_ONCE)


@dataclass
class _Session:
    """What is to be taken in, and who does it; no thread is one that is not needed."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    waiting: deque[tuple[Memory, Turn]] = field(default_factory=deque)
    thread: threading.Thread | None = None
    not_before: float = 0.0

    @property
    def is_idle(self) -> bool:
        return self.thread is None and time.monotonic() >= self.not_before

    def put(self, memory: Memory, turn: Turn) -> None:
        with self.lock:
            self.waiting.append((memory, turn))
            if self.thread is None:
                self.thread = threading.Thread(target=self._work, daemon=True)
                self.thread.start()

    def join(self, seconds: float) -> None:
        if thread := self.thread:
            thread.join(seconds)

    def _work(self) -> None:
        while taken := self._next():
            with _turns_of_sessions:
                try:
                    asyncio.run(self._take(*taken))
                except Exception as error:  # noqa: BLE001 - the answer is stored and stays right
                    self.not_before = time.monotonic() + _PAUSE
                    reason = error if isinstance(error, KBError) else type(error).__name__
                    _log.warning("A session could not take a turn into its memory: %s", reason)

    def _next(self) -> tuple[Memory, Turn] | None:
        with self.lock:
            if not self.waiting:
                self.thread = None
                return None
            return self.waiting.popleft()

    async def _take(self, memory: Memory, turn: Turn) -> None:
        for block in memory.memory_blocks:
            if isinstance(block, LongTermMemory):
                await block.aput_turn(turn)
        if time.monotonic() >= self.not_before:
            async with asyncio.timeout(_DEADLINE):
                await memory._manage_queue()  # noqa: SLF001 - the store wrote the messages, with the turn


class MemoryUpdates:
    """The turns of one knowledge base that are on their way into the memory of their sessions."""

    def __init__(self) -> None:
        self._sessions: dict[str, _Session] = {}
        self._finding = threading.Lock()

    def take_in(self, memory: Memory, turn: Turn) -> None:
        """Take a turn into memory, in the background."""
        with self._finding:
            idle = [name for name, session in self._sessions.items() if session.is_idle]
            for name in idle:
                del self._sessions[name]
            self._sessions.setdefault(memory.session_id, _Session()).put(memory, turn)

    def wait(self, seconds: float, session_id: str | None = None) -> None:
        """Until all turns of a session, or of all, are taken in; not longer than that."""
        until = time.monotonic() + seconds
        with self._finding:
            known = dict(self._sessions)
        for name, session in known.items():
            if session_id in (None, name):
                session.join(max(0.0, until - time.monotonic()))
