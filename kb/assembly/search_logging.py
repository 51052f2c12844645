"""What is kept of searches in use, and of what people say of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, TypeAlias

from engines.answer import Citation
from engines.search.search_run import Search
from stores.errors import ConfigError
from stores.log_writer import LogWriter
from stores.searches.search_log import Hit, LoggedSearch, Rating, SearchLog

Extent: TypeAlias = Literal["full", "no-text", "off"]
"""What the log of searches keeps."""


@dataclass(frozen=True)
class Feedback:
    """What somebody says of a search or a turn; `clicked` is the passage that they opened.

    `edited_sql` is what they made of the statement of a turn.
    """

    rating: Rating | None = None
    comment: str = ""
    clicked: int | str | None = None
    edited_sql: str | None = None


def make_search_logger(
    log: LogWriter[LoggedSearch],
    extent: Extent,
    session_id: str | None,
    user: str | None,
) -> Callable[..., None]:
    """Make a function that logs a search, as of a session and of a user."""
    return partial(log_search, log, extent, session_id, user)


def log_search(
    log: LogWriter[LoggedSearch],
    extent: Extent,
    session_id: str | None,
    user: str | None,
    search: Search,
    citations: Sequence[Citation] = (),
) -> None:
    """Log a search, with the numbers under which its answer cites what it found.

    It is written behind the answer, but of a session before.
    """
    if extent == "off":
        return
    numbers = {cited.chunk: cited.number for cited in citations}
    hits = [
        Hit(
            passage.node_id,
            passage.node.ref_doc_id,
            passage.get_score(),
            numbers.get(passage.node_id),
        )
        for passage in search.passages
    ]
    logged = LoggedSearch(
        id=search.id,
        profile=search.profile,
        milliseconds=search.milliseconds,
        hits=hits,
        question=search.question if extent == "full" else None,
        language=search.query.language,
        kind=search.query.kind,
        session_id=session_id,
        user=user,
    )
    log.add(logged)
    if session_id is not None:  # who deletes the session now deletes the search with it
        log.flush()


def store_feedback(
    log: SearchLog,
    feedback: Feedback,
    search_id: str | None,
    session_id: str | None,
    turn_id: str | None,
    user: str | None,
    extent: Extent,
) -> None:
    """Store what somebody says of a search or a turn; SQL only where questions are kept too.

    Raises ConfigError for what makes no sense, StoreError for what is not in the log.
    """
    if feedback.rating not in (1, -1, None):
        raise ConfigError(f"The rating is {feedback.rating!r}; 1 is thumbs up and -1 thumbs down.")
    if feedback == Feedback():
        raise ConfigError("The feedback says nothing. Give rating, comment, clicked or edited_sql.")
    of_search = session_id is None and turn_id is None and feedback.edited_sql is None
    if feedback.edited_sql and extent != "full":
        feedback = replace(feedback, edited_sql=None)
        if feedback == Feedback():
            return
    if search_id is not None and of_search:
        log.rate(search_id, feedback.rating, feedback.comment, feedback.clicked, user=user)
    elif search_id is None and session_id and turn_id and feedback.clicked is None:
        said = feedback.rating, feedback.comment, feedback.edited_sql
        log.rate_turn(session_id, turn_id, *said)
    else:
        raise ConfigError(
            "Feedback is of a search (search_id, and what was clicked of it) or of a turn of a "
            "chat session (session_id and turn_id, and edited_sql)."
        )
