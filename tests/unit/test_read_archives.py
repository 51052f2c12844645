"""Archives are read file by file; hostile ones cost little and reach nothing outside."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sample_files import docx_file, zip_file

from kb.indexing import members
from kb.indexing.document import UnreadableFile
from kb.indexing.read import ReadDocument, read_document
from kb.indexing.split import split_document

FILES = {
    "guide/start.md": b"---\ntitle: Start\nproduct: Hub\n---\n# One\n\nPlug it in.",
    "prices.csv": b"part,price\nhose,4\nlid,9\n",
}


def tar_file(path: Path, files: dict[str, bytes], mode: Any = "w") -> Path:
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def parts(document: ReadDocument) -> list[str]:
    return [section.part for section in document.sections]


def refusal(path: Path) -> str:
    with pytest.raises(UnreadableFile) as caught:
        read_document(path)
    return str(caught.value)


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "a.tgz", "a.tar.bz2", "a.tar.xz"])
def test_files_in_an_archive_keep_path_title_kind_and_facts(tmp_path, name):
    mode = {"gz": "w:gz", "tgz": "w:gz", "bz2": "w:bz2", "xz": "w:xz"}.get(name.split(".")[-1], "w")
    make = zip_file if name == "a.zip" else lambda path, files: tar_file(path, files, mode)
    document = read_document(make(tmp_path / name, FILES))
    first, second = (node.metadata for node in split_document(document, "id"))
    assert (first["part"], first["title"], first["product"]) == ("guide/start.md", "Start", "Hub")
    assert (first["media_type"], first["headings"]) == ("text/markdown", "One")
    assert (second["part"], second["title"]) == ("prices.csv", "prices")
    assert "part: hose; price: 4" in document.sections[1].text
    assert document.failures == ()


@pytest.mark.parametrize(("suffix", "pack"), [("gz", gzip), ("bz2", bz2), ("xz", lzma)])
def test_one_compressed_file_is_read_by_its_own_name(tmp_path, suffix, pack):
    path = tmp_path / f"start.md.{suffix}"
    path.write_bytes(pack.compress(b"# Start\n\nPlug it in."))
    document = read_document(path)
    assert parts(document) == ["start.md"]
    assert document.sections[0].kind == "markdown"
    path.write_bytes(pack.compress(b"# Start " * 999)[:40])
    assert refusal(path)


def test_what_is_no_document_in_an_archive_is_left_out_and_what_is_broken_named(tmp_path):
    hidden = {
        ".git/config": b"x",
        "__MACOSX/a.txt": b"x",
        ".env": b"KEY=1",
        "a.png": b"x",
        "id_rsa": b"x",
    }
    broken = {"old.pdf": b"%PDF", "noise.txt": bytes(range(256)) * 9}
    document = read_document(zip_file(tmp_path / "a.zip", hidden | broken | FILES))
    assert parts(document) == list(FILES)
    assert [name for name, _ in document.failures] == list(broken)
    assert "old.pdf: not a PDF" in refusal(zip_file(tmp_path / "b.zip", broken))
    assert refusal(zip_file(tmp_path / "c.zip", hidden)) == "no document"


def test_archives_inside_of_archives_are_read_to_a_depth(tmp_path):
    content = zip_file(tmp_path / "0.zip", {"start.md": b"Plug it in."}).read_bytes()
    for level in (1, 2, 3):
        path = zip_file(tmp_path / "x.zip", {f"{level}.zip": content, "a.txt": b"text"})
        content = path.read_bytes()
    document = read_document(path)
    assert parts(document) == ["3.zip/2.zip/a.txt", "3.zip/a.txt", "a.txt"]
    assert document.failures == (
        (
            "3.zip/2.zip/1.zip",
            "nothing in it can be read (start.md: nested more than 3 levels deep)",
        ),
    )


@pytest.mark.parametrize("name", ["../../etc/notes.md", "/etc/notes.md", "..\\..\\etc\\notes.md"])
def test_names_that_lead_elsewhere_are_harmless(tmp_path, name):
    for path in (
        zip_file(tmp_path / "a.zip", {name: b"text"}),
        tar_file(tmp_path / "a.tar", {name: b"text"}),
    ):
        assert parts(read_document(path)) == ["etc/notes.md"]


def test_links_and_devices_in_a_tar_file_are_not_followed(tmp_path):
    path = tar_file(tmp_path / "a.tar", {"a.txt": b"text"})
    with tarfile.open(path, "a") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE):
            info = tarfile.TarInfo(f"link{kind!r}.txt")
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    assert parts(read_document(path)) == ["a.txt"]


def test_an_encrypted_file_is_named_and_a_bomb_not_unpacked(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", "text")
        archive.writestr("bomb.txt", b"0" * 30_000_000)
    content = bytearray(path.read_bytes())
    document = read_document(path)
    assert document.failures == (("bomb.txt", "it would unpack to 30 MB"),)
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + offset] |= 1
    path.write_bytes(content)
    assert "a.txt: encrypted: it opens only with a password" in refusal(path)


def test_all_files_inside_share_one_bound(tmp_path, monkeypatch):
    monkeypatch.setattr(members, "_Budget", partial(members._Budget, files=2))
    files = {f"{number}.txt": b"text" for number in range(4)}
    document = read_document(zip_file(tmp_path / "a.zip", files))
    assert (len(document.sections), len(document.failures)) == (2, 2)
    big = {"a.txt": b"text", "b.csv": b"x" * 20_000}
    monkeypatch.setattr(members, "_Budget", partial(members._Budget, bytes=9_000))
    document = read_document(tar_file(tmp_path / "a.tar", big))
    assert [reason for _, reason in document.failures] == ["more than 400 MB inside of one file"]


def test_a_document_of_word_in_an_archive_is_checked_as_any_other(tmp_path):
    word = docx_file(tmp_path / "a.docx", [("Heading1", "Terms")], [["a"]])
    document = read_document(zip_file(tmp_path / "a.zip", {"a.docx": word.read_bytes()}))
    assert document.sections[0].title == "Terms"
