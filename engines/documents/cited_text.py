"""Makes Markdown of models and documents harmless, piece by piece or as a whole."""

import re
from collections.abc import Collection, Iterable, Iterator
from itertools import count
from typing import Final

from engines.documents.addresses import decode_escapes, find_addresses, split_at_addresses
from engines.documents.code_spans import (
    choose_ticks,
    find_backticks,
    find_next_code,
    find_open_code,
)
from engines.documents.fences import Fences, may_fence
from engines.visible_text import is_right_to_left, make_visible

_LABEL: Final = r"\[[^\[\]\n]{0,400}\]"
_TARGET: Final = r"\([^()\n]{0,2000}\)"
_DEFINITION: Final = r":[ \t]*\S*//\S*"
_TAG: Final = r"<[A-Za-z/!?][^<>\n]{0,2000}>"
_QUOTED_TAG: Final = re.compile(r"<[^<>`|\n]{1,200}>")
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


def clean_quotation(text: str) -> str:
    """Remove links, images and citations from the text of a source that kb quotes.

    What stands in angle brackets is part of the text, as in `#include <stdint.h>`, and shown as
    code, in which no reader of Markdown sees HTML; an address stands without them.
    """
    ticks = choose_ticks(text, 1)

    def write_tag(tag: re.Match[str]) -> str:
        inside = tag[0][1:-1]
        return tag[0] if find_addresses(inside) else f"{ticks}{tag[0]}{ticks}"

    return CitedText(0, find_addresses(text)).clean_whole(_QUOTED_TAG.sub(write_tag, text))


