"""Every format becomes text with its facts; every broken file a reason."""

import json
import os
import random
import shutil
import struct
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from datetime import date
from email.message import EmailMessage
from pathlib import Path

import pytest
from openpyxl import Workbook
from pptx import Presentation
from sample_files import OFFICE, RELATIONS, docx_file, epub_file, pdf_file, zip_file

from kb.indexing.read import ReadDocument, UnreadableFile, read_document
from kb.indexing.worker import ReadWorker

LAUGHS = '<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "ha">' + "".join(
    f'<!ENTITY {name} "{f"&{last};" * 10}">'
    for last, name in zip("abcdefgh", "bcdefghi", strict=True)
)
FRENCH = "L'été à Paris, ça coûte 5 €"


@pytest.fixture
def read_text(tmp_path: Path) -> Callable[..., ReadDocument]:
    """Read what would stand in a file of that name."""

    def write_and_read(name: str, content: str | bytes) -> ReadDocument:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_document(path)

    return write_and_read


@pytest.fixture
def refusal(read_text: Callable[..., ReadDocument]) -> Callable[..., str]:
    """Why a file of that name and content is refused."""

    def reason(name: str, content: str | bytes) -> str:
        with pytest.raises(UnreadableFile) as caught:
            read_text(name, content)
        return str(caught.value)

    return reason


def whole_text(document: ReadDocument) -> str:
    return "\n".join(section.text for section in document.sections)


# Encodings


@pytest.mark.parametrize(
    "encoding",
    [
        *("utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le", "utf-16-be"),
        *("utf-32", "utf-32-le", "utf-32-be"),
    ],
)
@pytest.mark.parametrize(
    "text",
    [
        FRENCH,
        "Réf. commande : déjà payée",
        "Où est mon colis ? J'ai payé l'été dernier.",
        "« Bonjour », dit-elle…",
        "Straße 5, München",
        "¿Dónde está el niño? Mañana",
        "ÉTÉ À PARIS, ÇA COÛTE CHER",
        "été",
        "plain English, nothing else",
    ],
)
def test_short_western_text_survives_in_every_usual_encoding(read_text, text, encoding):
    assert read_text("a.txt", text.encode(encoding)).sections[0].text == text


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Réf. commande : déjà payée", "cp850"),
        ("Привет, как дела? Это короткий текст.", "cp1251"),
        ("Zażółć gęślą jaźń, proszę bardzo", "cp1250"),
        ("これは日本語の短い文章です。", "shift-jis"),
        ("这是一个简短的中文文本。", "gbk"),
    ],
)
def test_text_in_other_encodings_survives(read_text, text, encoding):
    assert read_text("a.txt", text.encode(encoding)).sections[0].text == text


def test_one_broken_character_does_not_spoil_the_others(read_text):
    text = read_text("a.txt", "L'été à Paris.\n".encode() * 9 + b"Caf\xe9").sections[0].text
    assert text.endswith("L'été à Paris.\nCaf\ufffd")


def test_ends_of_line_control_characters_and_accents_are_made_uniform(read_text):
    text = "e\u0301te\u0301\r\nred \x1b[31mline\x1b[0m\rpage\x0cbreak " + "long enough " * 20
    assert read_text("a.txt", text).sections[0].text.startswith("été\nred line\npage break long")


def test_a_stray_nul_is_dropped(read_text):
    assert read_text("a.log", b"a line of a log\n" * 20 + b"\0\0").sections[0].text[-4:] == "log\n"


@pytest.mark.parametrize("size", [200, 5_000, 100_000])
def test_random_bytes_are_no_text(refusal, size):
    noise = random.Random(size).randbytes(size)
    assert refusal("a.txt", noise) == "not a text file"
    assert refusal("a.md", bytes(byte or 1 for byte in noise)) == "not a text file"


@pytest.mark.parametrize("content", [b"", b"  \n\t\r\n", b"\0" * 500, b"\xef\xbb\xbf  "])
def test_a_file_without_a_character_is_empty(refusal, content):
    assert refusal("a.txt", content) == "the file is empty"


# Text, Markdown, HTML, code


