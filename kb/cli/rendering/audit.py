"""The audit log as people read it."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from kb.cli.language import gettext
from kb.cli.terminal import fit_on_one_line
from stores.audit_log import AuditEntry


def show_audit(console: Console, entries: Sequence[AuditEntry], *, is_on: bool) -> None:
    if not is_on:
        console.print(gettext("Nothing is noted: access.audit is off in config.yaml."))
    if not entries:
        console.print(gettext("There is no such entry."))
        return
    table = Table(box=None, pad_edge=False)
    for heading in (gettext("when, UTC"), gettext("who"), gettext("what"), gettext("how it ended")):
        table.add_column(heading)
    table.add_column(gettext("what it read"), overflow="fold")
    for entry in entries:
        read = [*entry.documents, *entry.tables]
        table.add_row(
            f"{entry.asked_at:%Y-%m-%d %H:%M:%S}",
            fit_on_one_line(entry.user or "-"),
            f"{entry.action}, {entry.way}",
            entry.error or entry.outcome,
            fit_on_one_line(", ".join(read)),
        )
    console.print(table)
