"""Numbered passages, and an answer that cites only them."""

import re
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from llama_index.core.schema import MetadataMode, NodeWithScore

_EXCERPT_CHARACTERS = 300
_LABEL = r"\[[^\[\]\n]{0,400}\]"
_TARGET = r"\([^()\n]{0,2000}\)"
_DEFINITION = r":[ \t]*\S*//\S*"
_CODE = r"(?<!\\)(?:```.*?```|`[^`\n]+`)"
_UNFINISHED_CODE = r"(?<!\\)(?:```(?:(?!```).)*|``|`[^`\n]*)"
_CONSTRUCT = re.compile(
    rf"{_CODE}|(?P<space> ?)(?P<image>!?)(?P<label>{_LABEL})(?:{_TARGET}|{_DEFINITION})?", re.DOTALL
)
_UNFINISHED = re.compile(
    rf"(?:{_UNFINISHED_CODE}"
    rf"| ?!?(?:\[[^\[\]\n]{{0,400}}|{_LABEL}(?:\([^()\n]{{0,2000}}|:[ \t]*\S*)?)?"
    r"|<(?:[A-Za-z/!?][^<>\n]{0,2000})?|\S+)$",
    re.DOTALL,
)
_ADDRESS = r"[A-Za-z][\w+.-]*://[^\s<>()\[\]]+"
# What is left of links, images and HTML when no whole construct was recognised.
_REMAINS = re.compile(
    rf"{_CODE}|(?P<gone><[A-Za-z/!?][^<>\n]{{0,2000}}>)|(?P<address>{_ADDRESS})"
    r"|(?P<split>\][(:]|!\[|<(?=[A-Za-z/!?]))",
    re.DOTALL,
)
_NUMBERS = re.compile(r"\s*\d+(?:\s*[,;]\s*\d+)*\s*")


def numbered(passages: Sequence[NodeWithScore]) -> str:
    """The passages as a model reads them, counted from 1."""
    return "\n\n".join(
        f"[{number}] {_heading(passage)}\n{passage.get_content(MetadataMode.NONE)}"
        for number, passage in enumerate(passages, start=1)
    )


def addresses(passages: Iterable[NodeWithScore]) -> set[str]:
    """The web addresses that the passages themselves hold."""
    text = "\n".join(passage.get_content(MetadataMode.NONE) for passage in passages)
    return set(map(_plain, re.findall(_ADDRESS, text)))


def citation(number: int, passage: NodeWithScore, excerpt: str | None = None) -> dict[str, Any]:
    """Where a statement comes from: document, title, page or lines, score and excerpt."""
    metadata = passage.metadata
    place = {key: metadata[key] for key in ("page", "lines") if metadata.get(key) is not None}
    text = " ".join(passage.get_content(MetadataMode.NONE).split())
    return {
        "number": number,
        "document": metadata.get("path") or passage.node.ref_doc_id or passage.node_id,
        "title": metadata.get("title") or metadata.get("path") or "",
        **place,
        "score": round(passage.get_score(), 4),
        "excerpt": excerpt or _shortened(text),
        "root": metadata.get("root"),
        "chunk": passage.node_id,
    }


def _heading(passage: NodeWithScore) -> str:
    metadata = passage.metadata
    parts = (metadata.get("title"), metadata.get("headings"), metadata.get("path"))
    return " · ".join(dict.fromkeys(str(part) for part in parts if part))


def _shortened(text: str) -> str:
    if len(text) <= _EXCERPT_CHARACTERS:
        return text
    return text[:_EXCERPT_CHARACTERS].rsplit(" ", 1)[0] + " …"


class CitedText:
    """Model text, piece by piece, without invented citations, images, links and HTML.

    Addresses stay where a passage holds them, as text. `cited` are the passages' numbers that the
    text kept; `is_blank` says that nothing is left of it.
    """

    def __init__(self, passages: int, addresses: Collection[str] = ()) -> None:
        self.cited: set[int] = set()
        self.is_blank = True
        self._valid = range(1, passages + 1)
        self._addresses = addresses
        self._held = ""

    def clean(self, pieces: Iterable[str]) -> Iterable[str]:
        """The pieces cleaned; what may be the begin of a citation is held until it is whole."""
        for piece in pieces:
            yield self.feed(piece)
        yield self.end()

    def feed(self, piece: str) -> str:
        text = self._held + piece
        cut = _finished(text)
        self._held = text[cut:]
        return self._cleaned(text[:cut])

    def end(self) -> str:
        text, self._held = self._held, ""
        return self._cleaned(text)

    def _cleaned(self, text: str) -> str:
        clean = _REMAINS.sub(self._defused, _CONSTRUCT.sub(self._resolved, text))
        self.is_blank = self.is_blank and not clean.strip()
        return clean

    def _defused(self, found: re.Match[str]) -> str:
        if found["split"]:
            return f"{found[0][0]} {found[0][1:]}"
        address = found["address"]
        if found["gone"] or (address and _plain(address) not in self._addresses):
            return ""
        return found[0]

    def _resolved(self, found: re.Match[str]) -> str:
        if found["label"] is None:
            return found[0]
        label = found["label"][1:-1]
        if _NUMBERS.fullmatch(label) and not found["image"]:
            return self._kept(found["space"], map(int, re.findall(r"\d+", label)))
        if found[0] == found["space"] + found["label"]:
            return found[0]
        is_definition = "]:" in found[0] and not found["image"]
        return "" if is_definition else found["space"] + label

    def _kept(self, space: str, numbers: Iterable[int]) -> str:
        valid = [number for number in numbers if number in self._valid]
        self.cited.update(valid)
        return space + "".join(f"[{number}]" for number in valid) if valid else ""


def _finished(text: str) -> int:
    """Where the part ends that no later piece can change the meaning of."""
    begin = 0
    for whole in re.finditer(_CODE, text, re.DOTALL):
        begin = whole.end()
    unfinished = _UNFINISHED.search(text, begin)
    cut = unfinished.start() if unfinished else len(text)
    for found in (*_CONSTRUCT.finditer(text), *_REMAINS.finditer(text)):
        if found.start() < cut < found.end():
            cut = found.start()
    return cut


def _plain(address: str) -> str:
    """Without the punctuation of the sentence that it ends."""
    return address.rstrip(".,;:!?'\"")
