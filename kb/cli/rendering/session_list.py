"""The list of chat sessions on a terminal."""

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from kb.cli.language import gettext
from kb.cli.rendering.layout import make_table
from kb.cli.terminal import fit_on_one_line
from stores.chats.session_list import SessionInfo
from stores.text.translations import gettext_noop

_HEADINGS = {
    "id": gettext_noop("Session"),
    "user": gettext_noop("User"),
    "updated": gettext_noop("Last used (UTC)"),
    "turns": gettext_noop("Turns"),
    "title": gettext_noop("Title"),
}


def show_sessions(console: Console, sessions: Sequence[SessionInfo]) -> None:
    """Show sessions, the last used first; what a search found in one stands below it."""
    if not sessions:
        console.print(gettext("No sessions."))
        return
    table = make_table()
    has_users = any(session.user for session in sessions)
    headings = [heading for heading in _HEADINGS if heading != "user" or has_users]
    for heading in headings:
        table.add_column(
            gettext(_HEADINGS[heading]),
            overflow="fold",
            justify="right" if heading == "turns" else "left",
        )
    for session in sessions:
        cells = _session_cells(session)
        table.add_row(*(Text(cells[heading]) for heading in headings))
        if session.excerpt:
            found = Text(f"… {fit_on_one_line(session.excerpt)} …", "dim")
            table.add_row(*[""] * (len(headings) - 1), found)
    console.print(table)


def _session_cells(session: SessionInfo) -> dict[str, str]:
    return {
        "id": fit_on_one_line(session.id),
        "user": fit_on_one_line(session.user or ""),
        "updated": session.updated.isoformat(" ", "minutes"),
        "turns": str(session.turns),
        "title": fit_on_one_line(session.title),
    }
