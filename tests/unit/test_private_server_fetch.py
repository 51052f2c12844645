"""Fetching a server: apt-get is a script here, packages and processes are real."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stores.errors import KBError, StoreUnavailable, UnsupportedServer
from stores.private_server.fetch_packages import (
    fetch_program,
    find_fetched,
    find_updates,
    renew_program,
)

SOURCES = "deb http://mirror.example/debian bookworm main\n"
APT_GET = """\
#!/bin/sh
for word in "$@"; do
  case "$word" in
    Dir::Cache::archives=*) archives="${{word#*=}}" ;;
    update|install) step="$word" ;;
    --print-uris) looks=1 ;;
  esac
done
echo "$step" >> {machine}/steps
while test -e {machine}/hold; do sleep 0.02; done
if test -e {machine}/broken-$step; then echo "E: the mirror is out of $step"; exit 100; fi
test "$step" = update && exit
test "$looks" || exec cp {machine}/*.deb "$archives"
for file in {machine}/*.deb; do echo "'file:$file' ${{file##*/}} 1 MD5Sum:0"; done
"""
FETCH = """\
import sys
from pathlib import Path
from stores.private_server.fetch_packages import fetch_program
print(fetch_program(Path(sys.argv[1]), print, Path(sys.argv[2])).version)
"""

pytestmark = pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="dpkg-deb is of Debian")


@pytest.fixture
def machine(tmp_path, monkeypatch) -> Path:
    """A Debian machine with one package of a server in its archive."""
    machine = tmp_path / "machine"
    machine.mkdir()
    (machine / "sources.list").write_text(SOURCES)
    build_package(machine, "11.8.6")
    apt_get = machine / "bin" / "apt-get"
    apt_get.parent.mkdir()
    executable(apt_get, APT_GET.format(machine=machine))
    monkeypatch.setenv("PATH", f"{apt_get.parent}:{os.environ['PATH']}")
    return machine


def build_package(machine: Path, version: str) -> None:
    tree = machine / "tree"
    executable(tree / "usr/lib/any/ld-linux-any.so.2", f"#!/bin/sh\necho 'Ver {version}-MariaDB'\n")
    executable(tree / "usr/sbin/mariadbd", "run by its loader")
    for name in ("share/mariadb/mariadb_system_tables.sql", "share/doc/mariadb/copyright"):
        (tree / "usr" / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / "usr" / name).touch()
    control = "Package: server\nVersion: 1\nArchitecture: all\nMaintainer: a\nDescription: a\n"
    (tree / "DEBIAN").mkdir(exist_ok=True)
    (tree / "DEBIAN/control").write_text(control)
    for older in machine.glob("*.deb"):
        older.unlink()
    command = ["dpkg-deb", "-Znone", "-b", tree, machine / f"server_1%3a{version}_all.deb"]
    subprocess.run(command, check=True, capture_output=True)


def executable(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def start_fetch(cache: Path, machine: Path) -> subprocess.Popen:
    command = [sys.executable, "-u", "-c", FETCH, cache, machine]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)


def names(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.iterdir())


def test_a_fetched_server_runs_by_its_own_loader_and_leaves_no_packages(machine, tmp_path):
    said = []
    program = fetch_program(tmp_path / "cache", said.append, machine)
    prefix = tmp_path / "cache" / "mariadb"
    assert program.version == "11.8.6"
    assert program.launcher[0] == str(prefix / "usr/lib/any/ld-linux-any.so.2")
    assert names(tmp_path / "cache") == ["mariadb", "mariadb.lock"]
    assert not [*prefix.rglob("*.deb"), *prefix.rglob("copyright")]
    assert "Fetching MariaDB" in said[0]


def test_a_second_fetch_uses_the_first(machine, tmp_path):
    for _ in range(2):
        fetch_program(tmp_path / "cache", print, machine)
    assert (machine / "steps").read_text().split() == ["update", "install"]


@pytest.mark.parametrize("step", ["update", "install"])
def test_a_failed_step_is_named_with_its_output_and_the_ways_out(machine, tmp_path, step):
    (machine / f"broken-{step}").touch()
    with pytest.raises(StoreUnavailable) as failure:
        fetch_program(tmp_path / "cache", print, machine)
    message = str(failure.value)
    assert f"E: the mirror is out of {step}" in message
    assert "status 100" in message
    assert all(way in message for way in ("install MariaDB", "KB_MARIADBD", "database.url"))
    assert names(tmp_path / "cache") == ["mariadb.lock"]


def test_a_damaged_package_is_named(machine, tmp_path):
    (package,) = machine.glob("*.deb")
    package.write_text("cut off")
    with pytest.raises(StoreUnavailable, match=r"dpkg-deb of server_1%3a11\.8\.6_all\.deb"):
        fetch_program(tmp_path / "cache", print, machine)
    assert find_fetched(tmp_path / "cache") is None


def test_an_archive_whose_server_is_too_old_is_refused(machine, tmp_path):
    build_package(machine, "10.11.6")
    with pytest.raises(UnsupportedServer, match=r"10\.11\.6"):
        fetch_program(tmp_path / "cache", print, machine)
    assert find_fetched(tmp_path / "cache") is None


def test_of_two_fetches_at_once_one_downloads_and_the_other_waits_for_it(machine, tmp_path):
    (machine / "hold").touch()
    first = start_fetch(tmp_path / "cache", machine)
    until((machine / "steps").exists)
    second = start_fetch(tmp_path / "cache", machine)
    assert "Waiting for another process" in second.stdout.readline()
    (machine / "hold").unlink()
    said = [process.communicate(timeout=30)[0] for process in (first, second)]
    assert [text.splitlines()[-1] for text in said] == ["11.8.6", "11.8.6"]
    assert (machine / "steps").read_text().split() == ["update", "install"]


def test_a_fetch_that_is_killed_leaves_nothing_half_and_the_next_one_works(machine, tmp_path):
    cache = tmp_path / "cache"
    (machine / "hold").touch()
    process = start_fetch(cache, machine)
    until((machine / "steps").exists)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert find_fetched(cache) is None
    assert [name for name in names(cache) if name.startswith("mariadb.new-")]
    (machine / "hold").unlink()
    assert fetch_program(cache, print, machine).version == "11.8.6"
    assert names(cache) == ["mariadb", "mariadb.lock"]


def until(reached) -> None:
    end = time.monotonic() + 20
    while not reached():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_without_apt_the_ways_out_are_shown(machine, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UnsupportedServer, match="on Debian only") as refusal:
        fetch_program(tmp_path / "cache", print, machine)
    assert "KB_MARIADBD" in str(refusal.value)
    assert not (tmp_path / "cache").exists()


def test_without_a_debian_archive_ubuntu_is_told_what_it_carries(machine, tmp_path):
    (machine / "sources.list").write_text("deb http://mirror.example/ubuntu noble main universe\n")
    with pytest.raises(UnsupportedServer, match=r"25\.10"):
        fetch_program(tmp_path / "cache", print, machine)


def test_a_cache_that_cannot_be_written_is_named(machine, tmp_path):
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(KBError, match="cache"):
        fetch_program(tmp_path / "cache", print, machine)


# --- a newer one ----------------------------------------------------------------------------


@pytest.fixture
def cache(machine, tmp_path) -> Path:
    """What was fetched before Debian had a newer package."""
    fetch_program(tmp_path / "cache", print, machine)
    return tmp_path / "cache"


def test_what_is_the_newest_has_no_updates(machine, cache):
    assert find_updates(cache, machine) == []


def test_a_newer_package_is_named_and_not_fetched(machine, cache):
    build_package(machine, "11.8.8")
    assert find_updates(cache, machine) == ["server 1:11.8.8"]
    assert find_fetched(cache).version == "11.8.6"


def test_what_an_earlier_kb_fetched_has_updates(machine, cache):
    (cache / "mariadb" / "packages").unlink()
    assert find_updates(cache, machine) == ["server 1:11.8.6"]


def test_without_an_archive_to_ask_it_is_said(machine, cache):
    (machine / "broken-update").touch()
    with pytest.raises(StoreUnavailable, match="out of update"):
        find_updates(cache, machine)


def test_a_newer_program_takes_the_place_of_the_fetched_one(machine, cache):
    build_package(machine, "11.8.8")
    with renew_program(cache, print, machine) as program:
        assert program.version == "11.8.8"
        assert (cache / "mariadb.former").exists()
    assert find_fetched(cache).version == "11.8.8"
    assert names(cache) == ["mariadb", "mariadb.lock"]
    assert find_updates(cache, machine) == []


def test_a_newer_program_that_does_not_work_gives_its_place_back(machine, cache):
    build_package(machine, "11.8.8")
    with pytest.raises(StoreUnavailable), renew_program(cache, print, machine):
        raise StoreUnavailable("it died while starting")
    assert find_fetched(cache).version == "11.8.6"
    assert names(cache) == ["mariadb", "mariadb.lock"]


def test_a_program_that_cannot_be_fetched_leaves_the_former_one(machine, cache):
    (machine / "broken-install").touch()
    with pytest.raises(StoreUnavailable), renew_program(cache, print, machine):
        pytest.fail("it was not fetched")
    assert find_fetched(cache).version == "11.8.6"


def test_a_renewal_that_was_killed_between_both_programs_leaves_the_former_one(machine, cache):
    (cache / "mariadb").rename(cache / "mariadb.former")
    steps = (machine / "steps").read_text()
    assert fetch_program(cache, print, machine).version == "11.8.6"
    assert names(cache) == ["mariadb", "mariadb.lock"]
    assert (machine / "steps").read_text() == steps
