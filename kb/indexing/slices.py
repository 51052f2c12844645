"""Cut a large file of lines into slices, each of which its reader reads as if it were a file."""

import codecs
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kb.indexing.document import Bookmark, UnreadableFile
from kb.indexing.reading_options import READING

_MOST_LENGTHS: Final = 16
"""Of a usual slice, where its lines belong together: a mail with what is attached to it."""
_HEAD: Final = 1_000
_WIDE: Final = (  # UTF-32 first: its mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

FindEnd = Callable[[Sequence[bytes]], int]
"""How many of these lines make a part; 0 when what they begin ends behind them."""


@dataclass(frozen=True)
class Slice:
    """Some lines of a file, in UTF-8 where the file is in UTF-16 or UTF-32."""

    data: bytes
    rest: Bookmark | None
    """Where the next slice begins, None for the last."""

    def name_lines(self, start: Bookmark) -> str:
        """Return the lines of the slice that began at a bookmark, as a report names them."""
        last = self.rest.line - 1 if self.rest else start.line + self.data.count(b"\n")
        return f"lines {start.line}-{max(last, start.line)}"


def cut_slice(path: Path, start: Bookmark, find_end: FindEnd) -> Slice:
    """Return the slice that begins at a bookmark; raise UnreadableFile if it would have no end."""
    with path.open("rb") as file:
        encoding = _find_wide_encoding(file.read(_HEAD))
        file.seek(start.offset)
        usual = READING.get().part
        data, size = b"", usual
        while size <= usual * _MOST_LENGTHS:
            data += file.read(size - len(data))
            lines = _decode_wide(data, encoding).splitlines(keepends=True)
            if len(data) < size:
                return Slice(b"".join(lines), None)
            whole = lines[:-1] or _cut_line(lines[0])  # the last line may go on behind the slice
            if end := find_end(whole):
                taken = b"".join(whole[:end])
                offset = start.offset + len(_encode_wide(taken, encoding))
                ends = end - (not taken.endswith((b"\n", b"\r")))
                return Slice(taken, Bookmark(offset, start.line + ends))
            size *= 2
    raise UnreadableFile(
        f"what begins in line {start.line} has more than {usual * _MOST_LENGTHS / 1e6:g} MB"
    )


def find_paragraph_end(lines: Sequence[bytes]) -> int:
    """End a part behind the last blank line, or behind the last line where none is near."""
    nearest = range(len(lines), len(lines) // 2, -1)
    return next((end for end in nearest if not lines[end - 1].strip()), len(lines))


def _find_wide_encoding(head: bytes) -> str | None:
    """Return the encoding that a mark tells, None for one in which each byte may end a line."""
    for mark, encoding in _WIDE:
        if head.startswith(mark):
            return encoding
    if b"\0" in head:
        raise UnreadableFile("not a text file, or a large one in UTF-16 without its mark")
    return None


def _decode_wide(data: bytes, encoding: str | None) -> bytes:
    if not encoding:
        return data
    whole = data[: len(data) // 4 * 4]
    return whole.decode(encoding, "surrogatepass").encode("utf-8", "surrogatepass")


def _encode_wide(data: bytes, encoding: str | None) -> bytes:
    if not encoding:
        return data
    return data.decode("utf-8", "surrogatepass").encode(encoding, "surrogatepass")


def _cut_line(line: bytes) -> list[bytes]:
    """Return the beginning of a line as long as a slice, up to a blank if there is one."""
    end = line.rfind(b" ", len(line) // 2, -4) + 1 or len(line) - 4
    while 0x80 <= line[end] < 0xC0:  # noqa: PLR2004 - in the midst of a character of UTF-8
        end -= 1
    return [line[:end]]
