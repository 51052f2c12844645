"""Finds which statement of an answer each number stands behind, and what of a passage says it."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from llama_index.core.schema import MetadataMode, NodeWithScore

from engines.answer import Citation, Statement
from engines.documents.asked_words import AskedWords
from engines.documents.code_spans import find_next_code
from engines.documents.fences import Fences
from engines.documents.sentences import (
    LONGEST,
    find_quotable_sentences,
    find_sentence_spans,
    strip_markup,
)
from engines.visible_text import make_visible

_NUMBERS: Final = re.compile(r"(?:\[\d{1,3}\]\s*)+")
_PAUSES: Final = " .,;:!?)"
_MARKS: Final = ' "„“”«»'
_LETTER: Final = re.compile(r"[^\W_]")


def cite_statements(
    text: str, citations: Iterable[Citation], passages: Mapping[str, NodeWithScore]
) -> list[Citation]:
    """Return the citations of a text with the statements that they follow, in the text's order.

    `passages` are the cited ones by their ids.
    """
    found = list(find_cited_statements(text))
    return [
        replace(
            citation,
            statements=[
                Statement(begin, end, find_quote(text[begin:end], passages[citation.chunk]))
                for number, begin, end in found
                if number == citation.number and citation.chunk in passages
            ],
        )
        for citation in citations
    ]


def find_cited_statements(text: str) -> Iterator[tuple[int, int, int]]:
    """Yield each number of a text with the begin and the end of the statement that it follows.

    That is the last sentence behind the numbers before it; a number in code cites nothing.
    """
    fences, place = Fences(), 0
    for line in text.splitlines(keepends=True):
        if not fences.take_code(line) and not fences.take_opening(line):
            fences.take_text(line)
            yield from _find_in_line(line, place)
        place += len(line)


def _find_in_line(line: str, place: int) -> Iterator[tuple[int, int, int]]:
    begin = end = behind = 0
    for numbers in _NUMBERS.finditer(_blank_code(line)):
        between = line[behind : numbers.start()]
        said = [
            span for span in find_sentence_spans(between) if _LETTER.search(between[slice(*span)])
        ]
        if said:
            begin, end = (behind + edge for edge in said[-1])
            begin = end - len(line[begin:end].lstrip(_PAUSES))
        behind = numbers.end()
        for number in re.findall(r"\d+", numbers[0]):
            yield int(number), place + begin, place + end


def _blank_code(line: str) -> str:
    """Return a line of the same length with spaces in the place of its code."""
    behind = 0
    while code := find_next_code(line, behind, ()):
        line = line[: code.begin] + " " * (code.end - code.begin) + line[code.end :]
        behind = code.end
    return line


def find_quote(statement: str, passage: NodeWithScore) -> str:
    """Return the words of a passage that a statement rests on: its own, or the nearest sentence.

    Empty where the passage shares no word with it, as one of another language may.
    """
    text = passage.get_content(MetadataMode.NONE)
    letters = _join_letters(statement)
    if letters and letters in _join_letters(text):
        return make_visible(strip_markup(statement).strip(_MARKS))
    found = find_quotable_sentences([passage])
    sentences = [each.own for each in found if each.place is not None]  # no list as a whole
    asked = AskedWords(statement, sentences, None)
    shares = [(asked.share(asked.find_stems(own)), -len(own), own) for own in sentences]
    share, _, own = max(shares, default=(0.0, 0, ""))
    return make_visible(own[:LONGEST]) if share else ""


def _join_letters(text: str) -> str:
    return "".join(_LETTER.findall(text)).casefold()