def test_front_matter_becomes_metadata(read_text):
    document = read_text(
        "retours.md",
        f"---\ntitle: {FRENCH}\nlang: fr-FR\ntags: [a, b]\ndate: 2026-03-01\nprice: 12.5\n"
        "nested: {a: 1}\npage: 7\npath: /etc\nlong: "
        + "x" * 2_000
        + "\n---\n\n# Heading\n\ntext\n",
    )
    assert document.title == FRENCH
    assert document.language == "fr"
    assert document.metadata == {"tags": ["a", "b"], "date": "2026-03-01", "price": 12.5}
    assert document.sections[0].text == "# Heading\n\ntext\n"
    assert document.sections[0].first_line == 13


@pytest.mark.parametrize(
    "text",
    ["---\nJust a text\n---\nbetween rules.", "---\n[broken: yaml\n---\n\ntext", "---\nno end"],
)
def test_rules_at_the_top_are_not_always_front_matter(read_text, text):
    section = read_text("a.md", text).sections[0]
    assert (section.text, section.first_line) == (text, 1)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("````text\n~~~~ or", "````"),
        ("````text\n```", "````"),
        ("```text\n~~~", "`````  "),
        ("~~~\n```\n~~~ more", "~~~~"),
        ("- item\n\n  ~~~", "  ~~~"),
        ("```a``` is no fence\n\n```", "```"),
    ],
)
def test_a_table_is_simplified_but_not_in_code(read_text, before, after):
    row = "| max\\_size   | 5 |\n|------|---|"
    text = f"{before}\n{row}\n{after}\n\n{row}\n"
    assert read_text("a.md", text).sections[0].text == (
        f"{before}\n{row}\n{after}\n\n| max_size | 5 |\n|---|---|\n"
    )


@pytest.mark.parametrize(
    ("name", "content", "title"),
    [
        ("a.md", "intro\n\n## Second\n\n# [First](x) `code`\n", "First code"),
        ("a.md", "## Only\n\ntext", "Only"),
        ("return_policy-fr.md", "text", "return policy fr"),
        ("a.txt", "Minutes of the 3rd of March\n===\n\nWe met.", "Minutes of the 3rd of March"),
        ("a.txt", "This is a sentence.\n\nAnother.", "a"),
        ("run.py", "import os\n", "run.py"),
        ("a.html", "<title>Shop</title><h1>Returns</h1><p>x", "Returns"),
        ("a.html", "<title>Shop</title><h2>Returns</h2><p>x", "Shop"),
        ("a.json", '{"title": "Settings", "port": 1}', "Settings"),
    ],
)
def test_the_title_comes_from_the_best_source(read_text, name, content, title):
    assert read_text(name, content).title == title


@pytest.mark.parametrize(
    ("name", "content", "language"),
    [
        ("a.txt", "Les délais de livraison sont de trois jours ouvrés.", "fr"),
        ("a.txt", "Orders are delivered within three working days.", "en"),
        ("a.html", '<html lang="en-GB"><p>Les délais de livraison sont courts.', "en"),
        ("a.txt", "ok", ""),
        ("a.py", "def delivery_days() -> int:\n    return 3\n", ""),
    ],
)
def test_the_language_is_declared_or_detected_or_unknown(tmp_path, name, content, language):
    (tmp_path / name).write_text(content)
    with ReadWorker() as worker:
        assert worker.read(tmp_path / name).language == language


def test_html_keeps_the_content_alone(read_text):
    document = read_text(
        "a.html",
        "<html><head><style>p{}</style></head><body><nav>menu</nav><main><h1>Retours</h1>"
        '<p>Voir <a href="/x">ici</a>, <a href="https://example.org/">là</a> et snake_case.'
        "<ul><li>un<li>deux</ul><table><tr><th>A<th>B<tr><td>1<td>2</table>"
        '<pre><code class="language-sql">SELECT 1</code></pre><img src="x" alt="plan">'
        "<script>evil()</script></main><footer>imprint</footer></body></html>",
    )
    assert document.sections[0].text == (
        "# Retours\n\nVoir ici, [là](https://example.org/) et snake_case.\n\n- un\n- deux\n\n"
        "| A | B |\n| --- | --- |\n| 1 | 2 |\n\n```sql\nSELECT 1\n```\n\nplan"
    )


