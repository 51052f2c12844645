"""Read e-books: the chapters in reading order."""

import posixpath
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from zipfile import ZipFile

from defusedxml import ElementTree

from kb.indexing.document import MAX_TEXT, Extract, Section, TooMuchText, UnreadableFile
from kb.indexing.layout.archive import open_archive
from kb.indexing.readers.html import decode_page, parse_page

CONTAINER = "META-INF/container.xml"


def read(path: Path) -> Extract:
    with open_archive(path) as archive:
        package_path = _find_package_path(archive)
        package = ElementTree.fromstring(archive.read(package_path))
        sections = tuple(_read_chapters(archive, package, posixpath.dirname(package_path)))
    return Extract(
        kind="markdown",
        sections=sections,
        title=_find_metadata(package, "title"),
        language=_find_metadata(package, "language"),
    )


def _find_package_path(archive: ZipFile) -> str:
    if CONTAINER not in archive.namelist():
        raise UnreadableFile(f"not an EPUB: {CONTAINER} is missing")
    container = ElementTree.fromstring(archive.read(CONTAINER))
    return next(str(file.get("full-path")) for file in container.iterfind(".//{*}rootfile"))


def _read_chapters(archive: ZipFile, package: Any, directory: str) -> Iterator[Section]:
    """Yield every chapter once: a hostile book may name the same one a million times."""
    paths = {item.get("id"): item.get("href") for item in package.iterfind(".//{*}item")}
    references = package.iterfind(".//{*}itemref")
    total = 0
    for path in dict.fromkeys(paths[reference.get("idref")] for reference in references):
        page = parse_page(decode_page(archive.read(posixpath.join(directory, unquote(path)))))
        total += len(page.markdown)
        if total > MAX_TEXT:
            raise TooMuchText
        if page.markdown:
            yield Section(page.markdown)


def _find_metadata(package: Any, name: str) -> str:
    return str(package.findtext(f".//{{http://purl.org/dc/elements/1.1/}}{name}") or "").strip()
