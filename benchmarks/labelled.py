"""Questions with known answers in long documents, made of sets in the BEIR layout."""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from kb.indexing.charset import clean_text

LANGUAGES = {"squad-en": "en", "piaf-fr": "fr", "mariadb-docs": "en"}
PAGES = "mariadb-docs"
QUESTIONS, SEED = 800, 7

Row = dict[str, Any]


@dataclass(frozen=True)
class Source:
    title: str
    text: str


@dataclass(frozen=True)
class Question:
    text: str
    source: str
    span: tuple[int, int] | None = None
    """Where the answer lies in the source; None where the source itself is looked for."""


@dataclass(frozen=True)
class Labelled:
    name: str
    language: str
    sources: dict[str, Source]
    questions: list[Question]


def labelled_set(folder: Path, limit: int | None) -> Labelled:
    found = pages(folder, limit) if folder.name == PAGES else articles(folder, limit)
    sources, questions = found
    sample = random.Random(SEED).sample(questions, min(QUESTIONS, len(questions)))
    return Labelled(folder.name, LANGUAGES[folder.name], sources, sample)


def articles(folder: Path, limit: int | None) -> tuple[dict[str, Source], list[Question]]:
    """Join the paragraphs of each article; a question's answer stays where it was."""
    sources: dict[str, Source] = {}
    places: dict[str, tuple[str, int, str]] = {}
    by_title: dict[str, list[Row]] = {}
    for row in json_lines(folder / "corpus.jsonl"):
        by_title.setdefault(row["title"], []).append(row)
    for title, paragraphs in islice(by_title.items(), limit):
        text = f"# {title}"
        for row in paragraphs:
            paragraph = clean_text(row["text"]).strip()
            places[row["_id"]] = (title, len(text) + 2, paragraph)
            text += f"\n\n{paragraph}"
        sources[title] = Source(title, text)
    return sources, list(questions_at(folder, places))


def questions_at(folder: Path, places: dict[str, tuple[str, int, str]]) -> Iterator[Question]:
    for query, paragraph_id in gold(folder):
        if paragraph_id in places:
            title, start, paragraph = places[paragraph_id]
            for answer in query["answers"]:
                if (at := paragraph.find(answer)) >= 0:
                    yield Question(query["text"], title, (start + at, start + at + len(answer)))
                    break


def pages(folder: Path, limit: int | None) -> tuple[dict[str, Source], list[Question]]:
    found = list(json_lines(folder / "corpus.jsonl"))[:limit]
    sources = {row["_id"]: Source(row["title"], row["text"]) for row in found}
    pairs = gold(folder)
    return sources, [Question(query["text"], page) for query, page in pairs if page in sources]


def gold(folder: Path) -> Iterator[tuple[Row, str]]:
    queries = {row["_id"]: row for row in json_lines(folder / "queries.jsonl")}
    for row in (folder / "qrels" / "test.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        query, document, _ = row.split("\t")
        yield queries[query], document


def json_lines(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8") as file:
        yield from map(json.loads, file)
