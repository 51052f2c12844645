"""Fetch a server on Debian: packages of its archive in a folder of ours, without root.

Nothing is installed: apt verifies and downloads with the machine's own configuration but
with private state, and the packages, the C library among them, are unpacked side by side.
"""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from stores.errors import StoreUnavailable, UnsupportedServer
from stores.private_server.find_binary import WAYS_OUT, ServerProgram, inspect_program, run_program
from stores.private_server.package_sources import RELEASE, parse_deb822, parse_list, rewrite_sources
from stores.text.translations import Message

APT = Path("/etc/apt")
PARSERS = {".list": parse_list, ".sources": parse_deb822}
PACKAGES = ("mariadb-server-core", "mariadb-client-core")
INSTALL = ("install", "--yes", "--no-install-recommends")
RECORD = "packages"  # in the folder of a program: what it was made of
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


def fetch_program(cache: Path, say: Callable[[str], None], apt: Path = APT) -> ServerProgram:
    """Fetch a program; of several processes at once, one downloads and the others wait."""
    program = find_fetched(cache)
    if program is not None:
        return program
    sources = _read_sources(apt)
    with _hold_cache(cache, say):
        return find_fetched(cache) or _fetch_newest(cache, sources, say)


def find_fetched(cache: Path) -> ServerProgram | None:
    """Find the program that was fetched before."""
    prefix = _prefix_path(cache)
    return _inspect_fetched(prefix) if prefix.exists() else None


def find_updates(cache: Path, apt: Path = APT) -> list[str]:
    """Find packages of the archive that the fetched program was not made of; the server's first.

    Raises StoreUnavailable, UnsupportedServer.
    """
    sources = _read_sources(apt)
    with tempfile.TemporaryDirectory(prefix="kb-apt-") as folder:
        offered = _list_offered(Path(folder), sources)
    others = offered - _read_record(_prefix_path(cache))
    return sorted(
        map(_describe_package, others), key=lambda name: (not name.startswith("mariadb"), name)
    )


@contextmanager
def renew_program(
    cache: Path, say: Callable[[str], None], apt: Path = APT
) -> Iterator[ServerProgram]:
    """Put the archive's program in the fetched one's place; that is back if the block fails."""
    sources = _read_sources(apt)
    prefix, former = _prefix_path(cache), _former_path(cache)
    with _hold_cache(cache, say), _unpack_newest(cache, sources, say) as new:
        prefix.rename(former)
        new.rename(prefix)
        try:
            yield _inspect_fetched(prefix)
        except BaseException:
            shutil.rmtree(prefix)
            former.rename(prefix)
            raise
        shutil.rmtree(former)


@contextmanager
def _hold_cache(cache: Path, say: Callable[[str], None]) -> Iterator[None]:
    try:
        cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = FileLock(cache / "mariadb.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            say(Message("Waiting for another process that fetches MariaDB"))
            lock.acquire()
    except OSError as error:
        raise StoreUnavailable(f"no writing to {cache}: {error}; set KB_CACHE") from error
    try:
        _clear_up(cache)
        yield
    finally:
        lock.release()


def _clear_up(cache: Path) -> None:
    """After a fetch or a renewal that was killed: without a new program, the former one is back."""
    for left_over in cache.glob("mariadb.new-*"):
        shutil.rmtree(left_over)
    if _former_path(cache).exists():
        if _prefix_path(cache).exists():
            shutil.rmtree(_former_path(cache))
        else:
            _former_path(cache).rename(_prefix_path(cache))


def _fetch_newest(cache: Path, sources: str, say: Callable[[str], None]) -> ServerProgram:
    with _unpack_newest(cache, sources, say) as new:
        new.rename(_prefix_path(cache))
    return _inspect_fetched(_prefix_path(cache))


@contextmanager
def _unpack_newest(cache: Path, sources: str, say: Callable[[str], None]) -> Iterator[Path]:
    """The archive's program in a folder that the caller moves to its place."""
    work = Path(tempfile.mkdtemp(prefix="mariadb.new-", dir=cache))
    try:
        say(Message("Fetching MariaDB 11.8 from the Debian archive (28 MB)"))
        packages = _download_packages(work / "apt", sources)
        say(Message("Unpacking MariaDB"))
        _unpack_packages(packages, work / "prefix")
        _inspect_fetched(work / "prefix")
        yield work / "prefix"
    finally:
        shutil.rmtree(work)


def _former_path(cache: Path) -> Path:
    return cache / "mariadb.former"


def _prefix_path(cache: Path) -> Path:
    return cache / "mariadb"


def _inspect_fetched(prefix: Path) -> ServerProgram:
    """The program with its own loader, for the machine's C library may be too old for it."""
    loaders = sorted(prefix.glob("usr/lib/*/ld-linux*.so.*"))
    if not loaders:
        raise UnsupportedServer(f"{prefix} is incomplete; remove it, and kb fetches it again")
    launcher = (str(loaders[0]), "--library-path", str(loaders[0].parent))
    return inspect_program(prefix / "usr/sbin/mariadbd", launcher)


def _read_sources(apt: Path) -> str:
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
    sources = rewrite_sources(entries)
    if not sources:
        raise UnsupportedServer(
            "no MariaDB 11.8 or later here, and kb can fetch one from a Debian archive only, "
            f"which is not among the sources in {apt} (Ubuntu carries MariaDB 11.8 itself from "
            f"25.10 on).\n{WAYS_OUT}"
        )
    return sources


def _download_packages(folder: Path, sources: str) -> list[Path]:
    apt = _prepare_apt(folder, sources)
    _run_step("apt-get download", *apt, *INSTALL, "--download-only", *PACKAGES)
    return sorted((folder / "archives").glob("*.deb"))


def _list_offered(folder: Path, sources: str) -> set[str]:
    """The file names of the packages that would be downloaded now."""
    apt = _prepare_apt(
        folder, sources, "-o", "Acquire::Retries=0", "-o", "Acquire::http::Timeout=10"
    )
    listed = _run_step("apt-get look", *apt, *INSTALL, "--print-uris", *PACKAGES)
    return set(re.findall(r"^'[^']*' (\S+\.deb) ", listed, re.MULTILINE))


def _prepare_apt(folder: Path, sources: str, *options: str) -> list[str]:
    """The command of an apt that has nothing installed and knows what the archive has."""
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
    apt = ["apt-get", "-c", str(folder / "apt.conf"), "-q", *options]
    for name, path in directories.items():
        apt += ["-o", f"{name}={path}"]
    _run_step("apt-get update", *apt, "update")
    return apt


def _read_record(prefix: Path) -> set[str]:
    """The file names of the packages in it; none of one that an earlier kb fetched."""
    record = prefix / RECORD
    return set(record.read_text("utf-8").splitlines()) if record.exists() else set()


def _describe_package(package: str) -> str:
    name, version, *_ = f"{package.removesuffix('.deb')}_".split("_")
    return f"{name} {version.replace('%3a', ':')}".strip()


def _unpack_packages(packages: list[Path], prefix: Path) -> None:
    for package in packages:
        _run_step(f"dpkg-deb of {package.name}", "dpkg-deb", "-x", str(package), str(prefix))
    for name in NOT_NEEDED:
        shutil.rmtree(prefix / "usr/share" / name, ignore_errors=True)
    (prefix / RECORD).write_text("".join(f"{package.name}\n" for package in packages), "utf-8")


def _run_step(step: str, *command: str) -> str:
    """Run a step of fetching. Raises StoreUnavailable when it fails or takes too long."""
    try:
        done = run_program(command, timeout=STEP_TIMEOUT, env=None)
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
    return done.stdout
