"""Read Markdown with front matter."""

from pathlib import Path
from typing import Any

import frontmatter
import yaml
from frontmatter.default_handlers import YAMLHandler

from kb.indexing.charset import read_text_file
from kb.indexing.document import Extract, Section
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
    text = read_text_file(path)
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
