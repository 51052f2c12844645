"""Read archives: every file inside is a part with its own path, title and kind."""

import bz2
import gzip
import lzma
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from zipfile import ZipFile, ZipInfo

from kb.indexing.document import Extract, UnreadableFile
from kb.indexing.layout.archive import DAMAGED, open_archive
from kb.indexing.members import Members, is_wanted, normalise_name

_ENCRYPTED: Final = 0x1  # the bit of a zip file that says so
_MOST_RATIO: Final = 200  # times its size that a member unpacks to, if that is much
_MUCH: Final = 20_000_000
_COMPRESSIONS: Final[dict[str, Callable[[Path], Any]]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
}
_BROKEN = (*DAMAGED, OSError, tarfile.TarError, lzma.LZMAError)


def read(path: Path) -> Extract:
    members = Members()
    if path.suffix.lower() == ".zip":
        _read_zip(path, members)
    else:
        _read_tar_or_single(path, members)
    if not members.sections:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in members.failures[:3])
        raise UnreadableFile(f"nothing in it can be read ({reasons})" if reasons else "no document")
    return Extract(kind="text", sections=tuple(members.sections), failures=tuple(members.failures))


def _read_zip(path: Path, members: Members) -> None:
    with open_archive(path) as archive:
        for info in archive.infolist():
            if not info.is_dir() and is_wanted(normalise_name(info.filename)):
                _read_zip_member(archive, info, members)


def _read_zip_member(archive: ZipFile, info: ZipInfo, members: Members) -> None:
    """Read a member, or say why that is not done."""
    if info.flag_bits & _ENCRYPTED:
        members.fail(info.filename, "encrypted: it opens only with a password")
    elif info.file_size > max(_MUCH, _MOST_RATIO * info.compress_size):
        members.fail(info.filename, f"it would unpack to {info.file_size // 1_000_000} MB")
    else:
        try:
            with archive.open(info) as content:
                members.add(info.filename, content)
        except _BROKEN as error:
            members.fail(info.filename, f"damaged: {error}")


def _read_tar_or_single(path: Path, members: Members) -> None:
    """Read a tar file, compressed or not, or else the one file that is compressed."""
    try:
        archive = tarfile.open(path)  # noqa: SIM115 - what is no tar file is tried otherwise
    except tarfile.TarError as error:
        decompress = _COMPRESSIONS.get(path.suffix.lower())
        if decompress is None:
            raise UnreadableFile(f"not a tar file, or a damaged one ({error})") from error
        with decompress(path) as content:
            members.add(path.stem, content)
        return
    with archive:
        try:
            for info in archive:
                if info.isfile() and (content := archive.extractfile(info)):
                    members.add(info.name, content)
        except _BROKEN as error:
            members.fail(path.name, f"damaged: {error}")
