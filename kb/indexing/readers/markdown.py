"""Markdown with front matter."""

import re
from pathlib import Path

import frontmatter
import yaml
from frontmatter.default_handlers import YAMLHandler

from kb.indexing.charset import read_text
from kb.indexing.document import Extract, Section


def read(path: Path) -> Extract:
    text = read_text(path)
    metadata, body_start = _front_matter(text)
    section = Section(_plainer(text[body_start:]), first_line=1 + text.count("\n", 0, body_start))
    return Extract(
        kind="markdown",
        sections=(section,),
        title=str(metadata.get("title") or ""),
        language=str(metadata.get("language") or metadata.get("lang") or ""),
        metadata=metadata,
    )


def _plainer(text: str) -> str:
    r"""Drop, line by line, what aligns the columns of tables and escapes the names: `max\_size`.

    The former would fill the chunks, the latter hide words from the search.
    """
    lines = text.split("\n")
    in_fence = False
    for number, line in enumerate(lines):
        start = line.lstrip()
        in_fence ^= start.startswith(("```", "~~~"))
        if not in_fence:
            plainer = re.sub(r"(?<=\w)\\_(?=\w)", "_", line)
            aligned = start.startswith("|")
            lines[number] = re.sub(r"(-{3})-+|( ) +", r"\1\2", plainer) if aligned else plainer
    return "\n".join(lines)


def _front_matter(text: str) -> tuple[dict[str, object], int]:
    """Return the metadata and where the body begins; a text between rules is no metadata."""
    try:
        metadata, body = frontmatter.parse(text, handler=YAMLHandler())
    except (yaml.YAMLError, ValueError):  # ValueError: a date like 2024-13-01
        return {}, 0
    return (metadata, len(text.rstrip()) - len(body)) if metadata else ({}, 0)
