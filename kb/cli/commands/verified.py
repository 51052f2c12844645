"""Verified queries on the command line: kept, listed, removed, and run to see that they work."""

import getpass
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.text import Text

from engines.answer import TableResult, answer_of
from kb.cli.opening import opened
from kb.cli.program import ExitCode
from kb.cli.terminal import OUT, one_line, printable, say, waiting
from stores.errors import ConfigError, EngineError, StoreError

if TYPE_CHECKING:
    from kb.app import KnowledgeBase
    from stores.verified_queries import Editor, Value, VerifiedQuery

_NONE = "There are no verified queries. `kb sql QUESTION --save` keeps one."


@dataclass(frozen=True)
class ToSave:
    """Without a `statement` the model writes it; without `by` it is who runs the command."""

    question: str
    statement: str | None
    name: str | None
    by: str | None
    parameters: Sequence[str]


def show_all(config: Path | None, *, as_json: bool) -> None:
    with opened(config) as knowledge_base:
        queries = knowledge_base.components.verified_queries.all()
    if as_json:
        _print_json([asdict(query) for query in queries])
        return
    for query in queries:
        _show(OUT, query)
    if not queries:
        OUT.print(_NONE)


def remove(names: Sequence[str], config: Path | None, *, as_json: bool) -> None:
    with opened(config) as knowledge_base:
        queries = knowledge_base.components.verified_queries
        removed = [queries.one(name) for name in dict.fromkeys(names)]
        if loaded := next((query.name for query in removed if query.origin == "file"), None):
            raise StoreError(
                f"{loaded} is of the file {knowledge_base.config.tables.verified_queries}, and "
                "would come back with it. Take it out of the file."
            )
        by = _editor()
        for query in removed:
            queries.remove(query.name, by)
    gone = [query.name for query in removed]
    if as_json:
        _print_json({"removed": gone})
    else:
        OUT.print(Text(f"Removed {', '.join(map(one_line, gone))}."), soft_wrap=True)


def verify(names: Sequence[str], by: str | None, config: Path | None, *, as_json: bool) -> None:
    """Ends with 1 when one of them fails."""
    from kb.verified_query_file import verify as run_each

    with opened(config) as knowledge_base, waiting("Running the verified queries"):
        queries, run = (
            knowledge_base.components.verified_queries,
            knowledge_base.components.tables.run,
        )
        failures = run_each(queries, run, names, verified_by=by, today=_today(), by=_editor())
        tried = [query for query in queries if not names or query.name in names]
    working = [query for query in tried if query.name not in failures]
    if as_json:
        failed = [{"name": name, "reason": reason} for name, reason in failures.items()]
        works = [query.name for query in working]
        _print_json({"working": works, "failed": failed, "verified_by": by})
    else:
        _show_tried(working, failures, by)
    if failures:
        raise typer.Exit(ExitCode.FAILED)


def show_versions(name: str, config: Path | None, *, as_json: bool) -> None:
    """What became of one that was saved, also when it is gone."""
    with opened(config) as knowledge_base:
        versions = knowledge_base.components.verified_queries.list_versions(name)
    if as_json:
        _print_json([asdict(version) for version in versions])
        return
    for version in versions:
        what = f"{version.action} by {_known_as(version.changed_by, is_key=version.by_key)}"
        when = f"{version.changed_at:%Y-%m-%d %H:%M} UTC"
        heading = (f"{version.number}  {one_line(what)}, {when}", "bold")
        OUT.print(Text.assemble(heading), soft_wrap=True)
        _show(OUT, version.query)


def save(asked: ToSave, config: Path | None, *, as_json: bool) -> None:
    """Run the statement, and keep it with the question when it works."""
    from kb.verified_query_file import new_query
    from kb.verified_query_file import save as keep

    by = asked.by or _user()
    with opened(config) as knowledge_base, waiting("Asking the tables"):
        _require_new(knowledge_base, asked.question)
        query = new_query(
            asked.question,
            asked.statement or _written(knowledge_base, asked.question),
            by,
            _today(),
            name=asked.name,
            parameters=dict(map(_parameter, asked.parameters)),
        )
        matcher, run = (
            knowledge_base.components.verified_matcher,
            knowledge_base.components.tables.run,
        )
        query, result = keep(
            knowledge_base.components.verified_queries, matcher, query, run, _editor()
        )
        recognised = matcher.match(asked.question) is not None
    found = TableResult(query.sql, dict(query.parameters), **vars(result))
    if as_json:
        from engines.tables.query_result import as_json as cells

        bound = {"sql": found.sql, "parameters": found.parameters, "model": None}
        rows = {**asdict(result), "rows": cells(result.rows)}
        _print_json({"saved": asdict(query), "recognised": recognised, **bound, **rows})
    else:
        _show_saved(query, found, recognised=recognised)