def test_html_and_office_files_declare_metadata(read_text, tmp_path):
    document = read_text(
        "a.html",
        '<head><meta charset="utf-8"><meta name="Category" content="policy">'
        '<meta name="viewport" content="width=1"><meta name="twitter:card" content="x">'
        '<meta name="date" content=""></head><p>text',
    )
    assert document.metadata == {"category": "policy"}
    book = Workbook()
    book.active.append(["text"])
    book.properties.category = "tarif"
    book.properties.title = "Prix"
    book.save(tmp_path / "a.xlsx")
    assert read_document(tmp_path / "a.xlsx").metadata == {"category": "tarif"}
    assert read_document(tmp_path / "a.xlsx").title == "Prix"


def test_html_may_declare_its_encoding(read_text):
    html = "<meta charset='koi8-r'><p>Это короткий текст</p>".encode("koi8-r")
    assert read_text("a.html", html).sections[0].text == "Это короткий текст"


def test_hundreds_of_unclosed_paragraphs_are_read(read_text):
    assert read_text("a.html", "<p>text\n" * 5_000).sections[0].text.count("text") == 5_000


def test_an_unknown_suffix_is_read_as_text_if_it_is_text(read_text, refusal):
    assert read_text("LICENSE", "Do what you want.").kind == "text"
    assert refusal("picture.png", b"\x89PNG\r\n\x1a\n" + os.urandom(300)) == "not a text file"


# Data


def test_csv_rows_name_their_columns(read_text):
    content = 'Export of May\n\nproduit;prix;avis\nThé;3;"Un; deux"\n\nCafé;12,5;\n'
    document = read_text("a.csv", content.encode("cp1252"))
    assert document.kind == "rows"
    assert document.sections[0].first_line == 1
    assert document.sections[0].text.split("\n") == [
        *("Export of May", "", ""),
        *("produit: Thé; prix: 3; avis: Un; deux", "", "produit: Café; prix: 12,5"),
    ]


def test_csv_without_names_or_with_lines_in_cells(read_text):
    assert read_text("a.csv", "1,2\n3,4\n").sections[0].text == (
        "column 1: 1; column 2: 2\ncolumn 1: 3; column 2: 4"
    )
    section = read_text("a.tsv", 'name\t#\nx\t"two\nlines"\ny\tz\tmore\n').sections[0]
    assert section.first_line is None
    assert section.text == "\nname: x; column 2: two lines\nname: y; column 2: z; column 3: more"


@pytest.mark.slow
def test_a_csv_cell_of_ten_megabytes_is_read(read_text):
    text = read_text("a.csv", "id,text\n1," + "word " * 2_000_000 + "\n").sections[0].text
    assert len(text) > 9_999_000


def test_json_becomes_lines_that_name_their_place(read_text):
    content = {
        "server": {"port": 3306, "hosts": ["a", "b"], "tls": {"on": True, "key": None}},
        "items": [{"id": 1, "name": "Thé"}, {"id": 2, "name": "half \ud800of a pair"}],
    }
    assert read_text("a.json", json.dumps(content)).sections[0].text.split("\n") == [
        "server.port: 3306; server.hosts: a, b",
        "server.tls.on: true",
        "items.id: 1; items.name: Thé",
        "items.id: 2; items.name: half of a pair",
    ]


def test_json_lines_keep_their_lines(read_text):
    section = read_text("a.jsonl", '{"id": 1, "q": {"a": 2}}\n\n{"id": 2}\n').sections[0]
    assert (section.text, section.first_line) == ("id: 1; q.a: 2\n\nid: 2\n", 1)


@pytest.mark.parametrize(
    ("name", "content", "place"),
    [
        ("a.jsonl", '{"id": 1}\n\n{"a": }\n{"id": 2}\n', "line 3 column 7"),
        ("a.json", '{\n  "a": \n}', "line 3 column 1"),
    ],
)
def test_what_is_not_json_is_refused_with_its_place_in_the_file(refusal, name, content, place):
    assert refusal(name, content) == f"not JSON: Expecting value: {place}"


