"""What answers were like and what they cost, as people read it."""

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from kb.cli.language import gettext, ngettext
from kb.cli.rendering.layout import make_table
from kb.cli.terminal import fit_on_one_line


def show_statistics(console: Console, told: Mapping[str, Any], days: int) -> None:
    total = told["total"]
    if not total["answers"]:
        nothing = ngettext(
            "No answer of the last {n} day is in the log.",
            "No answer of the last {n} days is in the log.",
            days,
        )
        console.print(nothing.format(n=days))
        return
    summary = gettext("{answers} answers, {share:.1%} without evidence, {failed} failed").format(
        answers=total["answers"], share=total["unanswered_share"], failed=total["failed"]
    )
    console.print(Text(summary, "bold"))
    _show_table(
        console,
        {
            gettext("day"): [str(row["day"]) for row in told["days"]],
            gettext("route"): [row["route"] for row in told["days"]],
            gettext("answers"): [str(row["answers"]) for row in told["days"]],
            gettext("unanswered"): [str(row["unanswered"]) for row in told["days"]],
            gettext("failed"): [str(row["failed"]) for row in told["days"]],
            "p50, ms": [f"{row['p50']:.0f}" for row in told["days"]],
            "p95, ms": [f"{row['p95']:.0f}" for row in told["days"]],
            gettext("thumbs up"): [str(row["up"]) for row in told["days"]],
            gettext("thumbs down"): [str(row["down"]) for row in told["days"]],
        },
    )
    _show_table(
        console,
        {
            gettext("route"): [row["route"] for row in told["steps"]],
            gettext("step"): [row["step"] for row in told["steps"]],
            gettext("answers"): [str(row["answers"]) for row in told["steps"]],
            "p50, ms": [f"{row['p50']:.1f}" for row in told["steps"]],
            "p95, ms": [f"{row['p95']:.1f}" for row in told["steps"]],
        },
    )
    _show_table(
        console,
        {
            gettext("day"): [str(row["day"]) for row in told["errors"]],
            gettext("error"): [row["error"] for row in told["errors"]],
            gettext("answers"): [str(row["answers"]) for row in told["errors"]],
        },
    )


def show_costs(console: Console, told: Mapping[str, Any]) -> None:
    month, currency = told["month"], told["currency"] or ""
    if month["cost"] is None:
        so_far = gettext("What was spent since {day} is unknown.").format(day=month["since"])
    else:
        so_far = gettext("Since {day}: {cost}, to the end of the month some {expected}.").format(
            day=month["since"],
            cost=_format_cost(month["cost"], currency),
            expected=_format_cost(month["expected"], currency),
        )
    console.print(Text(so_far, "bold"))
    if month["budget"]:
        spent = gettext("{share:.0%} of the budget of {budget} is spent.").format(
            share=month["spent_share"], budget=_format_cost(month["budget"], currency)
        )
        console.print(Text(spent))
    if month["unpriced"]:
        unknown = ngettext(
            "Of {n} call nobody has said what it costs: its model is not in cost.prices.",
            "Of {n} calls nobody has said what they cost: their models are not in cost.prices.",
            month["unpriced"],
        )
        console.print(Text(unknown.format(n=month["unpriced"]), "yellow"))
    uses = told["uses"]
    _show_table(
        console,
        {
            gettext("day"): [str(use["day"]) for use in uses],
            gettext("key"): [fit_on_one_line(use["key"] or "") for use in uses],
            gettext("for"): [use["purpose"] for use in uses],
            gettext("model"): [fit_on_one_line(use["model"]) for use in uses],
            gettext("calls"): [str(use["calls"]) for use in uses],
            gettext("tokens"): [_format_tokens(use) for use in uses],
            gettext("cost"): [_format_cost(use["cost"], use["currency"] or "") for use in uses],
        },
    )


def show_estimate(console: Console, told: Mapping[str, Any]) -> None:
    """Show what questions would cost, and what that was reckoned by."""
    currency = told["currency"] or ""
    if told["cost"] is None:
        heading = gettext(
            "What {questions} questions would cost is unknown: name a file in cost.prices that "
            "has a price of each model below."
        ).format(questions=told["questions"])
    else:
        heading = gettext("{questions} questions would cost some {cost}.").format(
            questions=told["questions"], cost=_format_cost(told["cost"], currency)
        )
    console.print(Text(heading, "bold"))
    basis = ngettext(
        "By what {n} answer of the last {days} days took.",
        "By what {n} answers of the last {days} days took.",
        told["answered"],
    )
    console.print(Text(basis.format(n=told["answered"], days=told["days"]), "dim"))
    uses = told["models"]
    _show_table(
        console,
        {
            gettext("model"): [fit_on_one_line(use["model"]) for use in uses],
            gettext("calls"): [str(use["calls"]) for use in uses],
            gettext("tokens"): [_format_tokens({**use, "estimated": 0}) for use in uses],
            gettext("cost"): [_format_cost(use["cost"], currency) for use in uses],
        },
    )


def _format_tokens(use: Mapping[str, Any]) -> str:
    """Write how many tokens went in and came out; ~ says that they were counted here."""
    about = "~" if use["estimated"] else ""
    return f"{about}{use['prompt_tokens']:,} + {use['completion_tokens']:,}"


def _format_cost(cost: float | None, currency: str) -> str:
    return gettext("unknown") if cost is None else f"{cost:,.4f} {currency}".strip()


def _show_table(console: Console, columns: Mapping[str, Iterable[str]]) -> None:
    """Show a table with its numbers to the right; one without rows is left out."""
    rows = list(zip(*columns.values(), strict=True))
    if not rows:
        return
    console.print()
    table = make_table()
    for heading, cell in zip(columns, rows[0], strict=True):
        table.add_column(heading, justify="right" if cell[:1].isdigit() else "left")
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)
