"""Large files are read by parts, which together are what the file is."""

import codecs
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sample_files import pdf_file

from kb.indexing.document import ReadDocument, UnreadableFile
from kb.indexing.read import read_document
from kb.indexing.reading_options import READING, ReadingOptions

ReadParts = Callable[[Path], list[ReadDocument]]


@pytest.fixture
def read_parts() -> Iterator[ReadParts]:
    """Read a file in parts of some thousand bytes, or of two pages."""
    token = READING.set(ReadingOptions(most_at_once=1000, part=4000, part_pages=2))
    yield lambda path: list(iterate_parts(path))
    READING.reset(token)


def iterate_parts(path: Path) -> Iterator[ReadDocument]:
    part = read_document(path)
    yield part
    while part.rest:
        part = read_document(path, part.rest)
        yield part


def list_lines(parts: list[ReadDocument]) -> dict[int, str]:
    """The lines of the file by their numbers, as the parts have them."""
    lines: dict[int, str] = {}
    for part in parts:
        for section in part.sections:
            if section.first_line is not None:
                lines |= dict(enumerate(section.text.splitlines(), start=section.first_line))
    return {number: line for number, line in lines.items() if line}


def write_log(encoding: str = "utf-8", end: str = "\n", mark: bytes = b"") -> bytes:
    text = "".join(f"request {at} of café 🦭 {at}{end}{end * (at % 9 == 0)}" for at in range(999))
    return mark + text.encode(encoding)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("name", ["a.log", "a.txt", "a.sql", "a.md"])
def test_the_parts_of_a_text_have_its_lines_under_their_numbers(tmp_path, read_parts, name, end):
    (tmp_path / name).write_bytes(write_log(end=end))
    parts = read_parts(tmp_path / name)
    numbered = write_log().decode().splitlines()
    assert len(parts) > 5
    assert list_lines(parts) == {at: line for at, line in enumerate(numbered, start=1) if line}


@pytest.mark.parametrize(
    ("encoding", "mark"),
    [
        ("utf-8", codecs.BOM_UTF8),
        ("utf-16-le", codecs.BOM_UTF16_LE),
        ("utf-16-be", codecs.BOM_UTF16_BE),
        ("utf-32-le", codecs.BOM_UTF32_LE),
        ("cp1252", b""),
    ],
)
def test_the_parts_of_a_text_in_any_charset_have_its_words(tmp_path, read_parts, encoding, mark):
    content = write_log().decode().replace("🦭", "§" if encoding == "cp1252" else "🦭")
    (tmp_path / "a.log").write_bytes(mark + content.encode(encoding))
    lines = list_lines(read_parts(tmp_path / "a.log"))
    numbered = content.splitlines()
    assert lines == {at: line for at, line in enumerate(numbered, start=1) if line}


def test_a_line_that_is_longer_than_a_part_is_cut_at_a_blank(tmp_path, read_parts):
    words = [f"mot{number}é" for number in range(3000)]
    (tmp_path / "a.txt").write_text(f"{' '.join(words)}\nlast line\n")
    parts = read_parts(tmp_path / "a.txt")
    assert " ".join(part.sections[0].text for part in parts).split() == [*words, "last", "line"]
    assert parts[-1].sections[-1].chunks[-1].lines == "1-2"
    (tmp_path / "a.txt").write_text("é🦭" * 9000)
    texts = [part.sections[0].text for part in read_parts(tmp_path / "a.txt")]
    assert "".join(texts) == "é🦭" * 9000


def test_the_parts_of_markdown_know_the_headings_above_and_cut_no_fence(tmp_path, read_parts):
    paragraph = "Words of a paragraph that is long enough. " * 30
    fence = "```\n# no heading\n\ncode\n```"
    chapters = [
        f"## Chapter {n}\n\n{paragraph}\n\n{fence}\n\n### Detail\n\n{paragraph}" for n in range(9)
    ]
    (tmp_path / "a.md").write_text("\n\n".join(["---\ntitle: T\nkey: v\n---\n# Top", *chapters]))
    parts = read_parts(tmp_path / "a.md")
    assert len(parts) > 3
    assert (parts[0].title, parts[0].metadata) == ("T", {"key": "v"})
    chunks = [chunk for part in parts for section in part.sections for chunk in section.chunks]
    paths = dict.fromkeys(chunk.headings for chunk in chunks)
    wanted = [("Top", f"Chapter {n}", *detail) for n in range(9) for detail in ((), ("Detail",))]
    assert list(paths) == wanted


