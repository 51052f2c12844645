"""What the places of lines say: synthetic lines of a page 500 points wide, and a file."""

import pytest
from sample_files import pdf_file

from kb.indexing.layout.pdf_layout import Line, measure_layout, page_to_markdown
from kb.indexing.read import read_document

MARGIN = 500.0
CHARACTER = 5.0  # its width, in points


def page(*lines: str | tuple[str, float] | tuple[str, float, float]) -> list[Line]:
    """Lines of 10 points, 12 below one another, or `(text, gap)`, or `(text, gap, size)`."""
    laid_out, baseline = [], 800.0
    for given in lines:
        text, gap, size = (given, 12.0, 10.0) if isinstance(given, str) else (*given, 10.0)[:3]
        baseline -= gap
        width, first = len(text) * CHARACTER, len(text.split()[0]) * CHARACTER
        laid_out.append(Line(text, width, first, size, baseline, baseline))
    return laid_out


def full(begin: str) -> str:
    """A line to the margin."""
    return begin.ljust(int(MARGIN / CHARACTER), "x")


def read_as(lines: list[Line]) -> list[str]:
    return page_to_markdown(lines, measure_layout([lines])).split("\n\n")


def test_a_line_that_leaves_room_for_the_next_word_ends_its_paragraph():
    lines = page(full("One "), "ends.", full("Two "), full("goes on "), "and ends.")
    assert read_as(lines) == [
        "\n".join(x.text for x in lines[:2]),
        "\n".join(x.text for x in lines[2:]),
    ]


@pytest.mark.parametrize("begin", ["small letters", ") closed", ", too", "» fini"])
def test_what_begins_no_sentence_goes_on(begin):
    assert len(read_as(page(full("One "), "Short", full(begin)))) == 1


def test_a_word_that_had_no_room_goes_on():
    long_word = "X" * 90
    assert len(read_as(page(full("One "), "Not much of it.", long_word, full("x")))) == 1


def test_a_wider_gap_parts_paragraphs_that_fill_their_lines():
    lines = page(full("One "), full("one "), (full("Two "), 16.0), full("two "))
    assert len(read_as(lines)) == 2


def test_lines_of_a_narrow_block_belong_together():
    lines = page(full("Wide "), full("wide "), *(f"Note {each}".ljust(60, "x") for each in "ABC"))
    assert len(read_as(lines)) == 1


def test_the_cells_of_a_row_stay_together():
    above = (full("A table of "), full("codes. "))
    rows = page(*above, ("CB-1 Empty", 20.0), "not in place", ("Fill it", -12.0))
    assert read_as(rows)[1:] == ["CB-1 Empty\nnot in place\nFill it"]


def test_larger_lines_are_headings_by_their_size_and_go_over_several_lines():
    lines = page(
        ("The manual", 12.0, 24.0),
        ("How it is", 30.0, 14.0),
        ("cleaned", 17.0, 14.0),
        (full("Wipe it "), 24.0),
        ("12", 60.0, 24.0),
    )
    assert read_as(lines) == ["# The manual", "## How it is cleaned", lines[3].text, "12"]


def test_a_page_in_one_size_has_no_headings_and_an_empty_one_no_text():
    assert measure_layout([page("All", "alike")]).levels == {}
    assert page_to_markdown([], measure_layout([[]])) == ""


def test_headings_of_a_pdf_stand_over_what_follows_them_on_later_pages(tmp_path):
    first = "Cleaning\nWipe it with a cloth."
    second = "Rinse it after that.\n\nRepair\nCall us."
    path = pdf_file(tmp_path / "a.pdf", [first, second], large=["Cleaning", "Repair"])
    document = read_document(path)
    found = [
        (section.page, chunk.headings, section.text[chunk.start : chunk.end])
        for section in document.sections
        for chunk in section.chunks
    ]
    assert document.title == "Cleaning"
    assert found == [
        (1, ("Cleaning",), "Wipe it with a cloth."),
        (2, ("Cleaning",), "Rinse it after that."),
        (2, ("Repair",), "Call us."),
    ]
