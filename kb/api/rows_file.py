"""The whole result of a statement as a file: written on the disk, and then sent."""

import io
import tempfile
from collections.abc import Iterator, Mapping
from typing import IO, Final, Literal, TypeAlias

from starlette.responses import StreamingResponse

from engines.tables.guarded_database import GuardedDatabase, RowStream
from engines.tables.query_result import cell_as_json
from kb.config.databases import TablesConfig
from kb.csv_text import write_csv
from kb.xlsx_file import write_xlsx
from stores.values import Value

FileKind: TypeAlias = Literal["csv", "xlsx"]
MEDIA_TYPES: Final = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_MOST_CHARACTERS: Final = 200_000_000  # of all cells, which the disk has to hold
_PIECE: Final = 256 * 1024  # bytes that are sent at once


def send_rows(
    tables: GuardedDatabase,
    statement: tuple[str, Mapping[str, Value]],
    limits: TablesConfig,
    kind: FileKind,
    *,
    escape_formulas: bool,
) -> StreamingResponse:
    """Respond with all rows of a statement and its values, as far as the limits of a file go.

    The file is whole before its first byte is sent, so that a statement that breaks off is an error
    and no shorter file, and the server of the tables does not wait for a slow reader. Rows take the
    memory of one. Raises what `open_rows` does.
    """
    file = tempfile.TemporaryFile()  # noqa: SIM115 - closed when it has been sent
    try:
        with tables.open_rows(
            *statement,
            most_rows=limits.export_limit,
            most_characters=_MOST_CHARACTERS,
            seconds=limits.export_timeout,
        ) as found:
            if kind == "xlsx":
                count = write_xlsx(file, found.columns, found)
            else:
                count = _write_text(file, found, escape_formulas=escape_formulas)
        size = file.tell()
        file.seek(0)
    except BaseException:
        file.close()
        raise
    headers = {
        "Content-Disposition": f'attachment; filename="rows.{kind}"',
        "Content-Length": str(size),
        "X-Rows": str(count),
        "X-Truncated": str(found.truncated).lower(),
    }
    return StreamingResponse(_send_file(file), media_type=MEDIA_TYPES[kind], headers=headers)


def _write_text(file: IO[bytes], found: RowStream, *, escape_formulas: bool) -> int:
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    cells = ([cell_as_json(cell) for cell in row] for row in found)
    count = write_csv(text, found.columns, cells, escape_formulas=escape_formulas)
    text.detach()  # which flushes
    return count


def _send_file(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while piece := file.read(_PIECE):
            yield piece
