"""Chat sessions as people read them in a terminal."""

from collections.abc import Iterable, Iterator, Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from engines.answer import Answer, Citation
from engines.shortening import shorten
from kb.cli.rendering.answers import show_answer, show_footing, show_sources
from kb.cli.rendering.rows import show_rows
from kb.cli.terminal import counted, one_line
from kb.transcript import state
from stores.chats.chat_sessions import SessionInfo, Turn

_ANSWER_CHARACTERS = 160
_ROUTES = {"documents": "documents", "database": "tables", "both": "documents and tables"}


def show_sessions(console: Console, sessions: Sequence[SessionInfo]) -> None:
    """The last used first; what a search found in one stands below it."""
    if not sessions:
        console.print("No sessions.")
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    headings = ["Session", "Last used (UTC)", "Turns", "Title"]
    if any(each.user for each in sessions):
        headings.insert(1, "User")
    for heading in headings:
        table.add_column(
            heading,
            overflow="fold",
            justify="right" if heading == "Turns" else "left",
        )
    for each in sessions:
        cells = _cells(each)
        table.add_row(*(Text(cells[heading]) for heading in headings))
        if each.excerpt:
            found = Text(f"… {one_line(each.excerpt)} …", "dim")
            table.add_row(*[""] * (len(headings) - 1), found)
    console.print(table)


def _cells(session: SessionInfo) -> dict[str, str]:
    return {
        "Session": one_line(session.id),
        "User": one_line(session.user or ""),
        "Last used (UTC)": session.updated.isoformat(" ", "minutes"),
        "Turns": str(session.turns),
        "Title": one_line(session.title),
    }


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
        show_evidence(console, Answer.from_metadata(turn.evidence, turn.answer))


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
    if said := one_line(state(turn)):
        console.print(Text(said, "yellow"), soft_wrap=True)


def show_history(console: Console, turns: Iterable[Turn]) -> None:
    """Each question with the beginning of its answer."""
    for turn in turns:
        show_question(console, turn)
        if turn.standalone:
            console.print(Padding(_understood(turn.standalone), (0, 0, 0, 3), expand=False))
        if answer := shorten(one_line(turn.answer), _ANSWER_CHARACTERS):
            console.print(Padding(Text(answer, "dim"), (0, 0, 0, 3), expand=False))
        show_state(console, turn)


def _understood(standalone: str) -> Text:
    return Text(f"Understood as: {one_line(standalone)}", "dim italic")


def show_evidence(console: Console, answer: Answer) -> None:
    """The statement with its rows, the sources, and who wrote the answer, as far as it came."""
    show_rows(console, answer.tables, in_words=bool(answer.model))
    show_sources(console, answer.citations, besides=answer.text)
    show_footing(console, answer)


def show_references(console: Console, answer: Answer) -> None:
    """The evidence as a conversation bears it: a line for each source, and what shows the rest."""
    for number, line in enumerate(_references(answer, console.width)):
        if number == 0:
            console.print()
        console.print(line)


def _references(answer: Answer, width: int) -> Iterator[Text]:
    if answer.chat_turn and answer.chat_turn.standalone:
        yield _understood(answer.chat_turn.standalone)
    for citation in answer.citations:
        yield _reference(citation, width)
    if answer.tables.truncated:
        read = counted(len(answer.tables.rows), "row")
        yield Text(f"Only the first {read} were read.", "yellow")
    for branch, reason in answer.errors.items():
        yield Text(f"{branch} could not answer: {one_line(str(reason))}", "yellow")
    if answer.route:
        yield Text(" · ".join([_ROUTES[answer.route], *_origin(answer)]), "dim")


def _reference(citation: Citation, width: int) -> Text:
    """On one line, without the name of the file where that does not fit."""
    document = one_line(citation.document)
    title = one_line(citation.title or document)
    place = one_line(citation.place)
    whole, short = (
        Text.assemble(
            (f"[{citation.number}] ", "cyan"),
            title,
            (" · ".join(["", *filter(None, where)]), "dim"),
        )
        for where in ((document if title != document else "", place), (place,))
    )
    line = whole if whole.cell_len <= width else short
    line.truncate(width, overflow="ellipsis")
    return line


def _origin(answer: Answer) -> Iterator[str]:
    """By whom and how fast, and the commands that show more."""
    if answer.model:
        yield one_line(answer.model)
    yield f"{answer.timings.seconds:.1f} s"
    if answer.citations:
        yield "/sources"
    if answer.tables.sql:
        yield "/sql"
