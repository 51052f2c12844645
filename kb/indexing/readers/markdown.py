"""Markdown with front matter."""

from pathlib import Path

import frontmatter
import yaml
from frontmatter.default_handlers import YAMLHandler

from kb.indexing.charset import read_text
from kb.indexing.document import Extract, Section


def read(path: Path) -> Extract:
    text = read_text(path)
    metadata, body_start = _front_matter(text)
    section = Section(text[body_start:], first_line=1 + text.count("\n", 0, body_start))
    return Extract(
        kind="markdown",
        sections=(section,),
        title=str(metadata.get("title") or ""),
        language=str(metadata.get("language") or metadata.get("lang") or ""),
        metadata=metadata,
    )


def _front_matter(text: str) -> tuple[dict[str, object], int]:
    """Return the metadata and where the body begins; a text between rules is no metadata."""
    try:
        metadata, body = frontmatter.parse(text, handler=YAMLHandler())
    except (yaml.YAMLError, ValueError):  # ValueError: a date like 2024-13-01
        return {}, 0
    return (metadata, len(text.rstrip()) - len(body)) if metadata else ({}, 0)
