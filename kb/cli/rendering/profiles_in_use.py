"""Profiles in use, as people read them."""

from collections.abc import Callable, Iterable

from rich.console import Console
from rich.table import Table
from rich.text import Text

from kb.assembly.experiments import Comparison, LiveReport, ProfileReport, Share
from kb.cli.terminal import counted, one_line

_SIGNIFICANT = 0.05
_ROWS: dict[str, Callable[[ProfileReport], str]] = {
    "searches": lambda each: str(each.searches),
    "sessions": lambda each: str(each.sessions),
    "thumbs up": lambda each: _share(each.thumbs_up),
    "clicked": lambda each: _share(each.clicked),
    "MRR of the clicked or cited": lambda each: "" if each.mrr is None else f"{each.mrr:.3f}",
    "search p50, ms": lambda each: f"{each.p50_ms:.1f}",
    "search p95, ms": lambda each: f"{each.p95_ms:.1f}",
}


def show_live(console: Console, report: LiveReport) -> None:
    """The profiles side by side, and how sure their differences are."""
    days = counted(report.days, "day")
    if not report.profiles:
        console.print(f"No search of the last {days} is in the log.")
        return
    console.print(Text(f"Searches of the last {days}", "bold"))
    console.print(_table(report.profiles))
    if report.comparisons:
        console.print()
    for each in report.comparisons:
        console.print(Text(_compared(each)), soft_wrap=True)


def _table(profiles: Iterable[ProfileReport]) -> Table:
    profiles = list(profiles)
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("")
    for each in profiles:
        table.add_column(Text(one_line(each.profile)), justify="right")
    for label, cell in _ROWS.items():
        table.add_row(label, *map(cell, profiles))
    return table


def _share(share: Share) -> str:
    if share.rate is None or share.low is None or share.high is None:
        return "none rated"
    percent = f"{share.rate:.0%} ({share.low:.0%} to {share.high:.0%})"
    return f"{share.hits} of {share.total}: {percent}"


def _compared(each: Comparison) -> str:
    mark = "*" if each.p_value < _SIGNIFICANT else ""
    profiles = f"{one_line(each.profile)} against {one_line(each.other)}"
    return f"{each.measure}, {profiles}: {each.difference:+.3f}, p = {each.p_value:.4f}{mark}"
