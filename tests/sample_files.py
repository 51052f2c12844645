"""Tiny files of the formats that no library here writes."""

import struct
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


def msg_file(path: Path, facts: Mapping[int, str], attachments: Mapping[str, bytes] = {}) -> Path:
    """A message of Outlook; `facts` are texts by the numbers of their properties."""
    tree: dict[str, object] = _msg_properties(facts, header=32)
    for number, (name, content) in enumerate(attachments.items()):
        inside = _msg_properties({0x3707: name}, header=8, content=content)
        tree[f"__attach_version1.0_#{number:08X}"] = inside
    path.write_bytes(_compound_file(tree))
    return path


def _msg_properties(
    texts: Mapping[int, str], header: int, content: bytes | None = None
) -> dict[str, object]:
    streams: dict[str, object] = {
        f"__substg1.0_{tag:04X}001F": text.encode("utf-16-le") for tag, text in texts.items()
    }
    facts = [(0x1F, tag, 6, 2 * len(text) + 2, 0) for tag, text in texts.items()]
    if content is not None:
        streams["__substg1.0_37010102"] = content
        facts += [(3, 0x3705, 6, 1, 0), (0x102, 0x3701, 6, len(content), 0)]
    entries = [struct.pack("<HHIII", *fact) for fact in facts]
    return streams | {"__properties_version1.0": bytes(header) + b"".join(entries)}


def _compound_file(tree: Mapping[str, object]) -> bytes:
    """Streams of less than 4,096 bytes, and folders, as Office has written them of old."""
    small = bytearray()  # in parts of 64 bytes
    small_table: list[int] = []
    entries: list[bytes] = [b""]

    def store(content: bytes) -> int:
        first, count = len(small_table), -(-len(content) // 64)
        small.extend(content.ljust(64 * count, b"\0"))
        small_table.extend([*range(first + 1, first + count), _END][:count])
        return first if count else _END

    def add(folder: Mapping[str, object]) -> int:
        """Add the entries of a folder, each of which names the next; return the first."""
        following = _NONE
        for name, content in folder.items():
            if isinstance(content, Mapping):
                entry = _compound_entry(name, 1, following, add(content), 0, 0)
            elif isinstance(content, bytes):
                entry = _compound_entry(name, 2, following, _NONE, store(content), len(content))
            entries.append(entry)
            following = len(entries) - 1
        return following

    first = add(tree)
    table, sectors = list[int](), b""
    starts = []
    entries[0] = _compound_entry("Root Entry", 5, _NONE, first, 0, len(small))
    for content in (bytes(small), _pack_numbers(small_table), b"".join(entries)):
        starts.append(len(table))
        count = -(-len(content) // 512)
        table += [*range(starts[-1] + 1, starts[-1] + count), _END]
        sectors += content.ljust(512 * count, b"\0")
    header = struct.pack(
        "<8s16xHHHHH6xIIIIIIIII109I",
        bytes.fromhex("d0cf11e0a1b11ae1"), 0x3E, 3, 0xFFFE, 9, 6,
        0, 1, starts[2], 0, 4096, starts[1], 1, _END, 0, len(table), *[_NONE] * 108,
    )  # fmt: skip
    return header + sectors + _pack_numbers([*table, 0xFFFFFFFD]).ljust(512, b"\xff")


_END, _NONE = 0xFFFFFFFE, 0xFFFFFFFF


def _pack_numbers(numbers: list[int]) -> bytes:
    return struct.pack(f"<{len(numbers)}I", *numbers)


def _compound_entry(name: str, kind: int, right: int, child: int, start: int, size: int) -> bytes:
    raw = name.encode("utf-16-le")
    facts = (raw, len(raw) + 2, kind, 1, _NONE, right, child, 0, start, size, 0)
    return struct.pack("<64sHBBIII16xI16xIII", *facts)
