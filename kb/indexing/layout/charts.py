"""Read the charts of Office files: their titles, and what they draw as a table."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from defusedxml import ElementTree

from kb.indexing.layout.archive import open_archive

_CHART = re.compile(r"(?:word|xl|ppt)/charts/chart\d*\.xml")
_MOST_POINTS = 1_000


def read_charts(path: Path) -> list[str]:
    """Return every chart of a Word, Excel or PowerPoint file as Markdown."""
    with open_archive(path) as archive:
        names = sorted(name for name in archive.namelist() if _CHART.fullmatch(name))
        return [chart for name in names if (chart := chart_to_markdown(archive.read(name)))]


def chart_to_markdown(xml: bytes) -> str:
    """Return the title of a chart and a table of its series, "" where nothing is written."""
    chart = ElementTree.fromstring(xml)
    title = " ".join(_read_texts(chart.find(".//{*}chart/{*}title")))
    series = [
        (
            " ".join(_read_texts(each.find("{*}tx"))) or "value",
            _read_points(each, "cat", "xVal"),
            _read_points(each, "val", "yVal"),
        )
        for each in chart.iterfind(".//{*}plotArea//{*}ser")
    ]
    heading = f"**{title}**" if title else ""
    if not any(values for _, _, values in series):
        return heading
    categories = next((labels for _, labels, _ in series if labels), {})
    places = sorted({at for _, _, values in series for at in values})[:_MOST_POINTS]
    rows = [
        ["", *(name for name, _, _ in series)],
        *([categories.get(at, str(at + 1)), *(v.get(at, "") for *_, v in series)] for at in places),
    ]
    lines = [f"| {' | '.join(cell.replace('|', ' ') for cell in row)} |" for row in rows]
    lines.insert(1, "|" + " --- |" * len(rows[0]))
    return "\n\n".join(filter(None, [heading, "\n".join(lines)]))


def _read_texts(element: Any) -> Iterator[str]:
    """Yield the words of a title, which are written or come from a cell."""
    for part in element.iter() if element is not None else ():
        if part.tag.rpartition("}")[2] in ("t", "v") and part.text and part.text.strip():
            yield " ".join(part.text.split())


def _read_points(series: Any, *names: str) -> dict[int, str]:
    """Return the points of the first of these parts that a series has, by their places."""
    parts = [part for name in names if (part := series.find(f"{{*}}{name}")) is not None]
    return {
        int(point.get("idx", 0)): (point.findtext("{*}v") or "").strip()
        for part in parts[:1]
        for point in part.iterfind(".//{*}pt")
    }
