"""`kb sql`."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from kb.cli.opening import opened
from kb.cli.options import AsJson, ConfigPath, Question
from kb.cli.program import ExitCode
from kb.cli.terminal import OUT, waiting


def sql(
    question: Question,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the SQL that would run, and run nothing.")
    ] = False,
    as_json: AsJson = False,
    config: ConfigPath = None,
) -> None:
    """Answer from the business tables, and show the SQL behind it.

    \b
    kb sql "What was our revenue in 2025?"
    kb sql "Which products are out of stock?" --dry-run
    kb sql "Qui sont nos meilleurs clients ?" --json
    """
    with opened(config) as knowledge_base:
        engine = knowledge_base.database_engine(sql_only=dry_run)
        with waiting("Asking the tables"):
            response: Any = engine.query(question)
    metadata: Mapping[str, Any] = response.metadata
    if as_json:
        from kb.cli.as_json import answer_values, print_json

        print_json(answer_values(response))
    else:
        from kb.cli.render import show_answer, show_footing
        from kb.cli.render_rows import show_rows

        show_answer(OUT, str(response))
        if not dry_run:
            OUT.print()
            show_rows(OUT, metadata)
            show_footing(OUT, metadata)
    if metadata["errors"]:
        raise typer.Exit(ExitCode.FAILED)
