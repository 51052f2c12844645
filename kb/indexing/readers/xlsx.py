"""Read Excel workbooks: a sheet is a table with its name above, a formula is its last value."""

from datetime import datetime
from pathlib import Path

from openpyxl import load_workbook
from openpyxl.worksheet._read_only import ReadOnlyWorksheet

from kb.indexing.document import Extract, Section
from kb.indexing.layout.archive import check_office_file, read_office_properties
from kb.indexing.readers.csv_tables import records_to_lines


def read(path: Path) -> Extract:
    check_office_file(path)
    workbook = load_workbook(path, read_only=True, data_only=True)
    try:
        sections = tuple(_sheet_to_section(sheet) for sheet in workbook.worksheets)
    finally:
        workbook.close()
    properties = read_office_properties(path)
    return Extract(
        kind="rows",
        sections=tuple(section for section in sections if section.text),
        property_title=properties.get("title", ""),
        metadata=properties,
    )


def _sheet_to_section(sheet: ReadOnlyWorksheet) -> Section:
    """Return the rows of a sheet as lines below its name; an empty sheet has no text."""
    sheet.reset_dimensions()  # what the file declares may be a million empty columns
    records = [
        [_cell_to_text(value) for value in cells]
        for cells in sheet.values
        if any(value not in (None, "") for value in cells)
    ]
    lines = [line for line in records_to_lines(records) if line]
    return Section("\n".join([f"# {sheet.title}", *lines]) if lines else "")


def _cell_to_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(" ").removesuffix(" 00:00:00")
    if isinstance(value, float):
        return f"{value:.15g}"
    return str(value)
