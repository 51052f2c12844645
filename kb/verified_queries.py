"""Verified queries of a file, and those that somebody saves: each runs before it is kept."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import sqlalchemy as sa
import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from engines.language import question_language
from engines.tables.query_result import QueryResult, Run
from engines.verified.parameters import parameters_of
from kb.config import Config
from stores.errors import ConfigError, EngineError, KBError, StoreError
from stores.verified_queries import Value, VerifiedQueries, VerifiedQuery
from stores.words import words

_LOG = logging.getLogger(__name__)
_NAME_WORDS = 6
_Text = Annotated[str, Field(min_length=1)]
_Name = Annotated[str, Field(min_length=1, max_length=190)]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    name: _Name
    question: _Text
    sql: _Text
    verified_by: _Name
    verified_at: date
    language: str | None = None
    parameters: dict[str, Value] = {}
    wordings: tuple[_Text, ...] = ()
    descriptions: dict[str, str] = {}
    units: dict[str, str] = {}


_ENTRIES = TypeAdapter(list[_Entry])


def open_verified_queries(config: Config, engine: sa.Engine) -> VerifiedQueries:
    """Those that were saved, and those of tables.verified_queries as the file is now.

    Raises ConfigError for a file that is missing or wrong.
    """
    queries, file = VerifiedQueries(engine), config.tables.verified_queries
    if file and not file.exists():
        raise ConfigError(
            f"tables.verified_queries names {file}, which is not there. Correct it, or set it to "
            "null."
        )
    for name in queries.load(read_verified_queries(file) if file else []):
        _LOG.warning("%s holds %r, but one of that name was saved before, and stays.", file, name)
    return queries


def read_verified_queries(file: Path) -> list[VerifiedQuery]:
    """Raises ConfigError with the entry that is wrong."""
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"The verified queries in {file} cannot be read: {error}") from error
    try:
        entries = _ENTRIES.validate_python(content or [])
    except ValidationError as error:
        raise ConfigError(f"{file}: {_first_mistake(error, content)}") from error
    queries = [_query(entry) for entry in entries]
    _check(queries, file)
    return queries


def new_query(
    question: str,
    sql: str,
    verified_by: str,
    today: date,
    *,
    name: str | None = None,
    parameters: Mapping[str, Value] | None = None,
) -> VerifiedQuery:
    """A query to save; its name is that of the question's words unless it is given."""
    return VerifiedQuery(
        name=name or "_".join(words(question)[:_NAME_WORDS]) or "query",
        question=question,
        sql=sql.strip(),
        language=question_language(question),
        verified_by=verified_by,
        verified_at=today,
        parameters=parameters or {},
    )


def save(
    queries: VerifiedQueries, query: VerifiedQuery, run: Run, *, replace: bool = False
) -> QueryResult:
    """Run it with the defaults of its parameters, and keep it when that works.

    Raises StoreError when there is one of its name, unless it is to be replaced.
    """
    if not replace and any(known.name == query.name for known in queries.all()):
        raise StoreError(
            f"There is a verified query {query.name!r}. Choose another name, or remove it first."
        )
    result = try_out(query, run)
    queries.save(query)
    return result


def try_out(query: VerifiedQuery, run: Run) -> QueryResult:
    """Raises EngineError, StoreError when its SQL cannot be read, is refused or fails."""
    parameters_of(query)
    return run(query.sql, query.parameters)


def verify(
    queries: VerifiedQueries,
    run: Run,
    names: Sequence[str] = (),
    *,
    verified_by: str | None = None,
    today: date,
) -> dict[str, str]:
    """Run those named, or all; why some fail, by their names. The others count as `verified_by`'s.

    Without `verified_by` nothing is written.
    """
    tried = [queries.one(name) for name in names] or queries.all()
    failures = failing(tried, run)
    if verified_by:
        for query in tried:
            if query.name not in failures:
                queries.confirm(query.name, verified_by, today)
    return failures


def failing(queries: Iterable[VerifiedQuery], run: Run) -> dict[str, str]:
    """Why some do not run any more, by their names."""
    failures: dict[str, str] = {}
    for query in queries:
        try:
            try_out(query, run)
        except KBError as error:
            failures[query.name] = str(error)
    return failures


def _query(entry: _Entry) -> VerifiedQuery:
    values = entry.model_dump()
    values["language"] = entry.language or question_language(entry.question)
    return VerifiedQuery(**values, origin="file")


def _check(queries: Sequence[VerifiedQuery], file: Path) -> None:
    names = [query.name for query in queries]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ConfigError(f"{file} holds {', '.join(sorted(twice))} twice. Rename one.")
    for query in queries:
        try:
            parameters_of(query)
        except EngineError as error:
            raise ConfigError(f"{file}: {error}") from error


def _first_mistake(error: ValidationError, content: Any) -> str:
    mistake = error.errors()[0]
    place, *rest = mistake["loc"] or ("",)
    entry = content[place] if isinstance(content, list) and isinstance(place, int) else {}
    name = entry.get("name", f"entry {place}") if isinstance(entry, dict) else f"entry {place}"
    return f"{name}: {'.'.join(map(str, rest))}: {mistake['msg']}."
