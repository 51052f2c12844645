"""The command `kb audit`."""

import sys
from dataclasses import asdict, astuple, fields, replace
from typing import Annotated

import typer

from kb.cli.language import gettext
from kb.cli.opening import open_knowledge_base
from kb.cli.options import AsJson, ConfigPath
from kb.cli.terminal import OUT


def audit(
    user: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of a key, or of a person who signed in.")
    ] = None,
    document: Annotated[
        str | None, typer.Option(metavar="ROOT/PATH", help="What read this document.")
    ] = None,
    table: Annotated[str | None, typer.Option(metavar="NAME", help="What read this table.")] = None,
    days: Annotated[
        int | None, typer.Option(metavar="N", min=1, max=36_500, help="Of the last N days.")
    ] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="At most N entries.")] = 100,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    as_json: AsJson = False,
    config: ConfigPath = None,
) -> None:
    """Show who asked what, and what that read.

    `access.audit` switches it on.

    \b
    kb audit --days 1
    kb audit --document handbook/hr/salaries.md --csv
    kb audit --user ana --table orders
    """
    from kb.cli.print_json import print_json
    from kb.cli.rendering.audit import show_audit
    from kb.csv_text import as_csv
    from stores.audit_log import AuditEntry, AuditFilter

    if csv and as_json:
        raise typer.BadParameter(gettext("it goes without --json"), param_hint="'--csv'")
    with open_knowledge_base(config) as knowledge_base:
        wanted = AuditFilter(user, document, table, days)
        entries = knowledge_base.audit_entries(wanted, limit)
        is_on = knowledge_base.config.access.audit
    if as_json:
        print_json([asdict(entry) for entry in entries])
    elif csv:
        columns = [field.name for field in fields(AuditEntry)]
        rows = (
            astuple(
                replace(
                    entry,
                    documents="\n".join(entry.documents),  # a cell holds one text
                    tables="\n".join(entry.tables),
                )
            )
            for entry in entries
        )
        sys.stdout.write(as_csv(columns, rows, escape_formulas=True))
    else:
        show_audit(OUT, entries, is_on=is_on)