def test_the_parts_of_a_table_have_its_columns_and_whole_records(tmp_path, read_parts):
    notes = dict.fromkeys(range(0, 400, 50), "two\n lines")
    rows = [f'{at},"Name {at}, again","{notes.get(at, "two lines")}"' for at in range(900)]
    (tmp_path / "a.csv").write_text("\n".join(["id,name,note", *rows]) + "\n")
    parts = read_parts(tmp_path / "a.csv")
    assert len(parts) > 5
    lines = [line for part in parts for line in part.sections[0].text.splitlines() if line]
    assert lines == [f"id: {at}; name: Name {at}, again; note: two lines" for at in range(900)]
    last = parts[-1].sections[0]
    assert last.first_line is not None
    assert last.first_line + len(last.text.splitlines()) - 1 == 901 + len(notes)


def test_a_record_that_never_ends_is_refused_and_named(tmp_path, read_parts):
    (tmp_path / "a.csv").write_text('id,name\n1,"' + "open quote\n" * 9000)
    with pytest.raises(UnreadableFile, match="what begins in line 2 has more than"):
        read_parts(tmp_path / "a.csv")


def test_a_part_that_cannot_be_read_loses_none_of_the_others(tmp_path, read_parts):
    records = [json.dumps({"number": at, "text": "words " * 9}) for at in range(300)]
    records[150] = "{broken"
    (tmp_path / "a.jsonl").write_text("\n".join(records))
    parts = read_parts(tmp_path / "a.jsonl")
    ((name, reason),) = [failure for part in parts for failure in part.failures]
    first, last = (int(number) for number in name.removeprefix("lines ").split("-"))
    assert first <= 151 <= last
    assert reason.startswith("not JSON: ")
    lines = list_lines(parts)
    assert lines[1].startswith("number: 0; ")
    assert lines[300].startswith("number: 299; ")
    assert set(range(1, 301)) - lines.keys() == set(range(first, last + 1))


def test_the_mails_of_a_large_mailbox_are_whole_and_numbered(tmp_path, read_parts):
    long = "A line of a long mail.\n" * 400  # longer than a part
    mails = [f"From a@b\nX-Number: {at}\n\n{long if at == 5 else 'Short.'}\n" for at in range(300)]
    (tmp_path / "a.mbox").write_text("\n".join(mails))
    parts = read_parts(tmp_path / "a.mbox")
    titles = [section.title for part in parts for section in part.sections]
    assert titles == [f"mail {number}" for number in range(1, 301)]
    (whole,) = [s for part in parts for s in part.sections if s.title == "mail 6"]
    assert whole.text.strip() == long.strip()


def test_a_large_pdf_is_read_by_pages(tmp_path, read_parts):
    pages = ["Care\nWipe it.", "Rinse it.", "Dry it.", "Polish it.", "Store it."]
    parts = read_parts(pdf_file(tmp_path / "a.pdf", pages, large=["Care"]))
    assert [[s.page for s in part.sections] for part in parts] == [[1, 2], [3, 4], [5]]
    assert parts[2].sections[0].above == ((1, "Care"),)


def test_noise_is_no_large_text(tmp_path, read_parts):
    for content in (b"\0" * 9000, bytes(range(256)) * 99, b"word\0" * 2000):
        (tmp_path / "a.log").write_bytes(content)
        with pytest.raises(UnreadableFile, match="not a text file"):
            read_parts(tmp_path / "a.log")


def test_a_file_that_shrank_meanwhile_ends_where_it_ends(tmp_path, read_parts):
    (tmp_path / "a.log").write_bytes(write_log())
    first = read_document(tmp_path / "a.log")
    (tmp_path / "a.log").write_text("less")
    assert first.rest
    assert read_document(tmp_path / "a.log", first.rest).sections == ()


def test_how_large_files_may_be_is_configured(tmp_path):
    sparse = {name: tmp_path / name for name in ("a.docx", "a.log")}
    for path, size in zip(sparse.values(), (3_000_001, 5_000_001), strict=True):
        with path.open("wb") as file:
            file.truncate(size)
    token = READING.set(ReadingOptions(max_file=3_000_000, max_parted_file=5_000_000))
    try:
        for path, reason in zip(sparse.values(), ("3 MB", "5 MB"), strict=True):
            with pytest.raises(UnreadableFile, match=f"larger than {reason}"):
                read_document(path)
    finally:
        READING.reset(token)
