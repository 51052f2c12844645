"""The command `kb sql`: questions to the tables, and the verified queries."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.text import Text

from engines.answer import TableResult, answer_of
from kb.cli.commands import verified
from kb.cli.language import gettext
from kb.cli.opening import open_knowledge_base
from kb.cli.options import AsJson, ConfigPath
from kb.cli.program import ExitCode
from kb.cli.terminal import OUT, make_printable, say, show_waiting

_Form = Literal["text", "csv", "json"]


def _check_parameters(assignments: list[str] | None) -> list[str]:
    for assignment in assignments or []:
        name, equals, _ = assignment.partition("=")
        if not (equals and name.isascii() and name.isidentifier()):
            wrong = gettext("{text!r} is not NAME=VALUE")
            raise typer.BadParameter(wrong.format(text=assignment))
    return assignments or []


Words = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="QUESTION",
        help="The question; names of verified queries for --remove, --verify, --history.",
        show_default=False,
    ),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Show the SQL that would run, and run nothing.")
]
Save = Annotated[
    bool, typer.Option("--save", help="Keep the question and its SQL as a verified query.")
]
Statement = Annotated[
    str | None,
    typer.Option(
        "--sql",
        metavar="SQL",
        help="Run this SELECT of yours; with --save the SQL of the question, instead of a model's.",
    ),
]
Parameters = Annotated[
    list[str] | None,
    typer.Option(
        "--parameter",
        metavar="NAME=VALUE",
        callback=_check_parameters,
        help="What :NAME of --sql is when a question does not say. May be repeated.",
    ),
]
Name = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="The name to --save it by.  [default: of the question]"),
]
By = Annotated[
    str | None,
    typer.Option(metavar="WHO", help="Who has checked it.  [default of --save: who you are]"),
]
Listed = Annotated[bool, typer.Option("--list", help="List the verified queries.")]
Remove = Annotated[bool, typer.Option("--remove", help="Forget those named.")]
Verify = Annotated[
    bool,
    typer.Option(
        "--verify",
        help="Run those named, or all, and say which fail; with --by, the others count as "
        "checked today.",
    ),
]
AsCsv = Annotated[
    bool, typer.Option("--csv", help="Print the rows as CSV, made harmless for spreadsheets.")
]
History = Annotated[
    bool,
    typer.Option("--history", help="Show what was saved by that name, when, by whom, and removed."),
]


def sql(
    words: Words = None,
    dry_run: DryRun = False,
    save: Save = False,
    statement: Statement = None,
    parameters: Parameters = None,
    name: Name = None,
    by: By = None,
    listed: Listed = False,
    remove: Remove = False,
    verify: Verify = False,
    history: History = False,
    as_csv: AsCsv = False,
    as_json: AsJson = False,
    config: ConfigPath = None,
) -> None:
    """Answer from the business tables, and show the SQL behind it.

    What somebody has checked is kept as a verified query, which answers without a model. A
    statement of yours passes the same guard as a model's, and runs within the same limits.

    \b
    kb sql "What was our revenue in 2025?"
    kb sql "Which products are out of stock?" --dry-run
    kb sql --sql "SELECT country, COUNT(*) AS n FROM customers GROUP BY country" --csv
    kb sql "How many customers are in Lyon?" --save
    kb sql "Orders of 2025?" --save --parameter year=2025 \\
      --sql "SELECT COUNT(*) AS orders FROM orders WHERE YEAR(ordered_at) = :year"
    kb sql --list
    kb sql --verify --by "Inès Duarte"
    kb sql --remove orders_2025
    kb sql --history orders_2025
    """
    actions = {
        "--dry-run": dry_run,
        "--save": save,
        "--list": listed,
        "--remove": remove,
        "--verify": verify,
        "--history": history,
    }
    action = _find_only_action(actions)
    _check_options_fit(action, words, statement=statement, parameters=parameters, name=name, by=by)
    _check_form_fits(action, as_csv=as_csv, as_json=as_json)
    match action:
        case "--list":
            if words:
                raise typer.BadParameter(gettext("--list lists all: leave the question out"))
            verified.list_queries(config, as_json=as_json)
        case "--remove":
            verified.remove_queries(_require_query_names(words), config, as_json=as_json)
        case "--verify":
            verified.verify_queries(words or [], by, config, as_json=as_json)
        case "--history":
            verified.show_versions(_require_query_name(words), config, as_json=as_json)
        case "--save":
            question = _require_question(words)
            asked = verified.QueryToSave(question, statement, name, by, parameters or [])
            verified.save_query(asked, config, as_json=as_json)
        case _ if statement is not None:
            form: _Form = "csv" if as_csv else "json" if as_json else "text"
            _run_statement(statement, parameters or [], config, dry_run=dry_run, form=form)
        case _ if as_csv:
            _print_rows_of_answer(_require_question(words), config)
        case _:
            _answer_from_tables(_require_question(words), config, dry_run=dry_run, as_json=as_json)


def _check_form_fits(action: str | None, *, as_csv: bool, as_json: bool) -> None:
    if as_csv and (action or as_json):
        wrong = gettext("--csv goes without {option}").format(option=action or "--json")
        raise typer.BadParameter(wrong)


def _check_options_fit(
    action: str | None,
    words: list[str] | None,
    *,
    statement: str | None,
    parameters: list[str] | None,
    name: str | None,
    by: str | None,
) -> None:
    """Raise BadParameter for an option that says nothing to the chosen action."""
    if action != "--save" and name:
        raise typer.BadParameter(gettext("{option} goes with --save").format(option="--name"))
    if statement is not None and action not in (None, "--dry-run", "--save"):
        wrong = gettext("{option} goes with --save, or alone").format(option="--sql")
        raise typer.BadParameter(wrong)
    if statement is not None and words and action != "--save":
        raise typer.BadParameter(gettext("give a question or --sql, or both with --save"))
    if parameters and statement is None:
        raise typer.BadParameter(gettext("--parameter goes with --sql"))
    if by is not None and action not in ("--save", "--verify"):
        raise typer.BadParameter(gettext("--by goes with --save or --verify"))


def _find_only_action(actions: Mapping[str, bool]) -> str | None:
    chosen = [action for action, is_chosen in actions.items() if is_chosen]
    if len(chosen) > 1:
        raise typer.BadParameter(
            gettext("choose one of {options}").format(options=" and ".join(chosen))
        )
    return chosen[0] if chosen else None


def _require_query_names(words: list[str] | None) -> list[str]:
    if not words:
        raise typer.BadParameter(gettext("name the query; --list shows the names"))
    return words


def _require_query_name(words: list[str] | None) -> str:
    names = _require_query_names(words)
    if len(names) > 1:
        raise typer.BadParameter(gettext("name one query, not {n}").format(n=len(names)))
    return names[0]


def _require_question(words: list[str] | None) -> str:
    if not words:
        raise typer.BadParameter(gettext("ask a question"))
    if len(words) > 1:
        unquoted = gettext('put the question in quotes: "{question}"')
        raise typer.BadParameter(unquoted.format(question=" ".join(words)))
    if not words[0].strip():
        raise typer.BadParameter(gettext("the question is empty"))
    return words[0]


def _run_statement(
    statement: str,
    assignments: Sequence[str],
    config: Path | None,
    *,
    dry_run: bool,
    form: _Form,
) -> None:
    """Run a statement of the user's own, by the guard and the account that a model's has."""
    values = verified.parse_parameters(assignments)
    with open_knowledge_base(config) as knowledge_base:
        tables = knowledge_base.components.tables
        found = TableResult(statement, values)
        if dry_run:
            tables.check(statement, values)
        else:
            with show_waiting(gettext("Asking the tables")):
                found = found.with_rows(tables.run(statement, values))
    if form == "json":
        from kb.answer_json import table_to_values
        from kb.cli.print_json import print_json

        print_json(table_to_values(found))
    elif dry_run:
        OUT.print(Text(make_printable(statement)), soft_wrap=True)
    elif form == "csv":
        _print_csv(found)
    else:
        from kb.cli.rendering.rows import show_rows

        show_rows(OUT, found, in_words=True)


def _print_rows_of_answer(question: str, config: Path | None) -> None:
    """Print the rows that answer a question; the exit code is 1 where no SQL gave any."""
    with open_knowledge_base(config) as knowledge_base:
        engine = knowledge_base.database_engine(synthesize_response=False)
        with show_waiting(gettext("Asking the tables")):
            answer = answer_of(engine.query(question))
    if answer.tables.sql is None or "database" in answer.errors:
        say(answer.text)
        raise typer.Exit(ExitCode.FAILED)
    _print_csv(answer.tables)


def _print_csv(found: TableResult) -> None:
    from engines.tables.query_result import as_json
    from kb.cli.rendering.rows import describe_cut
    from kb.csv_text import as_csv

    text = as_csv(found.columns, as_json(found.rows), escape_formulas=True)
    OUT.file.write(make_printable(text.replace("\r\n", "\n")) if OUT.is_terminal else text)
    if found.truncated:
        say(describe_cut(len(found.rows)), "yellow")


def _answer_from_tables(
    question: str, config: Path | None, *, dry_run: bool, as_json: bool
) -> None:
    with open_knowledge_base(config) as knowledge_base:
        engine = knowledge_base.database_engine(sql_only=dry_run)
        with show_waiting(gettext("Asking the tables")):
            answer = answer_of(engine.query(question))
    if as_json:
        from kb.answer_json import answer_to_values
        from kb.cli.print_json import print_json

        print_json(answer_to_values(answer))
    else:
        from kb.cli.rendering.answers import show_answer, show_failures, show_footing
        from kb.cli.rendering.rows import show_rows

        show_failures(OUT, answer)
        show_answer(OUT, answer.text)
        if dry_run:
            _say_who_verified_query(answer.tables.verified)
        else:
            OUT.print()
            show_rows(OUT, answer.tables, in_words=bool(answer.model))
            show_footing(OUT, answer)
    if answer.errors:
        is_answered = "database" not in answer.errors and answer.tables.sql
        raise typer.Exit(ExitCode.PARTLY_DONE if is_answered else ExitCode.FAILED)


def _say_who_verified_query(query: Mapping[str, Any] | None) -> None:
    """Say who verified a query, not on standard output: the statement stands alone there."""
    if query:
        verified = gettext("{name}, verified by {verified_by} on {verified_at}").format(**query)
        bound = [f":{name} = {value}" for name, value in query["parameters"].items()]
        say(", ".join([verified, *bound]))
