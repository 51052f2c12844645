"""The comparison of profiles by their use, as people read it."""

from collections.abc import Callable, Iterable
from dataclasses import asdict

from rich.console import Console
from rich.table import Table
from rich.text import Text

from kb.assembly.experiments import Comparison, LiveReport, ProfileReport, Share
from kb.cli.language import gettext, ngettext, translate_message
from kb.cli.rendering.layout import format_p_value, make_table
from kb.cli.terminal import fit_on_one_line
from stores.text.translations import Message

_ROWS: dict[Message, Callable[[ProfileReport], str]] = {
    Message("searches"): lambda report: str(report.searches),
    Message("sessions"): lambda report: str(report.sessions),
    Message("thumbs up"): lambda report: _format_share(report.thumbs_up),
    Message("clicked"): lambda report: _format_share(report.clicked),
    Message("MRR of the clicked or cited"): lambda report: (
        "" if report.mrr is None else f"{report.mrr:.3f}"
    ),
    Message("search p50, ms"): lambda report: f"{report.p50_ms:.1f}",
    Message("search p95, ms"): lambda report: f"{report.p95_ms:.1f}",
}
_MEASURES = {
    "thumbs up": Message("thumbs up"),
    "clicked": Message("clicked"),
    "MRR": Message("MRR"),
}


def show_live(console: Console, report: LiveReport) -> None:
    """Show the profiles side by side, and how sure their differences are."""
    days = report.days
    if not report.profiles:
        nothing = ngettext(
            "No search of the last {n} day is in the log.",
            "No search of the last {n} days is in the log.",
            days,
        )
        console.print(nothing.format(n=days))
        return
    heading = ngettext("Searches of the last {n} day", "Searches of the last {n} days", days)
    console.print(Text(heading.format(n=days), "bold"))
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
        table.add_row(translate_message(label), *map(cell, profiles))
    return table


def _format_share(share: Share) -> str:
    if share.rate is None or share.low is None or share.high is None:
        return gettext("none rated")
    return gettext("{hits} of {total}: {rate:.0%} ({low:.0%} to {high:.0%})").format(
        **asdict(share)
    )


def _describe_comparison(comparison: Comparison) -> str:
    return gettext("{measure}, {profile} against {other}: {difference:+.3f}, p = {p}").format(
        measure=translate_message(_MEASURES[comparison.measure]),
        profile=fit_on_one_line(comparison.profile),
        other=fit_on_one_line(comparison.other),
        difference=comparison.difference,
        p=format_p_value(comparison.p_value),
    )
