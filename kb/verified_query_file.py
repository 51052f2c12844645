"""Verified queries of a file, and those that somebody saves: each runs before it is kept."""

import logging
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Final, TypeAlias

import sqlalchemy as sa
import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
)

from engines.answer_language import question_language
from engines.tables.query_result import QueryResult, Run
from engines.tables.sql_guard import LONGEST
from engines.verified.matching import VerifiedMatcher
from engines.verified.parameters import read_parameters
from kb.config.config_file import find_yaml_line
from kb.config.sections import Config
from kb.mistakes import describe_first_mistake, join_place
from stores.errors import ConfigError, EngineError, KBError
from stores.look_alikes import find_hidden
from stores.text.words import stem_words
from stores.values import Value
from stores.verified_queries import (
    Editor,
    Origin,
    VerifiedQueries,
    VerifiedQuery,
    refuse_question,
)

_LOG = logging.getLogger(__name__)
_NAME_WORDS = 6
_NAME_CHARACTERS: Final = 190
_VALUE_CHARACTERS: Final = 500
_SPACES = re.compile(r"[ \t\r\n]+")
# Control and format, which turn the direction of text or are seen by nobody; halves of pairs; what
# is unknown to this Unicode; breaks of lines.
_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_JOINERS: Final = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"  # of scripts and emoji


def _require_visible(text: str) -> str:
    """Refuse a text of which who checks a query would not see all."""
    for letter in text:
        if unicodedata.category(letter) in _HIDDEN and letter not in f"\t\r\n{_JOINERS}":
            raise ValueError(f"It holds U+{ord(letter):04X}, which nobody sees: take it out")
    return text


def _require_unmistakable(name: str) -> str:
    """Refuse a name with what nobody sees, by which two names could look alike."""
    if hidden := find_hidden(name):
        raise ValueError(f"It holds U+{ord(hidden):04X}, which nobody sees: take it out")
    return name


def _join_lines(text: Any) -> Any:
    return _SPACES.sub(" ", text).strip() if isinstance(text, str) else text


def _require_one_value(value: Any) -> Any:
    """Refuse what holds values, and say what stands for one: a declared type would be no value."""
    if not isinstance(value, dict | list):
        return value
    held = f"the keys {', '.join(map(str, value))}" if isinstance(value, dict) else "a list"
    raise ValueError(
        f"It holds {held:.80}: write one value, which is bound where a question names none: text, "
        "a number, a date or null, such as 2025"
    )


def _require_short(value: Value) -> Value:
    if len(_require_visible(str(value))) > _VALUE_CHARACTERS:
        raise ValueError(f"It has more than {_VALUE_CHARACTERS} characters")
    return value


_line = BeforeValidator(_join_lines)
_all_visible = AfterValidator(_require_visible)
QuestionText: TypeAlias = Annotated[
    str, Field(min_length=1, max_length=1_000, pattern=r"\S"), _line, _all_visible
]
QueryName: TypeAlias = Annotated[
    str,
    Field(min_length=1, max_length=_NAME_CHARACTERS, pattern=r"\S"),
    _line,
    AfterValidator(_require_unmistakable),
]
Sql: TypeAlias = Annotated[
    str, Field(min_length=1, max_length=LONGEST, pattern=r"\S"), _all_visible
]
_Word: TypeAlias = Annotated[str, Field(max_length=_NAME_CHARACTERS), _all_visible]
Parameters: TypeAlias = Annotated[
    dict[
        _Word,
        Annotated[Value, BeforeValidator(_require_one_value), AfterValidator(_require_short)],
    ],
    Field(max_length=50),
]
_Texts: TypeAlias = Annotated[
    dict[_Word, Annotated[str, Field(max_length=_VALUE_CHARACTERS), _all_visible]],
    Field(max_length=100),
]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    name: QueryName
    question: QuestionText
    sql: Sql
    verified_by: QueryName
    verified_at: date
    language: Annotated[str, Field(pattern="^[a-z]{2}$")] | None = None
    parameters: Parameters = {}
    wordings: Annotated[tuple[QuestionText, ...], Field(max_length=50)] = ()
    descriptions: _Texts = {}
    units: _Texts = {}


_ENTRIES = TypeAdapter(list[_Entry])


def open_verified_queries(config: Config, engine: sa.Engine) -> VerifiedQueries:
    """Open the queries that were saved, and those of tables.verified_queries as the file is now.

    Raises ConfigError for a file that is missing or wrong.
    """
    queries, file = VerifiedQueries(engine), config.tables.verified_queries
    if file and not file.exists():
        raise ConfigError(
            f"tables.verified_queries names {file}, which is not there. Correct it, or set it to "
            "null."
        )
    for name in queries.load(read_verified_queries(file) if file else []):
        _LOG.warning("%s holds %r, which hides one of that name that was saved.", file, name)
    return queries


