"""Read in the child of ReadWorker: a line brings a path, a line takes a document or a reason.

The path comes with a bookmark if a part of a large file is meant. The death of the child is an
answer too: SIGALRM says that reading took too long, the status OUT_OF_MEMORY that it needed too
much memory.
"""

import json
import os
import resource
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from kb.indexing.charset import clean_text
from kb.indexing.clock import CLOCK
from kb.indexing.document import Bookmark, UnreadableFile, UnreadableNow
from kb.indexing.read import read_document
from kb.indexing.reading_options import READING, ReadingOptions
from kb.indexing.worker import OUT_OF_MEMORY, READY


def main(seconds: float, memory: int, options: ReadingOptions) -> None:
    """Answer one question a line until there are no more, within the bounds of time and memory."""
    questions, answers = _take_pipes()
    _set_limits(memory)
    READING.set(options)
    answers.write(READY)
    answers.flush()
    _silence_descriptor(sys.stderr.fileno())
    for line in questions:
        # The clock runs here and not in the parent, so that no orphan parses for ever.
        CLOCK.start(seconds)
        answer = _answer_question(*json.loads(line))
        CLOCK.stop()
        answers.write(answer)
        answers.flush()


def _answer_question(path: str, start: dict[str, Any] | None) -> bytes:
    """Return the document at a path, or the reason why there is none, as a line of JSON.

    Of a file that is read by parts it is the one that begins at a bookmark.
    """
    try:
        document = read_document(Path(path), Bookmark(**start) if start else None)
        answer = json.dumps(asdict(document), ensure_ascii=False)
    except UnreadableFile as error:
        refusal = {"reason": clean_text(str(error)), "lasts": not isinstance(error, UnreadableNow)}
        answer = json.dumps(refusal, ensure_ascii=False)
    except MemoryError:
        os._exit(OUT_OF_MEMORY)
    return f"{answer}\n".encode()


def _take_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Take standard input and output away from whatever a library may read or print."""
    questions, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    _silence_descriptor(0)
    _silence_descriptor(1)
    return questions, answers


def _silence_descriptor(descriptor: int) -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, descriptor)
    os.close(nothing)


def _set_limits(memory: int) -> None:
    """Limit memory, let the clock end the process, and leave Ctrl-C to the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":  # elsewhere address space cannot be limited
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]), ReadingOptions(**json.loads(sys.argv[3])))
