"""`kb sql`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from engines.answer import answer_of
from kb.cli.commands import verified
from kb.cli.opening import opened
from kb.cli.options import AsJson, ConfigPath
from kb.cli.program import ExitCode
from kb.cli.terminal import OUT, say, waiting


def _checked_parameters(written: list[str] | None) -> list[str]:
    for each in written or []:
        name, equals, _ = each.partition("=")
        if not (equals and name.isascii() and name.isidentifier()):
            raise typer.BadParameter(f"{each!r} is not NAME=VALUE")
    return written or []


def sql(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="QUESTION",
            help="The question; names of verified queries for --remove, --verify, --history.",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the SQL that would run, and run nothing.")
    ] = False,
    save: Annotated[
        bool, typer.Option("--save", help="Keep the question and its SQL as a verified query.")
    ] = False,
    statement: Annotated[
        str | None,
        typer.Option("--sql", metavar="SQL", help="The SQL to --save, instead of a model's."),
    ] = None,
    parameters: Annotated[
        list[str] | None,
        typer.Option(
            "--parameter",
            metavar="NAME=VALUE",
            callback=_checked_parameters,
            help="What :NAME of --sql is when a question does not say. May be repeated.",
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The name to --save it by.  [default: of the question]"),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(metavar="WHO", help="Who has checked it.  [default of --save: who you are]"),
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="List the verified queries.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Forget those named.")] = False,
    verify: Annotated[
        bool,
        typer.Option(
            "--verify",
            help="Run those named, or all, and say which fail; with --by, the others count as "
            "checked today.",
        ),
    ] = False,
    history: Annotated[
        bool,
        typer.Option(
            "--history", help="Show what was saved by that name, when, by whom, and removed."
        ),
    ] = False,
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
    ways = {
        "--dry-run": dry_run,
        "--save": save,
        "--list": listed,
        "--remove": remove,
        "--verify": verify,
        "--history": history,
    }
    of_saving = {"--sql": statement, "--parameter": parameters, "--name": name}
    way = _only_one(ways)
    if way != "--save" and (odd := next((each for each in of_saving if of_saving[each]), None)):
        raise typer.BadParameter(f"{odd} goes with --save")
    if parameters and statement is None:
        raise typer.BadParameter("--parameter goes with --sql")
    if by is not None and way not in ("--save", "--verify"):
        raise typer.BadParameter("--by goes with --save or --verify")
    match way:
        case "--list":
            if words:
                raise typer.BadParameter("--list lists all: leave the question out")
            verified.show_all(config, as_json=as_json)
        case "--remove":
            verified.remove(_named(words), config, as_json=as_json)
        case "--verify":
            verified.verify(words or [], by, config, as_json=as_json)
        case "--history":
            verified.show_versions(_named(words, one=True)[0], config, as_json=as_json)
        case "--save":
            asked = verified.ToSave(_question(words), statement, name, by, parameters or [])
            verified.save(asked, config, as_json=as_json)
        case _:
            _ask(_question(words), config, dry_run=dry_run, as_json=as_json)


def _only_one(ways: Mapping[str, bool]) -> str | None:
    chosen = [way for way, wanted in ways.items() if wanted]
    if len(chosen) > 1:
        raise typer.BadParameter(f"choose one of {' and '.join(chosen)}")
    return chosen[0] if chosen else None


def _named(words: list[str] | None, *, one: bool = False) -> list[str]:
    if not words:
        raise typer.BadParameter("name the query; --list shows the names")
    if one and len(words) > 1:
        raise typer.BadParameter(f"name one query, not {len(words)}")
    return words


def _question(words: list[str] | None) -> str:
    if not words:
        raise typer.BadParameter("ask a question")
    if len(words) > 1:
        raise typer.BadParameter(f'put the question in quotes: "{" ".join(words)}"')
    if not words[0].strip():
        raise typer.BadParameter("the question is empty")
    return words[0]


def _ask(question: str, config: Path | None, *, dry_run: bool, as_json: bool) -> None:
    with opened(config) as knowledge_base:
        engine = knowledge_base.database_engine(sql_only=dry_run)
        with waiting("Asking the tables"):
            answer = answer_of(engine.query(question))
    if as_json:
        from kb.answer_json import answer_values
        from kb.cli.print_json import print_json

        print_json(answer_values(answer))
    else:
        from kb.cli.rendering.answers import show_answer, show_footing
        from kb.cli.rendering.rows import show_rows

        show_answer(OUT, answer.text)
        if dry_run:
            _say_who_verified(answer.tables.verified)
        else:
            OUT.print()
            show_rows(OUT, answer.tables, in_words=bool(answer.model))
            show_footing(OUT, answer)
    if answer.errors:
        raise typer.Exit(ExitCode.FAILED)


def _say_who_verified(query: Mapping[str, Any] | None) -> None:
    """Not on standard output, where the statement stands alone."""
    if query:
        values = ", ".join(f":{name} = {value}" for name, value in query["parameters"].items())
        where = f", {values}" if values else ""
        say(f"{query['name']}, verified by {query['verified_by']} on {query['verified_at']}{where}")