def test_yaml_is_kept_as_it_stands(read_text):
    text = "# comment\nserver:\n  port: 3306\n"
    document = read_text("a.yaml", text)
    assert (document.kind, document.sections[0].text) == ("code", text)


def test_a_workbook_is_read_sheet_by_sheet(tmp_path):
    book = Workbook()
    sheet = book.active
    sheet.title = "Prix"
    for row in [
        ["produit", "prix", "depuis"],
        ["Thé", 3.0, date(2026, 3, 1)],
        [None],
        ["Café"],
    ]:
        sheet.append(row)
    book.create_sheet("vide")
    sheet["XFD900000"] = "far away"
    book.save(tmp_path / "a.xlsx")
    document = read_document(tmp_path / "a.xlsx")
    assert whole_text(document) == (
        "# Prix\n\nproduit: Thé; prix: 3; depuis: 2026-03-01\n\nproduit: Café"
        + "\n" * 899_996
        + "column 16384: far away"
    )


def test_a_row_of_zeros_is_a_row(tmp_path):
    book = Workbook()
    for row in [[""], ["late", "lost"], [0, 0], ["", None], [False, 0.0], [2, 1]]:
        book.active.append(row)
    book.active.title = "Parcels"
    book.save(tmp_path / "a.xlsx")
    assert whole_text(read_document(tmp_path / "a.xlsx")) == (
        "# Parcels\n\n\nlate: 0; lost: 0\n\nlate: False; lost: 0\nlate: 2; lost: 1"
    )


# Office, PDF, books, mail, notebooks


def test_word_headings_paragraphs_and_tables(tmp_path):
    paragraphs = [("Title", "Retours & échanges"), ("Heading2", "Délais"), ("Normal", FRENCH)]
    document = read_document(
        docx_file(tmp_path / "a.docx", paragraphs, [["Pays", "Jours"], ["FR", "3"]])
    )
    assert document.title == "Retours & échanges"
    assert document.sections[0].text == (
        f"# Retours & échanges\n\n## Délais\n\n{FRENCH}\n\n"
        "| Pays | Jours |\n| --- | --- |\n| FR | 3 |"
    )


def renamed(parts: dict[str, bytes], old: str, new: str) -> dict[str, bytes]:
    """The parts of an Office file with another name for its main part."""
    relations = f"{os.path.dirname(old)}/_rels/{os.path.basename(old)}.rels"  # noqa: PTH119,PTH120
    moved = {old: new, relations: f"{os.path.dirname(new)}/_rels/{os.path.basename(new)}.rels"}  # noqa: PTH119,PTH120
    return {
        moved.get(name, name): data.replace(old.encode(), new.encode())
        if name in ("[Content_Types].xml", "_rels/.rels")
        else data
        for name, data in parts.items()
    }


@pytest.fixture
def office_files(tmp_path: Path) -> dict[str, tuple[Path, str]]:
    """Each with the name of its main part."""
    workbook, slides = Workbook(), Presentation()
    workbook.active.append(["strange", "words"])
    workbook.save(tmp_path / "a.xlsx")
    slides.slides.add_slide(slides.slide_layouts[0]).shapes.title.text = "strange words"
    slides.save(tmp_path / "a.pptx")
    return {
        "docx": (
            docx_file(tmp_path / "a.docx", [("Normal", "strange words")], []),
            "word/document.xml",
        ),
        "xlsx": (tmp_path / "a.xlsx", "xl/workbook.xml"),
        "pptx": (tmp_path / "a.pptx", "ppt/presentation.xml"),
    }


