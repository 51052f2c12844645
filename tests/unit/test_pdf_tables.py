"""Rules that are drawn around cells make a table of them; files of a few strokes and words."""

from pathlib import Path

import pytest
from sample_files import drawn_pdf_file

from kb.indexing.read import read_document

WORDS = {"Part": (60, 700), "Price": (200, 700), "Hose": (60, 680), "4 EUR": (200, 680)}
WORDS |= {"Lid | cover": (60, 660), "9 EUR": (200, 660)}
TABLE = "| Part | Price |\n| --- | --- |\n| Hose | 4 EUR |\n| Lid \\| cover | 9 EUR |"
ACROSS = [(50, y, 300, y) for y in (714, 694, 674, 654)]
DOWN = [(x, 654, x, 714) for x in (50, 180, 300)]


def read_drawn(folder: Path, words: dict[str, tuple[int, int]], rules: list) -> str:
    (section,) = read_document(drawn_pdf_file(folder / "a.pdf", words, rules)).sections
    return section.text


@pytest.mark.parametrize(
    "rules",
    [
        [*ACROSS, *DOWN],
        [*ACROSS, DOWN[1]],  # no outer walls
        [ACROSS[0], ACROSS[1], ACROSS[3], *DOWN],  # only the header is ruled off
        [ACROSS[0], ACROSS[1], ACROSS[3]],  # and nothing parts the columns
    ],
)
def test_rules_make_rows_with_their_header(tmp_path, rules):
    words = {"Prices of parts": (50, 740), **WORDS, "They hold for a year.": (50, 600)}
    text = read_drawn(tmp_path, words, rules)
    assert text == f"Prices of parts\n\n{TABLE}\n\nThey hold for a year."


def test_a_cell_that_spans_columns_stays_whole(tmp_path):
    words = {"All of these parts cost this": (60, 720), **WORDS}
    rules = [*ACROSS, *DOWN, (50, 734, 300, 734), (50, 654, 50, 734), (300, 654, 300, 734)]
    first, _, second, *_ = read_drawn(tmp_path, words, rules).split("\n")
    assert (first, second) == ("| All of these parts cost this |  |", "| Part | Price |")


def test_a_row_of_several_lines_is_one(tmp_path):
    words = {"Part": (60, 700), "Price": (200, 700), "Hose of": (60, 686), "4 EUR": (200, 686)}
    words |= {"rubber": (60, 674), "Lid": (60, 650), "9 EUR": (200, 650)}
    rules = [(50, y, 300, y) for y in (714, 696, 666, 640)]
    text = read_drawn(tmp_path, words, [*rules, *((x, 640, x, 714) for x in (50, 180, 300))])
    assert "| Hose of rubber | 4 EUR |" in text


def test_a_frame_around_text_or_code_is_no_table(tmp_path):
    words = {"ls -l": (60, 700), "total 5": (60, 680)}
    frame = [ACROSS[0], (50, 670, 300, 670), (50, 670, 50, 714), (300, 670, 300, 714)]
    assert read_drawn(tmp_path, words, frame) == "ls -l\ntotal 5"
    assert read_drawn(tmp_path, {"Text": (60, 660)}, ACROSS) == "Text"


def test_a_line_that_goes_beyond_the_rules_keeps_all_as_text(tmp_path):
    words = WORDS | {"4 EUR or what the shop at your place asks for it": (200, 680)}
    del words["4 EUR"]
    assert "|" not in read_drawn(tmp_path, words, [*ACROSS, *DOWN]).replace("Lid |", "")


@pytest.mark.parametrize("line", ["# deluser fish", "===", "---", "```", "## two"])
def test_what_looks_like_markup_is_text(tmp_path, line):
    words = {"Remove the user as follows:": (50, 700), line: (50, 688), "Then log out.": (50, 676)}
    document = read_document(drawn_pdf_file(tmp_path / "a.pdf", words, []))
    ((chunk,),) = (section.chunks for section in document.sections)
    assert chunk.headings == ()
    assert line in document.sections[0].text
