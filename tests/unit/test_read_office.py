"""What office files say beside their text: rows, hidden parts, charts, notes; and OpenDocument."""

from pathlib import Path

import pytest
import xlsxwriter
from openpyxl import Workbook
from pptx import Presentation
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Inches
from sample_files import DOCX_PARTS, OFFICE, RELATIONS, WORD, zip_file

from kb.indexing.content_hash import inspect_file
from kb.indexing.document import UnreadableFile
from kb.indexing.read import read_document
from kb.indexing.reading_options import READING, ReadingOptions
from kb.indexing.split import split_document

CHART = (
    "**Sales**\n\n|  | Tea | Cafe |\n| --- | --- | --- |\n| May | 3.0 | 4.0 |\n| June | 5.0 | 6.0 |"
)
NAMESPACES = " ".join(
    f'xmlns:{short}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
    for short, name in {
        "office": "office",
        "text": "text",
        "table": "table",
        "draw": "drawing",
        "presentation": "presentation",
        "style": "style",
    }.items()
)


def open_document(path: Path, body: str, styles: str = "") -> Path:
    content = (
        f"<office:document-content {NAMESPACES}><office:automatic-styles>{styles}"
        f"</office:automatic-styles><office:body>{body}</office:body></office:document-content>"
    )
    meta = '<m xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>The plan</dc:title></m>'
    return zip_file(path, {"content.xml": content, "meta.xml": meta})


def test_rows_of_a_sheet_are_cited_by_their_numbers(tmp_path):
    book = Workbook()
    book.active.title = "Prices"
    for row in (["part", "price"], ["hose", 4], [], ["lid", 9]):
        book.active.append(row)
    book.create_sheet("Sizes").append(["S", "M"])
    book.save(tmp_path / "a.xlsx")
    first, second = (n.metadata for n in split_document(read_document(tmp_path / "a.xlsx"), "id"))
    assert (first["sheet"], first["headings"], first["lines"]) == ("Prices", "Prices", "1-4")
    assert (second["sheet"], second["lines"]) == ("Sizes", "1-1")


def test_asking_for_hidden_sheets_has_workbooks_read_again_and_nothing_else(tmp_path):
    for name in ("a.xlsx", "a.zip", "a.md"):
        (tmp_path / name).write_text("content")
    before = {path: inspect_file(path)[0] for path in tmp_path.iterdir()}
    token = READING.set(ReadingOptions(hidden_sheets=True))
    changed = {path.name for path in before if inspect_file(path)[0] != before[path]}
    READING.reset(token)
    assert changed == {"a.xlsx", "a.zip"}


def test_hidden_sheets_and_rows_are_left_out_but_not_what_a_filter_hides(tmp_path):
    book = Workbook()
    sheet = book.active
    for row in (["part", "price"], ["hose", 4], ["lid", 9], ["cup", 2]):
        sheet.append(row)
    sheet.row_dimensions[3].hidden = True
    secret = book.create_sheet("Salaries")
    secret.append(["Ada", 9000])
    secret.sheet_state = "hidden"
    book.save(tmp_path / "a.xlsx")
    (section,) = read_document(tmp_path / "a.xlsx").sections
    assert section.text == "# Sheet\n\npart: hose; price: 4\n\npart: cup; price: 2"
    token = READING.set(ReadingOptions(hidden_sheets=True))
    shown = [section.text for section in read_document(tmp_path / "a.xlsx").sections]
    READING.reset(token)
    assert shown == [section.text, "# Salaries\ncolumn 1: Ada; column 2: 9000"]
    sheet.auto_filter.ref = "A1:B4"
    book.save(tmp_path / "a.xlsx")
    assert "lid" in read_document(tmp_path / "a.xlsx").sections[0].text


def test_a_chart_in_a_workbook_is_read_with_its_title_and_series(tmp_path):
    book = xlsxwriter.Workbook(tmp_path / "a.xlsx")
    sheet = book.add_worksheet("Data")
    for number, row in enumerate((["", "Tea", "Cafe"], ["May", 3.0, 4.0], ["June", 5.0, 6.0])):
        sheet.write_row(number, 0, row)
    chart = book.add_chart({"type": "column"})
    for column in (1, 2):
        chart.add_series(
            {
                "name": ["Data", 0, column],
                "categories": ["Data", 1, 0, 2, 0],
                "values": ["Data", 1, column, 2, column],
            }
        )
    chart.set_title({"name": "Sales"})
    sheet.insert_chart("E2", chart)
    book.close()
    assert read_document(tmp_path / "a.xlsx").sections[-1].text == CHART.replace(".0", "")


def test_a_chart_of_a_slide_and_its_notes_stay_with_the_slide(tmp_path):
    deck = Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[5])
    slide.shapes.title.text = "Year"
    data = CategoryChartData()
    data.categories = ["May", "June"]
    data.add_series("Tea", (3.0, 5.0))
    data.add_series("Cafe", (4.0, 6.0))
    where = (Inches(1), Inches(1), Inches(4), Inches(3))
    frame = slide.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, *where, data)
    frame.chart.chart_title.text_frame.text = "Sales"
    slide.notes_slide.notes_text_frame.text = "Say thanks."
    deck.save(tmp_path / "a.pptx")
    (section,) = read_document(tmp_path / "a.pptx").sections
    assert section.text == f"# Year\n\n{CHART}\n\nNotes: Say thanks."


