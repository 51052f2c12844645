"""Read the text documents, workbooks and presentations of OpenDocument."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from defusedxml import ElementTree

from kb.indexing.document import Extract, Section, UnreadableFile
from kb.indexing.layout.archive import check_office_file, open_archive
from kb.indexing.readers.csv_tables import records_to_lines
from kb.indexing.reading_options import READING

_OFFICE: Final = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
_TEXT: Final = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_TABLE: Final = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_DRAW: Final = "{urn:oasis:names:tc:opendocument:xmlns:drawing:1.0}"
_PRESENTATION: Final = "{urn:oasis:names:tc:opendocument:xmlns:presentation:1.0}"
_STYLE: Final = "{urn:oasis:names:tc:opendocument:xmlns:style:1.0}"
_MOST_REPEATED: Final = 1_000
"""Equal rows or cells in a row that are read; programs fill sheets to their end with empty ones."""
_NO_TEXT: Final = {f"{_OFFICE}annotation", f"{_TEXT}tracked-changes", f"{_TEXT}note"}


def read(path: Path) -> Extract:
    check_office_file(path)
    with open_archive(path) as archive:
        if "content.xml" not in archive.namelist():
            raise UnreadableFile("not an OpenDocument file: it has no content, or it is encrypted")
        content = ElementTree.fromstring(archive.read("content.xml"))
        names = archive.namelist()
        meta = ElementTree.fromstring(archive.read("meta.xml")) if "meta.xml" in names else None
    body = content.find(f"{_OFFICE}body")
    if body is None or not len(body):
        raise UnreadableFile("not an OpenDocument file: it has no body")
    hidden = set() if READING.get().hidden_sheets else _find_hidden_styles(content)
    sections = tuple(_read_body(body[0], hidden))
    title = meta.findtext(".//{http://purl.org/dc/elements/1.1/}title") if meta is not None else ""
    return Extract(
        kind="rows" if body[0].tag == f"{_OFFICE}spreadsheet" else "markdown",
        sections=sections,
        property_title=title or "",
    )


def _read_body(body: Any, hidden: set[str]) -> Iterator[Section]:
    """Yield the sheets of a workbook, the slides of a presentation, or the text as one section."""
    if body.tag == f"{_OFFICE}spreadsheet":
        for sheet in body.iterfind(f"{_TABLE}table"):
            if sheet.get(f"{_TABLE}style-name") not in hidden:
                yield _sheet_to_section(sheet)
    elif body.tag == f"{_OFFICE}presentation":
        for number, slide in enumerate(body.iterfind(f"{_DRAW}page"), start=1):
            yield Section("\n\n".join(_read_slide(slide)), page=number)
    else:
        notes: list[str] = []
        blocks = list(_read_blocks(body, notes))
        yield Section("\n\n".join(filter(None, [*blocks, *notes])))


def _find_hidden_styles(content: Any) -> set[str]:
    """Return the names of the styles of tables that are not shown."""
    return {
        style.get(f"{_STYLE}name")
        for style in content.iterfind(f".//{_STYLE}style")
        for properties in style.iterfind(f"{_STYLE}table-properties")
        if properties.get(f"{_TABLE}display") == "false"
    }


def _read_slide(slide: Any) -> Iterator[str]:
    """Yield the frames of a slide, its title first, and its notes."""
    notes: list[str] = []
    for frame in slide:
        if frame.tag == f"{_PRESENTATION}notes":
            words = "\n\n".join(filter(None, _read_blocks(frame, [])))
            notes += [f"Notes: {words}"] if words else []
            continue
        words = "\n\n".join(filter(None, _read_blocks(frame, notes)))
        is_title = frame.get(f"{_PRESENTATION}class") == "title"
        if words:
            yield f"# {' '.join(words.split())}" if is_title else words
    yield from notes


def _read_blocks(element: Any, notes: list[str]) -> Iterator[str]:
    """Yield headings, paragraphs, lists and tables as Markdown; footnotes are collected."""
    for child in element:
        if child.tag == f"{_TEXT}h":
            level = min(int(child.get(f"{_TEXT}outline-level") or 1), 6)
            words = " ".join(_read_words(child, notes).split())
            yield f"{'#' * level} {words}" if words else ""
        elif child.tag == f"{_TEXT}p":
            yield _read_words(child, notes).strip()
            if frames := child.findall(f"{_DRAW}frame"):
                yield from (block for frame in frames for block in _read_blocks(frame, notes))
        elif child.tag == f"{_TEXT}list":
            yield "\n".join(_read_list(child, notes, 0))
        elif child.tag == f"{_TABLE}table":
            yield _table_to_markdown(child, notes)
        elif child.tag not in _NO_TEXT:
            yield from _read_blocks(child, notes)


def _read_list(element: Any, notes: list[str], depth: int) -> Iterator[str]:
    for item in element:
        for child in item:
            if child.tag == f"{_TEXT}list":
                yield from _read_list(child, notes, depth + 1)
            elif words := " ".join(_read_words(child, notes).split()):
                yield f"{'  ' * depth}- {words}"


def _read_words(element: Any, notes: list[str]) -> str:
    """Return the text of a paragraph; a footnote leaves its mark, and goes to the notes."""
    parts = [element.text or ""]
    for child in element:
        name = child.tag.rpartition("}")[2]
        if child.tag == f"{_TEXT}note":
            mark = f"[{child.findtext(f'{_TEXT}note-citation') or len(notes) + 1}]"
            body = child.find(f"{_TEXT}note-body")
            blocks = _read_blocks(body, []) if body is not None else ()
            notes.append(f"{mark} {' '.join(filter(None, blocks))}")
            parts.append(mark)
        elif name == "s":
            parts.append(" " * min(int(child.get(f"{_TEXT}c") or 1), 80))
        elif name in ("tab", "line-break"):
            parts.append("\t" if name == "tab" else "\n")
        elif child.tag not in _NO_TEXT and name != "frame":
            parts.append(_read_words(child, notes))
        parts.append(child.tail or "")
    return re.sub(r"[ \t]*\n[ \t]*", "\n", "".join(parts))


def _table_to_markdown(table: Any, notes: list[str]) -> str:
    """Return a table whose first row is its header."""
    rows = [
        [_read_cell(cell, notes).replace("|", "\\|") for cell in cells]
        for cells, _ in _find_rows(table)
    ]
    rows = [row for row in rows if any(row)]
    if not rows:
        return ""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    lines.insert(1, "|" + " --- |" * len(rows[0]))
    return "\n".join(lines)


def _read_cell(cell: Any, notes: list[str]) -> str:
    """Return the text of a cell on one line."""
    return " ".join(" ".join(_read_blocks(cell, notes)).split())


def _find_rows(table: Any) -> Iterator[tuple[list[Any], int]]:
    """Yield the cells of every row that is shown, with how often it is repeated."""
    for row in table.iter(f"{_TABLE}table-row"):
        if row.get(f"{_TABLE}visibility") != "collapse":
            cells = [cell for cell in row if cell.tag.endswith("table-cell")]
            yield cells, int(row.get(f"{_TABLE}number-rows-repeated") or 1)


def _sheet_to_section(sheet: Any) -> Section:
    """Return the rows of a sheet as lines below its name, numbered as they are shown."""
    name = sheet.get(f"{_TABLE}name") or ""
    records: list[list[str]] = []
    before = 0  # empty rows that are only kept if others follow
    for cells, times in _find_rows(sheet):
        record: list[str] = []
        for cell in cells:
            words = _read_cell(cell, [])
            repeated = int(cell.get(f"{_TABLE}number-columns-repeated") or 1)
            record += [words] * min(repeated, _MOST_REPEATED)
        while record and not record[-1]:
            record.pop()
        if record:
            records += [[] for _ in range(before)]
            records += [record] * min(times, _MOST_REPEATED)
        before = 0 if record else before + min(times, _MOST_REPEATED)
    lines = records_to_lines(records) if records else []
    text = "\n".join([f"# {name}", *lines]) if any(lines) else ""
    return Section(text, first_line=0, metadata={"sheet": name})
