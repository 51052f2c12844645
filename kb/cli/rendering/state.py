"""Reports of indexing, and the state of everything, as people read them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from kb.cli.rendering.layout import make_table, show_wrapped
from kb.cli.terminal import count_of, fit_on_one_line, make_printable

if TYPE_CHECKING:
    from kb.doctor import Check
    from kb.indexing.report import IndexReport

_MOST_NAMED = 5  # hard links
_STATES = {"ok": ("ok", "green"), "warn": ("warn", "yellow"), "fail": ("FAIL", "bold red")}


def show_report(console: Console, report: "IndexReport") -> None:
    counts = {
        "added": report.added,
        "changed": report.changed,
        "removed": report.removed,
        "unchanged": report.unchanged,
        "failed": len(report.failed),
    }
    words = ", ".join(f"{number} {name}" for name, number in counts.items() if number)
    written = f"{count_of(report.chunks, 'chunk')} written in {report.seconds:.1f} s"
    console.print(Text(f"Documents: {words or 'none found'}. {written}."))
    if report.missing:
        gone = f"Gone from the directory, but still answering: {report.missing}. --prune removes."
        console.print(Text(gone, "yellow"), soft_wrap=True)
    if report.hard_linked:
        names = ", ".join(map(fit_on_one_line, report.hard_linked[:_MOST_NAMED]))
        more = ", …" if len(report.hard_linked) > _MOST_NAMED else ""
        count = f"Files with other names elsewhere (hard links): {len(report.hard_linked)}"
        console.print(Text(f"{count}: {names}{more}", "yellow"), soft_wrap=True)
    _show_files(console, Text("Passed over:", "yellow"), report.passed_over)
    show_failures(console, report.failed)
    if report.unread:
        again = "Not read again, as they failed before and are unchanged"
        console.print(Text(f"{again}: {report.unread}. --retry reads them.", "yellow"))


def show_failures(console: Console, failures: Sequence[tuple[str, str]]) -> None:
    _show_files(console, Text("Not indexed:", "red"), failures)


def _show_files(console: Console, heading: Text, files: Sequence[tuple[str, str]]) -> None:
    if files:
        console.print(heading)
    for path, reason in files:
        line = Text.assemble((fit_on_one_line(path), "bold"), f": {fit_on_one_line(reason)}")
        show_wrapped(console, line, indent=2)


def show_status(console: Console, status: Mapping[str, Any]) -> None:
    embedding = f"{status['embedding']}, {status['dimension']} dimensions"
    _show_pairs(
        console,
        {
            "Server": f"MariaDB {status['server'].split('-')[0]}",
            "Embedding": embedding,
            "LLM": status["llm"] or "none (answers are quoted)",
            "Documents": f"{status['documents']} in {count_of(status['chunks'], 'chunk')}",
        },
    )
    if status["roots"]:
        console.print()
        console.print(_make_roots_table(status["roots"]))
    failures = [
        (f"{document['root']}/{document['path']}", document["reason"])
        for document in status["failed"]
    ]
    show_failures(console, failures)


def _make_roots_table(roots: Iterable[Mapping[str, Any]]) -> Table:
    table = make_table()
    for heading in ("Root", "Documents", "Last indexed (UTC)", "Directory"):
        table.add_column(heading, overflow="fold")
    for root in roots:
        indexed_at = root["indexed_at"].isoformat(" ", "minutes")
        row = (root["name"], str(root["documents"]), indexed_at, root["path"])
        table.add_row(*(Text(fit_on_one_line(cell)) for cell in row))
    return table


def show_check(console: Console, check: "Check") -> None:
    word, style = _STATES[check.state]
    show_wrapped(
        console,
        Text.assemble(
            (f"{word:<5}", style), (f"{check.name}: ", "bold"), make_printable(check.seen)
        ),
        hanging=5,
    )
    if check.advice:
        show_wrapped(console, Text(f"→ {make_printable(check.advice)}", style), indent=5)


def show_server(console: Console, state: Mapping[str, Any]) -> None:
    _show_pairs(
        console, {name.replace("_", " ").capitalize(): value for name, value in state.items()}
    )


def _show_pairs(console: Console, pairs: Mapping[str, object]) -> None:
    width = max(map(len, pairs)) + 2
    words = {True: "yes", False: "no", None: "none"}
    for name, value in pairs.items():
        if value is None or isinstance(value, bool):
            text = words[value]
        else:
            text = fit_on_one_line(str(value))
        console.print(Text.assemble((name.ljust(width), "bold"), text), soft_wrap=True)
