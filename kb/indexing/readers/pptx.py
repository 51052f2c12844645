"""Read PowerPoint presentations: a slide is a page."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pptx import Presentation

from kb.indexing.document import Extract, Section
from kb.indexing.layout.archive import check_office_file, read_office_properties
from kb.indexing.layout.charts import chart_to_markdown


def read(path: Path) -> Extract:
    check_office_file(path)
    presentation = Presentation(str(path))
    sections = tuple(
        Section("\n\n".join(_read_slide_blocks(slide)), page=number)
        for number, slide in enumerate(presentation.slides, start=1)
    )
    properties = read_office_properties(path)
    return Extract(
        kind="markdown",
        sections=sections,
        property_title=properties.get("title", ""),
        metadata=properties,
    )


def _read_slide_blocks(slide: Any) -> Iterator[str]:
    """Yield the title of a slide, its shapes and its notes as blocks of Markdown."""
    title = slide.shapes.title
    if title is not None and title.text_frame.text.strip():
        yield "# " + " ".join(title.text_frame.text.split())
    for shape in _iterate_leaves(slide.shapes):
        if title is None or shape.shape_id != title.shape_id:
            yield from _read_shape_blocks(shape)
    notes = slide.notes_slide.notes_text_frame if slide.has_notes_slide else None
    if notes is not None and notes.text.strip():
        yield f"Notes: {notes.text.strip()}"


def _iterate_leaves(shapes: Iterable[Any]) -> Iterator[Any]:
    """Yield the shapes that are no groups, also those inside of groups."""
    for shape in shapes:
        if hasattr(shape, "shapes"):
            yield from _iterate_leaves(shape.shapes)
        else:
            yield shape


def _read_shape_blocks(shape: Any) -> Iterator[str]:
    """Yield the text of a shape as a list, or its table."""
    if shape.has_text_frame:
        lines = [line for p in shape.text_frame.paragraphs if (line := " ".join(p.text.split()))]
        yield "\n".join(f"- {line}" for line in lines) if len(lines) > 1 else "".join(lines)
    elif getattr(shape, "has_chart", False):
        yield chart_to_markdown(shape.chart.part.blob)
    elif getattr(shape, "has_table", False):
        rows = [[" ".join(cell.text.split()) for cell in row.cells] for row in shape.table.rows]
        header, *others = [f"| {' | '.join(row)} |" for row in rows]
        yield "\n".join([header, "|" + " --- |" * len(rows[0]), *others])
