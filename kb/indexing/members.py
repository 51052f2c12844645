"""Read the files inside of a file: members of archives, attachments of mails."""

from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import IO

from kb.indexing.charset import clean_text
from kb.indexing.clock import CLOCK
from kb.indexing.document import Extract, Section, UnreadableFile
from kb.indexing.file_kinds import find_kind_by_content, find_kind_by_name, is_tool_folder
from kb.indexing.read import choose_title, extract_file, find_format
from kb.indexing.secret_files import HEAD_BYTES, why_secret

MOST_DEPTH = 3
"""Levels of files inside of files: an archive in an archive attached to a mail."""
MOST_FILES = 2_000
MOST_BYTES = 400_000_000
"""Of all files inside together, unpacked."""
PIECE = 2**20
MAX_NAME = 500
MAX_FILE_NAME = 60
"""Characters, so that their bytes are no more than a file system takes."""

Failure = tuple[str, str]


@dataclass
class _Budget:
    """What is left for all that is inside of one file, at whatever depth."""

    files: int = MOST_FILES
    bytes: int = MOST_BYTES


_AROUND: ContextVar[tuple[int, _Budget] | None] = ContextVar("around", default=None)
"""The depth and the budget of the file whose inside is being read."""


@dataclass
class Members:
    """Collects the sections of the files inside of one, and why others could not be read."""

    sections: list[Section] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._depth, self._budget = _AROUND.get() or (0, _Budget())

    @property
    def is_full(self) -> bool:
        """Tell whether no more files are read."""
        return self._budget.files <= 0 or self._budget.bytes <= 0

    def add(self, name: str, content: IO[bytes]) -> None:
        """Read a file inside; what cannot be read becomes a failure, and secrets are left out."""
        name = normalise_name(name)
        if not is_wanted(name):
            return
        CLOCK.begin_part()
        head = content.read(HEAD_BYTES)
        if find_kind_by_content(name, head) or why_secret(PurePosixPath(name).name, head):
            return
        try:
            extract = self._extract(name, head, content)
        except UnreadableFile as error:
            self.fail(name, str(error))
            return
        title = choose_title(Path(name), extract)
        media_type = find_format(Path(name))[1]
        for section in extract.sections:
            self.sections.append(
                replace(
                    section,
                    part=f"{name}/{section.part}" if section.part else name,
                    title=section.title or title,
                    kind=section.kind or extract.kind,
                    media_type=section.media_type or media_type,
                    metadata={**extract.metadata, **section.metadata},
                )
            )
        self.failures += [(f"{name}/{inner}", reason) for inner, reason in extract.failures]

    def fail(self, name: str, reason: str) -> None:
        self.failures.append((normalise_name(name), reason))

    def _extract(self, name: str, head: bytes, content: IO[bytes]) -> Extract:
        """Let the reader of its format read a file inside, from a copy; raise UnreadableFile."""
        if self._depth >= MOST_DEPTH:
            raise UnreadableFile(f"nested more than {MOST_DEPTH} levels deep")
        if self.is_full:
            raise UnreadableFile("there is too much inside of the file around it")
        self._budget.files -= 1
        with TemporaryDirectory(prefix="kb-member-") as folder:
            copy = Path(folder, PurePosixPath(name).name[-MAX_FILE_NAME:])
            with copy.open("wb") as file:
                self._copy_within_budget(head, content, file)
            token = _AROUND.set((self._depth + 1, self._budget))
            try:
                return extract_file(copy)
            finally:
                _AROUND.reset(token)

    def _copy_within_budget(self, head: bytes, content: IO[bytes], file: IO[bytes]) -> None:
        """Copy the head and what follows it; raise UnreadableFile for more than the budget."""
        piece = head
        while piece:
            self._budget.bytes -= len(piece)
            if self._budget.bytes < 0:
                raise UnreadableFile(f"more than {MOST_BYTES // 1_000_000} MB inside of one file")
            file.write(piece)
            piece = content.read(PIECE)


def normalise_name(name: str) -> str:
    """Return the name of a file inside as a harmless path: none of it leads upwards."""
    parts = PurePosixPath(clean_text(name).replace("\\", "/")).parts
    return "/".join(part for part in parts if part.strip("/") not in ("", ".", ".."))[-MAX_NAME:]


def is_wanted(name: str) -> bool:
    """Tell whether a file inside may be a document, neither hidden nor a secret nor a picture."""
    parts = PurePosixPath(name).parts
    return (
        bool(parts)
        and not any(part.startswith(".") or part == "__MACOSX" for part in parts)
        and not any(is_tool_folder(part, ()) for part in parts[:-1])
        and why_secret(parts[-1]) is None
        and find_kind_by_name(parts[-1]) is None
    )
