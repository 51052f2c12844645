"""Types an answer with its evidence, as every engine gives it and every reader takes it.

At LlamaIndex's border it is a dict, `Response.metadata`. `Answer.metadata` alone makes that, and
`answer_of` alone reads it back. A new field of an answer stands here and where it is filled; the
JSON of the command line, of HTTP and of MCP follow.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from engines.visible_text import make_visible
from stores.text.translations import Message

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from engines.tables.query_result import QueryResult

RouteName = Literal["documents", "database", "both"]
T = TypeVar("T", bound="DataclassInstance")

# Marks a field that the metadata leave out where it is None; other fields are always there.
_IF_KNOWN: Final = {"if_known": True}


@dataclass(frozen=True)
class Statement:
    """What a number stands behind: from one character of the answer's text to another.

    `quote` are the words of the passage that it rests on, "" where they are not known.
    """

    begin: int
    end: int
    quote: str = ""


@dataclass(frozen=True)
class Citation:
    """What a number in an answer refers to; `chunk` is the id of the passage, `score` 0 to 1.

    Each time that the number stands in the text it follows one of the `statements`, in their order.
    `inferred` says that the answer cites nothing, and that kb found the passage by its words.
    """

    number: int
    document: str
    title: str = ""
    page: int | None = field(default=None, metadata=_IF_KNOWN)
    lines: str | None = field(default=None, metadata=_IF_KNOWN)
    score: float = 0.0
    excerpt: str = ""
    root: str | None = None
    chunk: str = ""
    sheet: str | None = field(default=None, metadata=_IF_KNOWN)
    statements: Sequence[Statement] | None = field(default=None, metadata=_IF_KNOWN)
    inferred: bool | None = field(default=None, metadata=_IF_KNOWN)

    @property
    def place(self) -> str:
        """Where in its document the passage stands, in words, as far as that is known."""
        return describe_place(self.page, self.lines, self.sheet)


WORKBOOK: Final = "spreadsheet"
"""What the media types of all workbooks hold."""


def find_sheet(metadata: Mapping[str, Any]) -> str | None:
    """Return the name of the sheet on which a passage of a workbook stands, None for any other."""
    is_in_workbook = WORKBOOK in str(metadata.get("media_type"))
    return str(metadata["sheet"]) if is_in_workbook and metadata.get("sheet") else None


def describe_place(page: int | None, lines: str | None, sheet: str | None) -> str:
    """Say where in its document a passage stands; the lines of a sheet are its rows."""
    if page is not None:
        return Message("page {n}", n=page)
    if sheet and lines:
        return Message("sheet {sheet}, rows {n}", sheet=make_visible(sheet), n=lines)
    return Message("lines {n}", n=lines) if lines else ""


@dataclass(frozen=True)
class Attempt:
    """A statement of a model that did not work, and the reason."""

    sql: str
    error: str


@dataclass(frozen=True)
class TableResult:
    """The statement as it ran, what was bound in it, and its rows as the driver types them.

    `truncated` says that there were more rows, `verified` who has verified the statement,
    `rows_as_of` when rows were read that were kept, as ISO 8601 in UTC.
    `attempts` are those of a model before it.
    """

    sql: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[Any]] = ()
    truncated: bool = False
    verified: Mapping[str, Any] | None = None
    attempts: Sequence[Attempt] | None = field(default=None, metadata=_IF_KNOWN)
    rows_as_of: str | None = field(default=None, metadata=_IF_KNOWN)

    def with_rows(self, result: "QueryResult") -> "TableResult":
        """Return this with what the statement gave."""
        as_of = result.as_of.isoformat() if result.as_of else None
        found = replace(self, columns=result.columns, rows=result.rows, rows_as_of=as_of)
        return replace(found, truncated=result.truncated)


@dataclass(frozen=True)
class Joining:
    """How documents and tables were both asked: one first, the documents about these names."""

    first: Literal["documents", "database"] | None = None
    names: Sequence[str] = ()


@dataclass(frozen=True)
class Timings:
    """The milliseconds of each step, in the order in which they were taken."""

    steps: Mapping[str, float] = field(default_factory=dict)

    def add(self, step: str, milliseconds: float) -> "Timings":
        """Return these and one more step; the time of a step that is taken again adds up."""
        total = self.steps.get(step, 0.0) + milliseconds
        return Timings({**self.steps, step: round(total, 1)})

    @property
    def seconds(self) -> float:
        return sum(self.steps.values()) / 1000


@dataclass(frozen=True)
class AnsweredTurn:
    """The turn of a chat session that an answer belongs to.

    `standalone` is the question as it was put to the sources, None when that is as it was asked.
    """

    turn_id: str
    turn: int
    status: str
    standalone: str | None = None
    rewritten_by: str = ""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


@dataclass(frozen=True)
class Answer:
    """The words of an answer, where they are from, and how they came about.

    The route is None where no source was asked; `errors` has why a source failed, by its name;
    `search` says how the documents were searched. While an answer streams, its `text` is not in
    it yet, and what depends on the text, as the citations, is not known.
    """

    text: str = ""
    route: RouteName | None = None
    route_reason: str = ""
    joining: Joining | None = None
    citations: Sequence[Citation] = ()
    tables: TableResult = field(default_factory=TableResult)
    errors: Mapping[str, str] = field(default_factory=dict)
    timings: Timings = field(default_factory=Timings)
    model: str | None = None
    search: Mapping[str, Any] | None = field(default=None, metadata=_IF_KNOWN)
    chat_turn: AnsweredTurn | None = None

    def metadata(self) -> dict[str, Any]:
        """Return the answer as `Response.metadata` holds it, whose text is the response's own."""
        return dict(_list_values(self))

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, Any], text: str = "") -> "Answer":
        """Read back what `metadata` wrote, today or in an older version, which knew less."""
        tables = _read_fields(TableResult, metadata)
        if tried := metadata.get("attempts"):
            tables = replace(tables, attempts=[_read_fields(Attempt, attempt) for attempt in tried])
        return replace(
            _read_fields(Answer, metadata),
            text=text,
            joining=_read_fields(Joining, metadata) if "names" in metadata else None,
            citations=[_read_citation(cited) for cited in metadata.get("citations") or ()],
            tables=tables,
            timings=Timings(metadata.get("timings") or {}),
            chat_turn=_read_fields(AnsweredTurn, metadata) if "turn_id" in metadata else None,
        )


