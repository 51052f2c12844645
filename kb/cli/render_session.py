"""Chat sessions as people read them in a terminal."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from engines.responses import answer_metadata
from kb.cli.render import show_answer, show_footing, show_sources
from kb.cli.render_rows import show_rows
from kb.cli.terminal import one_line
from stores.sessions import SessionInfo, Turn

_ANSWER_CHARACTERS = 160
_STATES = {
    "open": "Not answered yet.",
    "partial": "Cut: {error}",
    "failed": "No answer: {error}",
}


def show_sessions(console: Console, sessions: Sequence[SessionInfo]) -> None:
    """The last used first; what a search found in one stands below it."""
    if not sessions:
        console.print("No sessions.")
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("Session", "Last used (UTC)", "Turns", "Title"):
        table.add_column(
            heading,
            overflow="fold",
            justify="right" if heading == "Turns" else "left",
        )
    for each in sessions:
        updated = each.updated.isoformat(" ", "minutes")
        cells = (one_line(each.id), updated, str(each.turns), one_line(each.title))
        table.add_row(*map(Text, cells))
        if each.excerpt:
            table.add_row("", "", "", Text(f"… {one_line(each.excerpt)} …", "dim"))
    console.print(table)


def show_session(console: Console, info: SessionInfo, turns: Iterable[Turn]) -> None:
    console.print(Text(one_line(info.title or info.id), "bold"), soft_wrap=True)
    for turn in turns:
        console.print()
        show_turn(console, turn)


def show_turn(console: Console, turn: Turn) -> None:
    """The question, the answer, and the evidence of it."""
    show_words(console, turn)
    if turn.evidence:
        console.print()
        show_evidence(console, turn.evidence, besides=turn.answer)


def show_words(console: Console, turn: Turn) -> None:
    show_question(console, turn)
    if turn.answer:
        show_answer(console, turn.answer)
    show_state(console, turn)


def show_question(console: Console, turn: Turn) -> None:
    console.print(
        Text.assemble((f"{turn.number}. ", "bold cyan"), (one_line(turn.question), "bold")),
        soft_wrap=True,
    )


def show_state(console: Console, turn: Turn) -> None:
    """What is to be said of an answer that is not whole."""
    if turn.status in _STATES:
        state = _STATES[turn.status].format(error=one_line(turn.error or "no reason is known."))
        console.print(Text(state, "yellow"), soft_wrap=True)


def show_history(console: Console, turns: Iterable[Turn]) -> None:
    """Each question with the beginning of its answer."""
    for turn in turns:
        show_question(console, turn)
        answer = one_line(turn.answer)
        if len(answer) > _ANSWER_CHARACTERS:
            answer = answer[:_ANSWER_CHARACTERS].rsplit(" ", 1)[0] + " …"
        if answer:
            console.print(Padding(Text(answer, "dim"), (0, 0, 0, 3), expand=False))
        show_state(console, turn)


def show_evidence(console: Console, metadata: Mapping[str, Any], besides: str) -> None:
    """The statement with its rows, the sources, and who wrote the answer, as far as it came."""
    metadata = {**answer_metadata(None, "", None), **metadata}
    show_rows(console, metadata)
    show_sources(console, metadata["citations"], besides)
    show_footing(console, metadata)
