"""Text of models and documents as Markdown that can do nothing, piece by piece or whole."""

import re
from collections.abc import Collection, Iterable, Iterator
from itertools import count
from typing import Final

from engines.documents.addresses import addresses, split, unveiled
from engines.documents.code_spans import next_code, open_code, runs
from engines.documents.fences import Fences, may_fence
from engines.visible_text import is_right_to_left, visible

_LABEL: Final = r"\[[^\[\]\n]{0,400}\]"
_TARGET: Final = r"\([^()\n]{0,2000}\)"
_DEFINITION: Final = r":[ \t]*\S*//\S*"
_TAG: Final = r"<[A-Za-z/!?][^<>\n]{0,2000}>"
_CONSTRUCT: Final = re.compile(
    rf"(?P<space> ?)(?P<image>!?)(?P<label>{_LABEL})(?:{_TARGET}|{_DEFINITION})?|(?P<tag>{_TAG})"
)
_LINKED_CODE: Final = re.compile(
    rf"!?\[(?P<label>[^\[\]\n`]{{0,400}}`[^\[\]\n`]{{1,400}}`[^\[\]\n`]{{0,400}})\]{_TARGET}"
)
_UNFINISHED: Final = re.compile(
    rf"(?: ?!?(?:\[[^\[\]\n]{{0,400}}|{_LABEL}(?:\([^()\n]{{0,2000}}|:[ \t]*\S*)?)?"
    r"|<(?:[A-Za-z/!?][^<>\n]{0,2000})?|\S+)$"
)
# Where a link, an image, a definition or HTML begins to act.
_ACTING: Final = re.compile(r"\](?=[(:])|!(?=\[)|<(?=[A-Za-z/!?])")
_MEETING: Final = re.compile(r"\][(:]|!\[|<[A-Za-z/!?]|\\[\\`]|``")
_NUMBERS: Final = re.compile(r"\s*\d+(?:\s*[,;]\s*\d+)*\s*")
_ENDING: Final = re.compile(r"[.,;:!?)]*(?:\s|$)")  # words are kept apart
_PATIENCE: Final = 50  # the part by which much that is held grows before it is looked at again


def cleaned(text: str) -> str:
    """Text of a source that kb quotes, without links, images and HTML, and without citations."""
    return CitedText(0, addresses(text)).whole(text)


def inert(text: str) -> str:
    """The same, but numbers in brackets stay."""
    return CitedText(None, addresses(text)).whole(text)


