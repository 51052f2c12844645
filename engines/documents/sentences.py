"""Splits passages into the sentences that may be quoted, without the marks of Markdown."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import resources

from llama_index.core.schema import MetadataMode, NodeWithScore
from nltk.tokenize.punkt import (  # type: ignore[import-untyped]  # nltk has no types
    PunktParameters,
    PunktSentenceTokenizer,
)

_LONGEST = 500
_LABEL_WORDS = 2  # a sentence has more
# A full stop behind these ends no sentence.
_ABBREVIATIONS = frozenset(
    resources.files("engines.documents")
    .joinpath("abbreviations.txt")
    .read_text(encoding="utf-8")
    .split()
)

_HEADING = re.compile(r"#{1,6}\s+(?P<words>.+?)\s*#*")
_ROW = r"(?:[\w .-]{1,60}: [^\n;]*; ){2}"  # of a table that is no Markdown: field: value; field: …
_BLOCKS = re.compile(rf"\n\s*\n|\n(?=\s*(?:[-*+]\s|\d+[.)]\s|\||#|>)|{_ROW})|(?<=\|)\n")
_TABLE_HEAD = re.compile(r"^[ \t]*\|.*\|[ \t]*\n[ \t]*\|[\s|:-]+\|[ \t]*$", re.MULTILINE)
_FENCE = re.compile(r"^ *(```|~~~).*?(?:^ *\1|\Z)", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"!?\[([^\[\]]*)\](?:\([^()]*\)|\[[^\[\]]*\])")
_ESCAPE = re.compile(r"\\([\\`*_{}\[\]()#+.!|<>~-])")
_HEADER = re.compile(r"(?:[A-Z][\w-]*: .*\n?){3,}")  # of an e-mail
_RULE = re.compile(r"[\s|:=_*-]+")
# Only what surrounds words: 2*3 and __init__ are facts.
_MARKUP = re.compile(
    r"^\s*(?:[-*+>]|\d+[.)])\s+|(?<![\w*/])\*{1,3}(?=[\w\"'“(])|(?<=[\w\"'”).,;:!?%])\*{1,3}(?![\w*/])"
    r"|`|^\s*\||\|\s*$|(?<!\S)[-=_]{3,}(?!\S)",
    re.MULTILINE,
)


_parameters = PunktParameters()
_parameters.abbrev_types = set(_ABBREVIATIONS)
_punkt = PunktSentenceTokenizer(_parameters)


@dataclass(frozen=True)
class Sentence:
    """A sentence with what stands before it, which often names what it speaks of."""

    text: str
    before: str  # the sentence before it in its paragraph
    heading: str
    passage: NodeWithScore

    @property
    def under_heading(self) -> str:
        return f"{self.heading} {self.text}".strip()

    @property
    def under_title(self) -> str:
        return f"{self.passage.metadata.get('title') or ''} {self.under_heading}".strip()


def find_quotable_sentences(passages: Iterable[NodeWithScore]) -> list[Sentence]:
    """Return the sentences that may be quoted, each text once, from its first passage."""
    found: dict[str, Sentence] = {}
    for passage in passages:
        for sentence in _split_passage(passage):
            found.setdefault(sentence.text, sentence)
    return list(found.values())


def _split_passage(passage: NodeWithScore) -> Iterator[Sentence]:
    """Yield the sentences of a passage that may be quoted, with the headings they stand under."""
    heading = str(passage.metadata.get("headings") or "").rpartition(" > ")[2]
    text = _TABLE_HEAD.sub("", _FENCE.sub("", passage.get_content(MetadataMode.NONE)))
    for block in _BLOCKS.split(text):
        if title := _HEADING.fullmatch(block.strip()):
            heading = title["words"]
            continue
        before = ""
        for sentence in split_sentences(block):
            # Labels say too little, and a question quotes badly as an answer.
            if len(sentence.split()) > _LABEL_WORDS and not sentence.endswith("?"):
                yield Sentence(sentence[:_LONGEST], before, heading, passage)
            before = sentence


def split_sentences(block: str) -> list[str]:
    """Split a paragraph, list item or table row; a rule or an e-mail's header has no sentences."""
    plain = " ".join(_ESCAPE.sub(r"\1", _MARKUP.sub("", _LINK.sub(r"\1", block))).split())
    if _RULE.fullmatch(plain) or _HEADER.fullmatch(block.strip()):
        return []
    return [str(sentence).lstrip("; ") for sentence in _punkt.tokenize(plain)]
