"""The results of the tools: typed, for programs, and as text that a model reads."""

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import quote

from mcp_types import CallToolResult, TextContent
from pydantic import BaseModel, ConfigDict, Field, create_model

from engines.answer import (
    Answer,
    Joining,
    TableResult,
    describe_place,
    find_sheet,
    list_keys,
)
from engines.documents.cited_text import make_inert
from engines.shortening import cut
from kb.answer_json import ANSWER
from kb.plain_markdown import escape_markdown, fence_text

_CELL_CHARACTERS: Final = 300  # in the text; the structured result holds more
_PART_CHARACTERS: Final = 20_000

_CUT: Final = (
    "(That is not all: there are more rows, or longer cells. Choose a larger limit or fewer "
    "columns, aggregate, or page with LIMIT and OFFSET.)"
)

Cell: TypeAlias = str | int | float | bool | None


class Readable(BaseModel):
    """A result that `to_text` writes for a model."""

    @abstractmethod
    def to_text(self) -> str: ...


class Passage(BaseModel):
    number: int
    uri: str = Field(description="The resource that holds the passage")
    document: str = Field(description="The resource that holds the whole document")
    title: str
    path: str | None
    headings: str | None
    page: int | None
    lines: str | None
    score: float = Field(description="0 to 1")
    text: str
    metadata: dict[str, Any] = Field(description="What else can be filtered by")


class Passages(Readable):
    passages: list[Passage]
    note: str = Field(description="What is said in the place of passages")

    def to_text(self) -> str:
        return "\n\n".join(map(_render_passage, self.passages)) or self.note


class Part(Readable):
    uri: str
    content: str
    offset: int = Field(description="Where in the text the part begins, in characters")
    total: int = Field(description="How many characters the text has")
    next_offset: int | None = Field(description="Where the next part begins; none after the last")

    def to_text(self) -> str:
        if not self.content:
            return f"(The text ends at {self.total}.)"
        more = f"(Goes on at offset {self.next_offset} of {self.total}.)"
        return _join_paragraphs(fence_text(self.content), more if self.next_offset else "")


class Citation(BaseModel):
    number: int = Field(description="The answer refers to it as [number]")
    uri: str = Field(description="The resource that holds the passage")
    document: str = Field(description="The resource that holds the whole document")
    title: str
    path: str
    page: int | None
    lines: str | None
    sheet: str | None
    score: float
    excerpt: str
    inferred: bool | None = Field(
        description="True where the answer cites nothing and kb found the passage by its words"
    )


class Rows(Readable):
    sql: str | None
    parameters: dict[str, Any] = Field(
        description="The values of the :names in the SQL; write them out in SQL of your own"
    )
    columns: list[str]
    rows: list[list[Cell]] = Field(description="Decimals and dates as text")
    truncated: bool = Field(description="Whether there are more rows, or longer cells")
    verified: dict[str, Any] | None = Field(description="Who has verified this SQL, and when")
    note: str = Field(description="What is said in the place of rows")

    def to_text(self) -> str:
        return _join_paragraphs(
            make_inert(self.note) or _render_rows(self),
            _render_sql(self.sql, self.parameters, self.verified),
        )


# What tells how an answer came about, which no model needs.
_NOT_FOR_MODELS: Final = {*list_keys(Joining), "timings", "search"}


def _fields() -> dict[str, Any]:
    """The fields of an answer by their names, as pydantic takes them."""
    known = {field.name: field.type for kind in (Answer, TableResult) for field in fields(kind)}
    names = ("answer", *(key for key in ANSWER if key not in _NOT_FOR_MODELS))
    return {name: (known.get(name, str), ...) for name in names}


class AnswerResult(create_model("AnswerFields", __base__=Readable, **_fields())):  # type: ignore[misc]  # so that it has every field
    model_config = ConfigDict(title="Answer")

    route_reason: str | None
    citations: list[Citation]
    rows: list[list[Cell]] = Field(description="Decimals and dates as text")
    errors: dict[str, str] = Field(description="The sources that failed, and why")
    model: str | None = Field(description="The language model that wrote; none when kb quotes")

    def to_text(self) -> str:
        sources = "\n".join(map(_render_citation, self.citations))
        return _join_paragraphs(
            self.answer,
            f"Sources:\n{sources}" if sources else "",
            _render_sql(self.sql, self.parameters, None),
        )


class Column(BaseModel):
    name: str
    type: str
    nullable: bool
    comment: str


class ForeignKey(BaseModel):
    columns: list[str]
    table: str
    referred_columns: list[str]


class Table(BaseModel):
    name: str
    comment: str
    columns: list[Column]
    primary_key: list[str]
    foreign_keys: list[ForeignKey]


