"""Tiny files of the formats that no library here writes."""

import zipfile
from collections.abc import Collection, Mapping
from pathlib import Path
from xml.sax.saxutils import escape

WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
TYPES = "http://schemas.openxmlformats.org/package/2006/content-types"
RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"

DOCX_PARTS = {
    "[Content_Types].xml": (
        f'<Types xmlns="{TYPES}"><Default Extension="rels" ContentType="application/'
        'vnd.openxmlformats-package.relationships+xml"/><Override PartName="/word/document.xml" '
        'ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.'
        'document.main+xml"/></Types>'
    ),
    "_rels/.rels": (
        f'<Relationships xmlns="{RELATIONS}"><Relationship Id="r1" Type="{OFFICE}/'
        'officeDocument" Target="word/document.xml"/></Relationships>'
    ),
}


def zip_file(path: Path, parts: Mapping[str, str | bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


def docx_file(path: Path, paragraphs: list[tuple[str, str]], table: list[list[str]]) -> Path:
    """Paragraphs are (style, text)."""
    body = "".join(
        f'<w:p><w:pPr><w:pStyle w:val="{style}"/></w:pPr><w:r><w:t>{escape(text)}</w:t></w:r></w:p>'
        for style, text in paragraphs
    )
    rows = "".join(
        "<w:tr>"
        + "".join(f"<w:tc><w:p><w:r><w:t>{cell}</w:t></w:r></w:p></w:tc>" for cell in row)
        + "</w:tr>"
        for row in table
    )
    document = (
        f'<w:document xmlns:w="{WORD}"><w:body>{body}<w:tbl>{rows}</w:tbl></w:body></w:document>'
    )
    return zip_file(path, DOCX_PARTS | {"word/document.xml": document})


def _pdf_line(words: str, is_large: bool) -> str:
    size, drop = (20, 24) if is_large else (12, 14)
    return f"/F1 {size} Tf 0 {-drop} Td ({_escape_pdf(words)}) Tj"


def _escape_pdf(words: str) -> str:
    return words.replace("(", r"\(").replace(")", r"\)")


def drawn_pdf_file(
    path: Path,
    words: Mapping[str, tuple[int, int]],
    rules: Collection[tuple[int, int, int, int]],
) -> Path:
    """One page with words and thin lines at their places, in points from the lower left."""
    shown = [
        f"BT /F1 10 Tf 1 0 0 1 {x} {y} Tm ({_escape_pdf(text)}) Tj ET"
        for text, (x, y) in words.items()
    ]
    drawn = [f"0.5 w {x1} {y1} m {x2} {y2} l S" for x1, y1, x2, y2 in rules]
    return _write_pdf(path, [" ".join([*shown, *drawn])])


def pdf_file(
    path: Path,
    pages: list[str],
    *,
    title: str = "",
    large: Collection[str] = (),
    encrypted: bool = False,
) -> Path:
    """Pages of Helvetica, some of their lines `large`; no empty password opens the encrypted."""
    streams = [
        "BT 50 814 Td "
        + " ".join(_pdf_line(line, line in large) for line in text.split("\n"))
        + " ET"
        for text in pages
    ]
    return _write_pdf(path, streams, title=title, encrypted=encrypted)


def _write_pdf(path: Path, streams: list[str], *, title: str = "", encrypted: bool = False) -> Path:
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(len(streams)))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(streams)} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    layout = "/MediaBox [0 0 595 842] /Resources << /Font << /F1 3 0 R >> >>"
    for number, stream in enumerate(streams):
        objects += [
            f"<< /Type /Page /Parent 2 0 R {layout} /Contents {5 + 2 * number} 0 R >>",
            f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream",
        ]
    objects.append(f"<< /Title ({title}) >>")
    key = "ab" * 32
    objects.append(f"<< /Filter /Standard /V 1 /R 2 /O <{key}> /U <{key}> /P -4 >>")
    encrypt = f"/Encrypt {len(objects)} 0 R /ID [<00> <00>]" if encrypted else ""
    body, offsets = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(body))
        body += f"{number} 0 obj\n{content}\nendobj\n".encode("cp1252")
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    body += (
        f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}trailer\n<< /Size "
        f"{len(objects) + 1} /Root 1 0 R /Info {len(objects) - 1} 0 R {encrypt} >>\n"
        f"startxref\n{len(body)}\n%%EOF\n"
    ).encode()
    path.write_bytes(body)
    return path


def epub_file(path: Path, title: str, language: str, chapters: list[str]) -> Path:
    items = "".join(
        f'<item id="c{number}" href="text/chapter%20{number}.xhtml" '
        'media-type="application/xhtml+xml"/>'
        for number in range(len(chapters))
    )
    spine = "".join(f'<itemref idref="c{number}"/>' for number in reversed(range(len(chapters))))
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf"><metadata '
        'xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f"<dc:title>{title}</dc:title><dc:language>{language}</dc:language></metadata>"
        f"<manifest>{items}</manifest><spine>{spine}</spine></package>"
    )
    container = (
        '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
        '<rootfile full-path="OEBPS/content.opf"/></rootfiles></container>'
    )
    parts = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": container,
        "OEBPS/content.opf": package,
    }
    for number, chapter in enumerate(chapters):
        parts[f"OEBPS/text/chapter {number}.xhtml"] = (
            '<?xml version="1.0" encoding="utf-8"?><!DOCTYPE html>'
            f'<html xmlns="http://www.w3.org/1999/xhtml"><body>{chapter}</body></html>'
        )
    return zip_file(path, parts)
