"""A RabbitMQ of a test's own, in its directory, that can be killed and started anew."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

# Debian's program beside this one runs as root or as its own user alone.
RABBITMQ = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")


def _find_free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@dataclass
class RabbitMQ:
    directory: Path
    port: int
    names_port: int  # of epmd, by which nodes find each other; it outlives a RabbitMQ
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    def start(self) -> None:
        places = {
            name: str(self.directory / name.lower())
            for name in ("HOME", "RABBITMQ_MNESIA_BASE", "RABBITMQ_LOG_BASE")
        }
        environment = {
            **os.environ,
            **places,
            "RABBITMQ_NODENAME": f"kb{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(_find_free_port()),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.directory / "plugins"),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self.names_port),
        }
        for place in places.values():
            Path(place).mkdir(exist_ok=True)
        with (self.directory / "rabbitmq.txt").open("ab") as said:
            self.process = subprocess.Popen(
                [RABBITMQ], env=environment, stdout=said, stderr=said, start_new_session=True
            )
        while not self._answers():
            assert self.process.poll() is None, "RabbitMQ did not start"
            time.sleep(0.2)

    def _answers(self) -> bool:
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port)).close()
            return True
        return False

    def kill(self) -> None:
        if self.process:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


@contextmanager
def running_rabbitmq(directory: Path) -> Iterator[RabbitMQ]:
    broker = RabbitMQ(directory, _find_free_port(), _find_free_port())
    names = ["epmd", "-address", "127.0.0.1", "-port", str(broker.names_port)]
    with subprocess.Popen(names) as daemon:
        try:
            broker.start()
            yield broker
        finally:
            broker.kill()
            daemon.kill()
