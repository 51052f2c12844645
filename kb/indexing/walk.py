"""Find the files below a directory that are to be indexed."""

import os
import stat
import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from pathspec import GitIgnoreSpec

from kb.indexing.document import UnreadableFile
from kb.indexing.file_kinds import FileKind, find_kind_by_name, has_tool_mark, is_tool_folder
from kb.indexing.secret_files import Identity, OwnFiles, why_secret

IGNORE_FILE = ".kbignore"


@dataclass(frozen=True)
class FoundFile:
    """A file that is to be indexed."""

    path: Path
    """Absolute."""
    relative: str
    """Posix, NFC, always valid Unicode: a stable name of the file below its root."""
    size: int
    identity: Identity = field(default=(0, 0), compare=False)
    names: int = field(default=1, compare=False)
    """Hard links to it, wherever they are."""


@dataclass(frozen=True)
class Skipped:
    """A name that a user would miss; a directory stands for all that is below it."""

    relative: str
    reason: str


@dataclass(frozen=True)
class PassedOver:
    """A file that is no document, or a directory with all that is below it."""

    relative: str
    reason: str = ""
    kind: FileKind | None = None
    """Of what is only counted; what has none is named with its reason."""


@dataclass(frozen=True)
class _Directory:
    """A directory still to be listed, with the ignore rules that apply in it."""

    path: Path
    relative: str = ""
    rules: tuple[tuple[str, GitIgnoreSpec], ...] = ()
    """From the root downwards, each with the directory that it belongs to, as a prefix."""
    is_wanted: bool = False
    """Whether a rule names it or one above it as wanted, also if a tool has made it."""

    @property
    def prefix(self) -> str:
        return f"{self.relative}/" if self.relative else ""

    def ignores(self, relative: str) -> bool:
        """Tell whether the rules ignore a path."""
        return self._decide(relative) is True

    def wants(self, relative: str) -> bool:
        """Tell whether a rule takes a path back that would be left out: `!dist/`."""
        return self._decide(relative) is False

    def _decide(self, relative: str) -> bool | None:
        """Return what the rules say, those of the deepest directory first; None for nothing."""
        for prefix, spec in reversed(self.rules):
            ignored = spec.check_file(relative.removeprefix(prefix)).include
            if ignored is not None:
                return ignored
        return None


Found = FoundFile | Skipped | PassedOver
_Entry = _Directory | Found


def walk_files(root: Path, own: OwnFiles | None = None) -> Iterator[Found]:
    """Yield the files below `root` in a fixed order; a file as root is found below its parent.

    Links are not followed: what one inside the root names is found in its own place. What is kb's
    own is passed over, and so are files that by their names hold secrets or no text, and folders
    below the root that tools make. Raises UnreadableFile when the root itself cannot be read.
    """
    root, own = root.resolve(), own or OwnFiles()
    if not root.exists():
        raise UnreadableFile(f"{root} does not exist")
    is_file = root.is_file()
    name = make_storable(root.name) if is_file else ""
    if reason := own.why_refused(root) or (why_secret(name) if is_file else None):
        yield PassedOver(name, reason)
        return
    if is_file:
        yield _describe_file(root, name, root.stat())
        return
    pending: list[_Entry] = [_Directory(root)]
    while pending:
        entry = pending.pop()
        if isinstance(entry, _Directory):
            pending.extend(reversed(_list_entries(entry, root, own)))
        else:
            yield entry


def _describe_file(path: Path, relative: str, status: os.stat_result) -> FoundFile | Skipped:
    """Return a regular file as found, and any other as skipped."""
    if not stat.S_ISREG(status.st_mode):
        return Skipped(relative, "it is not a regular file")
    identity = (status.st_dev, status.st_ino)
    return FoundFile(path, relative, status.st_size, identity, status.st_nlink)