@pytest.mark.parametrize("kind", ["docx", "xlsx", "pptx"])
@pytest.mark.parametrize("name", ["strange.bin", "image.svg"])
def test_the_main_part_of_an_office_file_is_checked_under_any_name(office_files, kind, name):
    file, main = office_files[kind]
    with zipfile.ZipFile(file) as archive:
        parts = renamed(
            {each: archive.read(each) for each in archive.namelist()},
            main,
            new := f"{main.partition('/')[0]}/{name}",
        )
    assert "strange" in whole_text(read_document(zip_file(file, parts)))
    parts[new] = (LAUGHS + "]>").encode() + parts[new].partition(b"?>")[2]
    started = time.monotonic()
    with pytest.raises(UnreadableFile, match=f"its part {new} declares entities"):
        read_document(zip_file(file, parts))
    parts["_rels/.rels"] = parts["_rels/.rels"].replace(
        b"</Relationships>",
        f'<Relationship Id="r9" Type="{OFFICE}/image" Target="{new}"/></Relationships>'.encode(),
    )
    with pytest.raises(UnreadableFile, match=f"its part {new} declares entities"):
        read_document(zip_file(file, parts))
    assert time.monotonic() - started < 2


def test_a_picture_in_an_office_file_may_have_a_document_type(office_files):
    file, _ = office_files["docx"]
    with zipfile.ZipFile(file) as archive:
        parts = {each: archive.read(each) for each in archive.namelist()}
    parts["word/media/image1.svg"] = b'<!DOCTYPE svg PUBLIC "a" "b"><svg/>'
    parts["word/printer.bin"] = b"\1\2<!DOCTYPE plist>"
    parts["word/_rels/document.xml.rels"] = (
        f'<Relationships xmlns="{RELATIONS}"><Relationship Id="r1" Type="{OFFICE}/image" '
        'Target="media/image1.svg"/></Relationships>'
    ).encode()
    assert "strange" in whole_text(read_document(zip_file(file, parts)))
    del parts["word/_rels/document.xml.rels"]
    with pytest.raises(UnreadableFile, match=r"image1\.svg declares entities"):
        read_document(zip_file(file, parts))


def test_slides_are_pages_with_their_notes(tmp_path):
    deck = Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[1])
    slide.shapes.title.text = "Livraison"
    slide.placeholders[1].text = "Trois jours\nCinq euros"
    slide.notes_slide.notes_text_frame.text = "Sourire"
    slide = deck.slides.add_slide(deck.slide_layouts[6])
    slide.shapes.add_table(1, 2, 0, 0, 99, 99).table.cell(0, 1).text = "B"
    deck.save(tmp_path / "a.pptx")
    document = read_document(tmp_path / "a.pptx")
    assert document.title == "Livraison"
    assert [(section.page, section.text) for section in document.sections] == [
        (1, "# Livraison\n\n- Trois jours\n- Cinq euros\n\nNotes: Sourire"),
        (2, "|  | B |\n| --- | --- |"),
    ]


def test_a_pdf_is_read_page_by_page(tmp_path):
    pages = ["Manuel Moka\nLe café (prêt) coûte 12 €.", "Page deux."]
    document = read_document(pdf_file(tmp_path / "a.pdf", pages, title="Untitled"))
    assert document.title == "Manuel Moka"
    assert [(section.page, section.text) for section in document.sections] == [
        (1, pages[0].replace("\n", "\n\n")),
        (2, pages[1]),
    ]
    assert read_document(pdf_file(tmp_path / "b.pdf", pages, title="Moka 3")).title == "Moka 3"


def test_a_book_is_read_in_the_order_of_its_spine(tmp_path):
    chapters = ["<h1>Deux</h1><p>Fin.</p>", "<h1>Un</h1><p>D&eacute;but.</p>"]
    document = read_document(epub_file(tmp_path / "a.epub", "Le livre", "fr-FR", chapters))
    assert (document.title, document.language) == ("Le livre", "fr")
    assert [section.text for section in document.sections] == ["# Un\n\nDébut.", "# Deux\n\nFin."]


def test_a_notebook_keeps_cells_and_short_outputs(read_text):
    cells = [
        {"cell_type": "markdown", "source": ["# Ventes\n", "par mois"]},
        {"cell_type": "code", "source": "print('```')", "outputs": [{"text": ["x" * 5_000]}]},
    ]
    notebook = {"cells": cells, "metadata": {"kernelspec": {"language": "python"}}}
    text = read_text("a.ipynb", json.dumps(notebook)).sections[0].text
    assert text.startswith("# Ventes\npar mois\n\n````python\nprint('```')\n````\n\n```text\nxxx")
    assert text.count("x") == 1_000 + len("text") - 3


