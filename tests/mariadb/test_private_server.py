"""The server that kb starts itself, with real processes, kills and crashes."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path

import pytest
import sqlalchemy as sa
from fetched import CACHE, MARIADBD

from stores.connection import make_engine
from stores.errors import StoreUnavailable, UnsupportedServer
from stores.private_server import PrivateServer
from stores.private_server import server_process as run
from stores.private_server.find_binary import find_program
from stores.private_server.server_process import launch_server

pytestmark = pytest.mark.slow
fetch = import_module("stores.private_server.fetch_packages")  # the module, not its function
START = """\
import sys
from pathlib import Path
from stores.private_server import PrivateServer
server = PrivateServer(Path(sys.argv[1]), Path(sys.argv[2]), mariadbd=sys.argv[3] or None)
server.ensure_running()
print(server.status().pid)
"""
# Hears neither KILL nor a shutdown, for an hour.
ENDLESS = "SELECT KDF('a', 'b', 2000000000, 'pbkdf2_hmac')"
AS_NOBODY = (
    """\
import os
import stores.private_server
os.setgroups([]); os.setgid(65534); os.setuid(65534)
"""
    + START
    + """\
sys.stdin.read()
print(server.stop())
"""
)


def start_elsewhere(home: Path, cache: Path = CACHE, script: str = START) -> subprocess.Popen:
    """Start the server from another process."""
    return subprocess.Popen(
        [sys.executable, "-u", "-c", script, home, cache, MARIADBD or ""],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def until(reached: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not reached():
        assert time.monotonic() < end
        time.sleep(0.005)


def private(home: Path) -> PrivateServer:
    return PrivateServer(home, CACHE, mariadbd=MARIADBD, buffer_pool_mb=64)


@pytest.fixture
def home(server) -> Iterator[Path]:
    """A home of its own; the session's server has fetched the program by then."""
    folder = Path(tempfile.mkdtemp(prefix=f"kb-test-{os.getpid()}-", dir="/tmp"))
    yield folder
    if private(folder).status().running:
        kill(private(folder))
    shutil.rmtree(folder)


@pytest.fixture
def own(home) -> PrivateServer:
    return private(home)


def starts(server: PrivateServer) -> int:
    return server.status().log.read_text().count("Starting MariaDB")


def kill(server: PrivateServer) -> None:
    pid = server.status().pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    until(lambda: not server.status().running)


def scalars(engine: sa.Engine, statement: str) -> list:
    with engine.connect() as connection:
        return list(connection.exec_driver_sql(statement).scalars())


def test_the_first_start_makes_everything_and_stop_ends_it(own):
    assert not own.status().running
    own.ensure_running()
    status = own.status()
    assert status.running
    assert status.pid is not None
    assert status.version is not None
    assert status.data_directory.is_dir()
    assert own.stop()
    assert (own.status().running, own.status().pid) == (False, None)
    assert not status.socket.exists()
    assert not own.stop()


def test_a_running_server_is_recognised_in_no_time(server):
    started, before = starts(server), time.perf_counter()
    for _ in range(100):
        server.ensure_running()
    assert time.perf_counter() - before < 1
    assert starts(server) == started


def test_after_kill_9_the_next_connection_starts_it_again_with_all_its_data(own):
    engine = make_engine(own.url("mysql"), before_connect=own.ensure_running)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE DATABASE kept")
        connection.exec_driver_sql("CREATE TABLE kept.word (word TEXT)")
        connection.exec_driver_sql("INSERT INTO kept.word VALUES ('survivor')")
    kill(own)
    assert own.status().socket.exists()
    assert (own.status().data_directory.parent / "server.pid").exists()
    assert scalars(engine, "SELECT word FROM kept.word") == ["survivor"]
    engine.dispose()
    assert starts(own) == 2


def test_of_several_processes_at_the_same_instant_one_starts_the_server(own, home):
    processes = [start_elsewhere(home) for _ in range(3)]
    pids = {process.communicate(timeout=60)[0].strip() for process in processes}
    assert pids == {str(own.status().pid)}
    assert starts(own) == 1


