"""Read plain text."""

import re
from pathlib import Path

from kb.indexing.charset import read_text_file
from kb.indexing.document import Extract, Section

MAX_TITLE = 100


def read(path: Path) -> Extract:
    text = read_text_file(path)
    return Extract(
        kind="text",
        sections=(Section(text, first_line=1),),
        property_title=_find_title(text),
    )


def looks_like_title(line: str) -> bool:
    """Tell whether a line may be a title: no sentence, no number and no rule."""
    return (
        len(line) <= MAX_TITLE
        and re.search(r"[^\W\d_]{2}", line) is not None
        and not line.endswith((".", ",", ";", ":", "!"))
    )


def _find_title(text: str) -> str:
    """Return the first line when it stands alone or is underlined."""
    first, _, rest = text.lstrip().partition("\n")
    alone = re.match(r"[ \t]*(\n|[-=~*_]{3,}[ \t]*\n)", rest)
    return first.strip() if alone and looks_like_title(first.strip()) else ""
