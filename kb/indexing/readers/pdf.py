"""PDF, page by page."""

import re
from collections.abc import Iterator
from pathlib import Path

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from kb.indexing.document import MAX_TEXT, TOO_MUCH_TEXT, Extract, Section, UnreadableFile
from kb.indexing.readers.running_lines import without_running_lines
from kb.indexing.readers.text import looks_like_title

LINE_END_HYPHEN = re.compile("[\x02\ufffe]\r?\n?")
POOR_TITLE = re.compile(
    r"untitled|sans titre|(document|pr[eé]sentation)\s*\d*|.*\.\w{2,5}", re.IGNORECASE
)


def read(path: Path) -> Extract:
    try:
        pdf = pdfium.PdfDocument(path)
    except pdfium.PdfiumError as error:
        raise UnreadableFile(_why(error)) from error
    try:
        pages = without_running_lines(list(_pages(pdf)))
        title = pdf.get_metadata_value("Title").removeprefix("Microsoft Word - ").strip()
    finally:
        pdf.close()
    if not any(page.strip() for page in pages):
        raise UnreadableFile("no text: is it a scan?")
    return Extract(
        kind="text",
        sections=tuple(Section(page, page=at) for at, page in enumerate(pages, start=1)),
        title="" if POOR_TITLE.fullmatch(title) else title,
        property_title=_first_title(pages),
    )


def _pages(pdf: pdfium.PdfDocument) -> Iterator[str]:
    total = 0
    for page in pdf:
        text_page = page.get_textpage()
        text = text_page.get_text_bounded().replace("\r\n", "\n")
        text_page.close()
        page.close()
        total += len(text)
        if total > MAX_TEXT:
            raise UnreadableFile(TOO_MUCH_TEXT)
        yield LINE_END_HYPHEN.sub("", text)


def _first_title(pages: list[str]) -> str:
    lines = (line.strip() for page in pages for line in page.split("\n")[:5])
    return next((line for line in lines if looks_like_title(line)), "")


def _why(error: pdfium.PdfiumError) -> str:
    if error.err_code == pdfium_c.FPDF_ERR_PASSWORD:
        return "encrypted: it opens only with a password"
    return f"not a PDF, or a damaged one ({error})"
