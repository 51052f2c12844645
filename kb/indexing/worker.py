"""Read in a child process: a hostile file costs bounded time and memory, never the run."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self

from kb.indexing.document import (
    Bookmark,
    Chunk,
    Kind,
    ReadDocument,
    Section,
    UnreadableFile,
    UnreadableNow,
)
from kb.indexing.reading_options import READING, ReadingOptions
from stores.text.text_language import detect_language

COMMAND = (sys.executable, "-P", "-X", "utf8", "-m", "kb.indexing.reader_process")
READY = b"ready\n"
OUT_OF_MEMORY = 77
"""Exit status of a child that ran out of memory."""
MOST_MEMORY = 512_000_000
"""Bytes of address space; 3,000 pages of PDF and 20 million characters took 340 million."""
INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "LD_LIBRARY_PATH")
"""Of the environment; keys and passwords stay here."""


class ReadWorker:
    """Reads one file at a time in a child process, and replaces the child that a file broke.

    `seconds` are for each part of a mailbox or an archive; `clock.MOST_TURNS` times that for all.
    """

    def __init__(self, *, seconds: float = 30.0, memory: int = MOST_MEMORY) -> None:
        self._seconds = seconds
        self._options = READING.get()
        self._memory = max(memory, memory * self._options.max_file // ReadingOptions().max_file)
        self._scratch = TemporaryDirectory(prefix="kb-reading-")
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        if self._child is not None:
            _end_child(self._child)
            self._child = None
        self._scratch.cleanup()  # of copies, too, that a child left which died over them

    def read(self, path: Path, start: Bookmark | None = None) -> ReadDocument:
        """Return the document; raise UnreadableFile for what is broken, too slow or too large.

        Of a large file it is the first part, or that which begins at `start`. Its language is what
        it declares, else what its text looks like.
        """
        answer = self._ask_child(path, start)
        if "reason" in answer:
            raise (UnreadableFile if answer["lasts"] else UnreadableNow)(answer["reason"])
        sections = tuple(map(_json_to_section, answer.pop("sections")))
        # Here and not in the child: each of those would load the model of languages anew.
        language = answer.pop("language") or _guess_language(answer["kind"], sections)
        failures = tuple((name, reason) for name, reason in answer.pop("failures"))
        rest = Bookmark(**rest) if (rest := answer.pop("rest")) else None
        return ReadDocument(
            **answer, language=language, sections=sections, failures=failures, rest=rest
        )

    def _ask_child(self, path: Path, start: Bookmark | None) -> Any:
        """Return the child's answer, and start a child first if there is none."""
        if self._child is None or self._child.poll() is not None:
            self.close()
            self._child = self._start_child()
        child = self._child
        try:
            line = _exchange_line(child, json.dumps([str(path), start and asdict(start)]))
        except BaseException:  # an answer that nobody read would be taken for the next one
            self.close()
            raise
        if not line.endswith(b"\n"):
            self._child = None
            with suppress(subprocess.TimeoutExpired):
                child.wait(1)
            raise self._explain_death(_end_child(child))
        return json.loads(line)

    def _start_child(self) -> subprocess.Popen[bytes]:
        """Start a child and wait until it is ready; raise RuntimeError if it ends before."""
        options = json.dumps(asdict(self._options))
        child = subprocess.Popen(  # noqa: S603 - the command is ours
            [*COMMAND, str(self._seconds), str(self._memory), options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=_build_child_environment() | {"TMPDIR": self._make_scratch()},
        )
        if READY not in iter(child.stdout or ()):  # what start-up hooks print comes before
            status = _end_child(child)
            raise RuntimeError(f"The reader process ended with {status}: {' '.join(COMMAND)}")
        return child

    def _make_scratch(self) -> str:
        """Return an empty directory for copies of what is inside of files."""
        self._scratch.cleanup()
        self._scratch = TemporaryDirectory(prefix="kb-reading-")
        return self._scratch.name

    def _explain_death(self, status: int) -> UnreadableFile:
        """Return the error that tells people why the child died over a file."""
        if status == -signal.SIGALRM:
            return UnreadableFile(f"took longer than {self._seconds:g} s")
        if status == OUT_OF_MEMORY:
            return UnreadableFile(f"needed more than {self._memory / 1e6:g} MB of memory")
        if status in (-signal.SIGKILL, -signal.SIGTERM):
            return UnreadableNow("the parser was ended from outside")
        death = f"signal {-status}" if status < 0 else f"exit status {status}"
        return UnreadableFile(f"the parser crashed ({death})")


def _guess_language(kind: Kind, sections: Sequence[Section]) -> str:
    if kind == "code":
        return ""
    return detect_language("\n".join(section.text for section in sections[:20]))


def _json_to_section(answer: dict[str, Any]) -> Section:
    chunks = (
        Chunk(**{**chunk, "headings": tuple(chunk["headings"])}) for chunk in answer.pop("chunks")
    )
    above = tuple((level, words) for level, words in answer.pop("above"))
    return Section(**answer, above=above, chunks=tuple(chunks))


def _exchange_line(child: subprocess.Popen[bytes], question: str) -> bytes:
    """Send the question and return the line of the answer, cut short when the child died."""
    if child.stdin is None or child.stdout is None:
        return b""
    with suppress(BrokenPipeError):
        child.stdin.write(f"{question}\n".encode())
        child.stdin.flush()
    return child.stdout.readline()


def _end_child(child: subprocess.Popen[bytes]) -> int:
    """End the child and return the status with which it died, of itself or of this."""
    with suppress(BrokenPipeError), child:
        child.kill()
    return child.returncode


def _build_child_environment() -> dict[str, str]:
    """Return what Python needs to import the same modules as here, from the same places."""
    places = [*filter(None, sys.path), str(Path(__file__).parents[2])]
    return {name: os.environ[name] for name in INHERITED if name in os.environ} | {
        "PYTHONPATH": os.pathsep.join(places),
        "OPENBLAS_NUM_THREADS": "1",  # each thread would reserve memory out of the limit
    }
