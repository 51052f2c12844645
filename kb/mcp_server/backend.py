"""A knowledge base as the tools and resources of MCP see it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Self

import sqlalchemy as sa
import yaml
from llama_index.core.schema import BaseNode, MetadataMode, NodeWithScore
from llama_index.core.vector_stores.types import MetadataFilters

from engines.chat.model_calls import ModelCalls
from engines.tables.query_result import as_json
from kb.app import KnowledgeBase
from kb.cli import filters as comparisons
from kb.cli.as_json import answer_values
from kb.config import Config
from kb.library import Library
from kb.mcp_server import results
from kb.mcp_server.results import chunk_uri, document_uri
from kb.server.access import Caller
from kb.server.answers import Answer, asked
from kb.server.asking import require_profile, whole
from kb.server.filters import metadata_filters
from kb.server.limits import Limits
from kb.server.plain import plain, without_places
from kb.server.problems import Problem, missing
from kb.sources import Source
from stores.document_list import ListedDocument

_DOCUMENT_CHARACTERS: Final = 1_000_000  # of a resource; the rest is read passage by passage
_CELL_CHARACTERS: Final = 10_000
_log = logging.getLogger(__name__)

OnFound = Callable[[str], Awaitable[None]]


@dataclass(frozen=True)
class Backend:
    """Raises KBError and Problem; what a `Caller` may not see is not there."""

    kb: KnowledgeBase
    limits: Limits

    @classmethod
    def open(cls, config: Config) -> Self:
        return cls(KnowledgeBase.open(config, say=_log.info), Limits(config.serve))

    @staticmethod
    def caller(request: Any) -> Caller:
        """Who sent an HTTP request; without one it is whoever has started this process."""
        return request.state.caller if request else Caller()

    @property
    def library(self) -> Library:
        return Library(self.kb.registry, self.kb.vector_store, self.kb.config.uploads)

    def search(
        self,
        caller: Caller,
        question: str,
        top_k: int | None,
        filters: Sequence[str],
        profile: str | None,
    ) -> results.Passages:
        require_profile(self.kb, profile)
        matching = _filters(filters, caller)
        found = self.kb.search(question, top_k, filters=matching, profile=profile)
        return results.Passages(
            passages=[_passage(number, each) for number, each in enumerate(found, start=1)]
        )

    async def ask(
        self,
        caller: Caller,
        question: str,
        source: Source,
        *,
        top_k: int | None,
        filters: Sequence[str],
        profile: str | None,
        on_found: OnFound,
    ) -> results.Answer:
        """`on_found` is told the route when the answer is about to be written."""
        require_profile(self.kb, profile)
        matching = _filters(filters, caller)

        async def begin() -> Answer:
            answer = await asked(
                self.kb, question, source, top_k=top_k, filters=matching, profile=profile
            )
            await on_found(f"Answering from {answer.metadata['route'] or 'nothing'}")
            return answer

        await self.limits.require_tokens(caller)
        return _answer(await whole(begin, caller, self.limits))

    async def query(
        self, caller: Caller, question: str, limit: int
    ) -> tuple[results.Rows, dict[str, str]]:
        """The rows that answer a question, and why there are none when it failed."""
        self._require_tables()
        make = partial(self.kb.database_engine, synthesize_response=False)
        engine = await asyncio.to_thread(make)
        await self.limits.require_tokens(caller)
        calls = ModelCalls()
        try:
            with calls.listening():
                response: Any = await engine.aquery(question)
        finally:
            await self.limits.count_tokens(caller, sum(calls.tokens() or (0, 0)))
        values: dict[str, Any] = plain(answer_values(response))
        note = "" if values["rows"] else without_places(str(response))
        return _rows(values, limit, note), values["errors"]

    def run(self, sql: str, limit: int) -> results.Rows:
        self._require_tables()
        found = self.kb.tables.run(sql)
        values = {
            "sql": sql,
            "columns": found.columns,
            "rows": as_json(found.rows),
            "truncated": found.truncated,
        }
        return _rows(values, limit)

    def describe(self) -> results.Database:
        self._require_tables()
        tables = self.kb.tables
        told = self.kb.config.tables.descriptions
        names = sorted(tables.get_usable_table_names())
        return results.Database(
            tables=[_table(tables.metadata_obj.tables[name], told) for name in names]
        )

    def documents(
        self,
        caller: Caller,
        *,
        root: str | None = None,
        search: str | None = None,
        status: str | None = None,
        offset: int = 0,
        limit: int = 100,
    ) -> results.Documents:
        page, total = self.library.documents.page(
            status=status, roots=_roots(caller, root), search=search, offset=offset, limit=limit
        )
        following = offset + len(page)
        return results.Documents(
            documents=list(map(_document, page)),
            total=total,
            offset=offset,
            next_offset=following if page and following < total else None,
        )

    def document(self, caller: Caller, root: str, path: str) -> str:
        """Metadata, then the indexed text."""
        if not caller.sees(root):
            raise Problem(404, "There is no such document")
        with missing("document"):
            document = self.library.documents.one(root, path)
        told = _document(document).model_dump(exclude_none=True)
        return _with_front_matter(told, _whole_text(self.library.chunks(document)))

    def passage(self, caller: Caller, chunk_id: str) -> str:
        """Metadata, the neighbours' addresses among them, then the text."""
        found = self.library.passage(chunk_id, 1)
        if found is None or not caller.sees(found.chunk.metadata.get("root")):
            raise Problem(404, "There is no such passage")
        chunk = found.chunk
        neighbours = {
            name: chunk_uri(near.node_id)
            for name, nodes in (("previous", found.before), ("next", found.after))
            for near in nodes
        }
        told = {"document": _document_of(chunk), **neighbours, **chunk.metadata}
        return _with_front_matter(told, _text(chunk))

    def _require_tables(self) -> None:
        if not self.kb.config.tables.include:
            told = "Whoever runs this server names some in tables.include of its configuration."
            raise Problem(409, "No table can be queried", told)


