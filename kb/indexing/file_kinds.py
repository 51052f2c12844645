"""Recognise what nobody expects to answer: pictures, programs, databases and what tools make."""

import mimetypes
from collections.abc import Collection
from pathlib import Path, PurePath
from typing import Final, Literal

from kb.indexing.read import FORMATS

FileKind = Literal[
    "picture", "sound", "video", "font", "program", "database", "archive", "made by a tool"
]

_BY_MEDIA_TYPE: Final[dict[str, FileKind]] = {
    "image": "picture",
    "audio": "sound",
    "video": "video",
    "font": "font",
}
_BINARY: Final[dict[FileKind, tuple[str, ...]]] = {  # where the content does not look like text
    "program": (
        *(".exe", ".dll", ".so", ".dylib", ".o", ".obj", ".a", ".lib", ".class", ".pyc", ".pyo"),
        *(".wasm", ".jar", ".war", ".ear", ".whl", ".egg", ".apk", ".deb", ".rpm", ".msi"),
        *(".gem", ".node", ".nupkg", ".vsix", ".xpi", ".crx"),
    ),
    "database": (
        *(".db", ".db3", ".sqlite", ".sqlite3", ".mdb", ".accdb", ".frm", ".ibd", ".myd", ".myi"),
        *(".ldf", ".mdf", ".parquet", ".feather", ".npy", ".npz", ".h5", ".hdf5", ".pkl"),
    ),
    "archive": (".7z", ".rar", ".zst", ".lz4", ".lzma", ".lz", ".cab", ".iso", ".img", ".cpio"),
}
_BY_SUFFIX: Final = {suffix: kind for kind, suffixes in _BINARY.items() for suffix in suffixes}
_BY_MAGIC: Final[dict[bytes, FileKind]] = {
    b"\x7fELF": "program",
    b"MZ\x90\0": "program",
    b"\xfe\xed\xfa\xce": "program",
    b"\xfe\xed\xfa\xcf": "program",
    b"\xcf\xfa\xed\xfe": "program",
    b"\xca\xfe\xba\xbe": "program",
    b"!<arch>\n": "program",
    b"\0asm": "program",
    b"SQLite format 3\0": "database",
    b"7z\xbc\xaf\x27\x1c": "archive",
    b"Rar!\x1a\x07": "archive",
    b"\x28\xb5\x2f\xfd": "archive",
}

_TOOL_FOLDERS: Final = ("node_modules", "bower_components", "__pycache__")
_MADE_BESIDE: Final = {  # a folder, and the files beside it of which a tool makes it
    "target": ("Cargo.toml", "pom.xml", "build.sbt"),
    "build": ("build.gradle", "build.gradle.kts", "setup.py"),
    "dist": ("package.json", "pyproject.toml", "setup.py"),
}
_TOOL_FILES: Final = ("pyvenv.cfg", "CMakeCache.txt")  # which a tool writes into its folder
_CACHE_TAG: Final = "CACHEDIR.TAG"
_CACHE_SIGNATURE: Final = b"Signature: 8a477f597d28d172789f06886806bc55"


def find_kind_by_name(name: str) -> FileKind | None:
    """Return the kind of a picture, a sound, a video or a font; None for what may have text."""
    if PurePath(name).suffix.lower() in FORMATS:  # `.ts` is a video too
        return None
    media_type, _ = mimetypes.guess_type(name)
    return _BY_MEDIA_TYPE.get((media_type or "").partition("/")[0])


def find_kind_by_content(name: str, head: bytes) -> FileKind | None:
    """Return the kind of a program, a database or an archive that is not read; else None."""
    for magic, kind in _BY_MAGIC.items():
        if head.startswith(magic):
            return kind
    return _BY_SUFFIX.get(PurePath(name).suffix.lower()) if b"\0" in head else None


def is_tool_folder(name: str, beside: Collection[str]) -> bool:
    """Tell whether a tool makes the folder of this name that has these names beside it."""
    makers = _MADE_BESIDE.get(name, ())
    return (
        name in _TOOL_FOLDERS
        or name.endswith(".egg-info")
        or any(maker in beside for maker in makers)
    )


def has_tool_mark(folder: Path, names: Collection[str]) -> bool:
    """Tell whether a folder with these names in it says that a tool has made it."""
    if any(name in names for name in _TOOL_FILES):
        return True
    tag = folder / _CACHE_TAG
    if _CACHE_TAG not in names or not tag.is_file():
        return False
    with tag.open("rb") as file:
        return file.read(len(_CACHE_SIGNATURE)) == _CACHE_SIGNATURE