def _require_new(knowledge_base: "KnowledgeBase", question: str) -> None:
    """Before a model is asked for the SQL."""
    from stores.verified_queries import refuse_question

    if match := knowledge_base.components.verified_matcher.match(question):
        raise refuse_question(match.query)


def _written(knowledge_base: "KnowledgeBase", question: str) -> str:
    """What the model writes, once it runs."""
    if knowledge_base.components.llm is None:
        raise ConfigError(
            "llm.provider is none, so no model writes the SQL. Give it by --sql, or set "
            "llm.provider and llm.model in config.yaml."
        )
    engine = knowledge_base.database_engine(synthesize_response=False)
    answer = answer_of(engine.query(question))
    if answer.tables.sql is None:
        raise EngineError(f"Nothing was saved. {answer.text}")
    return answer.tables.sql


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError) as error:
        raise typer.BadParameter("say --by WHO, as this account has no name") from error


def _editor() -> "Editor":
    """Who runs the command, whatever name they give as theirs."""
    from stores.verified_queries import Editor

    try:
        return Editor(getpass.getuser())
    except (KeyError, OSError):
        return Editor("local")


def _parameter(written: str) -> tuple[str, "Value"]:
    """NAME=VALUE; "2" in quotes is a text."""
    name, _, text = written.partition("=")
    return name, _value(text)


def _value(text: str) -> "Value":
    if len(text) > 1 and text[0] == text[-1] == '"':
        return text[1:-1]
    if re.fullmatch(r"-?\d{1,18}", text, re.ASCII):
        return int(text)
    if re.fullmatch(r"-?\d{1,30}\.\d{1,30}", text, re.ASCII):
        return Decimal(text)
    try:
        return date.fromisoformat(text)
    except ValueError:
        return text


def _today() -> date:
    return datetime.now(UTC).date()


def _print_json(value: Any) -> None:
    from kb.cli.print_json import print_json

    print_json(value)


def _show(console: Console, query: "VerifiedQuery") -> None:
    """Its questions, its SQL, and who has checked it."""
    owner = f"saved by {_known_as(query.key, is_key=True)}" if query.key else "saved"
    where = "the file" if query.origin == "file" else owner
    about = f"{where}, checked by {query.verified_by} on {query.verified_at}"
    console.print(Text.assemble((one_line(query.name), "bold"), (f"  {one_line(about)}", "dim")))
    for text in (query.question, *query.wordings):
        console.print(Text(f"  {one_line(text)}"), soft_wrap=True)
    for line in printable(query.sql).strip().splitlines():
        console.print(Text(f"    {line}", "dim"), soft_wrap=True)
    if query.parameters:
        values = ", ".join(f"{name} = {value}" for name, value in query.parameters.items())
        console.print(Text(f"    with {one_line(values)}", "dim"), soft_wrap=True)


def _known_as(name: str, *, is_key: bool) -> str:
    return f"the key {name}" if is_key else name


def _show_saved(query: "VerifiedQuery", found: TableResult, *, recognised: bool) -> None:
    from engines.tables.query_result import as_text
    from kb.cli.rendering.answers import show_answer
    from kb.cli.rendering.rows import show_rows

    show_answer(OUT, as_text(found, query.language))
    OUT.print()
    show_rows(OUT, found, in_words=False)
    OUT.print()
    OUT.print(Text(f"Saved as {one_line(query.name)}, checked by {one_line(query.verified_by)}."))
    if not recognised:
        say(
            "kb does not know the question by its words, so the query is an example for a model "
            "and answers nothing by itself.",
            "yellow",
        )


def _show_tried(
    working: "Sequence[VerifiedQuery]", failures: Mapping[str, str], by: str | None
) -> None:
    """Who has checked a query of the file is written there."""
    saved = [query.name for query in working if by and query.origin == "saved"]
    others = [query.name for query in working if query.name not in saved]
    if others:
        _say_working(others, "")
    if saved:
        _say_working(saved, f", and {'counts' if len(saved) == 1 else 'count'} as checked by {by}")
    for name, reason in failures.items():
        OUT.print(Text.assemble((one_line(name), "bold red"), f": {one_line(reason)}"))
    if not (working or failures):
        OUT.print(_NONE)


def _say_working(names: Sequence[str], besides: str) -> None:
    verb = "works" if len(names) == 1 else "work"
    OUT.print(Text(one_line(f"{', '.join(names)}: {verb}{besides}.")), soft_wrap=True)
