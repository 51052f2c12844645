"""Splits passages into the sentences that may be quoted, without the marks of Markdown."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import count, groupby

from llama_index.core.schema import MetadataMode, NodeWithScore
from nltk.tokenize.punkt import (  # type: ignore[import-untyped]  # nltk has no types
    PunktParameters,
    PunktSentenceTokenizer,
)

from engines.documents.blocks import Block, find_blocks
from stores.text.calendar_words import load_months_of
from stores.text.tokens import fold

LONGEST = 500
_LABEL_WORDS = 2  # a sentence has more
# A full stop behind these ends no sentence.
_ABBREVIATIONS = frozenset(
    resources.files("engines.documents")
    .joinpath("abbreviations.txt")
    .read_text(encoding="utf-8")
    .split()
)

_LINK = re.compile(r"!?\[([^\[\]]*)\](?:\([^()]*\)|\[[^\[\]]*\])")
_CODE = re.compile(r"(?<!`)(?P<ticks>`+)(?!`)(?P<code>.+?)(?<!`)(?P=ticks)(?!`)", re.DOTALL)
_TAG = re.compile(r"</?[A-Za-z][^<>]*>|<!--.*?-->", re.DOTALL)
_ESCAPE = re.compile(r"\\([\\`*_{}\[\]()#+.!|<>~-])")
# Only what surrounds words: 2*3 and __init__ are facts.
_MARKUP = re.compile(
    r"^\s*(?:[-*+>]|\d+[.)])\s+|^\s*\||\|\s*$"
    r"|(?<![\w*/])\*{1,6}(?=[\w\"'“«(\[$\ue000-\uf8ff-])"
    r"|(?<=[\w\"'”»).,;:!?%\]\ue000-\uf8ff])\*{1,6}(?![\w*/])"
    r"|(?<!\S)[-=_]{3,}(?!\S)",
    re.MULTILINE,
)
_RULE = re.compile(r"[\s|:=_*-]+")
_FIRST_PRIVATE, _LAST_PRIVATE = 0xE000, 0xF8FF  # such characters stand for code for a while
_BRACKETS = (("(", ")"), ("[", "]"), ("“", "”"), ("«", "»"))
_ORDINAL = re.compile(r"(?<!\S)\d{1,2}\.$")  # am 14. Oktober
_LOW_QUOTE = re.compile("„[^„“”]*[“”]")  # German “ closes what „ has opened

_parameters = PunktParameters()
_parameters.abbrev_types = set(_ABBREVIATIONS)
_punkt = PunktSentenceTokenizer(_parameters)


@dataclass(frozen=True)
class Sentence:
    """A sentence with what stands around it, which often names what it speaks of.

    Its `lead` is quoted with it. `place` counts the sentences of the passage, None for a list as a
    whole. What `is_repeated` a mail repeats of the one that it answers.
    """

    own: str
    before: str  # the sentence before it in its paragraph
    heading: str
    passage: NodeWithScore
    lead: str = ""
    place: int | None = None
    is_item: bool = False
    is_repeated: bool = False

    @property
    def text(self) -> str:
        return f"{self.lead} {self.own}".strip()[:LONGEST]

    @property
    def under_heading(self) -> str:
        return f"{self.heading} {self.text}".strip()

    @property
    def under_title(self) -> str:
        above = (self.passage.metadata.get(key) or "" for key in ("title", "headings"))
        return " ".join([*map(str, above), self.under_heading]).strip()


def find_quotable_sentences(passages: Iterable[NodeWithScore]) -> list[Sentence]:
    """Return the sentences that may be quoted, each text once, as its author wrote it first."""
    found: dict[str, Sentence] = {}
    for passage in passages:
        for sentence in _split_passage(passage):
            known = found.setdefault(sentence.text, sentence)
            if known.is_repeated and not sentence.is_repeated:
                found[sentence.text] = sentence
    return list(found.values())


def _split_passage(passage: NodeWithScore) -> Iterator[Sentence]:
    """Yield the sentences of a passage that may be quoted, and lists as a whole."""
    heading = str(passage.metadata.get("headings") or "").rpartition(" > ")[2]
    media_type = passage.metadata.get("media_type")
    text = passage.get_content(MetadataMode.NONE)
    if media_type == "text/markdown":
        text = _drop_tags(text)
    blocks = find_blocks(text, heading, is_mail=media_type == "message/rfc822")
    places = count()
    for _, members in groupby(blocks, key=lambda block: block.group):
        yield from _split_group(list(members), passage, places)
    for _, items in groupby(blocks, key=lambda block: (block.kind, block.lead)):
        yield from _join_list(list(items), passage)


def _split_group(
    blocks: Sequence[Block], passage: NodeWithScore, places: Iterator[int]
) -> Iterator[Sentence]:
    """Yield the sentences of blocks that go on with each other."""
    lead, heading = _read_lead(blocks[0]), strip_markup(blocks[0].heading)
    if blocks[0].kind == "definition" and lead.endswith((".", "!", "?")):
        heading, lead = lead, ""  # the question of a FAQ
    before = lead
    if lead and not lead.endswith(":"):
        lead = f"{lead}:"
    for block in blocks:
        for own in _split_block(block):
            place = next(places)
            # A question quotes badly as an answer, as does what introduces something else.
            if not own.endswith(("?", ":")) and (before or _is_statement(f"{lead} {own}")):
                yield Sentence(
                    own,
                    before,
                    heading,
                    passage,
                    lead=lead,
                    place=place,
                    is_item=block.kind == "item",
                    is_repeated=block.kind == "quoted",
                )
            before = own
            lead = f"{lead} …" if lead and not lead.endswith("…") else lead


def _read_lead(block: Block) -> str:
    """Return the last sentence of what introduces a block."""
    return split_sentences(block.lead)[-1] if block.lead else ""


def _is_statement(text: str) -> bool:
    return len(text.split()) > _LABEL_WORDS or text.endswith((".", "!"))


def _write_lead(lead: str) -> str:
    return lead if not lead or lead.endswith((":", "…")) else f"{lead}:"


def _split_block(block: Block) -> list[str]:
    if block.kind == "code":
        return [" ".join(block.text.split())] if block.lead else []
    sentences = split_sentences(block.text)
    return sentences[:-1] if block.introduces else sentences


def _join_list(blocks: Sequence[Block], passage: NodeWithScore) -> Iterator[Sentence]:
    """Yield the items of a list with its lead as one answer, if that is short enough."""
    lead = _read_lead(blocks[0])
    if blocks[0].kind != "item" or not lead or len(blocks) == 1:
        return
    own = " • ".join(strip_markup(block.text) for block in blocks)
    if len(lead) + len(own) < LONGEST:
        heading = strip_markup(blocks[0].heading)
        yield Sentence(own, "", heading, passage, lead=lead)


def split_sentences(block: str) -> list[str]:
    """Split a paragraph, list item or table row into its sentences; a rule has none."""
    plain = strip_markup(block)
    if _RULE.fullmatch(plain):
        return []
    pieces = [str(piece).lstrip("; ") for piece in _punkt.tokenize(plain)]
    return list(_join_divided(pieces))


def _join_divided(pieces: Iterable[str]) -> Iterator[str]:
    """Join what was divided inside quotation marks, in brackets, or before a small letter."""
    whole = ""
    for piece in pieces:
        if whole and _is_divided(whole, piece) and len(whole) + len(piece) < LONGEST:
            whole = f"{whole} {piece}"
            continue
        if whole:
            yield whole
        whole = piece
    if whole:
        yield whole


def _is_divided(whole: str, piece: str) -> bool:
    """Tell whether a piece goes on with what stands before it."""
    if _is_open(whole) or (whole[-1] in "“”»«\"')" and piece[:1].islower()):
        return True
    first = fold(piece.partition(" ")[0].strip(".,:;"))
    return bool(_ORDINAL.search(whole)) and first in load_months_of("de")


def find_sentence_spans(line: str) -> list[tuple[int, int]]:
    """Return where each sentence of a line begins and ends; a quotation is not divided."""
    spans: list[tuple[int, int]] = []
    for begin, end in _punkt.span_tokenize(line):
        if spans and _is_divided(line[slice(*spans[-1])], line[begin:end]):
            spans[-1] = spans[-1][0], end
        else:
            spans.append((begin, end))
    return spans


def _is_open(text: str) -> bool:
    """Tell whether a bracket or a quotation mark is open at the end of a text."""
    text = _LOW_QUOTE.sub("", text)
    if text.count('"') % 2 or "„" in text:
        return True
    return any(text.count(begin) > text.count(end) for begin, end in _BRACKETS)


def strip_markup(text: str) -> str:
    """Return a text on one line, without the marks of Markdown but for those that are code."""
    codes: list[str] = []

    def take_code(found: re.Match[str]) -> str:
        codes.append(found["code"].strip() or found["code"])
        return chr(_FIRST_PRIVATE + len(codes) - 1)

    private = range(_FIRST_PRIVATE, _LAST_PRIVATE)
    text = _CODE.sub(take_code, text) if text.count("`") < len(private) else text
    text = _ESCAPE.sub(r"\1", _MARKUP.sub("", _LINK.sub(r"\1", text)))
    for number, code in enumerate(codes):
        text = text.replace(chr(_FIRST_PRIVATE + number), code)
    return " ".join(text.split())


def _drop_tags(text: str) -> str:
    """Remove the HTML from a Markdown text, but not from its code."""
    parts = re.split(r"(`+[^`]+`+)", text)
    parts[::2] = [_TAG.sub("", part) for part in parts[::2]]
    return "".join(parts)