def _filters(filters: Iterable[str], caller: Caller) -> MetadataFilters | None:
    both = (comparisons.metadata_filters(filters), metadata_filters({}, caller))
    parts = [each for each in both if each]
    return MetadataFilters(filters=list(parts)) if parts else None


def _roots(caller: Caller, root: str | None) -> list[str] | None:
    if root is not None:
        return [root] if caller.sees(root) else []
    return None if caller.collections is None else list(caller.collections)


def _passage(number: int, found: NodeWithScore) -> results.Passage:
    metadata = found.metadata
    return results.Passage(
        number=number,
        uri=chunk_uri(found.node_id),
        document=_document_of(found.node),
        title=metadata.get("title") or metadata.get("path") or "",
        path=metadata.get("path"),
        headings=metadata.get("headings"),
        page=metadata.get("page"),
        lines=metadata.get("lines"),
        score=found.get_score(),
        text=_text(found.node),
        metadata=metadata,
    )


def _answer(values: Mapping[str, Any]) -> results.Answer:
    rows, is_cut = _cells(values["rows"] or [])
    told = {
        key: values[key] for key in ("answer", "route", "route_reason", "sql", "verified", "model")
    }
    return results.Answer(
        **told,
        citations=list(map(_citation, values["citations"] or [])),
        parameters=values["parameters"] or {},
        columns=list(values["columns"] or ()),
        rows=rows,
        truncated=bool(values["truncated"]) or is_cut,
        errors=values["errors"] or {},
    )


def _citation(cited: Mapping[str, Any]) -> results.Citation:
    return results.Citation(
        number=cited["number"],
        uri=chunk_uri(cited["chunk"]),
        document=document_uri(cited["root"], cited["document"]),
        title=cited["title"],
        path=cited["document"],
        page=cited.get("page"),
        lines=cited.get("lines"),
        score=cited["score"],
        excerpt=cited["excerpt"],
    )


def _rows(values: Mapping[str, Any], limit: int, note: str = "") -> results.Rows:
    all_rows = values["rows"] or []
    rows, is_cut = _cells(all_rows[:limit])
    return results.Rows(
        sql=values["sql"],
        parameters=values.get("parameters") or {},
        columns=list(values["columns"] or ()),
        rows=rows,
        truncated=bool(values["truncated"]) or is_cut or len(all_rows) > limit,
        verified=values.get("verified"),
        note=note,
    )


def _cells(rows: Sequence[Sequence[Any]]) -> tuple[list[list[Any]], bool]:
    """The rows with no cell longer than a client can be expected to read, and whether one was."""
    cut = [
        [f"{cell[:_CELL_CHARACTERS]} …" if _is_long(cell) else cell for cell in row] for row in rows
    ]
    return cut, any(_is_long(cell) for row in rows for cell in row)


def _is_long(cell: object) -> bool:
    return isinstance(cell, str) and len(cell) > _CELL_CHARACTERS


def _table(table: sa.Table, told: Mapping[str, str]) -> results.Table:
    columns = [
        results.Column(
            name=column.name,
            type=str(column.type),
            nullable=bool(column.nullable),
            comment=told.get(f"{table.name}.{column.name}") or column.comment or "",
        )
        for column in table.columns
    ]
    return results.Table(
        name=table.name,
        comment=told.get(table.name) or table.comment or "",
        columns=columns,
        primary_key=[column.name for column in table.primary_key],
        foreign_keys=list(map(_foreign_key, table.foreign_key_constraints)),
    )


def _foreign_key(key: sa.ForeignKeyConstraint) -> results.ForeignKey:
    """By the names alone: the table that it leads to may not be one that can be asked."""
    referred = [element.target_fullname.rsplit(".", 1) for element in key.elements]
    return results.ForeignKey(
        columns=list(key.column_keys),
        table=referred[0][0],
        referred_columns=[column for _, column in referred],
    )


def _document(document: ListedDocument) -> results.Document:
    return results.Document(
        uri=document_uri(document.root, document.path),
        root=document.root,
        path=document.path,
        title=document.title,
        status=document.status,
        reason=document.reason and without_places(document.reason),
        media_type=document.media_type,
        language=document.language,
        size=document.size,
        modified_at=document.modified_at and f"{document.modified_at.isoformat()}Z",
        indexed_at=document.indexed_at and f"{document.indexed_at.isoformat()}Z",
    )


def _document_of(chunk: BaseNode) -> str:
    return document_uri(chunk.metadata.get("root"), chunk.metadata.get("path"))


def _text(chunk: BaseNode) -> str:
    return chunk.get_content(MetadataMode.NONE)


def _whole_text(chunks: Iterable[BaseNode]) -> str:
    """The passages one after another, under their headings, which they do not repeat."""
    parts: list[str] = []
    headings, characters = "", 0
    for chunk in chunks:
        text, above = _text(chunk), chunk.metadata.get("headings") or ""
        characters += len(text)
        if characters > _DOCUMENT_CHARACTERS and parts:
            parts.append(f"(The document goes on at {chunk_uri(chunk.node_id)})")
            break
        if above != headings and above:
            parts.append(f"## {above}")
        headings = above
        parts.append(text)
    return "\n\n".join(parts)


def _with_front_matter(told: Mapping[str, Any], text: str) -> str:
    header = yaml.safe_dump(dict(told), allow_unicode=True, sort_keys=False)
    return f"---\n{header}---\n\n{text}\n"
