"""Check the zip containers of documents before a parser sees them."""

import codecs
import posixpath
import zlib
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote
from zipfile import BadZipFile, ZipFile, ZipInfo

from defusedxml import ElementTree

from kb.indexing.charset import OLD_OFFICE
from kb.indexing.document import OLD_OFFICE_REASON, UnreadableFile

MAX_MEMBERS = 20_000
MAX_UNPACKED = 400_000_000
MAX_XML = 100_000_000
XML_SUFFIXES = (".xml", ".rels")
CONTENT_TYPES = "[Content_Types].xml"
OPAQUE = {
    *("image", "thumbnail", "audio", "video", "media", "font", "oleObject", "package", "aFChunk")
}
"""Kinds of relations to parts that no reader parses: an SVG picture may have a document type."""
DAMAGED = (BadZipFile, EOFError, NotImplementedError, RuntimeError, zlib.error)
MARKS = codecs.BOM_UTF8 + codecs.BOM_UTF16_LE + b" \t\r\n"
DOCTYPE = b"<!DOCTYPE"
PIECE = 2**20
CORE = "docProps/core.xml"
DECLARED = ("title", "category", "keywords")


def open_archive(path: Path) -> ZipFile:
    """Open a zip file whose declared sizes are harmless; zipfile never unpacks more than those."""
    try:
        archive = ZipFile(path)
    except BadZipFile as error:
        raise UnreadableFile(_explain_not_zip(path)) from error
    members = archive.infolist()
    unpacked = sum(member.file_size for member in members)
    if len(members) > MAX_MEMBERS or unpacked > MAX_UNPACKED:
        archive.close()
        raise UnreadableFile(
            f"it would unpack to {len(members)} parts and {unpacked // 1_000_000} MB"
        )
    return archive


def check_office_file(path: Path) -> None:
    """Refuse what no Office program writes: huge XML, document types and their entities.

    Relations and declared types name the parts that are read, so that a suffix tells nothing.
    """
    with open_archive(path) as archive:
        by_name = [member for member in archive.infolist() if _is_xml(member.filename)]
        others = [member for member in archive.infolist() if not _is_xml(member.filename)]
        for member in by_name:
            _check_xml(archive, member)
        opaque = _find_opaque(archive, [member.filename for member in by_name])
        for member in others:
            if member.filename.lower() not in opaque and _begins_as_xml(archive, member):
                _check_xml(archive, member)


def _is_xml(name: str) -> bool:
    return name.lower().endswith(XML_SUFFIXES)


def _find_opaque(archive: ZipFile, names: list[str]) -> set[str]:
    """Return the parts that are only named as pictures and the like, in lower case."""
    kinds: dict[str, set[str]] = defaultdict(set)
    for name in names:
        for part, kind in _read_relations(archive, name):
            kinds[part].add(kind)
    parsed = _find_declared_xml(archive) if CONTENT_TYPES in names else set()
    return {
        part
        for part, found in kinds.items()
        if found <= OPAQUE and not parsed & {part, posixpath.splitext(part)[1]}
    }


def _read_relations(archive: ZipFile, name: str) -> Iterator[tuple[str, str]]:
    """Yield every part that a file of relations names, with the kind of the relation."""
    folder = posixpath.dirname(posixpath.dirname(name))
    relations = _parse_xml(archive, name) if name.lower().endswith(".rels") else ()
    for relation in relations:
        kind = str(relation.get("Type")).rpartition("/")[2]
        target = posixpath.join(folder, str(relation.get("Target")))
        yield _normalise_part_name(target), kind
        yield _normalise_part_name(unquote(target)), kind


def _find_declared_xml(archive: ZipFile) -> set[str]:
    """Return the parts and the suffixes that the archive declares to be XML, without pictures."""
    return {
        _normalise_part_name(declared.get("PartName") or f".{declared.get('Extension')}")
        for declared in _parse_xml(archive, CONTENT_TYPES)
        if "xml" in declared.get("ContentType", "") and "svg" not in declared.get("ContentType")
    }


def _parse_xml(archive: ZipFile, name: str) -> Any:
    return ElementTree.fromstring(archive.read(name))


def _normalise_part_name(part: str) -> str:
    """Return the name of a part as all spellings of it have in common."""
    return posixpath.normpath(f"/{part}").lstrip("/").lower()


def _begins_as_xml(archive: ZipFile, member: ZipInfo) -> bool:
    """Tell whether a part begins like XML; no parser takes any other, whatever is in it."""
    with _unpack_member(archive, member) as part:
        return part.read(PIECE).replace(b"\0", b"").lstrip(MARKS).startswith(b"<")


@contextmanager
def _unpack_member(archive: ZipFile, member: ZipInfo) -> Iterator[IO[bytes]]:
    """Open a part for reading; raise UnreadableFile if it turns out to be damaged."""
    try:
        with archive.open(member) as part:
            yield part
    except DAMAGED as error:
        raise UnreadableFile(f"its part {member.filename} is damaged: {error}") from error


def _check_xml(archive: ZipFile, member: ZipInfo) -> None:
    """Raise UnreadableFile for XML that is huge or declares a document type."""
    if member.file_size > MAX_XML:
        raise UnreadableFile(f"its part {member.filename} would unpack to over {MAX_XML} bytes")
    end = b""
    with _unpack_member(archive, member) as part:
        while piece := part.read(PIECE):
            text = end + piece.replace(b"\0", b"").upper()
            if DOCTYPE in text:
                raise UnreadableFile(f"its part {member.filename} declares entities")
            end = text[1 - len(DOCTYPE) :]


def _explain_not_zip(path: Path) -> str:
    """Return for people why the file does not open: an old format, or none."""
    with path.open("rb") as file:
        if file.read(8).startswith(OLD_OFFICE):
            return OLD_OFFICE_REASON
    return f"not a {path.suffix[1:].upper()} file, or a damaged one"


def read_office_properties(path: Path) -> dict[str, str]:
    """Return the title, category and keywords of an Office file, as far as they are filled."""
    with open_archive(path) as archive:
        if CORE not in archive.namelist():
            return {}
        properties = ElementTree.fromstring(archive.read(CORE))
    found = {name: properties.findtext(f"{{*}}{name}") for name in DECLARED}
    return {name: text for name, text in found.items() if text}
