"""Words of documents, tables and users as Markdown that shows them as they are."""

import re
from typing import Final

from engines.documents.addresses import split_at_addresses
from engines.visible_text import make_visible

_SPECIAL: Final = re.compile(r"([\\`*_\[\]<>|#!~]|&(?=[#\w]+;))")


def escaped(text: str) -> str:
    """Text that means nothing in Markdown, on one line; addresses are code, and so no links."""
    line = " ".join(make_visible(text).split())
    parts = (
        (_SPECIAL.sub(r"\\\1", before), address) for before, address, _ in split_at_addresses(line)
    )
    return "".join(f"{before}{code(address) if address else ''}" for before, address in parts)


def code(text: str) -> str:
    """Text as it is, on one line."""
    text = make_visible(text)
    marks = _ticks(text, 1)
    space = " " if "`" in text or text != text.strip() else ""
    return f"{marks}{space}{' '.join(text.split()) or ' '}{space}{marks}"


def fenced(text: str, language: str = "") -> str:
    """Lines as they are."""
    marks, lines = _ticks(text, 3), make_visible(text).strip("\n")
    return f"{marks}{language}\n{lines}\n{marks}"


def _ticks(text: str, least: int) -> str:
    """More backticks in a row than the text has."""
    return "`" * max([least, *(len(run) + 1 for run in re.findall("`+", text))])
