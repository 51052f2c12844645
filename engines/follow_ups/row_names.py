"""What a row of an answer is called: by a cell that tells it from the other rows."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from engines.tables.entities import EntityIndex

_NAMING: Final = re.compile(r"name|title|nom|titre|label", re.IGNORECASE)
_NUMBERING: Final = re.compile(
    r"(?:[a-z][a-z0-9_]*_)?(?:id|number|nr|no|code|ref|reference|numero)"
)
_MOST_ROWS: Final = 10
_MOST_CHARACTERS: Final = 200  # of a name


@dataclass(frozen=True)
class Item:
    """A row by its `value`, for which :`name` stands in front of a model.

    `column` is "" for what no table is known to hold.
    """

    value: str
    name: str = "item"
    column: str = ""


def name_rows(
    evidence: Mapping[str, Any], entities: EntityIndex | None, taken: int
) -> Sequence[Item]:
    """Name the first rows of an answer, numbered behind the `taken` names.

    None is named if one has no name.
    """
    rows = evidence.get("rows") or ()
    places = range(min(len(rows), _MOST_ROWS))
    found = [_name_row(evidence["columns"], rows, place, entities) for place in places]
    items = [
        replace(item, name=f"{item.name}_{number}")
        for number, item in enumerate(found, start=taken + 1)
        if item
    ]
    return items if len(items) == len(found) else []


def _name_row(
    columns: Sequence[str], rows: Sequence[Sequence[Any]], place: int, entities: EntityIndex | None
) -> Item | None:
    """Take a name that a table holds, else a cell in a column of names, else the number of a row.

    In an answer without those, the text that it begins with: a category, and its sum.
    """
    cells = list(_find_own_cells(columns, rows, place))
    texts = [(name, cell) for name, cell in cells if _is_text(cell)]
    texts.sort(key=lambda cell: not _NAMING.search(cell[0]))
    known = (_name_by_entity(cell, entities) for _, cell in texts)
    named = (Item(cell) for name, cell in texts if _NAMING.search(name))
    numbered = (_name_by_number(name, cell) for name, cell in cells)
    first = (Item(cell) for name, cell in texts if name == columns[0] and cell[0].isalpha())
    return next((item for found in (known, named, numbered, first) for item in found if item), None)


def _find_own_cells(
    columns: Sequence[str], rows: Sequence[Sequence[Any]], place: int
) -> Iterator[tuple[str, Any]]:
    """Yield the cells that no other row has in their column."""
    for at, (name, cell) in enumerate(zip(columns, rows[place], strict=False)):
        if sum(at < len(row) and row[at] == cell for row in rows) == 1:
            yield name, cell


def _is_text(cell: object) -> bool:
    return isinstance(cell, str) and len(cell.strip()) > 0 and len(cell) <= _MOST_CHARACTERS


def _name_by_entity(cell: str, entities: EntityIndex | None) -> Item | None:
    entity = entities.find_cell(cell) if entities else None
    if entity is None or entity.value != cell:
        return None
    return Item(cell, entity.name.rpartition("_")[0], entity.column)


def _name_by_number(column: str, cell: object) -> Item | None:
    """Return the order 1002, of the column order_id."""
    is_number = isinstance(cell, int) and not isinstance(cell, bool)
    if not _NUMBERING.fullmatch(column.lower()) or not (is_number or _is_text(cell)):
        return None
    return Item(str(cell), column.lower(), column)