def test_footnotes_of_word_are_text(tmp_path):
    word = f'xmlns:w="{WORD}"'
    run = "<w:p><w:r><w:t>{}</w:t></w:r>{}</w:p>"
    mark = '<w:r><w:footnoteReference w:id="1"/></w:r>'
    parts = {
        "word/document.xml": f"<w:document {word}><w:body>{run.format('Plug it in', mark)}"
        "</w:body></w:document>",
        "word/footnotes.xml": f'<w:footnotes {word}><w:footnote w:id="1">'
        f"{run.format('Not wet.', '')}</w:footnote></w:footnotes>",
        "word/_rels/document.xml.rels": f'<Relationships xmlns="{RELATIONS}"><Relationship Id="r2" '
        f'Type="{OFFICE}/footnotes" Target="footnotes.xml"/></Relationships>',
    }
    document = read_document(zip_file(tmp_path / "a.docx", DOCX_PARTS | parts))
    assert document.sections[0].text == "Plug it in[1]\n\n1. Not wet."


def test_a_text_of_opendocument_has_headings_lists_tables_and_footnotes(tmp_path):
    body = (
        '<office:text><text:h text:outline-level="2">Start</text:h>'
        '<text:p>Plug<text:s text:c="2"/>it in<text:note><text:note-citation>1</text:note-citation>'
        "<text:note-body><text:p>Not wet.</text:p></text:note-body></text:note>.</text:p><text:p/>"
        "<text:list><text:list-item><text:p>One</text:p><text:list><text:list-item>"
        "<text:p>Two</text:p></text:list-item></text:list></text:list-item></text:list>"
        "<table:table><table:table-row><table:table-cell><text:p>Part</text:p></table:table-cell>"
        "<table:table-cell><text:p>Price</text:p></table:table-cell></table:table-row>"
        "<table:table-row><table:table-cell><text:p>Hose</text:p></table:table-cell>"
        "<table:table-cell><text:p>4|5</text:p></table:table-cell></table:table-row></table:table>"
        "</office:text>"
    )
    document = read_document(open_document(tmp_path / "a.odt", body))
    assert document.sections[0].text == (
        "## Start\n\nPlug  it in[1].\n\n- One\n  - Two\n\n"
        "| Part | Price |\n| --- | --- |\n| Hose | 4\\|5 |\n\n[1] Not wet."
    )
    assert document.title == "The plan"


def test_sheets_of_opendocument_have_their_rows_but_not_hidden_ones(tmp_path):
    def row(*cells: str, more: str = "") -> str:
        texts = "".join(
            f"<table:table-cell><text:p>{cell}</text:p></table:table-cell>" for cell in cells
        )
        return f"<table:table-row {more}>{texts}</table:table-row>"

    empty = row("", more='table:number-rows-repeated="2"')
    end = row("", more='table:number-rows-repeated="1048000"')
    hidden = row("lid", "9", more='table:visibility="collapse"')
    style = (
        '<style:style style:name="h"><style:table-properties table:display="false"/></style:style>'
    )
    body = (
        f'<office:spreadsheet><table:table table:name="Prices">{row("part", "price")}{empty}'
        f"{row('hose', '4')}{hidden}{end}"
        f'</table:table><table:table table:name="Pay" table:style-name="h">{row("Ada", "9")}'
        "</table:table></office:spreadsheet>"
    )
    (section,) = read_document(open_document(tmp_path / "a.ods", body, style)).sections
    assert section.text == "# Prices\n\n\n\npart: hose; price: 4"
    assert section.metadata == {"sheet": "Prices"}


def test_slides_of_opendocument_have_title_text_and_notes(tmp_path):
    body = (
        '<office:presentation><draw:page><draw:frame presentation:class="title"><draw:text-box>'
        "<text:p>Year</text:p></draw:text-box></draw:frame><draw:frame><draw:text-box>"
        "<text:p>Sales grew.</text:p></draw:text-box></draw:frame><presentation:notes>"
        "<draw:frame><draw:text-box><text:p>Say thanks.</text:p></draw:text-box></draw:frame>"
        "</presentation:notes></draw:page></office:presentation>"
    )
    (section,) = read_document(open_document(tmp_path / "a.odp", body)).sections
    assert (section.page, section.text) == (1, "# Year\n\nSales grew.\n\nNotes: Say thanks.")


def test_rich_text_is_read(tmp_path):
    path = tmp_path / "a.rtf"
    begin = rb"{\rtf1\ansi\ansicpg1252{\fonttbl{\f0 Arial;}}\f0 "
    path.write_bytes(begin + rb"D\'e9lai: {\b trois} jours.\par Fin.}")
    assert read_document(path).sections[0].text.split("\n") == ["Délai: trois jours.", "Fin."]


@pytest.mark.parametrize("name", ["a.odt", "a.ods", "a.odp", "a.rtf"])
def test_what_is_no_such_file_is_refused(tmp_path, name):
    for content in (b"Subject: x", b"PK\x03\x04" + bytes(99)):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UnreadableFile):
            read_document(tmp_path / name)
    zip_file(tmp_path / name, {"content.xml": "<!DOCTYPE x><x/>"})
    with pytest.raises(UnreadableFile):
        read_document(tmp_path / name)
