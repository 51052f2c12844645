"""Finds the numbers of an answer that do not stand in the passages cited for them."""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from llama_index.core.schema import MetadataMode, NodeWithScore

from engines.documents.sentences import split_sentences
from stores.text.number_words import load_number_words
from stores.text.tokens import fold

_MARKS: Final = re.compile(r"(?:\s*\[\d{1,4}\])+")
_SEPARATORS: Final = ".,'\u2019\u00a0\u202f "
_DIGITS: Final = rf"\d+(?:[{_SEPARATORS}]\d+)*"
# Neither a part of a name (H2, type-2), of a date or a time, nor the number of an item of a list.
_STATED: Final = re.compile(rf"(?<![\w\-/:.,]){_DIGITS}(?![\w\-/:]|[.,]\d)")
_ORDINAL: Final = re.compile(r"^\s*\d{1,3}[.)]\s", re.MULTILINE)
_CODE: Final = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)
_WORD: Final = re.compile(r"[^\W\d_]+")


def find_unsupported_numbers(
    text: str, passages: Sequence[NodeWithScore], question: str
) -> list[str]:
    """Return the numbers of cited sentences that their passages do not hold, as they are written.

    A run of marks such as [1][3] is one citation, of its last sentence. How a number is written
    makes no difference, nor does one of the question; one that was computed is not held. Names with
    digits, dates in digits, code and the numbers of lists are not looked at.
    """
    asked = _read_numbers(question)
    missing: dict[str, None] = {}
    for sentence, numbers in _split_at_marks(_CODE.sub(" ", text)):
        cited = [passages[number - 1] for number in numbers if 0 < number <= len(passages)]
        held = asked.union(*(_read_numbers(_read_passage(passage)) for passage in cited))
        for found in _STATED.finditer(sentence):
            if cited and not _is_held(found[0], held):
                missing[found[0]] = None
    return list(missing)


def _split_at_marks(text: str) -> Iterator[tuple[str, list[int]]]:
    """Yield the last sentence before each run of marks, with the numbers in them."""
    runs = [(0, 0), *(run.span() for run in _MARKS.finditer(text))]
    for (_, begin), (end, after) in pairwise(runs):
        paragraph = _ORDINAL.sub("", text[begin:end].rstrip().rpartition("\n")[2])
        sentences = split_sentences(paragraph)
        numbers = [int(number) for number in re.findall(r"\d+", text[end:after])]
        yield (sentences[-1] if sentences else ""), numbers


def _read_passage(passage: NodeWithScore) -> str:
    above = (passage.metadata.get(key) or "" for key in ("title", "headings", "path"))
    return " ".join([*map(str, above), passage.get_content(MetadataMode.NONE)])


def _is_held(number: str, held: set[str]) -> bool:
    """Tell whether a number stands in a text, as a whole or, if it is several, each for itself."""
    parts = [_find_readings(part) for part in number.split(" ")]
    return bool(_find_readings(number) & held) or all(part & held for part in parts)


def _read_numbers(text: str) -> set[str]:
    """Return all readings of the numbers of a text, in digits or in words, also within names."""
    words = load_number_words()
    found = {str(words[word]) for word in _WORD.findall(fold(text)) if word in words}
    for digits in re.findall(_DIGITS, text):
        found |= _find_readings(digits)
        for part in digits.split(" "):
            found |= _find_readings(part)
    return found | {_write_plainly(digits) for digits in re.findall(r"\d+", text)}


def _find_readings(digits: str) -> set[str]:
    """Return what a number may mean: in 1.200 the point divides thousands, or tenths."""
    *before, last = re.split(r"[.,]", digits)
    if not before:
        return {_write_plainly(digits)}
    units, tenths = _write_plainly("".join(before)), last.rstrip("0")
    return {_write_plainly(digits), f"{units}.{tenths}" if tenths else units}


def _write_plainly(digits: str) -> str:
    """Write a number without separators and zeros before it, in the digits 0 to 9."""
    return "".join(str(int(digit)) for digit in digits if digit.isdecimal()).lstrip("0") or "0"
