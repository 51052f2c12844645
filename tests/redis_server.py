"""A Redis of a test's own, on a socket in its directory, that can be killed and started anew."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

REDIS = shutil.which("redis-server")


@dataclass
class Redis:
    directory: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def socket(self) -> Path:
        return self.directory / "redis.sock"

    def start(self) -> None:
        self.socket.unlink(missing_ok=True)
        place = ["--port", "0", "--unixsocket", str(self.socket), "--dir", str(self.directory)]
        self.process = subprocess.Popen(
            [str(REDIS), *place, "--save", ""], stdout=subprocess.DEVNULL
        )
        while not self.socket.exists():
            assert self.process.poll() is None, "Redis did not start"
            time.sleep(0.01)

    def kill(self) -> None:
        """And with it all that it holds."""
        if self.process:
            self.process.kill()
            self.process.wait()


@contextmanager
def running_redis(directory: Path) -> Iterator[Redis]:
    redis = Redis(directory)
    redis.start()
    try:
        yield redis
    finally:
        redis.kill()