@pytest.mark.parametrize("metadata", [None, {}, {"kernelspec": None}, {"kernelspec": {}}])
def test_a_notebook_may_leave_fields_empty(read_text, metadata):
    outputs = [{"data": None, "text": None}, {"data": {"text/plain": "4"}}]
    cells = [
        {"cell_type": "code", "source": "2 + 2", "outputs": outputs},
        {"cell_type": "code", "source": "x = 1", "outputs": None},
    ]
    document = read_text("a.ipynb", json.dumps({"cells": cells, "metadata": metadata}))
    assert document.sections[0].text == ("```\n2 + 2\n```\n\n```text\n4\n```\n\n```\nx = 1\n```")


def test_a_notebook_of_the_former_format_has_its_cells_in_a_worksheet(read_text):
    cells = [{"cell_type": "code", "input": "print(1)"}]
    document = read_text("a.ipynb", json.dumps({"worksheets": [{"cells": cells}]}))
    assert document.sections[0].text == "```\nprint(1)\n```"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{"cells": []}', "the file is empty"),
        ('{"cells": null}', "the file is empty"),
        ("{}", "not a notebook: its cells are missing or malformed"),
        ('{"worksheets": []}', "not a notebook: its cells are missing or malformed"),
        ('{"cells": [{}]}', "not a notebook: its cells are missing or malformed"),
        ('{"cells": 5}', "not a notebook: its cells are missing or malformed"),
        ("[]", "not a notebook: its cells are missing or malformed"),
        ("5", "not a notebook: its cells are missing or malformed"),
        ("{", "not JSON: Expecting property name enclosed in double quotes: line 1 column 2"),
    ],
)
def test_what_is_no_notebook_is_refused_in_words(refusal, content, reason):
    assert refusal("a.ipynb", content) == reason


def test_a_message_prefers_its_plain_body_and_names_attachments(tmp_path):
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = "Réclamation", "Zoé <z@x.org>", "a@x.org"
    message["Date"] = "Tue, 3 Mar 2026 10:00:00 +0100"
    message.set_content("Le colis est arrivé.", charset="iso-8859-1")
    message.add_alternative("<p>html</p>", subtype="html")
    message.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="facture.pdf")
    (tmp_path / "a.eml").write_bytes(bytes(message))
    document = read_document(tmp_path / "a.eml")
    assert document.title == "Réclamation"
    assert document.metadata["date"] == "2026-03-03T10:00:00+01:00"
    assert document.sections[0].text.strip() == (
        "Subject: Réclamation\nFrom: Zoé <z@x.org>\nTo: a@x.org\n"
        "Date: 2026-03-03T10:00:00+01:00\nAttachments: facture.pdf\n\nLe colis est arrivé."
    )


def test_a_mailbox_has_a_section_a_message(read_text):
    document = read_text(
        "a.mbox",
        "From a@b Tue Mar  3 10:00:00 2026\nSubject: One\n\nHello\n\n"
        "From a@b Tue Mar  3 10:00:00 2026\nSubject: Two\nContent-Type: text/html\n\n<p>Bye\n",
    )
    assert [section.text.strip() for section in document.sections] == [
        *("Subject: One\n\nHello", "Subject: Two\n\nBye")
    ]


def message_of_noise(**headers: str) -> EmailMessage:
    message = EmailMessage()
    for name, value in headers.items():
        message[name] = value
    message.set_content(bytes(range(256)) * 4, maintype="text", subtype="plain", cte="base64")
    return message


