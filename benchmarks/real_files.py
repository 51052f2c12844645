"""What kb makes of manuals and mails that others wrote: running lines, tables, mails, chunks.

The files come from Debian's packages: `--fetch` downloads and unpacks them. Which lines run is told
by poppler's pdftotext, which rows a table has by the HTML of the same package; neither is ours.
Another version is measured with its folder as PYTHONPATH.
"""

import argparse
import gzip
import json
import mailbox
import re
import shutil
import subprocess
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bs4 import BeautifulSoup, XMLParsedAsHTMLWarning

from kb.indexing.document import UnreadableFile
from kb.indexing.read import read_document

PACKAGES = {  # name -> the PDF in it, and the HTML of the same text where there is one
    "dblatex-doc": ("manual.pdf", ""),
    "bash-doc": ("bashref.pdf", ""),
    "debian-policy": ("policy.pdf", ""),
    "auto-multiple-choice-doc-pdf": ("auto-multiple-choice.en.pdf", ""),
    "c++-annotations-pdf": ("cplusplus.pdf", ""),
    "debian-reference-en": ("debian-reference.en.pdf", "ch*.en.html"),
    "debmake-doc": ("debmake-doc.en.pdf", "ch*.en.html"),
    "developers-reference": ("developers-reference.pdf", "*.html"),
    "docbook-xsl-doc-pdf": ("reference.pdf", ""),
    "gnucash-docs": ("gnucash-help-en.pdf", ""),
    "gnuplot-doc": ("gnuplot.pdf", ""),
    "gnutls-doc": ("gnutls.pdf", ""),
    "libgcrypt20-doc": ("gcrypt.pdf", ""),
    "libtasn1-doc": ("libtasn1.pdf", ""),
    "maint-guide": ("maint-guide.en.pdf", "*.en.html"),
    "octave-doc": ("octave.pdf", ""),
    "pari-doc": ("users.pdf", ""),
    "r-doc-pdf": ("R-exts.pdf", ""),
    "valgrind": ("valgrind_manual.pdf", ""),
    "why3-doc-pdf": ("manual.pdf", ""),
}
MAILS = "test/corpora"  # below the source of notmuch: `apt-get source notmuch`
FEWEST = 3  # pages at whose edge the same words are a running line
COLUMNS = {"package": 30, "pages": 7, "chunks": 8, "mean": 6, "longest": 9, "running": 9}
COLUMNS |= {"no words": 10, "rows": 7, "of HTML": 8}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the packages are unpacked, by their names")
    parser.add_argument("--fetch", action="store_true", help="download and unpack them first")
    parser.add_argument("--mails", type=Path, help="the source of notmuch, unpacked")
    parser.add_argument("--json", action="store_true", help="print one JSON object a row")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", XMLParsedAsHTMLWarning)  # XHTML reads well as HTML
    if arguments.fetch:
        fetch(arguments.folder)
    if not arguments.json:
        print(line(list(COLUMNS)))
    for package, names in PACKAGES.items():
        if (arguments.folder / package).is_dir():
            row = {"package": package} | measured(arguments.folder / package, *names)
            cells = [row.get(column, "") for column in COLUMNS]
            print(json.dumps(row) if arguments.json else line(cells), flush=True)
    if arguments.mails:
        print(json.dumps(mails(arguments.mails / MAILS)))


def fetch(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for package in PACKAGES:
        subprocess.run(["apt-get", "download", "-q", package], cwd=folder, check=True)
        (file,) = folder.glob(f"{package}_*.deb")
        subprocess.run(["dpkg-deb", "-x", file, folder / package], check=True)


def line(cells: Sequence[object]) -> str:
    shown = [f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in cells]
    widths = COLUMNS.values()
    return "".join(cell.ljust(width) for cell, width in zip(shown, widths, strict=True)).rstrip()


def measured(package: Path, name: str, html: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        pdf = unpacked(next(package.rglob(f"{name}*")), Path(folder))
        document = read_document(pdf)
        edges = list(running_lines(pdf))
    texts = [
        (section.page or 0, chunk.opener + section.text[chunk.start : chunk.end] + chunk.closer)
        for section in document.sections
        for chunk in section.chunks
    ]
    rows = [plain(row) for _, text in texts for row in text.split("\n") if row.startswith("| ")]
    running = sum(
        any(plain(row) in edges[page - 1] for row in text.split("\n")) for page, text in texts
    )
    wanted = [row for file in package.rglob(html) for row in html_rows(file)] if html else []
    return {
        "pages": len(edges),
        "chunks": len(texts),
        "mean": sum(len(text) for _, text in texts) // len(texts),
        "longest": max(len(text) for _, text in texts),
        "running": running / len(texts),
        "no words": sum(not any(map(str.isalpha, text)) for _, text in texts),
        "rows": len(rows),
        "of HTML": sum(row in set(rows) for row in wanted) / len(wanted) if wanted else "",
    }


def unpacked(file: Path, folder: Path) -> Path:
    if file.suffix != ".gz":
        return file
    target = folder / file.stem
    with gzip.open(file) as source, target.open("wb") as copy:
        shutil.copyfileobj(source, copy)
    return target


def running_lines(pdf: Path) -> Iterator[set[str]]:
    """Yield for each page its first and last line, if other pages begin or end with those words."""
    command = ["pdftotext", "-layout", str(pdf), "-"]
    pages = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\f")
    edges = [[each for each in page.split("\n") if each.strip()] for page in pages[:-1]]
    outer = [[lines[0], lines[-1]] if lines else ["", ""] for lines in edges]
    seen = Counter((side, words(lines[side])) for lines in outer for side in (0, 1))
    for lines in outer:
        yield {
            plain(lines[side])
            for side in (0, 1)
            if seen[side, words(lines[side])] >= FEWEST and plain(lines[side])
        }


def words(text: str) -> str:
    return "".join(filter(str.isalpha, text)).casefold()


def plain(text: str) -> str:
    return "".join(filter(str.isalnum, text)).casefold()


def html_rows(file: Path) -> Iterator[str]:
    """Yield the rows of tables of data, those with more than one cell."""
    soup = BeautifulSoup(file.read_text(encoding="utf-8", errors="replace"), "lxml")
    for row in soup.select("div.table tr, table.docutils tr, div.informaltable tr"):
        cells = row.find_all(["td", "th"])
        if len(cells) > 1 and plain(row.get_text()):
            yield plain(row.get_text())


def mails(corpora: Path) -> dict[str, Any]:
    """Put each corpus into a mailbox, and count what is known of its mails."""
    counts: Counter[str] = Counter()
    for corpus in sorted(path for path in corpora.iterdir() if path.is_dir()):
        with tempfile.TemporaryDirectory() as folder:
            box = mailbox.mbox(Path(folder, "corpus.mbox"))
            for file in sorted(corpus.rglob("*")):
                content = file.read_bytes() if file.is_file() else b""
                if re.search(rb"^(?:From|Subject): ", content, re.MULTILINE | re.IGNORECASE):
                    box.add(content)
                    counts["mails"] += 1
            box.close()
            try:
                sections = read_document(Path(folder, "corpus.mbox")).sections
            except UnreadableFile as error:
                print(f"The mailbox of {corpus.name} is lost: {error}")
                continue
            for section in sections:
                facts = getattr(section, "metadata", {})
                is_mail = not getattr(section, "part", "")
                counts["sections of mails"] += is_mail
                counts["attachments read"] += not is_mail
                for name in ("from", "date", "subject", "thread_id"):
                    counts[f"with {name}"] += is_mail and name in facts
    return dict(counts)


if __name__ == "__main__":
    main()
