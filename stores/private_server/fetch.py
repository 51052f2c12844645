"""Fetch a server on Debian: packages of its archive in a folder of ours, without root.

Nothing is installed: apt verifies and downloads with the machine's own configuration but
with private state, and the packages, the C library among them, are unpacked side by side.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from stores.errors import StoreUnavailable, UnsupportedServer
from stores.private_server.find import WAYS_OUT, ServerProgram, inspect
from stores.private_server.sources import RELEASE, debian_archive, parse_deb822, parse_list

APT = Path("/etc/apt")
PARSERS = {".list": parse_list, ".sources": parse_deb822}
PACKAGES = ("mariadb-server-core", "mariadb-client-core")
NOT_NEEDED = ("doc", "gcc", "gdb", "lintian", "man")
STEP_TIMEOUT = 900
"""Seconds; a slow line needs minutes for 28 MB."""

# The machine's hooks would touch the machine; its pins are meant for its own release.
APT_CONF = """\
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
APT::Update::Error-Mode "any";
APT::Get::AllowUnauthenticated "false";
APT::Sandbox::User "";
Acquire::AllowInsecureRepositories "false";
Acquire::Retries "3";
Debug::NoLocking "true";
Dir::Etc::SourceList "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
"""


def fetch(cache: Path, say: Callable[[str], None], apt: Path = APT) -> ServerProgram:
    """The fetched program; of several processes at once, one downloads and the others wait."""
    program = fetched(cache)
    if program is not None:
        return program
    sources = _sources(apt)
    with _only_one(cache, say):
        return fetched(cache) or _fetch(cache, sources, say)


def fetched(cache: Path) -> ServerProgram | None:
    prefix = _prefix(cache)
    return _program(prefix) if prefix.exists() else None


@contextmanager
def _only_one(cache: Path, say: Callable[[str], None]) -> Iterator[None]:
    try:
        cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = FileLock(cache / "mariadb.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            say("Waiting for another process that fetches MariaDB")
            lock.acquire()
    except OSError as error:
        raise StoreUnavailable(f"no writing to {cache}: {error}; set KB_CACHE") from error
    try:
        yield
    finally:
        lock.release()


def _fetch(cache: Path, sources: str, say: Callable[[str], None]) -> ServerProgram:
    for left_over in cache.glob("mariadb.new-*"):
        shutil.rmtree(left_over)
    work = Path(tempfile.mkdtemp(prefix="mariadb.new-", dir=cache))
    try:
        say("Fetching MariaDB 11.8 from the Debian archive (28 MB)")
        packages = _download(work / "apt", sources)
        say("Unpacking MariaDB")
        _unpack(packages, work / "prefix")
        _program(work / "prefix")
        (work / "prefix").rename(_prefix(cache))
    finally:
        shutil.rmtree(work)
    return _program(_prefix(cache))


def _prefix(cache: Path) -> Path:
    return cache / "mariadb"


def _program(prefix: Path) -> ServerProgram:
    """The program with its own loader, for the machine's C library may be too old for it."""
    loaders = sorted(prefix.glob("usr/lib/*/ld-linux*.so.*"))
    if not loaders:
        raise UnsupportedServer(f"{prefix} is incomplete; remove it, and kb fetches it again")
    launcher = (str(loaders[0]), "--library-path", str(loaders[0].parent))
    return inspect(prefix / "usr/sbin/mariadbd", launcher)


def _sources(apt: Path) -> str:
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise UnsupportedServer(
            f"no MariaDB 11.8 or later here, and kb can fetch one on Debian only.\n{WAYS_OUT}"
        )
    entries = [
        source
        for path in sorted([apt / "sources.list", *apt.glob("sources.list.d/*")])
        if path.suffix in PARSERS and os.access(path, os.R_OK)
        for source in PARSERS[path.suffix](path.read_text("utf-8", "replace"))
    ]
    sources = debian_archive(entries)
    if not sources:
        raise UnsupportedServer(
            "no MariaDB 11.8 or later here, and kb can fetch one from a Debian archive only, "
            f"which is not among the sources in {apt} (Ubuntu carries MariaDB 11.8 itself from "
            f"25.10 on).\n{WAYS_OUT}"
        )
    return sources


def _download(folder: Path, sources: str) -> list[Path]:
    parts, lists, archives = folder / "sources", folder / "lists", folder / "archives"
    for path in (parts, lists / "partial", archives / "partial"):
        path.mkdir(parents=True)
    (parts / "debian.sources").write_text(sources, "utf-8")
    (folder / "apt.conf").write_text(APT_CONF, "utf-8")
    # With nothing installed, every library comes along.
    (folder / "status").touch()
    directories = {
        "Dir::Etc::SourceParts": parts,
        "Dir::State": folder,
        "Dir::State::Lists": lists,
        "Dir::State::status": folder / "status",
        "Dir::Cache": folder,
        "Dir::Cache::archives": archives,
        "Dir::Log": folder,
    }
    apt = ["apt-get", "-c", str(folder / "apt.conf"), "-q"]
    for name, path in directories.items():
        apt += ["-o", f"{name}={path}"]
    _run("apt-get update", *apt, "update")
    install = ("install", "--yes", "--download-only", "--no-install-recommends")
    _run("apt-get download", *apt, *install, *PACKAGES)
    return sorted(archives.glob("*.deb"))


def _unpack(packages: list[Path], prefix: Path) -> None:
    for package in packages:
        _run(f"dpkg-deb of {package.name}", "dpkg-deb", "-x", str(package), str(prefix))
    for name in NOT_NEEDED:
        shutil.rmtree(prefix / "usr/share" / name, ignore_errors=True)


def _run(step: str, *command: str) -> None:
    try:
        done = subprocess.run(  # noqa: S603 - the command is ours
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=STEP_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise StoreUnavailable(
            f"fetching MariaDB from Debian's {RELEASE}: {step} took more than "
            f"{STEP_TIMEOUT} s.\n{WAYS_OUT}"
        ) from error
    if done.returncode:
        end = "\n".join(done.stdout.splitlines()[-12:])
        raise StoreUnavailable(
            f"fetching MariaDB from Debian's {RELEASE}: {step} ended with status "
            f"{done.returncode}:\n{end}\n{WAYS_OUT}"
        )
