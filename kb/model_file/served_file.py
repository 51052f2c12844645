"""A model file behind an address of this machine, for as long as this process lives."""

import json
import os
import secrets
import subprocess
import sys
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from threading import Lock, Timer
from typing import Final, Literal

from stores.errors import ConfigError, ModelUnavailable

_SCRIPT: Final = Path(__file__).with_name("serve_file.py")
_START_SECONDS: Final = 300.0  # a large file is read from a slow disk
_CACHE_MB: Final = 512  # of prompts that were read once, whose beginnings are not read anew
_INHERITED: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH")


@dataclass
class ServedFile:
    """A model file, which the first `start` begins to serve on a port of 127.0.0.1.

    Only who has the `api_key` may ask. The child ends with this process, whatever ends it. With
    `pooling` it makes embeddings: "model" as the file says, else "mean", "cls" or "last" of what
    the model sees of each token.
    """

    path: Path
    name: str
    context_window: int
    threads: int
    pooling: str | None = None
    api_key: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    _child: subprocess.Popen[str] | None = None
    _url: str = ""
    _lock: Lock = field(default_factory=Lock, repr=False)

    def start(self) -> str:
        """Return the address of the server, started if it does not run. Raises ModelUnavailable."""
        with self._lock:
            if self._child is None or self._child.poll() is not None:
                self._end_child()
                self._child, self._url = self._start_child()
            return self._url

    @property
    def process_id(self) -> int | None:
        return self._child.pid if self._child else None

    def stop(self) -> None:
        with self._lock:
            self._end_child()

    def _end_child(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.communicate()
            self._child = None

    def _start_child(self) -> tuple[subprocess.Popen[str], str]:
        child = subprocess.Popen(  # noqa: S603 - the command is ours
            [sys.executable, "-P", "-X", "utf8", str(_SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # llama.cpp may print prompts there
            env={name: os.environ[name] for name in _INHERITED if name in os.environ},
            text=True,
        )
        too_late = Timer(_START_SECONDS, child.kill)
        too_late.start()
        try:
            address = self._send_settings(child)
        finally:
            too_late.cancel()
        if not address:
            child.kill()
            child.communicate()
            raise ModelUnavailable(
                f"llama.cpp does not load {self.path} (status {child.returncode}). Is it a whole "
                f"GGUF file of {'an embedding' if self.pooling else 'a chat'} model, and does the "
                "machine have the memory for it? `kb setup` fetches one that is known to load."
            )
        return child, f"{address}/v1"

    def _send_settings(self, child: subprocess.Popen[str]) -> str:
        """Send what to serve, and return the address; "" if the child ended."""
        assert child.stdin and child.stdout  # noqa: S101, PT018 - both are pipes
        settings = {
            "path": str(self.path),
            "name": self.name,
            "context_window": self.context_window,
            "threads": self.threads,
            "cache_mb": _CACHE_MB,
            "pooling": self.pooling,
            "api_key": self.api_key,
        }
        try:
            child.stdin.write(f"{json.dumps(settings)}\n")
            child.stdin.flush()
        except BrokenPipeError:
            return ""
        return child.stdout.readline().strip()


def require_llama_cpp(section: Literal["llm", "embedding"]) -> None:
    """Raise ConfigError unless the package is installed that serves model files."""
    if find_spec("xllamacpp") is None:
        raise ConfigError(
            f"{section}.provider is llama-cpp, which is not installed. "
            "Run `pip install 'mariadb-kb[llama]'`, or choose another provider."
        )
