"""The WHERE clause of a statement over chunks, with the values that it binds; pure, no database.

Without LlamaIndex, which takes seconds to import; its filters are in `metadata_filters`.
"""

import json
import re
import zlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from stores.audiences import Groups, bind_groups, require_visible_document
from stores.chunks.metadata_terms import Terms
from stores.errors import UnsupportedFilter

INDEXED_CHARACTERS = 190
_AS_TEXT = "COLLATE utf8mb4_uca1400_ai_ci"  # the chunk table's own, for words that people read
_CUTTING = re.compile(r"[.\[\]*\"'\\\x00-\x1f]")


def to_json_path(key: str) -> str:
    """Write the JSON path of one top-level metadata key. Raises UnsupportedFilter.

    MariaDB 11.8 finds no key behind `$."-`, but one behind `$.-`, where some characters cut it.
    """
    if not key.startswith("-"):
        return f"$.{json.dumps(key, ensure_ascii=False)}"
    if _CUTTING.search(key):
        raise UnsupportedFilter(
            f"The filter key {key!r} begins with - and holds a dot, a bracket, a star or a quote: "
            "MariaDB cannot look for it. Name it otherwise."
        )
    return f"$.{key}"


def name_filter_column(key: str) -> str:
    """The generated column that indexes a declared filter key.

    Names of columns do not tell upper from lower case, but keys do.
    """
    if key == key.lower():
        return f"f_{key}"
    return f"f_{key.lower()}${zlib.crc32(key.encode()):x}"


@dataclass
class Where:
    """Conditions joined by AND, with the values that they bind.

    `terms` are those of the postings without which no chunk meets them; `names_chunks` says that
    they name chunks or documents, which an index finds. With `groups`, these must be allowed to see
    the document of a chunk.
    """

    filter_keys: Collection[str] = ()
    conditions: list[str] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)
    terms: Terms | None = None
    names_chunks: bool = False
    groups: Groups | None = None

    def __post_init__(self) -> None:
        if self.groups is not None:
            self.values["groups"] = bind_groups(self.groups)

    def __str__(self) -> str:
        conditions = [*self.conditions]
        if self.groups is not None:
            conditions.append(require_visible_document("document_id", ":groups"))
        return " AND ".join(conditions) or "TRUE"

    def __bool__(self) -> bool:
        return bool(self.conditions) or self.groups is not None

    def bind(self, value: Any) -> str:
        name = f"w{len(self.values)}"
        self.values[name] = value
        return f":{name}"

    def require_any(self, column: str, values: Iterable[str | int]) -> None:
        """Require that a column of ids holds one of these values."""
        self.names_chunks = True
        self.conditions.append(f"{column} IN ({', '.join(map(self.bind, values))})")

    def copy(self) -> "Where":
        return replace(self, conditions=[*self.conditions], values={**self.values})

    def require_keys(self, seqs: Iterable[int]) -> None:
        """Require one of these keys of chunks, however many they are."""
        columns = "COLUMNS (listed INT UNSIGNED PATH '$')"
        self.names_chunks = True
        rows = f"JSON_TABLE({self.bind(json.dumps(list(seqs)))}, '$[*]' {columns}) AS listing"
        self.conditions.append(f"seq IN (SELECT listed FROM {rows})")  # noqa: S608 - names only; the keys are bound

    def require_phrase(self, phrase: str) -> None:
        """Require these words beside each other, whatever their case and the space between.

        They may stand in the text, or in the title or the headings above it.
        """
        pattern = self.bind(r"\s+".join(map(re.escape, phrase.split())))
        above = (f"JSON_VALUE(metadata, '$.{key}') {_AS_TEXT}" for key in ("title", "headings"))
        tests = (f"IFNULL({place} REGEXP {pattern}, FALSE)" for place in ("text", *above))
        self.conditions.append(f"({' OR '.join(tests)})")
