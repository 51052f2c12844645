"""The comparison of profiles by their use, as people read it."""

from collections.abc import Callable, Iterable

from rich.console import Console
from rich.table import Table
from rich.text import Text

from kb.assembly.experiments import Comparison, LiveReport, ProfileReport, Share
from kb.cli.rendering.layout import format_p_value, make_table
from kb.cli.terminal import count_of, fit_on_one_line

_ROWS: dict[str, Callable[[ProfileReport], str]] = {
    "searches": lambda report: str(report.searches),
    "sessions": lambda report: str(report.sessions),
    "thumbs up": lambda report: _format_share(report.thumbs_up),
    "clicked": lambda report: _format_share(report.clicked),
    "MRR of the clicked or cited": lambda report: "" if report.mrr is None else f"{report.mrr:.3f}",
    "search p50, ms": lambda report: f"{report.p50_ms:.1f}",
    "search p95, ms": lambda report: f"{report.p95_ms:.1f}",
}


def show_live(console: Console, report: LiveReport) -> None:
    """Show the profiles side by side, and how sure their differences are."""
    days = count_of(report.days, "day")
    if not report.profiles:
        console.print(f"No search of the last {days} is in the log.")
        return
    console.print(Text(f"Searches of the last {days}", "bold"))
    console.print(_make_profiles_table(report.profiles))
    if report.comparisons:
        console.print()
    for comparison in report.comparisons:
        console.print(Text(_describe_comparison(comparison)), soft_wrap=True)


def _make_profiles_table(profiles: Iterable[ProfileReport]) -> Table:
    profiles = list(profiles)
    table = make_table()
    table.add_column("")
    for report in profiles:
        table.add_column(Text(fit_on_one_line(report.profile)), justify="right")
    for label, cell in _ROWS.items():
        table.add_row(label, *map(cell, profiles))
    return table


def _format_share(share: Share) -> str:
    if share.rate is None or share.low is None or share.high is None:
        return "none rated"
    percent = f"{share.rate:.0%} ({share.low:.0%} to {share.high:.0%})"
    return f"{share.hits} of {share.total}: {percent}"


def _describe_comparison(comparison: Comparison) -> str:
    profiles = f"{fit_on_one_line(comparison.profile)} against {fit_on_one_line(comparison.other)}"
    difference = f"{comparison.difference:+.3f}, p = {format_p_value(comparison.p_value)}"
    return f"{comparison.measure}, {profiles}: {difference}"