def answer_of(response: Any) -> Answer:
    """Read the answer from a response of LlamaIndex; of a stream, as far as it is read."""
    text = getattr(response, "response", None)
    return Answer.from_metadata(response.metadata or {}, text or "")


# The fields of these parts stand among those of the answer wherever it is written.
_PARTS: Final = {"joining": Joining, "tables": TableResult, "chat_turn": AnsweredTurn}


def list_keys(kind: "type[DataclassInstance]") -> tuple[str, ...]:
    """List the keys that metadata have for an answer or a part of it, in order of the fields."""
    parts = [
        list_keys(_PARTS[known.name]) if known.name in _PARTS else (known.name,)
        for known in fields(kind)
        if known.name != "text"
    ]
    return tuple(chain.from_iterable(parts))


def _list_values(known: "DataclassInstance") -> Iterator[tuple[str, Any]]:
    """Yield the keys of an answer or a part of it, with their values in plain dicts and lists.

    Dates and decimal numbers stay what they are; whoever writes JSON says how.
    """
    for part in fields(known):
        value = getattr(known, part.name)
        is_missing = value is None and part.metadata.get("if_known", part.name in _PARTS)
        if is_missing or part.name == "text":
            continue
        if part.name in _PARTS:
            yield from _list_values(value)
        else:
            yield part.name, _to_plain_value(value)


def _to_plain_value(value: Any) -> Any:
    match value:
        case Timings():
            return dict(value.steps)
        case Citation() | Statement() | Attempt():
            return dict(_list_values(value))
        case Mapping():
            return dict(value)
        case list() | tuple():
            return [_to_plain_value(part) for part in value]
    return value


def _read_citation(metadata: Mapping[str, Any]) -> Citation:
    cited = _read_fields(Citation, metadata)
    if cited.statements is None:
        return cited
    return replace(
        cited, statements=[_read_fields(Statement, each) for each in metadata["statements"]]
    )


def _read_fields(kind: type[T], metadata: Mapping[str, Any]) -> T:
    """Read what metadata hold under the names of the fields; the rest has its default."""
    names = (part.name for part in fields(kind))
    return kind(**{name: metadata[name] for name in names if metadata.get(name) is not None})