def test_a_message_whose_text_cannot_be_read_leaves_the_others_of_its_mailbox(read_text, refusal):
    begin = b"From a@b Tue Mar  3 10:00:00 2026\n"
    noise = begin + bytes(message_of_noise(Subject="Two")) + b"\n"
    one, three = (begin + b"Subject: %s\n\nHello\n\n" % name for name in (b"One", b"Three"))
    document = read_text("a.mbox", one + noise + three)
    assert [section.text.strip() for section in document.sections] == [
        "Subject: One\n\nHello",
        "Subject: Two\n\n(its text cannot be read)",
        "Subject: Three\n\nHello",
    ]
    assert refusal("a.mbox", noise + noise) == "not a text file"


def test_a_message_whose_text_cannot_be_read_keeps_the_names_of_its_attachments(read_text, refusal):
    message = message_of_noise(Subject="Offer")
    assert refusal("a.eml", bytes(message)) == "not a text file"
    message.make_mixed()
    message.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="offer.pdf")
    assert read_text("a.eml", bytes(message)).sections[0].text == (
        "Subject: Offer\nAttachments: offer.pdf\n\n(its text cannot be read)"
    )


# Broken and hostile files


@pytest.mark.parametrize("suffix", ["pdf", "docx", "pptx", "xlsx", "epub"])
def test_random_bytes_are_refused_in_every_binary_format(refusal, suffix):
    reason = refusal(f"a.{suffix}", b"%PDF-1.7\n" + os.urandom(5_000))
    assert reason.startswith(f"not a {suffix.upper()}")


@pytest.mark.parametrize("keep", [0.05, 0.3])
def test_a_truncated_file_is_refused(tmp_path, refusal, keep):
    docx = docx_file(tmp_path / "whole.docx", [("Normal", "text " * 999)], [["a"]]).read_bytes()
    assert "damaged" in refusal("a.docx", docx[: int(len(docx) * keep)])
    pdf = pdf_file(tmp_path / "whole.pdf", ["some text"] * 3).read_bytes()
    assert refusal("a.pdf", pdf[: int(len(pdf) * keep)])


def test_a_pdf_that_lost_only_its_index_is_read(tmp_path):
    pdf = pdf_file(tmp_path / "a.pdf", ["some text"] * 3)
    pdf.write_bytes(pdf.read_bytes().replace(b"xref\n0", b"yref\n0"))
    assert whole_text(read_document(pdf)) == "\n".join(["some text"] * 3)


def test_a_pdf_without_text_or_with_a_password_says_so(tmp_path):
    with pytest.raises(UnreadableFile, match="no text: is it a scan"):
        read_document(pdf_file(tmp_path / "scan.pdf", ["", ""]))
    with pytest.raises(UnreadableFile, match="encrypted"):
        read_document(pdf_file(tmp_path / "locked.pdf", ["secret"], encrypted=True))


def test_an_old_or_encrypted_office_file_is_named(refusal):
    old = bytes.fromhex("d0cf11e0a1b11ae1") + os.urandom(600)
    for name, content in [("a.doc", old), ("a.docx", old), ("b.doc", rb"{\rtf1\ansi text}")]:
        assert "old or encrypted Office file" in refusal(name, content)


def test_a_zip_bomb_is_refused_before_it_unpacks(tmp_path):
    bomb = zip_file(tmp_path / "bomb", {"word/document.xml": bytes(101_000_000)})
    for name in ("a.docx", "a.xlsx", "a.pptx"):
        shutil.copy(bomb, tmp_path / name)
        with pytest.raises(UnreadableFile, match="would unpack"):
            read_document(tmp_path / name)
    with pytest.raises(UnreadableFile, match="would unpack"):
        read_document(zip_file(tmp_path / "a.epub", {str(part): b"" for part in range(20_001)}))


def test_a_zip_that_lies_about_its_sizes_is_not_unpacked_further(tmp_path):
    bomb = zip_file(tmp_path / "a.docx", {"word/document.xml": bytes(10_000_000)})
    honest, lie = (struct.pack("<I", size) for size in (10_000_000, 100))
    assert bomb.read_bytes().count(honest) == 2
    bomb.write_bytes(bomb.read_bytes().replace(honest, lie))
    with pytest.raises(UnreadableFile, match="damaged"):
        read_document(bomb)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_billion_laughs_are_refused(tmp_path, encoding):
    xml = (LAUGHS + "]><l>&i;</l>").encode(encoding)
    with pytest.raises(UnreadableFile, match="declares entities"):
        read_document(zip_file(tmp_path / "a.docx", {"word/document.xml": xml}))
    with pytest.raises(UnreadableFile, match="EntitiesForbidden"):
        read_document(zip_file(tmp_path / "a.epub", {"META-INF/container.xml": xml}))


