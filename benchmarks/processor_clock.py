"""What work takes of the processor, which other work on the machine hardly changes."""

import os
import time
from pathlib import Path

from stores.private_server import PrivateServer

TICKS = os.sysconf("SC_CLK_TCK")


def read_processor_time(process: int) -> float:
    """Return the milliseconds that a process has had of the processors, its threads' included."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / TICKS


class Clock:
    """The processor's milliseconds of the server and of this process since it was made."""

    def __init__(self, server: PrivateServer) -> None:
        process = server.status().pid
        assert process, "the server does not run"
        self._process = process
        self._server, self._client = read_processor_time(process), time.process_time()

    def read_server(self) -> float:
        return read_processor_time(self._process) - self._server

    def read_client(self) -> float:
        return (time.process_time() - self._client) * 1000