class CitedText:
    """Model text, piece by piece, without invented citations, images, links and HTML.

    Addresses that are among those given stay, as code; `passages` is how many can be cited, None
    where numbers are no citations. `cited` are the passages' numbers that the text kept;
    `is_blank` says that nothing is left of it.

    What is inside code stays as it is, but only where CommonMark reads it as code whatever follows:
    in a fenced block, and in a span that is closed on its line and in its cell, with no lone
    backticks before it in its paragraph. All else is harmless wherever it stands, so that a text
    may be cut anywhere.
    """

    def __init__(self, passages: int | None, addresses: Collection[str] = ()) -> None:
        self.cited: set[int] = set()
        self.is_blank = True
        self._valid = None if passages is None else range(1, passages + 1)
        self._addresses = addresses
        self._is_right_to_left = False
        self._return = ""
        self._held = ""
        self._enough = 0  # characters held, to look again for what can be told
        self._line = ""  # as far as it is told
        self._fences = Fences()
        self._lone: set[int] = set()  # lengths of the runs of backticks that close no code

    def whole(self, text: str) -> str:
        return "".join(self.clean([text]))

    def clean(self, pieces: Iterable[str]) -> Iterator[str]:
        """The pieces cleaned; what may be the begin of a citation is held until it is whole."""
        for piece in pieces:
            yield self.feed(piece)
        yield self.end()

    def feed(self, piece: str) -> str:
        self._hold(piece)
        *lines, last = self._held.split("\n")
        told = [self._ended(f"{line}\n") for line in lines]
        if lines:
            self._enough = 0
        self._held = last
        if len(last) >= self._enough and not self._is_of_fence(last):
            cut = self._finished(last)
            told.append(self._written(last[:cut]))
            self._held = last[cut:]
            self._enough = len(self._held) + len(self._held) // _PATIENCE
        return self._told("".join(told))

    def end(self) -> str:
        text, self._held = self._held + visible(self._return), ""
        return self._told(self._ended(text))

    def _hold(self, piece: str) -> None:
        """Keep it as it can be seen; a carriage return waits for the line feed behind it."""
        text = self._return + piece
        self._return = "\r" if text.endswith("\r") else ""
        self._is_right_to_left = self._is_right_to_left or is_right_to_left(text)
        shown = visible(text.removesuffix("\r"), right_to_left=self._is_right_to_left)
        self._held += shown

    def _is_of_fence(self, begun: str) -> bool:
        """Whether the line can be told only when it is whole."""
        return self._fences.is_open or may_fence(self._line + begun)

    def _told(self, text: str) -> str:
        self.is_blank = self.is_blank and not text.strip()
        return text

    def _ended(self, rest: str) -> str:
        """The rest of a line, of code or of prose."""
        if self._fences.holds(rest):
            return rest
        if self._fences.begins(self._line + rest):
            self._line = ""
            self._lone.clear()
            return rest
        written = self._written(rest)
        self._fences.take(self._line)
        if not self._line.strip():
            self._lone.clear()
        self._line = ""
        return written

    def _written(self, text: str) -> str:
        """A part of a line, with the code in it as it is."""
        before, place = len(self._line), 0
        text = _LINKED_CODE.sub(r"\g<label>", text)
        while code := next_code(text, place, self._lone):
            self._add(self._prose(text[place : code.begin]))
            place = code.begin
            if code.is_sure(self._lone):
                self._add(text[code.begin : code.end])
                place = code.end
        self._add(self._prose(text[place:]))
        return self._line[before:]

    def _add(self, part: str) -> None:
        if _MEETING.match(self._line[-1:] + part[:1]):
            part = f" {part}"
        self._line += part

    def _prose(self, text: str) -> str:
        parts = list(split(unveiled(_CONSTRUCT.sub(self._resolved, text))))
        self._lone |= {len(run[0]) for before, _, _ in parts for run in runs(before)}
        told = ""
        for before, address, is_link in parts:
            said = self._addressed(address, is_link=is_link) if address else ""
            for part in (_ACTING.sub(r"\g<0> ", before), said):
                told += f" {part}" if _MEETING.match(told[-1:] + part[:1]) else part
        return told

    def _addressed(self, address: str, *, is_link: bool) -> str:
        """Of a link, what the sources hold; names of hosts and persons are links for some only."""
        if address in self._addresses and not is_link:
            return address
        if "`" in address or (is_link and address not in self._addresses):
            return ""
        ticks = "`" * next(length for length in count(1) if length not in self._lone)
        return f"{ticks}{address}{ticks}"

    def _resolved(self, found: re.Match[str]) -> str:
        if found["tag"]:
            return _autolinked(found["tag"][1:-1])
        label = found["label"][1:-1]
        if self._valid is not None and _NUMBERS.fullmatch(label) and not found["image"]:
            return self._kept(found)
        if found[0] == found["space"] + found["label"]:
            return found[0]
        is_definition = "]:" in found[0] and not found["image"]
        return "" if is_definition else found["space"] + label

    def _kept(self, found: re.Match[str]) -> str:
        numbers = map(int, re.findall(r"\d+", found["label"]))
        valid = [number for number in numbers if self._valid and number in self._valid]
        self.cited.update(valid)
        if valid:
            return found["space"] + "".join(f"[{number}]" for number in valid)
        return "" if _ENDING.match(found.string, found.end()) else found["space"]

    def _finished(self, text: str) -> int:
        """Where the part ends that no later piece can change the meaning of."""
        wholes = [
            found.span() for each in (_CONSTRUCT, _LINKED_CODE) for found in each.finditer(text)
        ]
        ends, place = {0}, 0
        while code := next_code(text, place, self._lone):
            place = code.end
            wholes.append((code.begin, place))
            ends.add(place)
        unfinished = _UNFINISHED.search(text)
        cut = min(unfinished.start() if unfinished else len(text), open_code(text, self._lone))
        return _between_words(text, cut, wholes, ends)


def _autolinked(inside: str) -> str:
    """The address in angle brackets; of any other tag nothing."""
    before, address, _ = next(split(inside))
    return inside if address == inside and not before else ""


def _between_words(
    text: str, cut: int, wholes: Collection[tuple[int, int]], ends: Collection[int]
) -> int:
    """The nearest place before the cut at which neither a word nor a whole is cut."""
    while True:
        place = min([cut, *(begin for begin, end in wholes if begin < cut < end)])
        while place not in ends and not any(map(str.isspace, text[place - 1 : place + 1])):
            place -= 1
        if place == cut:
            return cut
        cut = place