def test_a_start_that_is_killed_while_it_makes_the_data_directory_is_begun_anew(own, home):
    process = start_elsewhere(home)
    until(lambda: [*home.glob("data.new-*/ibdata1")])
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not (home / "data").exists()
    assert [*home.glob("data.new-*")]
    own.ensure_running()
    assert own.status().running
    assert not [*home.glob("data.new-*")]


def test_a_server_whose_starter_has_died_is_waited_for_and_not_started_twice(own, home):
    own.ensure_running()
    own.stop()
    launch_server(own._find_or_fetch(print), own._home, own._options)
    assert not own.status().socket.exists()
    private(home).ensure_running()
    assert starts(own) == 2


def test_a_start_while_the_server_is_stopping_waits_and_starts_it_again(own):
    own.ensure_running()
    first = own.status().pid
    assert first is not None
    os.kill(first, signal.SIGTERM)
    until(lambda: not own.status().socket.exists())
    own.ensure_running()
    assert own.status().running
    assert own.status().pid != first


def test_a_server_that_dies_while_starting_shows_the_end_of_its_log(own, home):
    (home / "client.cnf").write_text("[client]\nuser=kb\npassword=none\n")
    (home / "data").mkdir()
    with pytest.raises(StoreUnavailable, match="died while starting") as failure:
        own.ensure_running()
    assert str(home / "server.log") in str(failure.value)
    assert "[ERROR]" in str(failure.value)


def test_a_process_that_is_not_the_server_is_never_stopped(own, home):
    own.ensure_running()
    pid_file = home / "server.pid"
    pid = pid_file.read_text()
    bystander = subprocess.Popen(["sleep", "60"])
    pid_file.write_text(str(bystander.pid))
    with pytest.raises(StoreUnavailable, match="cannot reach"):
        own.stop()
    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()
    pid_file.write_text(pid)


def test_the_server_is_closed_to_everyone_else(server):
    status = server.status()
    home = status.data_directory.parent
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert stat.S_IMODE((home / "client.cnf").stat().st_mode) == 0o600
    assert status.socket.parent == home


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="sockets are listed by Linux only")
def test_nothing_listens_on_the_network(server):
    files = Path("/proc", str(server.status().pid), "fd")
    sockets = {str(path.readlink()) for path in files.iterdir()}
    assert any(name.startswith("socket:") for name in sockets)
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            assert f"socket:[{line.split()[9]}]" not in sockets


def test_the_password_shows_nowhere(server, own):
    password = server.url("x").password
    assert isinstance(password, str)
    assert len(password) >= 32
    assert password != own.url("x").password
    status = server.status()
    command_line = Path("/proc", str(status.pid), "cmdline").read_text()
    for text in (repr(server), str(server), str(server.url("x")), repr(status), command_line):
        assert password not in text
    assert password not in status.log.read_text()
    assert password not in " ".join(server.shell_command("x"))


