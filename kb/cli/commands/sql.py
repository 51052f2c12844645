"""The command `kb sql`: questions to the tables, and the verified queries."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from engines.answer import answer_of
from kb.cli.commands import verified
from kb.cli.language import gettext
from kb.cli.opening import open_knowledge_base
from kb.cli.options import AsJson, ConfigPath
from kb.cli.program import ExitCode
from kb.cli.terminal import ERR, OUT, say, show_waiting


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
    typer.Option("--sql", metavar="SQL", help="The SQL to --save, instead of a model's."),
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
    as_json: AsJson = False,
    config: ConfigPath = None,
) -> None:
    """Answer from the business tables, and show the SQL behind it.

    What somebody has checked is kept as a verified query, which answers without a model.

    \b
    kb sql "What was our revenue in 2025?"
    kb sql "Which products are out of stock?" --dry-run
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
    _check_options_fit(action, statement=statement, parameters=parameters, name=name, by=by)
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
        case _:
            _answer_from_tables(_require_question(words), config, dry_run=dry_run, as_json=as_json)


def _check_options_fit(
    action: str | None,
    *,
    statement: str | None,
    parameters: list[str] | None,
    name: str | None,
    by: str | None,
) -> None:
    """Raise BadParameter for an option that says nothing to the chosen action."""
    only_for_saving = {"--sql": statement, "--parameter": parameters, "--name": name}
    given = [option for option, value in only_for_saving.items() if value]
    if action != "--save" and given:
        raise typer.BadParameter(gettext("{option} goes with --save").format(option=given[0]))
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


def _answer_from_tables(
    question: str, config: Path | None, *, dry_run: bool, as_json: bool
) -> None:
    with open_knowledge_base(config) as knowledge_base:
        engine = knowledge_base.database_engine(sql_only=dry_run)
        with show_waiting(gettext("Asking the tables")):
            answer = answer_of(engine.query(question))
    if as_json:
        from kb.answer_json import answer_values
        from kb.cli.print_json import print_json

        print_json(answer_values(answer))
    else:
        from kb.cli.rendering.answers import show_answer, show_failures, show_footing
        from kb.cli.rendering.rows import show_rows

        show_failures(ERR, answer)
        show_answer(OUT, answer.text)
        if dry_run:
            _say_who_verified_query(answer.tables.verified)
        else:
            OUT.print()
            show_rows(OUT, answer.tables, in_words=bool(answer.model))
            show_footing(OUT, answer)
    if answer.errors:
        raise typer.Exit(ExitCode.FAILED)


def _say_who_verified_query(query: Mapping[str, Any] | None) -> None:
    """Say who verified a query, not on standard output: the statement stands alone there."""
    if query:
        verified = gettext("{name}, verified by {verified_by} on {verified_at}").format(**query)
        bound = [f":{name} = {value}" for name, value in query["parameters"].items()]
        say(", ".join([verified, *bound]))
