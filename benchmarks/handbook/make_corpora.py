"""Write the passages of the Debian Administrator's Handbook beside the questions about them.

    apt-get download debian-handbook && dpkg-deb -x debian-handbook_*.deb handbook
    python benchmarks/handbook/make_corpora.py handbook

A passage is a paragraph of 250 characters or more that all five translations have in their own
language: paragraphs that wait for their translation stand there in English. They are told apart by
their file and their place in it, which are the same in each. With --english they are those of the
original beside the questions of every translation, which then ask across languages.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bs4 import BeautifulSoup, Tag

from stores.text.text_language import detect_language

EDITIONS = {"de": "de-DE", "es": "es-ES", "it": "it-IT", "nl": "nl-NL", "pt": "pt-BR"}
_SHORTEST = 250  # characters
_TITLED = {"section", "sidebar", "chapter", "preface", "appendix"}


@dataclass(frozen=True)
class Passage:
    title: str
    text: str


def find_passages(page: Path) -> Iterator[tuple[str, Passage]]:
    """Yield the paragraphs of a page with their ids."""
    parsed = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
    leaves = [each for each in parsed.find_all(class_="para") if not each.find(class_="para")]
    for place, paragraph in enumerate(leaves, start=1):
        text = " ".join(paragraph.get_text().split())
        yield f"{page.stem}-{place}", Passage(find_title(paragraph), text)


def find_title(paragraph: Tag) -> str:
    """Return the title of the nearest section around a paragraph, or of the box that it is in."""
    for around in paragraph.parents:
        if _TITLED & set(around.get("class") or ()):
            title = around.find(class_="title")
            return " ".join(title.get_text().split()) if title else ""
    return ""


def read_edition(directory: Path) -> dict[str, Passage]:
    """Return the paragraphs of an edition by their ids."""
    return {
        name: each
        for page in sorted(directory.glob("*.html"))
        for name, each in find_passages(page)
    }


def keep_translated(passages: dict[str, Passage], language: str) -> dict[str, Passage]:
    """Return the long ones that are in a language."""
    return {
        name: each
        for name, each in passages.items()
        if len(each.text) >= _SHORTEST and detect_language(each.text) == language
    }


def write_corpus(folder: Path, passages: dict[str, Passage]) -> None:
    """Write the corpus of a set of questions."""
    rows = (
        {"_id": name, "title": each.title, "text": each.text} for name, each in passages.items()
    )
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (folder / "corpus.jsonl").write_text("".join(lines), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("package", type=Path, help="where the package was unpacked")
    parser.add_argument("--english", action="store_true", help="the original's passages for all")
    told = parser.parse_args()
    html = told.package / "usr/share/doc/debian-handbook/html"
    editions = {
        language: keep_translated(read_edition(html / name), language)
        for language, name in EDITIONS.items()
    }
    everywhere = set.intersection(*(set(passages) for passages in editions.values()))
    original = read_edition(html / "en-US") if told.english else {}
    for language, translated in editions.items():
        passages = original or translated
        kept = {name: each for name, each in passages.items() if name in everywhere}
        for half in ("dev", "test"):
            write_corpus(Path(__file__).parent / f"{language}-{half}", kept)
    print(f"{len(everywhere)} passages in each of {len(editions)} languages")


if __name__ == "__main__":
    main()