class Database(Readable):
    tables: list[Table]
    note: str = Field(description="What is left out")

    def to_text(self) -> str:
        return make_inert(_join_paragraphs(*map(_render_table, self.tables), self.note))


class Document(BaseModel):
    uri: str = Field(description="The resource that holds its text")
    root: str
    path: str
    title: str | None
    status: Literal["indexed", "failed"]
    reason: str | None = Field(description="Why it could not be indexed")
    media_type: str | None
    language: str | None
    size: int | None = Field(description="Bytes")
    modified_at: str | None
    indexed_at: str | None


class Documents(Readable):
    documents: list[Document]
    total: int = Field(description="How many match in all")
    offset: int
    next_offset: int | None = Field(description="Where the next page begins; none after the last")

    def to_text(self) -> str:
        if not self.total:
            return "No document matches."
        lines = [f"{len(self.documents)} of {self.total} documents, from {self.offset}."]
        lines += map(_render_document, self.documents)
        if self.next_offset is not None:
            lines.append(f"More: offset {self.next_offset}.")
        return "\n".join(lines)


def cut_part(uri: str, text: str, offset: int) -> Part:
    """Cut the part of a text that begins at an offset."""
    end = offset + _PART_CHARACTERS
    return Part(
        uri=uri,
        content=text[offset:end],
        offset=offset,
        total=len(text),
        next_offset=end if end < len(text) else None,
    )


def to_tool_result(readable: Readable, *, is_error: bool = False) -> CallToolResult:
    return CallToolResult(
        content=[TextContent(type="text", text=readable.to_text())],
        structured_content=readable.model_dump(mode="json"),
        is_error=is_error,
    )


def document_uri(root: str | None, path: str | None) -> str:
    return f"kb://documents/{quote(root or '', safe='')}/{quote(path or '')}"


def chunk_uri(chunk_id: str) -> str:
    return f"kb://chunks/{quote(chunk_id, safe=':')}"


def _render_passage(passage: Passage) -> str:
    place = describe_place(passage.page, passage.lines, find_sheet(passage.metadata))
    named = _join_names([passage.title, passage.headings, passage.path, place])
    return f"[{passage.number}] {named}\n{passage.uri}\n{fence_text(passage.text)}"


def _render_citation(citation: Citation) -> str:
    place = describe_place(citation.page, citation.lines, citation.sheet)
    named = _join_names([citation.title, citation.path, place])
    note = " (not cited by the answer, found by its words)" if citation.inferred else ""
    return f"[{citation.number}] {named}: {citation.uri}{note}"


def _join_names(parts: Iterable[str | None]) -> str:
    """Join names on one line, whatever a document calls itself."""
    return " · ".join(dict.fromkeys(escape_markdown(part) for part in parts if part))


def _join_paragraphs(*parts: str) -> str:
    return "\n\n".join(filter(None, parts))


def _render_sql(
    sql: str | None, parameters: Mapping[str, Any], verified: Mapping[str, Any] | None
) -> str:
    if not sql:
        return ""
    lines = ["SQL:", fence_text(sql, "sql")]
    lines += [f":{name} = {escape_markdown(str(value))}" for name, value in parameters.items()]
    if verified:
        who, when = escape_markdown(verified["verified_by"]), verified["verified_at"]
        lines.append(f"Verified by {who} on {when} for “{escape_markdown(verified['question'])}”.")
    return "\n".join(lines)


def _render_rows(found: Rows) -> str:
    if not found.rows:
        return "No rows."
    lines = [
        " | ".join(row) for row in (found.columns, *(map(_render_cell, row) for row in found.rows))
    ]
    rows = fence_text("\n".join(lines))
    return f"{rows}\n{_CUT}" if found.truncated else rows


def _render_cell(cell: Cell) -> str:
    return cut("NULL" if cell is None else " ".join(str(cell).split()), _CELL_CHARACTERS)


def _render_table(table: Table) -> str:
    lines = [f"{table.name}{_render_comment(table.comment)}"]
    lines += [
        f"- {column.name} {column.type}{'' if column.nullable else ' NOT NULL'}"
        f"{_render_comment(column.comment)}"
        for column in table.columns
    ]
    if table.primary_key:
        lines.append(f"PRIMARY KEY ({', '.join(table.primary_key)})")
    lines += [
        f"FOREIGN KEY ({', '.join(key.columns)}) REFERENCES {key.table} "
        f"({', '.join(key.referred_columns)})"
        for key in table.foreign_keys
    ]
    return "\n".join(lines)


def _render_comment(text: str) -> str:
    return f": {text}" if text else ""


def _render_document(document: Document) -> str:
    state = f"failed: {document.reason}" if document.status == "failed" else ""
    return f"- {_join_names([document.title, document.path, state])} {document.uri}"
