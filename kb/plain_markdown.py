"""Words of documents, tables and users as Markdown that shows them as they are."""

import re
from typing import Final

from engines.documents.addresses import split_at_addresses
from engines.documents.code_spans import choose_ticks, write_code
from engines.visible_text import make_visible

_SPECIAL: Final = re.compile(r"([\\`*_\[\]<>|#!~]|&(?=[#\w]+;))")


def escape_markdown(text: str) -> str:
    """Return text that means nothing in Markdown, on one line; addresses are code, no links."""
    line = " ".join(make_visible(text).split())
    parts = (
        (_SPECIAL.sub(r"\\\1", before), address) for before, address, _ in split_at_addresses(line)
    )
    return "".join(f"{before}{write_code(address) if address else ''}" for before, address in parts)


def fence_text(text: str, language: str = "") -> str:
    """Return lines as they are, in a fence that none of them ends."""
    marks, lines = choose_ticks(text, 3), make_visible(text).strip("\n")
    return f"{marks}{language}\n{lines}\n{marks}"
