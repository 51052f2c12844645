"""Read PDF, page by page."""

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from kb.indexing.document import (
    MAX_TEXT,
    Bookmark,
    Extract,
    Outline,
    Section,
    TooMuchText,
    UnreadableFile,
    enter_heading,
)
from kb.indexing.layout.pdf_layout import Line, measure_layout, page_to_markdown, read_page_lines
from kb.indexing.layout.pdf_tables import Table, find_tables, place_tables
from kb.indexing.layout.running_lines import remove_running_lines
from kb.indexing.readers.text import looks_like_title
from kb.indexing.reading_options import READING

LINE_END_HYPHEN = re.compile("[\x02\ufffe]\r?\n?")
HEADING = re.compile(r"^(?P<marks>#{1,6}) (?P<words>.+)$", re.MULTILINE)
POOR_TITLE = re.compile(
    r"untitled|sans titre|(document|pr[eé]sentation)\s*\d*|.*\.\w{2,5}", re.IGNORECASE
)


def read(path: Path) -> Extract:
    with _open_pdf(path) as pdf:
        extract = _pages_to_extract(pdf, range(len(pdf)), ())
    if not any(section.text.strip() for section in extract.sections):
        raise UnreadableFile("no text: is it a scan?")
    return extract


def read_pages(path: Path, start: Bookmark) -> Extract:
    """Read the pages of one part, whose headings and running lines are told by these pages."""
    above = tuple((level, words) for level, words in start.carried.get("above", ()))
    with _open_pdf(path) as pdf:
        end = min(start.offset + READING.get().part_pages, len(pdf))
        extract = _pages_to_extract(pdf, range(start.offset, end), above)
        rest = Bookmark(end, carried=extract.carried) if end < len(pdf) else None
    return replace(extract, rest=rest)


@contextmanager
def _open_pdf(path: Path) -> Iterator[pdfium.PdfDocument]:
    try:
        pdf = pdfium.PdfDocument(path)
    except pdfium.PdfiumError as error:
        raise UnreadableFile(_explain_pdf_error(error)) from error
    with closing(pdf):
        yield pdf


def _pages_to_extract(pdf: pdfium.PdfDocument, numbers: range, above: Outline) -> Extract:
    """Read these pages, below the headings that the pages before have left open."""
    laid_out = list(_read_pages(pdf, numbers))
    title = pdf.get_metadata_value("Title").removeprefix("Microsoft Word - ").strip()
    lines = remove_running_lines([lines for lines, _ in laid_out])
    layout = measure_layout(lines)
    placed = map(place_tables, lines, [tables for _, tables in laid_out])
    pages = [LINE_END_HYPHEN.sub("", page_to_markdown(page, layout)) for page in placed]
    sections = []
    for number, page in enumerate(pages, start=numbers.start + 1):
        sections.append(Section(page, page=number, above=above))
        above = _enter_headings(page, above)
    firsts = (line.lstrip("# ").strip() for page in pages for line in re.split(r"\n+", page)[:5])
    return Extract(
        kind="markdown",
        sections=tuple(sections),
        title="" if POOR_TITLE.fullmatch(title) else title,
        property_title=next((line for line in firsts if looks_like_title(line)), ""),
        carried={"above": above},
    )


def _read_pages(
    pdf: pdfium.PdfDocument, numbers: range
) -> Iterator[tuple[list[Line], list[Table]]]:
    """Yield lines and tables of these pages; raise UnreadableFile when they are too many."""
    total = 0
    for number in numbers:
        page = pdf[number]
        text_page = page.get_textpage()
        lines = read_page_lines(text_page)
        tables = find_tables(page, text_page, lines)
        text_page.close()
        page.close()
        total += sum(len(line.text) for line in lines)
        if total > MAX_TEXT:
            raise TooMuchText
        yield lines, tables


def _enter_headings(page: str, above: Outline) -> Outline:
    """Return the headings that are open at the end of a page, below those open before it."""
    for heading in HEADING.finditer(page):
        above = enter_heading(above, len(heading["marks"]), heading["words"])
    return above


def _explain_pdf_error(error: pdfium.PdfiumError) -> str:
    if error.err_code == pdfium_c.FPDF_ERR_PASSWORD:
        return "encrypted: it opens only with a password"
    return f"not a PDF, or a damaged one ({error})"
