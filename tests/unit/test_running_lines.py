"""Headers and footers go, headings and text stay; synthetic lines, and a file."""

from sample_files import pdf_file

from kb.indexing.layout.pdf_layout import Line
from kb.indexing.layout.running_lines import remove_running_lines
from kb.indexing.read import read_document

BODIES = ["It starts", "again by itself.", "Wipe the wand.", "The end."]
CHAPTERS = ["Start", "Start", "Start", "Care", "Care", "Repair", "Repair", "Repair"]
PAGES = [f"{letter} begins.\n{letter} goes on.\n{letter} ends." for letter in "ABCDEFGH"]


def lay_out(page: str) -> list[Line]:
    """Lines below each other, those between tabs in cells of their own."""
    return [
        Line(line.replace("\t", " "), 99.0, 9.0, 10.0, top, top, cells=tuple(line.split("\t")))
        for top, line in zip(range(800, 0, -12), page.split("\n"), strict=False)
        if line.strip()
    ]


def remove(pages: list[str]) -> list[str]:
    left = remove_running_lines([lay_out(page) for page in pages])
    return ["\n".join(line.text for line in page) for page in left]


def with_line(line: str, *, top: bool = False, bodies: list[str] = BODIES) -> list[str]:
    """The bodies with a line in which N is the number of the page."""
    lines = [line.replace("N", str(page)) for page in range(1, len(bodies) + 1)]
    pairs = zip(lines, bodies, strict=True) if top else zip(bodies, lines, strict=True)
    return ["\n".join(pair) for pair in pairs]


def test_a_footer_that_counts_the_pages_goes_from_all_of_them():
    for footer in ("Brume 2 user manual Page N of 4", "N", "- N -", "N / 4", "Galet N", "Seite N"):
        assert remove(with_line(footer)) == BODIES


def test_a_header_goes_where_it_counts_pages_and_says_so():
    for header in ("Brume 2 · page N", "N", "p. N"):
        assert remove(with_line(header, top=True)) == BODIES


def test_headings_that_are_numbered_like_the_pages_stay():
    for heading in ("Exercise N", "N. Case study", "Article N: Guarantee"):
        pages = with_line(heading, top=True)
        assert remove(pages) == pages


def test_the_same_words_on_all_pages_stay_where_they_stand_first():
    pages = with_line("Confidential, version 7", top=True)
    assert remove(pages) == [pages[0], *BODIES[1:]]


def test_printed_numbers_may_begin_anywhere_and_stand_on_either_side():
    pages = ["Preface"] + [f"{text}\nThe manual {page}" for page, text in enumerate(BODIES, 17)]
    assert remove(pages) == ["Preface", *BODIES]
    sides = [f"{at} The manual" if at % 2 else f"The manual {at}" for at in range(1, 5)]
    assert remove([f"a{text}\n{text}" for text in sides]) == [f"a{text}" for text in sides]


def test_several_lines_go_from_the_edge_inwards_and_none_beyond_the_text():
    pages = [f"{text}\nRezé\nPage {at}" for at, text in enumerate(BODIES, start=1)]
    assert remove(pages) == [f"{BODIES[0]}\nRezé", *BODIES[1:]]
    bodies = [f"{text} Thus:\nConfidential\n{text}" for text in BODIES]
    assert remove(with_line("Page N", bodies=bodies)) == bodies


def test_what_only_some_pages_say_stays():
    pages = [*with_line("Page N", bodies=BODIES[:2]), *PAGES]
    assert remove(pages) == pages


def test_two_pages_prove_nothing_but_a_count_of_pages():
    assert remove(with_line("Page N of 2", bodies=BODIES[:2])) == BODIES[:2]
    for footer in ("N", "Galet N", "Yours faithfully"):
        pages = with_line(footer, bodies=BODIES[:2])
        assert remove(pages) == pages


def test_numbers_that_do_not_follow_the_pages_are_text():
    pages = [f"{text}\nTotal {total}" for text, total in zip(BODIES, (7, 3, 12, 1), strict=True)]
    assert remove(pages) == pages


def test_a_document_of_nothing_else_stays_as_it_is():
    assert remove(["Page 1", "Page 2", ""]) == ["Page 1", "Page 2", ""]


def test_a_page_that_is_only_a_number_is_empty():
    assert remove([*with_line("N"), "5"]) == [*BODIES, ""]


def test_blank_and_endless_lines_are_no_habit():
    pages = with_line(f"{'x' * 300} N")
    assert remove(pages) == pages
    assert remove(["", " \n ", ""]) == ["", "", ""]


def test_a_header_that_names_the_chapter_and_counts_beside_it_goes():
    for sides in ("Chapter 2: {chapter}\t{page}", "{page}\t{chapter}", "Manual\t{page} / 127"):
        pages = [
            f"{sides.format(chapter=chapter, page=number + 17)}\n{text}"
            for number, (chapter, text) in enumerate(zip(CHAPTERS, PAGES, strict=True))
        ]
        assert remove(pages) == PAGES


def test_roman_numbers_count_pages_too():
    numbers = ["ii", "iii", "iv", "v", "1", "2", "3", "4"]
    pages = [f"{text}\n{number}" for text, number in zip(PAGES, numbers, strict=True)]
    assert remove(pages) == PAGES


def test_the_name_of_a_chapter_goes_where_its_heading_stands():
    pages = [f"{chapter}\n{text}" for chapter, text in zip(CHAPTERS, PAGES, strict=True)]
    toc = ["Contents\n1. Start . . . . 1\n2. Care . . . 4\n3. Repair . . . . 6\nThe end"]
    named = [line.replace("Start", "1. Start").replace("Care", "2. Care") for line in pages]
    kept = {0: "Start\n", 3: "Care\n", 5: "Repair\n"}
    assert remove(pages) == [f"{kept.get(at, '')}{text}" for at, text in enumerate(PAGES)]
    without = [text.replace("Repair", "3. Repair") for text in named]
    assert remove([*toc, *without]) == [*toc, *PAGES]


def test_rows_of_a_table_that_begin_with_numbers_stay():
    pages = [f"Rate\t{rate}\n{text}" for rate, text in zip((4, 9, 2, 7), BODIES, strict=True)]
    assert remove(pages) == [page.replace("\t", " ") for page in pages]


def test_a_pdf_is_read_without_its_footers(tmp_path):
    document = read_document(pdf_file(tmp_path / "a.pdf", with_line("Brume 2, page N of 4")))
    assert [(each.page, each.text) for each in document.sections] == [*enumerate(BODIES, start=1)]
