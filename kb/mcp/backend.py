"""The knowledge base as the tools and resources of MCP ask it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

from anyio.to_thread import run_sync
from llama_index.core.vector_stores.types import MetadataFilters

from engines.answer import TableResult, answer_of
from engines.model_calls import ModelCalls
from engines.visible_text import hide_places
from kb import filter_options as comparisons
from kb.api.answer_events import AnswerUnderWay, begin_answer
from kb.api.counted_answers import make_answer
from kb.api.guards.access import Caller
from kb.api.guards.limits import Limits
from kb.api.json_filters import metadata_filters
from kb.api.named_choices import require_profile
from kb.api.problem_codes import Code
from kb.api.problems import Problem, translate_missing
from kb.app import KnowledgeBase
from kb.assembly.answer_sources import Source
from kb.config.sections import Config
from kb.document_files import Library
from kb.mcp import tool_results as results
from kb.mcp import tool_results_from_answers as as_results
from kb.mcp.document_text import chunk_document_uri, chunk_text, join_chunks, with_front_matter
from kb.mcp.tool_results import chunk_uri

_NOTHING_PASSES = "Nothing that passes the filters was found. Without them there may be passages."
_WRITE_SQL = "Or write the SELECT yourself, from what describe_database tells, and give it as sql."

_log = logging.getLogger(__name__)

OnFound = Callable[[str], Awaitable[None]]


@dataclass(frozen=True)
class Backend:
    """What answers the requests of MCP; what a `Caller` may not see is not there.

    Its methods raise KBError and Problem.
    """

    kb: KnowledgeBase
    limits: Limits

    @classmethod
    def open(cls, config: Config) -> Self:
        return cls(KnowledgeBase.open(config, say=_log.info), Limits(config.serve))

    @staticmethod
    def identify_caller(request: Any) -> Caller:
        """Return who sent an HTTP request; without one it is whoever has started this process."""
        return request.state.caller if request else Caller()

    def seen_by(self, caller: Caller) -> Self:
        """Return this as a caller sees it."""
        return self if caller.groups is None else replace(self, kb=self.kb.seen_by(caller.groups))

    @property
    def library(self) -> Library:
        return Library(self.kb.components.registry, self.kb.vector_store)

    def search_passages(
        self,
        caller: Caller,
        question: str,
        top_k: int | None,
        filters: Sequence[str],
        profile: str | None,
    ) -> results.Passages:
        caller.require_subject("documents")
        require_profile(self.kb.config, profile)
        matching = _filter_for_caller(filters, caller)
        found = self.kb.search(
            *(question, top_k),
            filters=matching,
            profile=profile,
            user=caller.name,
            exact=False,  # models quote what they were told, and mean no condition
        )
        return results.Passages(
            passages=[
                as_results.passage_to_result(number, passage)
                for number, passage in enumerate(found, start=1)
            ],
            note="" if found else _NOTHING_PASSES if filters else "Nothing was found.",
        )

    async def answer_question(
        self,
        caller: Caller,
        question: str,
        source: Source,
        *,
        top_k: int | None,
        filters: Sequence[str],
        profile: str | None,
        on_found: OnFound,
    ) -> results.AnswerResult:
        """Answer a question; `on_found` gets the route before the answer is written."""
        require_profile(self.kb.config, profile)
        self.limits.share_statements(caller)
        source, matching = caller.choose_source(source), _filter_for_caller(filters, caller)

        async def begin() -> AnswerUnderWay:
            under_way = await begin_answer(
                *(self.kb, question, source),
                top_k=top_k,
                filters=matching,
                profile=profile,
                user=caller.name,
            )
            await on_found(f"Answering from {under_way.answer.route or 'no source'}")
            return under_way

        await self.limits.require_tokens(caller)
        return as_results.answer_to_result(await make_answer(begin, caller, self.limits))

    async def query_tables(
        self, caller: Caller, question: str, limit: int
    ) -> tuple[results.Rows, Mapping[str, str]]:
        """Return the rows that answer a question, and why there are none when it failed."""
        self._require_tables(caller)
        self.limits.share_statements(caller)
        make = partial(self.kb.database_engine, synthesize_response=False, user=caller.name)
        engine = await asyncio.to_thread(make)
        await self.limits.require_tokens(caller)
        calls = ModelCalls()
        try:
            with calls.listen():
                response: Any = await engine.aquery(question)
        finally:
            await self.limits.count_tokens(caller, sum(calls.count_tokens() or (0, 0)))
        answer = answer_of(response)
        note = "" if answer.tables.rows else f"{hide_places(answer.text)}\n\n{_WRITE_SQL}"
        return as_results.rows_to_result(answer.tables, limit, note), answer.errors

    async def run_statement(self, caller: Caller, sql: str, limit: int) -> results.Rows:
        self._require_tables(caller)
        self.limits.share_statements(caller)
        async with self.limits.take_statement():
            return await run_sync(self._read_rows, sql, limit)  # to its end, also when nobody waits

    def _read_rows(self, sql: str, limit: int) -> results.Rows:
        found = self.kb.components.tables.run(sql)
        return as_results.rows_to_result(TableResult(sql).with_rows(found), limit)

    def describe_tables(self, caller: Caller, names: Sequence[str] | None) -> results.Database:
        self._require_tables(caller)
        known = self.kb.components.tables.get_usable_table_names()
        if missing_tables := {*(names or ())}.difference(known):
            raise Problem(
                Code.NO_SUCH_TABLE,
                {"names": ", ".join(sorted(missing_tables)), "known": ", ".join(sorted(known))},
            )
        tables = [
            self.kb.components.tables.metadata_obj.tables[name]
            for name in sorted({*(names or known)})
        ]
        told = self.kb.config.tables.descriptions
        return as_results.tables_to_result(tables, told, are_named=bool(names))

    def list_documents(
        self,
        caller: Caller,
        *,
        root: str | None = None,
        search: str | None = None,
        status: str | None = None,
        offset: int = 0,
        limit: int = 100,
    ) -> results.Documents:
        page, total = self.library.documents.list_page(
            status=status,
            roots=caller.list_visible_roots(root),
            search=search,
            offset=offset,
            limit=limit,
        )
        following = offset + len(page)
        return results.Documents(
            documents=list(map(as_results.document_to_result, page)),
            total=total,
            offset=offset,
            next_offset=following if page and following < total else None,
        )

    def read_document(self, caller: Caller, root: str, path: str) -> str:
        """Return the metadata of a document, then its indexed text."""
        caller.require_subject("documents")
        if not caller.may_see(root):
            raise Problem(Code.NO_SUCH_DOCUMENT)
        with translate_missing(Code.NO_SUCH_DOCUMENT):
            document = self.library.documents.one_around(root, path)
        metadata = as_results.document_to_result(document).model_dump(exclude_none=True)
        return with_front_matter(metadata, join_chunks(self.library.list_chunks(document)))

    def read_passage(self, caller: Caller, chunk_id: str) -> str:
        """Return the metadata of a passage with its neighbours' addresses, then its text."""
        caller.require_subject("documents")
        found = self.library.find_passage(chunk_id, 1)
        if found is None or not caller.may_see(found.chunk.metadata.get("root")):
            raise Problem(Code.PASSAGE_CHANGED)
        chunk = found.chunk
        neighbours = {
            name: chunk_uri(near.node_id)
            for name, nodes in (("previous", found.before), ("next", found.after))
            for near in nodes
        }
        metadata = {"document": chunk_document_uri(chunk), **neighbours, **chunk.metadata}
        return with_front_matter(metadata, chunk_text(chunk))

    def _require_tables(self, caller: Caller) -> None:
        caller.require_subject("tables")
        if not self.kb.config.tables.include:
            raise Problem(Code.NO_TABLES)


def _filter_for_caller(filters: Iterable[str], caller: Caller) -> MetadataFilters | None:
    both = (comparisons.metadata_filters(filters), metadata_filters({}, caller))
    parts = [part for part in both if part]
    return MetadataFilters(filters=list(parts)) if parts else None
