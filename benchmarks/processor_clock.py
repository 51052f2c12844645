"""What work takes of the processor, which other work on the machine hardly changes."""

import os
import time
from pathlib import Path

from stores.private_server import PrivateServer

TICKS = os.sysconf("SC_CLK_TCK")


class Clock:
    """The processor's milliseconds of the server and of this process since it was made."""

    def __init__(self, server: PrivateServer) -> None:
        self._stat = Path("/proc", str(server.status().pid), "stat")
        self._server, self._client = self._read_stat(), time.process_time()

    def read_server(self) -> float:
        return self._read_stat() - self._server

    def read_client(self) -> float:
        return (time.process_time() - self._client) * 1000

    def _read_stat(self) -> float:
        fields = self._stat.read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * 1000 / TICKS
