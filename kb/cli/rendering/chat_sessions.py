"""Chat sessions as people read them in a terminal."""

from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from engines.answer import Answer, Citation
from engines.shortening import cut_between_words
from kb.cli.language import gettext, translate_message
from kb.cli.rendering.answers import (
    describe_failure,
    describe_finding,
    show_answer,
    show_failures,
    show_footing,
    show_sources,
)
from kb.cli.rendering.rows import describe_cut, show_rows
from kb.cli.terminal import fit_on_one_line
from kb.transcript import describe_state
from stores.chats.chat_sessions import Turn
from stores.chats.session_list import SessionInfo
from stores.text.translations import gettext_noop

_ANSWER_CHARACTERS = 160
_ROUTES = {
    "documents": gettext_noop("documents"),
    "database": gettext_noop("tables"),
    "both": gettext_noop("documents and tables"),
}


def show_session(console: Console, info: SessionInfo, turns: Iterable[Turn]) -> None:
    console.print(Text(fit_on_one_line(info.title or info.id), "bold"), soft_wrap=True)
    for turn in turns:
        console.print()
        show_turn(console, turn)


def show_turn(console: Console, turn: Turn) -> None:
    """Show a question with its answer and the evidence of it."""
    show_question_and_answer(console, turn)
    if turn.evidence:
        console.print()
        answer = Answer.from_metadata(turn.evidence, turn.answer)
        show_failures(console, answer)
        show_evidence(console, answer)


def show_question_and_answer(console: Console, turn: Turn) -> None:
    show_question(console, turn)
    if turn.answer:
        show_answer(console, turn.answer)
    show_state(console, turn)


def show_question(console: Console, turn: Turn) -> None:
    console.print(
        Text.assemble((f"{turn.number}. ", "bold cyan"), (fit_on_one_line(turn.question), "bold")),
        soft_wrap=True,
    )


def show_state(console: Console, turn: Turn) -> None:
    if description := fit_on_one_line(translate_message(describe_state(turn))):
        console.print(Text(description, "yellow"), soft_wrap=True)


def show_history(console: Console, turns: Iterable[Turn]) -> None:
    """Show each question with the beginning of its answer."""
    for turn in turns:
        show_question(console, turn)
        if turn.standalone:
            console.print(Padding(_rewriting_line(turn.standalone), (0, 0, 0, 3), expand=False))
        if answer := cut_between_words(fit_on_one_line(turn.answer), _ANSWER_CHARACTERS):
            console.print(Padding(Text(answer, "dim"), (0, 0, 0, 3), expand=False))
        show_state(console, turn)


def _rewriting_line(standalone: str) -> Text:
    understood = gettext("Understood as: {question}")
    return Text(understood.format(question=fit_on_one_line(standalone)), "dim italic")


def show_evidence(console: Console, answer: Answer) -> None:
    """Show the SQL with its rows, the sources, and who wrote the answer, as far as it came."""
    show_rows(console, answer.tables, in_words=bool(answer.model))
    show_sources(console, answer.citations, besides=answer.text)
    show_footing(console, answer)


def show_references(console: Console, answer: Answer) -> None:
    """Show the evidence shortly: a line for each source, and the commands that show the rest."""
    for number, line in enumerate(_reference_lines(answer, console.width)):
        if number == 0:
            console.print()
        console.print(line)


def _reference_lines(answer: Answer, width: int) -> Iterator[Text]:
    if answer.chat_turn and answer.chat_turn.standalone:
        yield _rewriting_line(answer.chat_turn.standalone)
    for citation in answer.citations:
        yield _citation_line(citation, width)
    if answer.tables.truncated:
        yield Text(describe_cut(len(answer.tables.rows)), "yellow")
    for branch, reason in answer.errors.items():
        yield Text(describe_failure(branch, str(reason)), "yellow")
    if answer.route:
        yield Text(" · ".join([gettext(_ROUTES[answer.route]), *_origin_parts(answer)]), "dim")


def _citation_line(citation: Citation, width: int) -> Text:
    """Write a citation on one line, without the name of the file where that does not fit."""
    document = fit_on_one_line(citation.document)
    title = fit_on_one_line(citation.title or document)
    place = fit_on_one_line(translate_message(citation.place))
    finding = describe_finding(citation)
    whole, short = (
        Text.assemble(
            (f"[{citation.number}] ", "cyan"),
            title,
            (" · ".join(["", *filter(None, where)]), "dim"),
        )
        for where in ((document if title != document else "", place, finding), (place, finding))
    )
    line = whole if whole.cell_len <= width else short
    line.truncate(width, overflow="ellipsis")
    return line


def _origin_parts(answer: Answer) -> Iterator[str]:
    """Say by whom an answer is and how fast, and which commands show more."""
    if answer.model:
        yield fit_on_one_line(answer.model)
    yield gettext("{seconds:.1f} s").format(seconds=answer.timings.seconds)
    if answer.citations:
        yield "/sources"
    if answer.tables.sql:
        yield "/sql"
