"""Read PDF, page by page."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from kb.indexing.document import MAX_TEXT, TOO_MUCH_TEXT, Extract, Outline, Section, UnreadableFile
from kb.indexing.layout.pdf_layout import Line, measure_layout, page_to_markdown, read_page_lines
from kb.indexing.layout.pdf_tables import Table, find_tables, place_tables
from kb.indexing.layout.running_lines import remove_running_lines
from kb.indexing.readers.text import looks_like_title

LINE_END_HYPHEN = re.compile("[\x02\ufffe]\r?\n?")
HEADING = re.compile(r"^(?P<marks>#{1,6}) (?P<words>.+)$", re.MULTILINE)
POOR_TITLE = re.compile(
    r"untitled|sans titre|(document|pr[eé]sentation)\s*\d*|.*\.\w{2,5}", re.IGNORECASE
)


def read(path: Path) -> Extract:
    try:
        pdf = pdfium.PdfDocument(path)
    except pdfium.PdfiumError as error:
        raise UnreadableFile(_explain_pdf_error(error)) from error
    try:
        laid_out = list(_read_pages(pdf))
        title = pdf.get_metadata_value("Title").removeprefix("Microsoft Word - ").strip()
    finally:
        pdf.close()
    lines = remove_running_lines([lines for lines, _ in laid_out])
    layout = measure_layout(lines)
    placed = map(place_tables, lines, [tables for _, tables in laid_out])
    pages = [LINE_END_HYPHEN.sub("", page_to_markdown(page, layout)) for page in placed]
    if not any(page.strip() for page in pages):
        raise UnreadableFile("no text: is it a scan?")
    firsts = (line.lstrip("# ").strip() for page in pages for line in re.split(r"\n+", page)[:5])
    return Extract(
        kind="markdown",
        sections=tuple(_pages_to_sections(pages)),
        title="" if POOR_TITLE.fullmatch(title) else title,
        property_title=next((line for line in firsts if looks_like_title(line)), ""),
    )


def _read_pages(pdf: pdfium.PdfDocument) -> Iterator[tuple[list[Line], list[Table]]]:
    """Yield lines and tables of every page; raise UnreadableFile when they are too many."""
    total = 0
    for page in pdf:
        text_page = page.get_textpage()
        lines = read_page_lines(text_page)
        tables = find_tables(page, text_page, lines)
        text_page.close()
        page.close()
        total += sum(len(line.text) for line in lines)
        if total > MAX_TEXT:
            raise UnreadableFile(TOO_MUCH_TEXT)
        yield lines, tables


def _pages_to_sections(pages: Sequence[str]) -> Iterator[Section]:
    """Make every page a section that knows which headings the pages before have left open."""
    above: Outline = ()
    for number, page in enumerate(pages, start=1):
        yield Section(page, page=number, above=above)
        for heading in HEADING.finditer(page):
            level = len(heading["marks"])
            above = (
                *(heading_above for heading_above in above if heading_above[0] < level),
                (level, heading["words"]),
            )


def _explain_pdf_error(error: pdfium.PdfiumError) -> str:
    if error.err_code == pdfium_c.FPDF_ERR_PASSWORD:
        return "encrypted: it opens only with a password"
    return f"not a PDF, or a damaged one ({error})"
