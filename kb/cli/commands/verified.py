"""Verified queries on the command line: saved, listed, removed, and run to see that they work."""

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
from kb.cli.language import gettext, ngettext, translate_message
from kb.cli.opening import open_knowledge_base
from kb.cli.program import ExitCode
from kb.cli.terminal import OUT, fit_on_one_line, make_printable, say, show_waiting
from stores.errors import ConfigError, EngineError, StoreError
from stores.text.translations import Message, gettext_noop

if TYPE_CHECKING:
    from kb.app import KnowledgeBase
    from stores.values import Value
    from stores.verified_queries import Editor, VerifiedQuery

_ACTIONS = {
    "saved": gettext_noop("saved by {who}"),
    "confirmed": gettext_noop("confirmed by {who}"),
    "removed": gettext_noop("removed by {who}"),
}
_NONE = Message("There are no verified queries. `kb sql QUESTION --save` keeps one.")


@dataclass(frozen=True)
class QueryToSave:
    """A query to save: without `statement` a model writes it, without `by` the user checked it."""

    question: str
    statement: str | None
    name: str | None
    by: str | None
    parameters: Sequence[str]


def list_queries(config: Path | None, *, as_json: bool) -> None:
    with open_knowledge_base(config) as knowledge_base:
        queries = knowledge_base.components.verified_queries.list_queries()
    if as_json:
        _print_json([asdict(query) for query in queries])
        return
    for query in queries:
        _show_query(OUT, query)
    if not queries:
        OUT.print(translate_message(_NONE))


def remove_queries(names: Sequence[str], config: Path | None, *, as_json: bool) -> None:
    with open_knowledge_base(config) as knowledge_base:
        queries = knowledge_base.components.verified_queries
        removed = [queries.one(name) for name in dict.fromkeys(names)]
        if loaded := next((query.name for query in removed if query.origin == "file"), None):
            of_file = gettext(
                "{name} is of the file {file}, and would come back with it. Take it out of the "
                "file."
            )
            file = knowledge_base.config.tables.verified_queries
            raise StoreError(of_file.format(name=loaded, file=file))
        by = _current_editor()
        for query in removed:
            queries.remove(query.name, by)
    gone = [query.name for query in removed]
    if as_json:
        _print_json({"removed": gone})
    else:
        names_removed = ", ".join(map(fit_on_one_line, gone))
        OUT.print(Text(gettext("Removed {names}.").format(names=names_removed)), soft_wrap=True)


def verify_queries(
    names: Sequence[str], by: str | None, config: Path | None, *, as_json: bool
) -> None:
    """Run verified queries to see that they work; the exit code is 1 when one fails."""
    from kb import verified_query_file

    with (
        open_knowledge_base(config) as knowledge_base,
        show_waiting(gettext("Running the verified queries")),
    ):
        queries, run = (
            knowledge_base.components.verified_queries,
            knowledge_base.components.tables.run,
        )
        failures = verified_query_file.verify_queries(
            queries, run, names, verified_by=by, today=_today_utc(), by=_current_editor()
        )
        tried = [query for query in queries if not names or query.name in names]
    working = [query for query in tried if query.name not in failures]
    if as_json:
        failed = [{"name": name, "reason": reason} for name, reason in failures.items()]
        works = [query.name for query in working]
        _print_json({"working": works, "failed": failed, "verified_by": by})
    else:
        _show_verification(working, failures, by)
    if failures:
        raise typer.Exit(ExitCode.FAILED)


def show_versions(name: str, config: Path | None, *, as_json: bool) -> None:
    """Show what became of a saved query, also when it is gone."""
    with open_knowledge_base(config) as knowledge_base:
        versions = knowledge_base.components.verified_queries.list_versions(name)
    if as_json:
        _print_json([asdict(version) for version in versions])
        return
    for version in versions:
        by = version.changed_by
        who = gettext("the key {name}").format(name=by) if version.by_key else by
        what = gettext(_ACTIONS[version.action]).format(who=who)
        when = f"{version.changed_at:%Y-%m-%d %H:%M} UTC"
        heading = (f"{version.number}  {fit_on_one_line(what)}, {when}", "bold")
        OUT.print(Text.assemble(heading), soft_wrap=True)
        _show_query(OUT, version.query)


def save_query(asked: QueryToSave, config: Path | None, *, as_json: bool) -> None:
    """Run the statement, and keep it with the question when it works."""
    from kb import verified_query_file

    by = asked.by or _current_user()
    with open_knowledge_base(config) as knowledge_base, show_waiting(gettext("Asking the tables")):
        _require_unanswered_question(knowledge_base, asked.question)
        query = verified_query_file.new_query(
            asked.question,
            asked.statement or _ask_model_for_sql(knowledge_base, asked.question),
            by,
            _today_utc(),
            name=asked.name,
            parameters=parse_parameters(asked.parameters),
        )
        matcher, run = (
            knowledge_base.components.verified_matcher,
            knowledge_base.components.tables.run,
        )
        query, result = verified_query_file.save_query(
            knowledge_base.components.verified_queries, matcher, query, run, _current_editor()
        )
        recognised = matcher.match(asked.question) is not None
    found = TableResult(query.sql, dict(query.parameters)).with_rows(result)
    if as_json:
        from engines.tables import query_result

        bound = {"sql": found.sql, "parameters": found.parameters, "model": None}
        rows = {**asdict(result), "rows": query_result.as_json(result.rows)}
        _print_json({"saved": asdict(query), "recognised": recognised, **bound, **rows})
    else:
        _show_saved_query(query, found, recognised=recognised)


