"""The MariaDB that kb starts itself, reachable by its user alone."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from filelock import FileLock, Timeout

from stores.errors import StoreError, StoreUnavailable
from stores.private_server import server_process as run
from stores.private_server.bootstrap import make_data
from stores.private_server.fetch_packages import (
    fetch_program,
    find_fetched,
    find_updates,
    renew_program,
)
from stores.private_server.find_binary import ServerProgram, find_program
from stores.private_server.home import ACCOUNT, Home
from stores.private_server.sizes import choose_sizes
from stores.private_server.tables_upgrade import fit_tables
from stores.text.translations import Message

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ServerStatus:
    running: bool
    pid: int | None
    version: str | None
    binary: Path | None
    socket: Path
    data_directory: Path
    log: Path


class PrivateServer:
    def __init__(
        self,
        home: Path,
        cache: Path,
        *,
        mariadbd: str | None = None,
        buffer_pool_mb: int | None = None,
        vector_cache_mb: int | None = None,
        options: Sequence[str] = (),
    ) -> None:
        """`mariadbd` names a server program; without it an installed or fetched one is used.

        Sizes that are not given follow the machine. `options` are more of the program's own.
        """
        self._home = Home(home.expanduser().resolve())
        self._cache = cache.expanduser().resolve()
        self._mariadbd = mariadbd
        self._buffer_pool_mb, self._vector_cache_mb = buffer_pool_mb, vector_cache_mb
        self._options = tuple(options)

    def __repr__(self) -> str:
        return f"PrivateServer({str(self._home.path)!r})"

    def fetch(self, say: Callable[[str], None]) -> Path:
        """Make sure that a server program is there: find it or download it."""
        return self._find_or_fetch(say).path

    def find_updates(self) -> list[str] | None:
        """The packages that Debian has and the fetched program was not made of.

        None where the program is not one that kb fetched. Asks the archive. Raises
        StoreUnavailable, UnsupportedServer.
        """
        if find_program(self._mariadbd) or not find_fetched(self._cache):
            return None
        return find_updates(self._cache)

    def upgrade(self, say: Callable[[str], None]) -> None:
        """Fetch the newest program, and go on with it on the same data; else with the former one.

        Raises StoreUnavailable, UnsupportedServer.
        """
        path = self.fetch(say)
        updates = self.find_updates()
        if updates is None:
            say(
                Message(
                    "{path} was not fetched by kb; it is renewed in the way that it was installed.",
                    path=path,
                )
            )
        elif not updates:
            say(Message("The private MariaDB is the newest of Debian's archive."))
        else:
            say(Message("Debian has {packages}", packages=", ".join(updates)))
            self._home.prepare_folders()
            with self._hold_start_lock():
                self._go_on_with_newest(say)

    def _go_on_with_newest(self, say: Callable[[str], None]) -> None:
        try:
            with renew_program(self._cache, say) as program:
                if run.is_alive(self._home):
                    run.stop_server(self._home, say)
                if self._home.data.exists():
                    self._start()
        except StoreError:
            say(Message("The former MariaDB goes on."))
            if self._home.data.exists() and not run.wait_until_up(self._home):
                self._start()
            raise
        say(Message("MariaDB {version} has taken its place", version=program.version))

    def ensure_running(self) -> None:
        self._home.prepare_folders()
        if run.is_answering(self._home):
            return
        with self._hold_start_lock():
            if not run.wait_until_up(self._home):
                self._start()

    def stop(self, say: Callable[[str], None] = log.info) -> bool:
        """Stop the server, by force if it must be; False when none was running."""
        self._home.prepare_folders()
        if not run.is_alive(self._home):
            return False
        with self._hold_start_lock():
            run.stop_server(self._home, say)
        return True

    def has_data(self) -> bool:
        """Tell whether it was ever started; nothing is made to find out."""
        return self._home.data.exists()

    def status(self) -> ServerStatus:
        self._home.prepare_folders()
        program = find_program(self._mariadbd) or find_fetched(self._cache)
        return ServerStatus(
            running=run.is_alive(self._home),
            pid=run.find_living_pid(self._home),
            version=program.version if program else None,
            binary=program.path if program else None,
            socket=self._home.socket,
            data_directory=self._home.data,
            log=self._home.log,
        )

    def url(self, database: str) -> sa.URL:
        self._home.prepare_folders()
        if not self._home.credentials.exists():
            with self._hold_start_lock():
                self._ensure_credentials()
        return sa.URL.create(
            "mariadb+mariadbconnector",
            username=ACCOUNT,
            password=self._home.read_password(),
            database=database,
            query={"unix_socket": str(self._home.socket)},
        )

    def shell_command(self, database: str) -> list[str]:
        """The command of an interactive SQL shell; the password stays in its file."""
        return self._find_or_fetch(log.info).make_client_command(
            f"--defaults-file={self._home.credentials}",
            f"--socket={self._home.socket}",
            "--skip-ssl",
            database,
        )

    def _find_or_fetch(self, say: Callable[[str], None]) -> ServerProgram:
        return find_program(self._mariadbd) or fetch_program(self._cache, say)

    def _start(self) -> None:
        program = self._find_or_fetch(log.info)
        self._ensure_credentials()
        if not self._home.data.exists():
            make_data(program, self._home)
        sizes = choose_sizes(self._home.path, self._buffer_pool_mb, self._vector_cache_mb)
        options = [*sizes.list_options(), *self._options]
        fit_tables(program, self._home, options)
        run.launch_server(program, self._home, options)
        if not run.wait_until_up(self._home):
            raise StoreUnavailable(
                f"the private MariaDB {program.version} died while starting. "
                f"The end of its log {self._home.log}:\n{run.read_end_of_log(self._home.log)}"
            )

    def _ensure_credentials(self) -> None:
        if not self._home.credentials.exists():
            self._home.write_credentials()

    @contextmanager
    def _hold_start_lock(self) -> Iterator[None]:
        """Be the only one of all processes that starts, stops or prepares this server."""
        lock = FileLock(self._home.start_lock, timeout=3 * run.DEADLINE)
        try:
            lock.acquire()
        except Timeout as error:
            raise StoreUnavailable(
                f"another process has been starting or stopping the private MariaDB for "
                f"{3 * run.DEADLINE:.0f} s; it holds {self._home.start_lock}"
            ) from error
        try:
            yield
        finally:
            lock.release()
