"""How much memory and disk a private server takes, by what the machine has."""

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_MEGABYTE: Final = 2**20
_CONTAINER: Final = Path("/sys/fs/cgroup/memory.max")  # "max", or the bytes of this container


@dataclass(frozen=True)
class ServerSizes:
    """The sizes of a server in megabytes; its caches fill up to them only as they are needed."""

    buffer_pool: int
    vector_cache: int
    log: int

    def list_options(self) -> list[str]:
        return [
            f"--innodb-buffer-pool-size={self.buffer_pool}M",
            f"--mhnsw-max-cache-size={self.vector_cache}M",
            f"--innodb-log-file-size={self.log}M",
        ]


def choose_sizes(
    home: Path, buffer_pool_mb: int | None = None, vector_cache_mb: int | None = None
) -> ServerSizes:
    """Choose what is not given: an eighth of the memory for tables, a sixteenth for vectors.

    The log of changes is half as large as what is kept of the tables, as pages are written to disk
    before it is full; it lies on the disk whole, and takes a twentieth of its free space at most.
    """
    memory, free = _read_memory() // _MEGABYTE, shutil.disk_usage(home).free // _MEGABYTE
    pool = buffer_pool_mb or _limit(memory // 8, 256, 4096)
    return ServerSizes(
        buffer_pool=pool,
        vector_cache=vector_cache_mb or _limit(memory // 16, 256, 4096),
        log=_limit(min(pool // 2, free // 20), 96, 1024),
    )


def _read_memory() -> int:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with suppress(OSError, ValueError):
        return min(memory, int(_CONTAINER.read_text("ascii")))
    return memory


def _limit(size: int, least: int, most: int) -> int:
    return max(least, min(size, most))