@pytest.mark.parametrize(
    "level",
    [
        "{name}: &{name} [{laughs}]",
        "{name}: &{name} {{<<: [{laughs}]}}",
        "{name}: &{name} [*{name}]",
    ],
)
def test_front_matter_that_grows_by_its_aliases_is_text(read_text, level):
    levels = "\n".join(
        level.format(name=name, laughs=f"*{last}, " * 9)
        for last, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    started = time.monotonic()
    document = read_text("a.md", f"---\na: &a {{x: ha}}\n{levels}\ntitle: *i\n---\ntext")
    assert time.monotonic() - started < 5
    assert document.metadata == {}


@pytest.mark.parametrize("content", ["k: " + "[" * 100_000, "a: b\n" * 30_000, "a: {b: " * 90])
def test_front_matter_without_bounds_is_text(read_text, content):
    started = time.monotonic()
    assert read_text("a.md", f"---\n{content}\n---\ntext").metadata == {}
    assert time.monotonic() - started < 10


def test_front_matter_may_have_aliases(read_text):
    front = "common: &common {a: 1, b: 2}\ntags: &tags [x, y]\nlabels: *tags\n<<: *common"
    assert read_text("a.md", f"---\n{front}\n---\ntext").metadata == {
        "a": 1,
        "b": 2,
        "tags": ["x", "y"],
        "labels": ["x", "y"],
    }


def test_a_chapter_that_a_book_repeats_is_read_once(tmp_path):
    book = epub_file(tmp_path / "a.epub", "Book", "en", ["<p>Again and again.</p>"])
    with zipfile.ZipFile(book) as archive:
        parts = {each: archive.read(each) for each in archive.namelist()}
    reference = b'<itemref idref="c0"/>'
    parts["OEBPS/content.opf"] = parts["OEBPS/content.opf"].replace(reference, reference * 50_000)
    assert len(read_document(zip_file(book, parts)).sections) == 1


@pytest.mark.slow
def test_bottomless_nesting_is_refused(refusal):
    assert "nested" in refusal("a.json", "[" * 100_000 + "]" * 100_000)
    assert "nested" in refusal("b.json", '{"a":' * 500 + "1" + "}" * 500)
    assert "nested" in refusal("a.html", "<div>" * 100_000 + "text")


def test_more_text_than_a_document_may_have_is_refused_or_read_by_parts(tmp_path, refusal):
    assert "20 million characters" in refusal("a.json", json.dumps(["word " * 4_100_000]))
    (tmp_path / "a.csv").write_text("identifier,amount\n" + "1,2\n" * 1_100_000)  # 4 MB, but wide
    assert read_document(tmp_path / "a.csv").rest
    sparse = tmp_path / "sparse.docx"
    with sparse.open("wb") as file:
        file.truncate(200_000_001)
    with pytest.raises(UnreadableFile, match="larger than 200 MB"):
        read_document(sparse)


def test_what_is_no_file_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe.txt")
    for name, reason in [
        ("pipe.txt", "not a regular"),
        ("gone.txt", "No such file"),
        (".", "not a"),
    ]:
        with pytest.raises(UnreadableFile, match=reason):
            read_document(tmp_path / name)


def test_a_missing_extra_is_named(tmp_path):
    docx_file(tmp_path / "a.docx", [("Normal", "text")], [["a"]])
    program = (
        "import sys; sys.modules['mammoth'] = None\n"
        "from pathlib import Path\nfrom kb.indexing.read import UnreadableFile, read_document\n"
        "try: read_document(Path(sys.argv[1]))\nexcept UnreadableFile as error: print(error)"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "a.docx")]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "mammoth" in printed
    assert "pip install 'mariadb-kb[office]'" in printed
