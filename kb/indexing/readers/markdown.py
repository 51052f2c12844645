"""Read Markdown with front matter."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import frontmatter
import yaml
from frontmatter.default_handlers import YAMLHandler

from kb.indexing.charset import decode_text, read_text_file
from kb.indexing.document import Bookmark, Extract, Section, enter_heading
from kb.indexing.markdown_blocks import find_last_block, list_headings
from kb.indexing.markdown_dialects import simplify_markdown

MAX_NODES = 10_000
"""Of front matter, counting what each alias stands for: merges copy it."""
MAX_DEPTH = 50
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _BoundedHandler(YAMLHandler):
    """Loads front matter only after its nodes are counted."""

    def load(self, fm: str, **kwargs: object) -> Any:
        _check_nodes(fm)
        return super().load(fm, **kwargs)


def read(path: Path) -> Extract:
    return _document_to_extract(read_text_file(path))


def find_part_end(lines: Sequence[bytes]) -> int:
    """End a part where the last block of it begins, such as a heading or a table."""
    text = b"".join(lines).decode("utf-8", "replace")
    return find_last_block(text.replace("\r\n", "\n").replace("\r", "\n")) or len(lines)


def read_slice(data: bytes, start: Bookmark) -> Extract:
    text = decode_text(data)
    above = tuple((level, words) for level, words in start.carried.get("above", ()))
    if start.offset:
        text = simplify_markdown(text)
        section = Section(text, first_line=start.line, above=above)
        extract = Extract(kind="markdown", sections=(section,))
    else:
        extract = _document_to_extract(text)
    for level, words in list_headings(extract.sections[0].text):
        above = enter_heading(above, level, words)
    return replace(extract, carried={"above": above})


def _document_to_extract(text: str) -> Extract:
    metadata, body_start = _split_front_matter(text)
    section = Section(
        simplify_markdown(text[body_start:]), first_line=1 + text.count("\n", 0, body_start)
    )
    return Extract(
        kind="markdown",
        sections=(section,),
        title=str(metadata.get("title") or ""),
        language=str(metadata.get("language") or metadata.get("lang") or ""),
        metadata=metadata,
    )


def _check_nodes(text: str) -> None:
    """Count the nodes of YAML before anything is built; raise YAMLError if they are too many."""
    total, sizes = 0, dict[str, int]()
    begun: list[tuple[str | None, int]] = []  # anchors of open collections, and what was before
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.CollectionEndEvent):
            anchor, before = begun.pop()
            if anchor:
                sizes[anchor] = total - before
        elif isinstance(event, yaml.AliasEvent):
            total += sizes.get(event.anchor or "", MAX_NODES)  # one inside of what it stands for
        elif isinstance(event, yaml.CollectionStartEvent):
            begun.append((event.anchor, total))
            total += 1
        elif isinstance(event, yaml.ScalarEvent):
            total += 1
            if event.anchor:
                sizes[event.anchor] = 1
        if total > MAX_NODES or len(begun) > MAX_DEPTH:
            raise yaml.YAMLError(f"more than {MAX_NODES} nodes or {MAX_DEPTH} levels")


def _split_front_matter(text: str) -> tuple[dict[str, object], int]:
    """Return the metadata and where the body begins; a text between rules is no metadata."""
    try:
        metadata, body = frontmatter.parse(text, handler=_BoundedHandler())
    except (yaml.YAMLError, ValueError):  # ValueError: a date like 2024-13-01
        return {}, 0
    return (metadata, len(text.rstrip()) - len(body)) if metadata else ({}, 0)