def _require_unanswered_question(knowledge_base: "KnowledgeBase", question: str) -> None:
    """Raise an error when a verified query answers already, before a model is asked for SQL."""
    from stores.verified_queries import refuse_question

    if match := knowledge_base.components.verified_matcher.match(question):
        raise refuse_question(match.query)


def _ask_model_for_sql(knowledge_base: "KnowledgeBase", question: str) -> str:
    """Return the SQL that the model writes for a question, once it runs."""
    if knowledge_base.components.llm is None:
        raise ConfigError(
            gettext(
                "llm.provider is none, so no model writes the SQL. Give it by --sql, or set "
                "llm.provider and llm.model in config.yaml."
            )
        )
    engine = knowledge_base.database_engine(synthesize_response=False)
    answer = answer_of(engine.query(question))
    if answer.tables.sql is None:
        raise EngineError(gettext("Nothing was saved. {reason}").format(reason=answer.text))
    return answer.tables.sql


def _current_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError) as error:
        nameless = gettext("say --by WHO, as this account has no name")
        raise typer.BadParameter(nameless) from error


def _current_editor() -> "Editor":
    """Return who runs the command, whatever name they give as theirs."""
    from stores.verified_queries import Editor

    try:
        return Editor(getpass.getuser())
    except (KeyError, OSError):
        return Editor("local")


def parse_parameters(assignments: Sequence[str]) -> dict[str, "Value"]:
    """Parse NAME=VALUE, as --parameter is given."""
    return {
        name: _parse_value(value)
        for name, _, value in (assignment.partition("=") for assignment in assignments)
    }


def _parse_value(text: str) -> "Value":
    """Parse the value of a parameter; "2" in quotes is a text."""
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


def _today_utc() -> date:
    return datetime.now(UTC).date()


def _print_json(value: Any) -> None:
    from kb.cli.print_json import print_json

    print_json(value)


def _show_query(console: Console, query: "VerifiedQuery") -> None:
    """Show a query with its questions, its SQL, and who has checked it."""
    if query.origin == "file":
        about = gettext("the file, checked by {name} on {day}")
    elif query.key:
        about = gettext("saved by the key {key}, checked by {name} on {day}")
    else:
        about = gettext("saved, checked by {name} on {day}")
    about = about.format(key=query.key, name=query.verified_by, day=query.verified_at)
    console.print(
        Text.assemble((fit_on_one_line(query.name), "bold"), (f"  {fit_on_one_line(about)}", "dim"))
    )
    for text in (query.question, *query.wordings):
        console.print(Text(f"  {fit_on_one_line(text)}"), soft_wrap=True)
    for line in make_printable(query.sql).strip().splitlines():
        console.print(Text(f"    {line}", "dim"), soft_wrap=True)
    if query.parameters:
        values = ", ".join(f"{name} = {value}" for name, value in query.parameters.items())
        bound = gettext("with {values}").format(values=fit_on_one_line(values))
        console.print(Text(f"    {bound}", "dim"), soft_wrap=True)


def _show_saved_query(query: "VerifiedQuery", found: TableResult, *, recognised: bool) -> None:
    from engines.tables.result_text import as_text
    from kb.cli.rendering.answers import show_answer
    from kb.cli.rendering.rows import show_rows

    show_answer(OUT, as_text(found, query.language))
    OUT.print()
    show_rows(OUT, found, in_words=False)
    OUT.print()
    saved = gettext("Saved as {name}, checked by {who}.")
    name, who = fit_on_one_line(query.name), fit_on_one_line(query.verified_by)
    OUT.print(Text(saved.format(name=name, who=who)))
    if not recognised:
        example = gettext(
            "kb does not know the question by its words, so the query is an example for a model "
            "and answers nothing by itself."
        )
        say(example, "yellow")


def _show_verification(
    working: "Sequence[VerifiedQuery]", failures: Mapping[str, str], by: str | None
) -> None:
    """Show which queries work; who has checked one of the file is written there."""
    saved = [query.name for query in working if by and query.origin == "saved"]
    others = [query.name for query in working if query.name not in saved]
    if others:
        works = ngettext("{names}: works.", "{names}: work.", len(others))
        _print_line(works.format(names=", ".join(others)))
    if saved:
        counts = ngettext(
            "{names}: works, and counts as checked by {who}.",
            "{names}: work, and count as checked by {who}.",
            len(saved),
        )
        _print_line(counts.format(names=", ".join(saved), who=by))
    for name, reason in failures.items():
        OUT.print(
            Text.assemble((fit_on_one_line(name), "bold red"), f": {fit_on_one_line(reason)}")
        )
    if not (working or failures):
        OUT.print(translate_message(_NONE))


def _print_line(line: str) -> None:
    OUT.print(Text(fit_on_one_line(line)), soft_wrap=True)
