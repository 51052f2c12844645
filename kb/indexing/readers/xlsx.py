"""Read Excel workbooks: a sheet is a table with its name above, a formula is its last value.

Lines are numbered as rows are. Rows that somebody hid one by one are left out, and so are hidden
sheets that nobody asks for.
"""

import re
from datetime import datetime
from pathlib import Path

from openpyxl import load_workbook
from openpyxl.worksheet._read_only import ReadOnlyWorksheet

from kb.indexing.document import Extract, Section, UnreadableFile
from kb.indexing.layout.archive import check_office_file, read_office_properties
from kb.indexing.layout.charts import read_charts
from kb.indexing.readers.csv_tables import records_to_lines
from kb.indexing.reading_options import READING

_ROW = re.compile(rb"<(?:\w+:)?row\b([^>]*)>")
_NUMBER = re.compile(rb'\br="(\d+)"')
_HIDDEN = re.compile(rb'\bhidden="(?:1|true)"')


def read(path: Path) -> Extract:
    check_office_file(path)
    workbook = load_workbook(path, read_only=True, data_only=True)
    try:
        shows_all = READING.get().hidden_sheets
        read = [each for each in workbook.worksheets if shows_all or each.sheet_state == "visible"]
        if workbook.worksheets and not read:
            raise UnreadableFile("all of its sheets are hidden (see documents.hidden_sheets)")
        sections = tuple(_sheet_to_section(sheet) for sheet in read)
    finally:
        workbook.close()
    charts = "\n\n".join(read_charts(path))
    properties = read_office_properties(path)
    return Extract(
        kind="rows",
        sections=tuple(
            section for section in (*sections, Section(charts, kind="markdown")) if section.text
        ),
        property_title=properties.get("title", ""),
        metadata=properties,
    )


def _sheet_to_section(sheet: ReadOnlyWorksheet) -> Section:
    """Return the rows of a sheet as lines below its name; an empty sheet has no text."""
    sheet.reset_dimensions()  # what the file declares may be a million empty columns
    hidden = _find_hidden_rows(sheet)
    records: list[list[str]] = []
    for number, cells in enumerate(sheet.values, start=1):  # missing rows come as empty ones
        if number not in hidden and any(value not in (None, "") for value in cells):
            records += [[] for _ in range(number - 1 - len(records))]
            records.append([_cell_to_text(value) for value in cells])
    lines = records_to_lines(records) if records else []
    return Section(
        "\n".join([f"# {sheet.title}", *lines]) if any(lines) else "",
        first_line=0,
        metadata={"sheet": sheet.title},
    )


def _find_hidden_rows(sheet: ReadOnlyWorksheet) -> set[int]:
    """Return the numbers of rows that are hidden, none where a filter hides what it does not match.

    openpyxl does not tell them where it reads row by row.
    """
    with sheet._get_source() as source:  # noqa: SLF001 - the part of the sheet in the archive
        xml = source.read()
    if b'hidden="' not in xml or b"autoFilter" in xml:
        return set()
    return {
        int(number[1])
        for row in _ROW.finditer(xml)
        if _HIDDEN.search(row[1]) and (number := _NUMBER.search(row[1]))
    }


def _cell_to_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(" ").removesuffix(" 00:00:00")
    if isinstance(value, float):
        return f"{value:.15g}"
    return str(value)
