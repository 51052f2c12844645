"""Where one private server keeps its things: paths, private folders, credentials."""

import configparser
import hashlib
import os
import secrets
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from stores.errors import StoreUnavailable

ACCOUNT = "kb"
LONGEST_SOCKET_PATH = 100
"""Bytes; systems allow 103 to 107."""


@dataclass(frozen=True)
class Home:
    path: Path

    @property
    def data(self) -> Path:
        return self.path / "data"

    @property
    def log(self) -> Path:
        return self.path / "server.log"

    @property
    def tables_version(self) -> Path:
        """The version that its system tables are of; the server's own tool writes it too."""
        return self.data / "mariadb_upgrade_info"

    @property
    def temporary(self) -> Path:
        return self.path / "tmp"

    @property
    def pid_file(self) -> Path:
        return self.path / "server.pid"

    @property
    def credentials(self) -> Path:
        """An option file of MariaDB's own clients."""
        return self.path / "client.cnf"

    @property
    def start_lock(self) -> Path:
        """Held by whoever starts or stops the server."""
        return self.path / "start.lock"

    @property
    def life_lock(self) -> Path:
        """Held by the server for as long as it lives, however it dies."""
        return self.path / "life.lock"

    @property
    def socket(self) -> Path:
        """The same for every process: it depends on nothing but the path and the user."""
        usual = self.path / "mariadb.sock"
        if len(os.fsencode(usual)) <= LONGEST_SOCKET_PATH:
            return usual
        digest = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:12]
        return Path("/tmp", f"kb-{os.geteuid()}-{digest}", usual.name)  # noqa: S108 - checked private

    def prepare_folders(self) -> None:
        for folder in (self.path, self.temporary, self.socket.parent):
            _make_private(folder)

    def read_password(self) -> str:
        parser = configparser.ConfigParser(interpolation=None)
        parser.read_string(self.credentials.read_text("utf-8"))
        return parser["client"]["password"]

    def write_credentials(self) -> None:
        if self.data.exists():
            raise StoreUnavailable(
                f"{self.credentials} is missing, and {self.data} opens with no other password; "
                "put the file back, or move the folder away to begin anew"
            )
        descriptor, name = tempfile.mkstemp(dir=self.path)
        with os.fdopen(descriptor, "w") as file:
            file.write(f"[client]\nuser={ACCOUNT}\npassword={secrets.token_urlsafe(24)}\n")
        Path(name).replace(self.credentials)


def _make_private(folder: Path) -> None:
    """Make a folder that is the user's own and closed to everyone else."""
    try:
        folder.mkdir(mode=stat.S_IRWXU, parents=True, exist_ok=True)
        facts = folder.lstat()
    except OSError as error:
        raise StoreUnavailable(f"no folder for the server: {error}; set KB_HOME") from error
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.geteuid():
        raise StoreUnavailable(
            f"{folder} must be a folder of the user who runs kb (uid {os.geteuid()}), "
            f"and it belongs to uid {facts.st_uid}; remove it, or set KB_HOME to another place"
        )
    if facts.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        folder.chmod(stat.S_IRWXU)
