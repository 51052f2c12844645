"""A program on a terminal of its own, typed at and looked at as by a person."""

import os
import pty
import re
import select
import subprocess
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|\][^\x07]*\x07|[=>])")


@dataclass
class Terminal:
    """A process, and what its screen received so far, without colours."""

    process: "subprocess.Popen[bytes]"
    ours: int
    screen: str = ""
    seen: int = field(default=0)

    def type(self, keys: str) -> None:
        os.write(self.ours, keys.encode())

    def wait_for(self, text: str, seconds: float = 30) -> str:
        """What the screen received until the text came, since the last call."""
        end = time.monotonic() + seconds
        while text not in self.screen[self.seen :]:
            ready, _, _ = select.select([self.ours], [], [], max(0, end - time.monotonic()))
            assert ready, f"{text!r} did not come: {self.screen[self.seen :]!r}"
            self._read()
        begin, self.seen = self.seen, self.screen.index(text, self.seen) + len(text)
        return self.screen[begin : self.seen]

    def _read(self) -> None:
        data = os.read(self.ours, 65536).decode(errors="replace")
        if "\x1b[6n" in data:  # the program asks where the cursor is
            os.write(self.ours, b"\x1b[1;1R")
        self.screen += _ESCAPES.sub("", data)


@contextmanager
def on_a_terminal(
    command: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> Iterator[Terminal]:
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (40, 100))
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        yield Terminal(process, ours)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
