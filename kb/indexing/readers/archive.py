"""Zip containers of documents, checked before a parser sees them."""

from pathlib import Path
from zipfile import BadZipFile, ZipFile, ZipInfo

from defusedxml import ElementTree

from kb.indexing.charset import OLD_OFFICE
from kb.indexing.document import OLD_OFFICE_REASON, UnreadableFile

MAX_MEMBERS = 20_000
MAX_UNPACKED = 400_000_000
MAX_XML = 100_000_000
XML_SUFFIXES = (".xml", ".rels")
CORE = "docProps/core.xml"
DECLARED = ("title", "category", "keywords")


def open_archive(path: Path) -> ZipFile:
    """Open a zip file whose declared sizes are harmless; zipfile never unpacks more than those."""
    try:
        archive = ZipFile(path)
    except BadZipFile as error:
        raise UnreadableFile(_not_zip(path)) from error
    members = archive.infolist()
    unpacked = sum(member.file_size for member in members)
    if len(members) > MAX_MEMBERS or unpacked > MAX_UNPACKED:
        archive.close()
        raise UnreadableFile(
            f"it would unpack to {len(members)} parts and {unpacked // 1_000_000} MB"
        )
    return archive


def check_office_file(path: Path) -> None:
    """Refuse what no Office program writes: huge XML, document types and their entities."""
    with open_archive(path) as archive:
        for member in archive.infolist():
            if member.filename.lower().endswith(XML_SUFFIXES):
                _check_xml(archive, member)


def _check_xml(archive: ZipFile, member: ZipInfo) -> None:
    if member.file_size > MAX_XML:
        raise UnreadableFile(f"its part {member.filename} would unpack to over {MAX_XML} bytes")
    try:
        xml = archive.read(member)
    except (BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise UnreadableFile(f"its part {member.filename} is damaged: {error}") from error
    if b"<!DOCTYPE" in xml.replace(b"\0", b"").upper():
        raise UnreadableFile(f"its part {member.filename} declares entities")


def _not_zip(path: Path) -> str:
    with path.open("rb") as file:
        if file.read(8).startswith(OLD_OFFICE):
            return OLD_OFFICE_REASON
    return f"not a {path.suffix[1:].upper()} file, or a damaged one"


def declared_properties(path: Path) -> dict[str, str]:
    """Return title, category and keywords of an Office file, those that are filled."""
    with open_archive(path) as archive:
        if CORE not in archive.namelist():
            return {}
        properties = ElementTree.fromstring(archive.read(CORE))
    found = {name: properties.findtext(f"{{*}}{name}") for name in DECLARED}
    return {name: text for name, text in found.items() if text}
