"""Questions to begin and to go on with, made of what is indexed; no model is asked for them."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from itertools import chain, islice, zip_longest
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from llama_index.core.vector_stores.types import MetadataFilters

from engines.answer import Answer
from engines.visible_text import make_visible
from kb.assembly.answer_sources import Source
from kb.considered import list_considered
from stores.errors import ConfigError, KBError, StoreError
from stores.registry.document_list import Chosen, DocumentList, ListedDocument
from stores.searches.search_log import SearchLog
from stores.table_names import split_table_name
from stores.text.translations import Message
from stores.verified_queries import VerifiedQuery

if TYPE_CHECKING:
    from kb.assembly.components import Components

_LOOKED_THROUGH: Final = 50  # documents
_MOST_PASSAGES: Final = 5  # of each, for a heading
_MOST_CHARACTERS: Final = 120  # of a title or a heading that a question can hold
_CHOICE_CHARACTERS: Final = 50  # of a column that holds choices rather than texts
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Suggestion:
    """A question, a Message where kb has written it, and where it is to be asked."""

    question: str
    source: Source


def suggest_questions(
    components: "Components", language: str, roots: Sequence[str] | None, limit: int
) -> list[Suggestion]:
    """Suggest questions to begin with: verified ones, and some on documents and on tables.

    What is in the language comes first, others of the documents each day. `roots` None stands for
    every one of those that whoever asks may see.
    """
    kinds = [
        _list_verified(components, language),
        _ask_of_documents(components, language, roots, limit),
        _ask_of_tables(components),
    ]
    return _take_turns(kinds, limit)


def suggest_follow_ups(
    components: "Components",
    answer: Answer,
    filters: MetadataFilters | None,
    user: str | None,
    limit: int,
) -> list[Suggestion]:
    """Suggest questions behind an answer.

    They are on what its search found and it does not cite, and verified ones on its tables.
    """
    kinds = [
        _list_related(components, answer),
        _ask_of_uncited(components, answer, filters, user),
    ]
    return _take_turns(kinds, limit)


def _take_turns(kinds: Iterable[Iterable[Suggestion]], limit: int) -> list[Suggestion]:
    mixed = chain.from_iterable(zip_longest(*kinds))
    return list(islice(filter(None, mixed), limit))


def _list_verified(components: "Components", language: str) -> list[Suggestion]:
    queries = _read_verified(components)
    own = [query for query in queries if query.language == language]
    return [Suggestion(query.question, "auto") for query in own or queries]


def _read_verified(components: "Components") -> list[VerifiedQuery]:
    """Read the verified queries; there are none where no tables are, or while they are away."""
    try:
        return components.verified_queries.list_queries()
    except ConfigError:
        return []
    except StoreError as error:
        _log.warning("No verified query can be suggested: %s", error)
        return []


def _ask_of_documents(
    components: "Components", language: str, roots: Sequence[str] | None, limit: int
) -> Iterator[Suggestion]:
    """Ask of documents of different folders, a heading of each."""
    registry = components.registry
    documents = DocumentList(registry.engine, registry.groups)
    behind = sha256(datetime.now(UTC).date().isoformat().encode()).hexdigest()[:32]
    found = documents.list_some(Chosen("indexed", roots), behind, _LOOKED_THROUGH)
    by_folder: dict[tuple[str, str], ListedDocument] = {}
    for document in sorted(found, key=lambda each: each.language != language):
        folder = str(PurePosixPath(document.path).parent)
        if document.title and len(document.title) <= _MOST_CHARACTERS:
            by_folder.setdefault((document.root, folder), document)
    for document in list(by_folder.values())[:limit]:
        passages = documents.list_passages(registry.table, document, limit=_MOST_PASSAGES)
        headings = [heading for each in passages if (heading := _find_heading(each.metadata))]
        asked = next((each for each in headings if each.endswith("?")), None)
        yield _ask_about(document.title or "", asked or next(iter(headings), ""))


def _find_heading(metadata: dict[str, Any]) -> str:
    """Return the nearest heading over a passage, "" where there is none or it is long."""
    heading = str(metadata.get("headings") or "").rpartition(" > ")[2]
    return heading if len(heading) <= _MOST_CHARACTERS else ""


def _ask_about(title: str, heading: str) -> Suggestion:
    """Ask about a part of a document; a heading that is a question is asked as it is."""
    title, heading = make_visible(title), make_visible(heading)
    if heading.endswith("?"):
        return Suggestion(heading, "documents")
    if heading and heading != title:
        question = Message(
            "What does “{title}” say about “{heading}”?", title=title, heading=heading
        )
        return Suggestion(question, "documents")
    return Suggestion(Message("What does “{title}” say?", title=title), "documents")


def _ask_of_tables(components: "Components") -> Iterator[Suggestion]:
    """Ask how many rows the tables have, by a choice that they hold; a model writes the SQL."""
    if components.llm is None:
        return
    try:
        tables = components.tables
        names = sorted(tables.get_usable_table_names())
    except KBError as error:
        _log.info("No question on tables can be suggested: %s", error)
        return
    for name in names:
        plain = split_table_name(name)[-1].replace("_", " ")
        choices = tables.text_columns(name, _CHOICE_CHARACTERS)
        if choices:
            column = choices[0].replace("_", " ")
            question = Message(
                "How many {table} are there by {column}?", table=plain, column=column
            )
        else:
            question = Message("How many {table} are there?", table=plain)
        yield Suggestion(question, "database")


def _list_related(components: "Components", answer: Answer) -> list[Suggestion]:
    """List the verified queries on the tables of an answer's statement, but for its own."""
    if not answer.tables.sql:
        return []
    tables = components.tables
    own = (answer.tables.verified or {}).get("name")
    read = set(tables.list_named_tables(answer.tables.sql))
    return [
        Suggestion(query.question, "database")
        for query in _read_verified(components)
        if query.name != own and read & set(tables.list_named_tables(query.sql))
    ]


def _ask_of_uncited(
    components: "Components", answer: Answer, filters: MetadataFilters | None, user: str | None
) -> Iterator[Suggestion]:
    """Ask about the parts of documents that the search of an answer found, and it does not cite."""
    if not answer.search:
        return
    log, store = SearchLog(components.engine), components.vector_store
    try:
        found = list_considered(log, store, answer.search["id"], filters, user)
    except StoreError:  # searches need not be logged
        return
    parts = [
        (each.citation, str(metadata.get("title") or ""), _find_heading(metadata))
        for each in found
        if each.passage and (metadata := each.passage.metadata)
    ]
    told = {(title, heading) for citation, title, heading in parts if citation}
    for _, title, heading in parts:
        if heading and title and len(title) <= _MOST_CHARACTERS and (title, heading) not in told:
            told.add((title, heading))
            yield _ask_about(title, heading)