def test_the_shell_command_opens_the_database(server):
    command = [*server.shell_command("mysql"), "--batch", "-e", "SELECT CURRENT_USER()"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["CURRENT_USER()", "kb@localhost"]


def test_the_account_rules_its_databases_and_nothing_else(engine, database):
    assert set(scalars(engine, "SELECT user FROM mysql.user")) == {"kb", "mariadb.sys"}
    with engine.begin() as connection:
        for statement in (
            "CREATE TABLE note (id INT PRIMARY KEY, v VECTOR(3) NOT NULL, VECTOR INDEX (v))",
            "CREATE VIEW notes AS SELECT id FROM note",
            f"CREATE USER {database.database}@localhost",
            f"GRANT SELECT ON {database.database}.note TO {database.database}@localhost",
            f"DROP USER {database.database}@localhost",
        ):
            connection.exec_driver_sql(statement)
    for statement in (
        "SHUTDOWN",
        "SELECT 1 INTO OUTFILE '/tmp/kb-outfile'",
        "SET GLOBAL max_connections = 5",
        "UPDATE mysql.global_priv SET priv = '{}'",
        "GRANT FILE ON *.* TO kb@localhost",
        "GRANT UPDATE ON mysql.* TO kb@localhost",
        "INSTALL SONAME 'ha_archive'",
    ):
        with engine.connect() as connection, pytest.raises(sa.exc.DBAPIError, match="denied"):
            connection.exec_driver_sql(statement)


def test_the_server_runs_as_configured(engine):
    expected = {
        "mhnsw_max_cache_size": 256 << 20,
        "innodb_buffer_pool_size": 128 << 20,
        "innodb_log_file_size": 96 << 20,
        "innodb_flush_log_at_trx_commit": 1,
        "max_allowed_packet": 64 << 20,
        "local_infile": 0,
        "skip_networking": 1,
        "character_set_server": "utf8mb4",
    }
    columns = ", ".join(f"@@{name}" for name in expected)
    with engine.connect() as connection:
        row = connection.exec_driver_sql(f"SELECT {columns}").one()
    assert dict(zip(expected, row, strict=True)) == expected


def test_a_server_that_a_statement_holds_is_killed_with_all_that_was_committed(own, monkeypatch):
    engine = make_engine(own.url("mysql"), before_connect=own.ensure_running)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE DATABASE kept")
        connection.exec_driver_sql("CREATE TABLE kept.word (word TEXT)")
        connection.exec_driver_sql("INSERT INTO kept.word VALUES ('survivor')")
    with ThreadPoolExecutor() as pool:
        held = pool.submit(scalars, engine, ENDLESS)
        running = "SELECT id FROM information_schema.processlist WHERE info LIKE 'SELECT KDF%%'"
        until(lambda: scalars(engine, running))
        monkeypatch.setattr(run, "GRACE", 1.0)
        said: list[str] = []
        assert own.stop(said.append)
        assert "so it is killed" in said[0]
        assert not own.status().running
        assert isinstance(held.exception(), sa.exc.DBAPIError)
    assert scalars(engine, "SELECT word FROM kept.word") == ["survivor"]
    engine.dispose()


@pytest.fixture
def fetched(home, monkeypatch) -> PrivateServer:
    """A running server with data, of a fetched program of its own, and an archive with others."""
    if find_program(MARIADBD):
        pytest.skip("this machine's MariaDB was not fetched by kb")
    shutil.copytree(CACHE / "mariadb", home / "cache" / "mariadb", symlinks=True)
    server = PrivateServer(home, home / "cache", buffer_pool_mb=64)
    engine = make_engine(server.url("mysql"), before_connect=server.ensure_running)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE DATABASE kept")
        connection.exec_driver_sql("CREATE TABLE kept.word AS SELECT 'survivor' AS word")
    engine.dispose()
    monkeypatch.setattr(fetch, "_read_sources", lambda apt: "")
    monkeypatch.setattr(
        fetch, "_list_offered", lambda folder, sources: {"server_1%3a11.8.99_all.deb"}
    )
    return server


def copy_fetched(_packages: object, prefix: Path) -> None:
    shutil.copytree(CACHE / "mariadb", prefix, symlinks=True)


def copy_broken(_packages: object, prefix: Path) -> None:
    """A server that tells its version and dies at the start, as on a full disk."""
    copy_fetched(None, prefix)
    (loader,) = prefix.glob("usr/lib/*/ld-linux*.so.*")
    loader.unlink()
    loader.write_text(
        "#!/bin/sh\ncase $* in *--version) echo Ver 11.8.99-MariaDB;; *) exit 7;; esac\n"
    )
    loader.chmod(0o755)


def kept(server: PrivateServer) -> list:
    engine = make_engine(server.url("kept"), before_connect=server.ensure_running)
    words = scalars(engine, "SELECT word FROM kept.word")
    engine.dispose()
    return words


def test_a_newer_program_goes_on_with_the_same_data(fetched, home, monkeypatch):
    monkeypatch.setattr(fetch, "_download_packages", lambda folder, sources: [])
    monkeypatch.setattr(fetch, "_unpack_packages", copy_fetched)
    assert fetched.find_updates() == ["server 1:11.8.99"]
    (home / "cache" / "mariadb" / "of-the-former").touch()
    former, said = fetched.status().pid, []
    fetched.upgrade(said.append)
    assert fetched.status().running
    assert fetched.status().pid != former
    assert not (home / "cache" / "mariadb" / "of-the-former").exists()
    assert kept(fetched) == ["survivor"]
    assert "server 1:11.8.99" in said[0]
    assert "has taken its place" in said[-1]


def test_a_newer_program_that_does_not_start_leaves_the_former_one_at_work(
    fetched, home, monkeypatch
):
    monkeypatch.setattr(fetch, "_download_packages", lambda folder, sources: [])
    monkeypatch.setattr(fetch, "_unpack_packages", copy_broken)
    version, said = fetched.status().version, []
    with pytest.raises(StoreUnavailable, match=r"11\.8\.99 died while starting"):
        fetched.upgrade(said.append)
    assert said[-1] == "The former MariaDB goes on."
    assert fetched.status().running
    assert fetched.status().version == version
    assert kept(fetched) == ["survivor"]


def test_a_newer_program_that_cannot_be_fetched_stops_nothing(fetched, monkeypatch):
    def fail(folder: Path, sources: str) -> list[Path]:
        raise StoreUnavailable("the mirror is gone")

    monkeypatch.setattr(fetch, "_download_packages", fail)
    pid = fetched.status().pid
    with pytest.raises(StoreUnavailable, match="the mirror is gone"):
        fetched.upgrade(print)
    assert fetched.status().pid == pid


def test_data_of_an_earlier_series_get_the_tables_of_the_program(own, home):
    own.ensure_running()
    version = own.status().version
    note = home / "data" / "mariadb_upgrade_info"
    assert note.read_text() == f"{version}-MariaDB"
    own.stop()
    note.write_text("11.4.5-MariaDB")
    own.ensure_running()
    assert starts(own) == 3  # one of them for mariadb-upgrade
    assert note.read_text().startswith(f"{version}-MariaDB")
    engine = make_engine(own.url("mysql"))
    assert scalars(engine, "SELECT CURRENT_USER()") == ["kb@localhost"]
    with pytest.raises(sa.exc.DBAPIError, match="denied"):
        scalars(engine, "SELECT LOAD_FILE('/etc/passwd') INTO OUTFILE '/tmp/kb-outfile'")
    engine.dispose()


def test_data_of_a_later_series_are_left_alone(own, home):
    own.ensure_running()
    own.stop()
    (home / "data" / "mariadb_upgrade_info").write_text("99.1.2-MariaDB")
    with pytest.raises(UnsupportedServer, match=r"of MariaDB 99\.1, and .* cannot go back"):
        own.ensure_running()
    assert starts(own) == 1


def test_a_server_that_stops_is_not_killed(own):
    own.ensure_running()
    said: list[str] = []
    assert own.stop(said.append)
    assert said == []
    assert "Shutdown complete" in own.status().log.read_text()


def test_data_whose_password_is_lost_are_left_alone(own, home):
    (home / "data").mkdir()
    for use in (own.ensure_running, lambda: own.url("x")):
        with pytest.raises(StoreUnavailable, match="put the file back"):
            use()
    assert not [*(home / "data").iterdir()]


def test_a_long_home_gets_a_short_private_socket(home):
    deep = home / ("long" * 20) / ("longer" * 10)
    server = private(deep)
    server.ensure_running()
    socket = server.status().socket
    engine = make_engine(server.url("mysql"))
    assert scalars(engine, "SELECT 1") == [1]
    engine.dispose()
    server.stop()
    assert len(os.fsencode(deep / "mariadb.sock")) > 107
    assert len(os.fsencode(socket)) <= 100
    assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
    socket.parent.rmdir()


def test_a_short_socket_folder_that_is_not_ours_is_refused(home):
    server = private(home / ("long" * 20) / ("longer" * 10))
    folder = server._home.socket.parent
    folder.symlink_to(home)
    with pytest.raises(StoreUnavailable, match=folder.name):
        server.ensure_running()
    folder.unlink()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_an_ordinary_user_runs_a_server_of_its_own(home):
    if private(home)._find_or_fetch(print).launcher:
        shutil.copytree(CACHE / "mariadb", home / "cache" / "mariadb", symlinks=True)
    home.chmod(0o755)
    theirs = home / "theirs"
    theirs.mkdir()
    os.chown(theirs, 65534, 65534)
    process = start_elsewhere(theirs, home / "cache", AS_NOBODY)
    pid = process.stdout.readline().strip()
    assert Path("/proc", pid).stat().st_uid == 65534
    with pytest.raises(StoreUnavailable, match="belongs to uid 65534"):
        private(theirs).ensure_running()
    assert process.communicate(timeout=60)[0] == "True\n"