def read_verified_queries(file: Path) -> list[VerifiedQuery]:
    """Read the verified queries of a file. Raises ConfigError with the entry that is wrong."""
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except yaml.MarkedYAMLError as error:
        line = find_yaml_line(error)
        raise ConfigError(
            f"The verified queries in {file} cannot be read: line {line}: {error.problem}."
        ) from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"The verified queries in {file} cannot be read: {error}") from error
    try:
        entries = _ENTRIES.validate_python(content or [])
    except ValidationError as error:
        raise ConfigError(f"{file}: {_describe_first_mistake(error, content)}") from error
    queries = [_make_query(entry, "file") for entry in entries]
    _require_consistent(queries, file)
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
    """Make a query to save; its name is that of the question's words unless it is given.

    Raises ConfigError for one that is too long, or holds what nobody sees.
    """
    values = {
        "name": name or _make_name(question),
        "question": question,
        "sql": sql,
        "verified_by": verified_by,
        "verified_at": today,
        "parameters": dict(parameters or {}),
    }
    try:
        entry = _Entry.model_validate(values)
    except ValidationError as error:
        place, reason = describe_first_mistake(error, values)
        raise ConfigError(f"The query cannot be kept: {join_place(place)}: {reason}.") from error
    return _make_query(entry)


def _make_name(question: str) -> str:
    name = "_".join(stem_words(question)[:_NAME_WORDS])
    seen = "".join(letter for letter in name if find_hidden(letter) is None)
    return seen[:_NAME_CHARACTERS] or "query"


def save_query(
    queries: VerifiedQueries,
    matcher: VerifiedMatcher,
    query: VerifiedQuery,
    run: Run,
    by: Editor,
    *,
    replace: bool = False,
) -> tuple[VerifiedQuery, QueryResult]:
    """Run a query with the defaults of its parameters, and keep it when that works.

    Raises VerifiedQueryConflict when there is one of its name, unless it is the editor's and to be
    replaced, and when another one answers the same.
    """
    if rival := matcher.find_rival(query):
        raise refuse_question(rival)
    result = try_out(query, run)
    return queries.save(query, by, replace=replace), result


def try_out(query: VerifiedQuery, run: Run) -> QueryResult:
    """Run a query once. Raises EngineError or StoreError when its SQL is refused or fails."""
    read_parameters(query)
    return run(query.sql, query.parameters)


def verify_queries(
    queries: VerifiedQueries,
    run: Run,
    names: Sequence[str] = (),
    *,
    verified_by: str | None = None,
    today: date,
    by: Editor,
) -> dict[str, str]:
    """Run the queries named, or all; return why some fail, by their names.

    With `verified_by` the others count as checked by them; not those of the file, which says itself
    who has checked what.
    """
    tried = [queries.one(name) for name in names] or queries.list_queries()
    failures = find_failures(tried, run)
    if verified_by:
        for query in tried:
            if query.origin == "saved" and query.name not in failures:
                queries.confirm(query.name, verified_by, today, by)
    return failures


def find_failures(queries: Iterable[VerifiedQuery], run: Run) -> dict[str, str]:
    """Return why some queries do not run any more, by their names."""
    failures: dict[str, str] = {}
    for query in queries:
        try:
            try_out(query, run)
        except KBError as error:
            failures[query.name] = str(error)
    return failures


def _make_query(entry: _Entry, origin: Origin = "saved") -> VerifiedQuery:
    values = entry.model_dump()
    values["language"] = entry.language or question_language(entry.question)
    return VerifiedQuery(**values, origin=origin)


def _require_consistent(queries: Sequence[VerifiedQuery], file: Path) -> None:
    names = [query.name for query in queries]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ConfigError(f"{file} holds {', '.join(sorted(twice))} twice. Rename one.")
    for query in queries:
        try:
            read_parameters(query)
        except EngineError as error:
            raise ConfigError(f"{file}: {error}") from error


def _describe_first_mistake(error: ValidationError, content: Any) -> str:
    place, reason = describe_first_mistake(error, content)
    match place:
        case (int(number), *rest):
            entry, counted = content[number], f"entry {number + 1}"
            name = entry.get("name", counted) if isinstance(entry, dict) else counted
            named = [str(name), join_place(tuple(rest)), reason]
        case _:
            named = ["all of it", reason]
    keys = [key for key, field in _Entry.model_fields.items() if field.is_required()]
    return f"{': '.join(filter(None, named))}. Each entry has {', '.join(keys)}."
