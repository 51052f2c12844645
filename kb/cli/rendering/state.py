"""Reports of indexing, and the state of everything, as people read them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from kb.cli.language import gettext, ngettext, translate_message
from kb.cli.rendering.layout import make_table, show_wrapped
from kb.cli.terminal import fit_on_one_line, make_printable
from stores.text.translations import gettext_noop

if TYPE_CHECKING:
    from kb.doctor.check import Check
    from kb.indexing.report import IndexReport

_MOST_NAMED = 5  # hard links
_MOST_PATHS = 20
_STATES = {
    "ok": gettext_noop("ok"),
    "warn": gettext_noop("warn"),
    "fail": gettext_noop("FAIL"),
}
_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}
_SERVER_FACTS = {
    "running": gettext_noop("Running"),
    "pid": gettext_noop("Pid"),
    "binary": gettext_noop("Binary"),
    "data_directory": gettext_noop("Data directory"),
    "socket": gettext_noop("Socket"),
    "log": gettext_noop("Log"),
    "version": gettext_noop("Version"),
    "url": gettext_noop("Url"),
}


def show_report(console: Console, report: "IndexReport") -> None:
    counts = [
        (report.added, ngettext("{n} added", "{n} added", report.added)),
        (report.changed, ngettext("{n} changed", "{n} changed", report.changed)),
        (len(report.moved), ngettext("{n} moved", "{n} moved", len(report.moved))),
        (report.removed, ngettext("{n} removed", "{n} removed", report.removed)),
        (report.unchanged, ngettext("{n} unchanged", "{n} unchanged", report.unchanged)),
        (len(report.failed), gettext("{n} failed")),
    ]
    words = ", ".join(text.format(n=number) for number, text in counts if number)
    documents = gettext("Documents: {counts}.").format(counts=words or gettext("none found"))
    written = ngettext(
        "{n} chunk written in {seconds:.1f} s.",
        "{n} chunks written in {seconds:.1f} s.",
        report.chunks,
    ).format(n=report.chunks, seconds=report.seconds)
    console.print(Text(f"{documents} {written}"))
    moves = [f"{former} -> {path}" for former, path in report.moved]
    _show_paths(console, gettext("Moved:"), moves)
    _show_paths(console, gettext("Removed, as they are no longer found:"), report.removed_paths)
    show_missing(console, report)
    if report.hard_linked:
        names = ", ".join(map(fit_on_one_line, report.hard_linked[:_MOST_NAMED]))
        more = ", …" if len(report.hard_linked) > _MOST_NAMED else ""
        linked = gettext("Files with other names elsewhere (hard links): {n}: {names}")
        linked = linked.format(n=len(report.hard_linked), names=f"{names}{more}")
        console.print(Text(linked, "yellow"), soft_wrap=True)
    _show_counts_without_text(console, report.without_text)
    _show_files(console, Text(gettext("Passed over:"), "yellow"), report.passed_over)
    known = set(report.still_failing)
    still = [(path, reason) for path, reason in report.failed if path in known]
    _show_files(console, Text(gettext("Still unreadable:"), "yellow"), still)
    show_failures(console, [each for each in report.failed if each[0] not in known])
    if report.unread:
        again = gettext(
            "Not read again, as they failed before and are unchanged: {n}. --retry reads them."
        )
        console.print(Text(again.format(n=report.unread), "yellow"))


def show_missing(console: Console, report: "IndexReport") -> None:
    if report.emptied:
        nothing = gettext(
            "Nothing at all was found, as when a disk is not mounted, so nothing was removed: {n} "
            "documents still answer. If their files are gone for good, --prune removes them."
        )
        console.print(Text(nothing.format(n=report.missing), "yellow"), soft_wrap=True)
    elif report.missing:
        gone = gettext(
            "Gone from the directory, but still answering: {n}. Indexing without --keep removes "
            "them."
        )
        console.print(Text(gone.format(n=report.missing), "yellow"), soft_wrap=True)
        _show_paths(console, "", report.missing_paths)


def _show_paths(console: Console, heading: str, paths: Sequence[str]) -> None:
    """Name paths below a heading, as many as people read."""
    if paths and heading:
        console.print(Text(heading, "yellow"))
    for path in paths[:_MOST_PATHS]:
        console.print(Text(f"  {fit_on_one_line(path)}"), soft_wrap=True)
    if more := len(paths[_MOST_PATHS:]):
        console.print(Text(gettext("  … and {n} more; --json names all.").format(n=more)))


def _show_counts_without_text(console: Console, counts: Mapping[str, int]) -> None:
    """Say how many pictures and the like were passed over."""
    tools = counts.get("made by a tool", 0)
    words = {
        "picture": ngettext("{n} picture", "{n} pictures", counts.get("picture", 0)),
        "sound": ngettext("{n} sound file", "{n} sound files", counts.get("sound", 0)),
        "video": ngettext("{n} video", "{n} videos", counts.get("video", 0)),
        "font": ngettext("{n} font", "{n} fonts", counts.get("font", 0)),
        "program": ngettext("{n} program", "{n} programs", counts.get("program", 0)),
        "database": ngettext("{n} database file", "{n} database files", counts.get("database", 0)),
        "archive": ngettext(
            "{n} archive of another kind", "{n} archives of other kinds", counts.get("archive", 0)
        ),
        "made by a tool": ngettext("{n} folder made by a tool", "{n} folders made by tools", tools),
    }
    parts = ", ".join(words[kind].format(n=number) for kind, number in counts.items())
    if parts:
        console.print(gettext("Passed over: {counts}.").format(counts=parts), soft_wrap=True)


def show_failures(console: Console, failures: Sequence[tuple[str, str]]) -> None:
    _show_files(console, Text(gettext("Not indexed:"), "red"), failures)


def _show_files(console: Console, heading: Text, files: Sequence[tuple[str, str]]) -> None:
    if files:
        console.print(heading)
    for path, reason in files:
        line = Text.assemble((fit_on_one_line(path), "bold"), f": {fit_on_one_line(reason)}")
        show_wrapped(console, line, indent=2)


def show_status(console: Console, status: Mapping[str, Any]) -> None:
    embedding = gettext("none yet; the first `kb index` decides")
    if status["embedding"]:
        embedding = gettext("{model}, {n} dimensions").format(
            model=status["embedding"], n=status["dimension"]
        )
    chunks = status["chunks"]
    documents = ngettext("{documents} in {n} chunk", "{documents} in {n} chunks", chunks)
    _show_pairs(
        console,
        {
            gettext("Server"): f"MariaDB {status['server'].split('-')[0]}",
            gettext("Embedding"): embedding,
            gettext("LLM"): status["llm"] or gettext("none (answers are quoted)"),
            gettext("Documents"): documents.format(documents=status["documents"], n=chunks),
        },
    )
    if status["indexing"]:
        names = ", ".join(map(fit_on_one_line, status["indexing"]))
        console.print(Text(gettext("Being indexed now: {names}").format(names=names), "yellow"))
    _show_unfindable(console, status["unfindable"])
    if status["roots"]:
        console.print()
        console.print(_make_roots_table(status["roots"]))
    failures = [
        (f"{document['root']}/{document['path']}", document["reason"])
        for document in status["failed"]
    ]
    show_failures(console, failures)


def _show_unfindable(console: Console, counts: Mapping[str, int] | None) -> None:
    if counts and (counts["without_vector"] or counts["without_words"]):
        lost = gettext(
            "Of {looked_at} chunks that were looked at, {without_vector} have lost their vector "
            "and {without_words} their words: they are not found. `kb doctor` says what to do."
        )
        console.print(Text(lost.format(**counts), "bold red"), soft_wrap=True)


def _make_roots_table(roots: Iterable[Mapping[str, Any]]) -> Table:
    table = make_table()
    for heading in (
        gettext("Root"),
        gettext("Documents"),
        gettext("Last indexed (UTC)"),
        gettext("Directory"),
    ):
        table.add_column(heading, overflow="fold")
    for root in roots:
        indexed_at = root["indexed_at"].isoformat(" ", "minutes")
        directory = root["path"] or gettext("none; added by a program")
        row = (root["name"], str(root["documents"]), indexed_at, directory)
        table.add_row(*(Text(fit_on_one_line(cell)) for cell in row))
    return table


def show_check(console: Console, check: "Check") -> None:
    word, style = gettext(_STATES[check.state]), _STYLES[check.state]
    name, seen, advice = map(translate_message, (check.name, check.seen, check.advice))
    show_wrapped(
        console,
        Text.assemble((f"{word:<5}", style), (f"{name}: ", "bold"), make_printable(seen)),
        hanging=5,
    )
    if advice:
        show_wrapped(console, Text(f"→ {make_printable(advice)}", style), indent=5)


def show_server(console: Console, state: Mapping[str, Any]) -> None:
    _show_pairs(console, {gettext(_SERVER_FACTS[name]): value for name, value in state.items()})


def _show_pairs(console: Console, pairs: Mapping[str, object]) -> None:
    width = max(map(len, pairs)) + 2
    words = {True: gettext("yes"), False: gettext("no"), None: gettext("none")}
    for name, value in pairs.items():
        if value is None or isinstance(value, bool):
            text = words[value]
        else:
            text = fit_on_one_line(str(value))
        console.print(Text.assemble((name.ljust(width), "bold"), text), soft_wrap=True)