def make_inert(text: str) -> str:
    """Remove links, images and HTML from a text; numbers in brackets stay."""
    return CitedText(None, find_addresses(text)).clean_whole(text)


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

    def clean_whole(self, text: str) -> str:
        """Clean a text that is there as a whole."""
        return "".join(self.clean_pieces([text]))

    def clean_pieces(self, pieces: Iterable[str]) -> Iterator[str]:
        """Clean the pieces one by one; what may begin a citation is held back until it is whole."""
        for piece in pieces:
            yield self.feed(piece)
        yield self.end()

    def feed(self, piece: str) -> str:
        """Take the next piece, and return what can be told by now."""
        self._hold_back(piece)
        *lines, last = self._held.split("\n")
        cleaned = [self._clean_end_of_line(f"{line}\n") for line in lines]
        if lines:
            self._enough = 0
        self._held = last
        waits_for_end = self._fences.is_open or may_fence(self._line + last)
        if len(last) >= self._enough and not waits_for_end:
            cut = self._find_safe_cut(last)
            cleaned.append(self._clean_part_of_line(last[:cut]))
            self._held = last[cut:]
            self._enough = len(self._held) + len(self._held) // _PATIENCE
        return self._give_out("".join(cleaned))

    def end(self) -> str:
        """Return what is left when no piece comes any more."""
        text, self._held = self._held + make_visible(self._return), ""
        return self._give_out(self._clean_end_of_line(text))

    def close_code(self) -> str:
        """Return what ends a block of code in which the text broke off, "" outside of code."""
        return self._fences.write_closing() if self._fences.is_open else ""

    def _hold_back(self, piece: str) -> None:
        """Keep the visible part of a piece; a carriage return waits for the line feed behind it."""
        text = self._return + piece
        self._return = "\r" if text.endswith("\r") else ""
        self._is_right_to_left = self._is_right_to_left or is_right_to_left(text)
        shown = make_visible(text.removesuffix("\r"), right_to_left=self._is_right_to_left)
        self._held += shown

    def _give_out(self, text: str) -> str:
        """Return the text, and note whether anything is to be seen of it."""
        self.is_blank = self.is_blank and not text.strip()
        return text

    def _clean_end_of_line(self, rest: str) -> str:
        """Clean the rest of a line, which may be code or prose, and begin a new line."""
        if self._fences.take_code(rest):
            return rest
        if self._fences.take_opening(self._line + rest):
            self._line = ""
            self._lone.clear()
            return rest
        written = self._clean_part_of_line(rest)
        self._fences.take_text(self._line)
        if not self._line.strip():
            self._lone.clear()
        self._line = ""
        return written

    def _clean_part_of_line(self, text: str) -> str:
        """Clean a part of a line, and leave the code in it as it is."""
        before, place = len(self._line), 0
        text = self._unlink_code(text)
        while code := find_next_code(text, place, self._lone):
            self._append_to_line(self._clean_prose(text[place : code.begin]))
            place = code.begin
            if code.is_sure(self._lone):
                self._append_to_line(text[code.begin : code.end])
                place = code.end
        self._append_to_line(self._clean_prose(text[place:]))
        return self._line[before:]

    def _unlink_code(self, text: str) -> str:
        """Replace the links that have code for a label by their labels; code has no links in it."""
        codes: list[range] = []
        while code := find_next_code(text, codes[-1].stop if codes else 0, self._lone):
            codes.append(range(code.begin, code.end))
        return _LINKED_CODE.sub(
            lambda link: link[0 if any(link.start() in code for code in codes) else "label"], text
        )

    def _append_to_line(self, part: str) -> None:
        """Append a part, apart from the line where both together would become markup."""
        if _MEETING.match(self._line[-1:] + part[:1]):
            part = f" {part}"
        self._line += part

    def _clean_prose(self, text: str) -> str:
        """Clean text that is no code, and keep those addresses that may be told."""
        parts = list(
            split_at_addresses(decode_escapes(_CONSTRUCT.sub(self._clean_construct, text)))
        )
        self._lone |= {len(run[0]) for before, _, _ in parts for run in find_backticks(before)}
        cleaned, is_gap = "", False
        for before, address, is_link in parts:
            said = self._write_address(address, is_link=is_link) if address else ""
            for part in filter(None, (_ACTING.sub(r"\g<0> ", before), said)):
                meets = _MEETING.match(cleaned[-1:] + part[:1])
                joins = is_gap and not _ENDING.match(part)  # to another link, as it might be
                cleaned += f" {part}" if meets or (joins and cleaned) else part
                is_gap = False
            is_gap = is_gap or bool(address and not said)
        return cleaned

    def _write_address(self, address: str, *, is_link: bool) -> str:
        """Return an address as code; a link that the sources do not hold becomes nothing.

        Names of hosts and persons are links for some readers only.
        """
        if address in self._addresses and not is_link:
            return address
        if "`" in address or (is_link and address not in self._addresses):
            return ""
        ticks = "`" * next(length for length in count(1) if length not in self._lone)
        return f"{ticks}{address}{ticks}"

    def _clean_construct(self, found: re.Match[str]) -> str:
        """Return what stays of an image, a link, a citation or a tag."""
        if found["tag"]:
            inside = found["tag"][1:-1]
            before, address, _ = next(split_at_addresses(inside))
            return inside if address == inside and not before else ""
        label = found["label"][1:-1]
        if self._valid is not None and _NUMBERS.fullmatch(label) and not found["image"]:
            return self._keep_valid_numbers(found)
        if found[0] == found["space"] + found["label"]:
            return found[0]
        is_definition = "]:" in found[0] and not found["image"]
        return "" if is_definition else found["space"] + label

    def _keep_valid_numbers(self, found: re.Match[str]) -> str:
        """Return those numbers of a citation that passages have, and note them as cited."""
        numbers = map(int, re.findall(r"\d+", found["label"]))
        valid = [number for number in numbers if self._valid and number in self._valid]
        self.cited.update(valid)
        if valid:
            return found["space"] + "".join(f"[{number}]" for number in valid)
        before = (self._line + found.string[: found.start()])[-1:]
        after = found.string[found.end() : found.end() + 1]
        joins = before in (".", "/") and after and not after.isspace()  # to an address, as www.
        return "" if _ENDING.match(found.string, found.end()) and not joins else found["space"]

    def _find_safe_cut(self, text: str) -> int:
        """Return where the part ends whose meaning no later piece can change."""
        wholes = [
            found.span()
            for construct in (_CONSTRUCT, _LINKED_CODE)
            for found in construct.finditer(text)
        ]
        ends, place = {0}, 0
        while code := find_next_code(text, place, self._lone):
            place = code.end
            wholes.append((code.begin, place))
            ends.add(place)
        unfinished = _UNFINISHED.search(text)
        cut = min(unfinished.start() if unfinished else len(text), find_open_code(text, self._lone))
        return _move_between_words(text, cut, wholes, ends)


def _move_between_words(
    text: str, cut: int, wholes: Collection[tuple[int, int]], ends: Collection[int]
) -> int:
    """Return the nearest place before the cut that divides neither a word nor a construct."""
    while True:
        place = min([cut, *(begin for begin, end in wholes if begin < cut < end)])
        while place not in ends and not any(map(str.isspace, text[place - 1 : place + 1])):
            place -= 1
        if place == cut:
            return cut
        cut = place
