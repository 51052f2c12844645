"""Finds addresses in a text: all that some reader of Markdown turns into a link on its own."""

import re
from collections.abc import Iterator
from html import unescape
from typing import Final

from engines.visible_text import make_visible

_PART: Final = r"[^\s<>()\[\]|\"]"
# The ends of hosts by which linkify-it, which many chat clients use, knows them without a scheme.
_ENDS: Final = (
    "a[cdefgilmnoqrstuwxz]|b[abdefghijmnorstvwyz]|c[acdfghiklmnoruvwxyz]|d[ejkmoz]|e[cegrstu]|"
    "f[ijkmor]|g[abdefghilmnpqrstuwy]|h[kmnrtu]|i[delmnoqrst]|j[emop]|k[eghimnprwyz]|"
    "l[abcikrstuvy]|m[acdeghklmnopqrstuvwxyz]|n[acefgilopruz]|om|p[aefghklmnrstwy]|qa|r[eosuw]|"
    "s[abcdeghijklmnortuvxyz]|t[cdfghjklmnortvwz]|u[agksyz]|v[aceginu]|w[fs]|y[et]|z[amw]|"
    "biz|com|edu|gov|net|org|pro|web|xxx|aero|asia|coop|info|museum|name|shop|рф|xn--[a-z0-9-]{1,59}"
)
_OF_HOST: Final = r"[^\s!-,/:-@\[-^{-~]"
_USER: Final = r"(?:[^\s@/()\[\]]*@)?"  # before a host, where quotes and angle brackets may stand
_LETTER: Final = r"[^\s!-/:-@\[-`{-~]"  # of a host; underscores may be emphasis
_ADDRESS: Final = re.compile(
    rf"(?P<url>(?<![\w+.-])[\w+.-]+://{_USER}{_PART}*"
    rf"|(?<![^\W_])(?<!/)//(?=[^\s@/()\[\]]*@\S|[^\s<>]*[.@]\S){_USER}{_PART}*"
    rf"|(?<![a-z0-9])www\.{_PART}+"
    rf"|(?<![a-z0-9])(?:mailto|xmpp):{_PART}+)"
    rf"|(?:(?:[\w.+&=$;:,-]\"*){{1,64}}@{_OF_HOST}{{0,253}}?\.\w{_OF_HOST}*"
    rf"|(?<![^\W_])(?<![:/@])(?![._-]){_OF_HOST}{{1,253}}?\.(?:{_ENDS})(?!-|(?!\.(?:mailto|xmpp):)\.?{_LETTER}))"
    rf"(?P<path>(?:[/?#]|:[\d/]){_PART}*)?",
    re.IGNORECASE,
)
_ENTITY: Final = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_ESCAPED: Final = re.compile(r"\\(?:(?P<plain>[:/.@])(?=\S)|.)", re.DOTALL)
_OF_ADDRESSES: Final = re.compile(r"[\w:/.@+-]")
_TAIL: Final = ".,;:!?'*_~`\\"  # of the sentence or the emphasis that an address ends


def find_addresses(text: str) -> set[str]:
    """Return all addresses in a text, so that an answer made from it may repeat them."""
    found = {address for _, address, _ in split_at_addresses(decode_escapes(make_visible(text)))}
    return {address for address in found if address and "`" not in address}


def decode_escapes(text: str) -> str:
    """Replace the escapes and entities that would keep an address from being seen as one."""

    def decode_entity(entity: re.Match[str]) -> str:
        character = unescape(entity[0])
        return character if _OF_ADDRESSES.fullmatch(character) else entity[0]

    text = _ENTITY.sub(decode_entity, text)
    return _ESCAPED.sub(lambda found: found["plain"] or found[0], text)


def split_at_addresses(text: str) -> Iterator[tuple[str, str, bool]]:
    """Yield the text before each address, the address, and whether it is a link for every reader.

    A bare host or person is not. The rest of the text comes last, with an empty address.
    """
    begin = 0
    while found := _ADDRESS.search(text, begin):
        address = found[0].rstrip(_TAIL) or found[0]
        is_link = found["url"] or found["path"] or "www." in address.lower()
        yield text[begin : found.start()], address, bool(is_link)
        begin = found.start() + len(address)  # what ends the sentence may begin another address
    yield text[begin:], "", False