def _list_entries(directory: _Directory, root: Path, own: OwnFiles) -> list[_Entry]:
    """Return what is in a directory, sorted by storable names."""
    try:
        directory = _add_own_rules(directory)
        with os.scandir(directory.path) as scan:
            visible = [entry for entry in scan if _is_wanted(entry)]
    except OSError as error:
        return [
            _skip_directory(directory, f"the directory is unreadable: {_explain_os_error(error)}")
        ]
    except ValueError as error:
        return [_skip_directory(directory, f"its {IGNORE_FILE} is invalid: {error}")]
    names = {entry.name for entry in visible}
    if directory.relative and not directory.is_wanted and has_tool_mark(directory.path, names):
        return [PassedOver(directory.relative, kind="made by a tool")]
    found: dict[str, _Entry | None] = {}
    collisions: list[_Entry] = []
    for entry in sorted(visible, key=lambda entry: (make_storable(entry.name), entry.name)):
        relative = directory.prefix + make_storable(entry.name)
        if relative in found:
            collisions.append(Skipped(relative, "another file here has the same name in Unicode"))
        else:
            found[relative] = _classify_entry(directory, relative, entry, root, own, names)
    return [entry for entry in found.values() if entry is not None] + collisions


def _is_wanted(entry: os.DirEntry[str]) -> bool:
    """Tell whether an entry is looked at; of hidden files only those that hold secrets are."""
    if entry.name.startswith("."):
        return why_secret(entry.name) is not None and not entry.is_dir(follow_symlinks=False)
    return True


def _skip_directory(directory: _Directory, reason: str) -> Skipped:
    """Return an unreadable directory as skipped; raise UnreadableFile if it is the root."""
    if not directory.relative:
        raise UnreadableFile(f"{directory.path}: {reason}")
    return Skipped(directory.relative, reason)


def _add_own_rules(directory: _Directory) -> _Directory:
    """Add the rules of the directory's own ignore file, if it has one."""
    source = directory.path / IGNORE_FILE
    if source.is_symlink() or not source.is_file():
        return directory
    lines = source.read_text(encoding="utf-8-sig", errors="surrogateescape").splitlines()
    rules = (directory.prefix, GitIgnoreSpec.from_lines(map(make_storable, lines)))
    return replace(directory, rules=(*directory.rules, rules))


def _classify_entry(
    directory: _Directory,
    relative: str,
    entry: os.DirEntry[str],
    root: Path,
    own: OwnFiles,
    beside: Collection[str],
) -> _Entry | None:
    """Return what an entry is, None for what nobody misses."""
    try:
        is_directory = entry.is_dir(follow_symlinks=False)
        if directory.ignores(f"{relative}/" if is_directory else relative):
            return None
        status = entry.stat(follow_symlinks=False)
        reason = own.why_passed_over((status.st_dev, status.st_ino))
        kind = None
        if not is_directory:
            reason, kind = reason or why_secret(entry.name), find_kind_by_name(entry.name)
        if reason or kind:
            return PassedOver(relative, reason or "", None if reason else kind)
        if is_directory:
            return _classify_directory(directory, relative, entry, beside)
        return (
            _judge_link(relative, entry, root)
            if entry.is_symlink()
            else _describe_file(Path(entry.path), relative, status)
        )
    except OSError as error:
        return Skipped(relative, f"it is unreadable: {_explain_os_error(error)}")


def _classify_directory(
    above: _Directory, relative: str, entry: os.DirEntry[str], beside: Collection[str]
) -> _Directory | PassedOver:
    """Return a directory to be listed, unless a tool makes it and no rule wants it."""
    is_wanted = above.is_wanted or above.wants(f"{relative}/")
    if not is_wanted and is_tool_folder(entry.name, beside):
        return PassedOver(relative, kind="made by a tool")
    return _Directory(Path(entry.path), relative, above.rules, is_wanted)


def _judge_link(relative: str, entry: os.DirEntry[str], root: Path) -> Skipped | None:
    """Say why a link is skipped; None for one whose target is found in its own place."""
    try:
        target = Path(entry.path).resolve(strict=True)
    except FileNotFoundError:
        return Skipped(relative, "it is a link to nothing")
    except (OSError, RuntimeError):  # RuntimeError: a loop, before Python 3.13
        return Skipped(relative, "it is a link that cannot be followed, perhaps a loop")
    if target.is_relative_to(root):
        return None
    return Skipped(relative, "it is a link that leads out of the indexed directory")


def make_storable(name: str) -> str:
    """Return a name in NFC, with the bytes that are not UTF-8 spelled out."""
    valid = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return unicodedata.normalize("NFC", valid)


def _explain_os_error(error: OSError) -> str:
    return error.strerror or str(error)
