from sample_files import pdf_file

from kb.indexing.layout.running_lines import remove_running_lines
from kb.indexing.read import read_document

BODIES = ["It starts", "again by itself.", "Wipe the wand.", "The end."]


def with_line(line: str, *, top: bool = False, bodies: list[str] = BODIES) -> list[str]:
    """The bodies with a line in which N is the number of the page."""
    lines = [line.replace("N", str(page)) for page in range(1, len(bodies) + 1)]
    pairs = zip(lines, bodies, strict=True) if top else zip(bodies, lines, strict=True)
    return ["\n".join(pair) for pair in pairs]


def test_a_footer_that_counts_the_pages_goes_from_all_of_them():
    for footer in ("Brume 2 user manual Page N of 4", "N", "- N -", "N / 4", "Galet N", "Seite N"):
        assert remove_running_lines(with_line(footer)) == BODIES


def test_a_header_goes_where_it_counts_pages_and_says_so():
    for header in ("Brume 2 · page N", "N", "p. N"):
        assert remove_running_lines(with_line(header, top=True)) == BODIES


def test_headings_that_are_numbered_like_the_pages_stay():
    for heading in ("Exercise N", "N. Case study", "Article N: Guarantee"):
        pages = with_line(heading, top=True)
        assert remove_running_lines(pages) == pages


def test_the_same_words_on_all_pages_stay_where_they_stand_first():
    pages = with_line("Confidential, version 7", top=True)
    assert remove_running_lines(pages) == [pages[0], *BODIES[1:]]


def test_printed_numbers_may_begin_anywhere_and_stand_on_either_side():
    pages = ["Preface"] + [f"{text}\nThe manual {page}" for page, text in enumerate(BODIES, 17)]
    assert remove_running_lines(pages) == ["Preface", *BODIES]
    sides = [f"{at} The manual" if at % 2 else f"The manual {at}" for at in range(1, 5)]
    assert remove_running_lines([f"a{text}\n{text}" for text in sides]) == [
        f"a{text}" for text in sides
    ]


def test_several_lines_go_from_the_edge_inwards_and_none_beyond_the_text():
    pages = [f"{text}\nRezé\nPage {at}" for at, text in enumerate(BODIES, start=1)]
    assert remove_running_lines(pages) == [f"{BODIES[0]}\nRezé", *BODIES[1:]]
    bodies = [f"{text} Thus:\nConfidential\n{text}" for text in BODIES]
    assert remove_running_lines(with_line("Page N", bodies=bodies)) == bodies


def test_what_only_some_pages_say_stays():
    pages = [*with_line("Page N", bodies=BODIES[:2]), *BODIES]
    assert remove_running_lines(pages) == pages


def test_two_pages_prove_nothing_but_a_count_of_pages():
    assert remove_running_lines(with_line("Page N of 2", bodies=BODIES[:2])) == BODIES[:2]
    for footer in ("N", "Galet N", "Yours faithfully"):
        pages = with_line(footer, bodies=BODIES[:2])
        assert remove_running_lines(pages) == pages


def test_numbers_that_do_not_follow_the_pages_are_text():
    pages = [f"{text}\nTotal {total}" for text, total in zip(BODIES, (7, 3, 12, 1), strict=True)]
    assert remove_running_lines(pages) == pages


def test_no_empty_lines_stay_where_a_line_was():
    pages = [f"\n{text}\n\nPage {at}\n" for at, text in enumerate(BODIES, start=1)]
    assert remove_running_lines(pages) == BODIES


def test_a_page_of_nothing_else_stays_as_it_is():
    assert remove_running_lines(["Page 1", "Page 2", ""]) == ["Page 1", "Page 2", ""]
    assert remove_running_lines(["same"] * 3) == ["same"] * 3


def test_blank_and_endless_lines_are_no_habit():
    pages = with_line(f"{'x' * 300} N")
    assert remove_running_lines(pages) == pages
    assert remove_running_lines(["", " \n ", ""]) == ["", " \n ", ""]


def test_a_pdf_is_read_without_its_footers(tmp_path):
    document = read_document(pdf_file(tmp_path / "a.pdf", with_line("Brume 2, page N of 4")))
    assert [(each.page, each.text) for each in document.sections] == [*enumerate(BODIES, start=1)]
