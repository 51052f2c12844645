"""Chat sessions: their turns, each with its question, its answer and the evidence of it."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias, TypeVar, Unpack

import sqlalchemy as sa
from llama_index.core.base.llms.types import ChatMessage

from stores.chats.chat_messages import (
    ALL,
    SQL,
    check_id,
    check_owner,
    check_user,
    lock_own_session,
    read_text,
    row_to_message,
)
from stores.chats.session_list import (
    Place,
    SessionInfo,
    bind_list,
    list_sessions,
    row_to_info,
)
from stores.chats.turn_versions import choose_way, read_ways
from stores.chats.turns import (
    AboutAnswer,
    Asking,
    Ended,
    Status,
    Turn,
    abandon_open_turns,
    cut_title,
    find_turn,
    is_abandoned,
    make_owner,
    name_process,
    reopen_turn,
    row_to_turn,
    store_answer,
    store_question,
)
from stores.connection import read_snapshot, run_transaction
from stores.errors import StoreError, TurnUnderWay
from stores.text.surrogates import replace_lone_surrogates
from stores.typed_json import dumps, loads

__all__ = ["MOST_TAGS", "TAG_CHARACTERS", "Ended", "SessionStore", "Status", "Turn"]

_TITLE_CHARACTERS = 255
TAG_CHARACTERS = 60
MOST_TAGS = 20
MINUTES_TO_BRING_BACK = 15
"""Minutes in which a session that was deleted can be brought back."""

_MOST_SESSIONS = 100  # that are looked through for turns that cite a document
_MOST_CITING = 20

# Deletes, in the transaction that it is given, what others keep of a session.
Forget: TypeAlias = Callable[[sa.Connection, str], None]
T = TypeVar("T")


@dataclass(frozen=True)
class CitingTurn:
    """A question whose answer cites a document; the time in UTC."""

    session_id: str
    turn_id: str
    question: str
    asked_at: datetime


def _forget_nothing(_connection: sa.Connection, _session_id: str) -> None:
    pass


@dataclass(frozen=True)
class SessionStore:
    """The sessions of a database; `forget` deletes what others keep of one."""

    engine: sa.Engine
    forget: Forget = field(default=_forget_nothing, repr=False)

    def begin(
        self,
        session_id: str,
        turn_id: str,
        question: str,
        *,
        user: str | None = None,
        owner: str | None = None,
        options: Mapping[str, Any] | None = None,
        replaces: str | None = None,
    ) -> tuple[Turn, bool]:
        """Store a question before it is answered: its turn, and whether it is to be answered now.

        The session is made when there is none. A turn that is complete comes back as it is; one
        that failed, was cut, or that nobody answers any more is to be answered again. `owner` is
        who answers it, a `make_owner()`, which `finish` may ask for; the turn keeps `options`.
        With `replaces`, the id of a turn, it is another version of that: what followed it stays,
        and is no part of the conversation until that version is chosen again.

        Raises TurnUnderWay; StoreError for an impossible id, or one of another user or question.
        """
        check_id("turn", turn_id)
        words = replace_lone_surrogates(question)
        asking = Asking(words, owner or make_owner(), options or {}, replaces)

        def work(connection: sa.Connection, session: Any) -> tuple[Turn, bool]:
            known = find_turn(connection, session_id, turn_id)
            if known:
                is_open = reopen_turn(connection, known, asking)
            else:
                store_question(connection, session, turn_id, asking)
                is_open = True
                if replaces is not None:
                    self.forget(connection, session_id)
            return row_to_turn(find_turn(connection, session_id, turn_id)), is_open

        return self.write_together(session_id, user, work)

    def write_together(
        self, session_id: str, user: str | None, work: Callable[[sa.Connection, Any], T]
    ) -> T:
        """Run one transaction that writes to a session of a user, which is made if there is none.

        `work` gets its row, locked. Raises StoreError for an impossible id, or one of another user.
        """
        check_id("session", session_id)
        check_user(user)

        def lock_and_work(connection: sa.Connection) -> T:
            session = lock_own_session(connection, session_id, user)
            if session.deleted_at is not None:  # its id is free again
                self._delete(connection, session_id)
                session = lock_own_session(connection, session_id, user)
            return work(connection, session)

        return run_transaction(self.engine, lock_and_work)

    def finish(
        self,
        session_id: str,
        turn_id: str,
        *,
        answer: str,
        status: Ended,
        **about: Unpack[AboutAnswer],
    ) -> Turn:
        """Store what came of a turn; once it is stored, another call changes nothing.

        Raises StoreError for a turn that is not there any more, of which nothing stays, and for
        one that another `owner` answers.
        """

        def work(connection: sa.Connection) -> Turn | StoreError:
            if not _lock_session(connection, session_id):
                self._forget(connection, session_id)
                return _refuse_session(session_id)
            row = find_turn(connection, session_id, turn_id)
            if row is None:
                connection.execute(SQL["forget_search"], {"search": _find_search(about)})
                return _refuse_turn(session_id, turn_id)
            store_answer(connection, row, answer, status, about)
            return row_to_turn(find_turn(connection, session_id, turn_id))

        ended = run_transaction(self.engine, work)
        if isinstance(ended, StoreError):
            raise ended
        return ended

    def note_progress(
        self,
        session_id: str,
        turn_id: str,
        *,
        said: str,
        standalone: str | None = None,
        evidence: Mapping[str, Any] | None = None,
    ) -> bool:
        """Store what is known so far of a turn that this process answers, if it is still open.

        This is a sign of life too. Returns whether somebody has asked to stop it; `evidence` and
        `standalone` stay as they are where they are None.
        """
        turn = {"session": session_id, "turn": turn_id, "process": name_process()}
        known = {
            "said": replace_lone_surrogates(said),
            "standalone": standalone,
            "evidence": None if evidence is None else dumps(evidence),
        }

        def work(connection: sa.Connection) -> bool:
            connection.execute(SQL["note_progress"], {**turn, **known})
            return bool(connection.scalar(SQL["is_stopped"], turn))

        return run_transaction(self.engine, work)

    def ask_to_stop(self, session_id: str, turn_id: str) -> None:
        """Ask whatever process answers a turn to end it; one that has ended stays as it is.

        Raises StoreError for a turn that is not there.
        """
        turn = {"session": session_id, "turn": turn_id}
        self._write(session_id, lambda c: c.execute(SQL["stop_turn"], turn))
        self.read_turn(session_id, turn_id)

    def read_turn(self, session_id: str, turn_id: str) -> Turn:
        """Read a turn as it is now; one that nobody answers any more is ended first.

        Raises StoreError for a turn that is not there.
        """
        row = self._fetch(lambda c: find_turn(c, session_id, turn_id))
        if row is not None and row.status == "open" and is_abandoned(row):
            self._write(session_id, lambda c: abandon_open_turns(c, session_id))
            row = self._fetch(lambda c: find_turn(c, session_id, turn_id))
        if row is None:
            raise _refuse_turn(session_id, turn_id)
        return row_to_turn(row)

    def is_of(self, session_id: str, user: str) -> bool:
        """Whether there is such a session, and it is the user's."""
        values = bind_list(user, everybody=False, session=session_id)
        return self._fetch(lambda c: c.execute(SQL["sessions"], values).first()) is not None

    def check_owner(self, session_id: str, user: str | None) -> None:
        """Raises StoreError for a session of another user; one that is not there is anybody's."""
        values = bind_list(session=session_id)
        row = self._fetch(lambda c: c.execute(SQL["sessions"], values).one_or_none())
        if row is not None:
            check_owner(row, user)

    def read_history(self, session_id: str) -> list[ChatMessage]:
        """Read the messages of a session, the oldest first, but for those of turns that failed."""
        rows = self._fetch(lambda c: c.execute(SQL["history"], {"session": session_id}).all())
        return [row_to_message(row) for row in rows]

    def list_turns(
        self, session_id: str, *, before: int | None = None, limit: int | None = None
    ) -> list[Turn]:
        """List the last turns before a number, the oldest first; none of an unknown session."""
        values = {
            "session": session_id,
            "turn": None,
            "before": before,
            "limit": ALL if limit is None else limit,
        }
        rows = self._fetch(lambda c: c.execute(SQL["turns"], values).all())
        return [row_to_turn(row) for row in reversed(rows)]

    def list_citing_turns(self, document_id: str, user: str | None = None) -> list[CitingTurn]:
        """List the turns that cite a document, the last first, among a user's last sessions.

        No `user` means everybody's sessions, as `list_sessions` does.
        """
        values = {
            "cited": f'%"{document_id}:%',
            "user": user,
            "everybody": user is None,
            "sessions": _MOST_SESSIONS,
            "limit": _MOST_CITING,
        }
        rows = self._fetch(lambda c: c.execute(SQL["citing_turns"], values).all())
        return [
            CitingTurn(row.session_id, row.turn_id, read_text(row.asked), row.asked_at)
            for row in rows
        ]

    def list_sessions(
        self,
        *,
        search: str | None = None,
        user: str | None = None,
        everybody: bool = True,
        tag: str | None = None,
        after: Place | None = None,
        limit: int = 100,
    ) -> list[SessionInfo]:
        """List sessions as `list_sessions` does."""
        return list_sessions(
            self.engine,
            search=search,
            user=user,
            everybody=everybody,
            tag=tag,
            after=after,
            limit=limit,
        )

    def count_tags(self, user: str | None = None) -> dict[str, int]:
        """Count the sessions of a user, or of everybody, by their tags."""
        rows = self._fetch(lambda c: c.execute(SQL["tags"], bind_list(user)).all())
        return {row.tag: row.sessions for row in rows}

    def one(self, session_id: str) -> SessionInfo:
        """Raises StoreError when there is none of that id."""
        values = bind_list(session=session_id)
        row = self._fetch(lambda c: c.execute(SQL["sessions"], values).one_or_none())
        if row is None:
            raise _refuse_session(session_id)
        return row_to_info(row)

    def rename(self, session_id: str, title: str) -> None:
        """Raises StoreError for an unknown session, and for a title without words or too long."""
        words = " ".join(replace_lone_surrogates(title).split())
        if not words or len(words) > _TITLE_CHARACTERS:
            raise StoreError(
                f"The title has {len(words)} characters; it needs 1 to {_TITLE_CHARACTERS}."
            )
        values = {"session": session_id, "title": words}
        self._write(session_id, lambda c: c.execute(SQL["rename"], values))

    def replace_title(self, session_id: str, question: str, title: str) -> None:
        """Give a session another title than its first question, unless somebody has given one."""
        values = {
            "session": session_id,
            "automatic": cut_title(question),
            "title": " ".join(replace_lone_surrogates(title).split())[:_TITLE_CHARACTERS],
        }
        run_transaction(self.engine, lambda c: c.execute(SQL["replace_title"], values))

    def pin(self, session_id: str, *, is_pinned: bool = True) -> None:
        """Put a session before the others, or back. Raises StoreError for an unknown one."""
        values = {"session": session_id, "is_pinned": is_pinned}
        self._write(session_id, lambda c: c.execute(SQL["pin"], values))

    def tag(self, session_id: str, tags: Iterable[str]) -> None:
        """Give a session these tags, and no others.

        Raises StoreError for an unknown session, for too many tags, and for one that is empty or
        too long.
        """
        words = [" ".join(replace_lone_surrogates(tag).split()) for tag in tags]
        wrong = [tag for tag in words if not 1 <= len(tag) <= TAG_CHARACTERS]
        if wrong or len(words) > MOST_TAGS:
            raise StoreError(
                f"A session takes at most {MOST_TAGS} tags of 1 to {TAG_CHARACTERS} characters; "
                f"these are {words}."
            )
        known = json.dumps(list(dict.fromkeys(words)), ensure_ascii=False) if words else None
        values = {"session": session_id, "tags": known}
        self._write(session_id, lambda c: c.execute(SQL["tag"], values))

    def choose_version(self, session_id: str, turn_id: str) -> None:
        """Go on from this version of a turn: it is current, with what followed it.

        What was remembered of other versions is forgotten, and made again of the current ones.
        Raises StoreError for a turn that is not there, TurnUnderWay while one is answered.
        """

        def work(connection: sa.Connection) -> None:
            way = read_ways(connection, session_id).lead_through(turn_id)
            if way is None:
                raise _refuse_turn(session_id, turn_id)
            abandon_open_turns(connection, session_id)
            if connection.execute(SQL["open_turns"], {"session": session_id}).first():
                raise TurnUnderWay("Another version is chosen when no turn is being answered.")
            choose_way(connection, session_id, way)
            self.forget(connection, session_id)

        self._write(session_id, work)

    def list_versions(self, session_id: str) -> dict[str, list[str]]:
        """List by the id of each turn those of all its versions, itself among them."""
        return self._fetch(lambda c: read_ways(c, session_id)).list_versions()

    def adopt(self, user: str) -> int:
        """Give the sessions that are nobody's to a user; their number. Raises StoreError.

        They are those of before the first key, and of the command line.
        """
        check_user(user)

        def work(connection: sa.Connection) -> int:
            connection.execute(SQL["adopt_searches"], {"user": user})
            return connection.execute(SQL["adopt"], {"user": user}).rowcount

        return run_transaction(self.engine, work)

    def mark_deleted(self, session_ids: Sequence[str], user: str | None = None) -> int:
        """Take sessions of a user, or of anybody, out of sight; their number.

        `bring_back` takes that back until they are deleted for good, some minutes later.
        """
        self.remove_deleted()
        values = {**bind_list(user), "ids": list(session_ids)}
        work = SQL["mark_deleted"]
        return run_transaction(self.engine, lambda c: c.execute(work, values).rowcount)

    def bring_back(self, session_ids: Sequence[str], user: str | None = None) -> int:
        """Bring back sessions of a user, or of anybody, deleted just now; their number."""
        values = {**bind_list(user), "ids": list(session_ids)}
        work = SQL["bring_back"]
        return run_transaction(self.engine, lambda c: c.execute(work, values).rowcount)

    def remove_deleted(self, minutes: int = MINUTES_TO_BRING_BACK) -> int:
        """Delete for good the sessions that were deleted so many minutes ago; their number."""
        return self._remove_found("deleted_sessions", "is_deleted", {"minutes": minutes})

    def delete(self, session_id: str) -> None:
        """Delete a session with its messages, turns, memory, feedback and logged searches.

        Raises StoreError when there is none of that id.
        """
        self._write(session_id, lambda c: self._delete(c, session_id))

    def reset(self, session_id: str) -> None:
        """Delete everything of a session but itself. Raises StoreError when there is none."""

        def work(connection: sa.Connection) -> None:
            self._forget(connection, session_id)
            for statement in ("delete_turns", "delete_all_messages", "begin_anew"):
                connection.execute(SQL[statement], {"session": session_id})

        self._write(session_id, work)

    def remove_older_than(self, days: int) -> int:
        """Delete the sessions that nobody used for so many days; their number."""
        return self._remove_found("older_sessions", "is_older", {"days": days})

    def read_memory(self, session_id: str) -> dict[str, Any]:
        """Read what is remembered of a session besides its messages; nothing of an unknown one."""
        written = self._fetch(lambda c: c.scalar(SQL["memory"], {"session": session_id}))
        return loads(written) if written else {}

    def remember(
        self,
        session_id: str,
        turn: Turn,
        change: Callable[[sa.Connection, dict[str, Any]], Mapping[str, Any]],
    ) -> None:
        """Change what is remembered of the turns up to one, while nobody else can.

        `change` may write to other tables in the same transaction. Raises StoreError when the
        session was deleted, reset or asked this turn again since the turn was read.
        """

        def work(connection: sa.Connection) -> None:
            row = find_turn(connection, session_id, turn.id)
            known = row and (row.number, row.asked_at, row.is_current)
            if known != (turn.number, turn.asked_at, True):
                raise _refuse_turn(session_id, turn.id)
            written = connection.scalar(SQL["memory"], {"session": session_id})
            memory = dumps(change(connection, loads(written) if written else {}))
            connection.execute(SQL["set_memory"], {"session": session_id, "memory": memory})

        self._write(session_id, work)

    def _remove_found(self, listing: str, looking: str, values: Mapping[str, int]) -> int:
        """Delete the sessions that one statement finds, and the other, with each locked, finds too.

        Nobody waits long: one session a transaction.
        """

        def remove(session_id: str) -> bool:
            def work(connection: sa.Connection) -> bool:
                of = {**values, "session": session_id}
                is_wanted = connection.scalar(SQL[looking], of) is not None
                if is_wanted:
                    self._delete(connection, session_id)
                return is_wanted

            return run_transaction(self.engine, work)

        found = self._fetch(lambda c: list(c.scalars(SQL[listing], values)))
        return sum(map(remove, found))

    def _delete(self, connection: sa.Connection, session_id: str) -> None:
        self._forget(connection, session_id)
        connection.execute(SQL["delete_session"], {"session": session_id})

    def _forget(self, connection: sa.Connection, session_id: str) -> None:
        for statement in ("forget_feedback", "forget_searches", "forget_answers"):
            connection.execute(SQL[statement], {"session": session_id})
        self.forget(connection, session_id)

    def _fetch(self, work: Callable[[sa.Connection], T]) -> T:
        return read_snapshot(self.engine, work)

    def _write(self, session_id: str, work: Callable[[sa.Connection], Any]) -> None:
        def lock_and_work(connection: sa.Connection) -> None:
            if not _lock_session(connection, session_id):
                raise _refuse_session(session_id)
            work(connection)

        run_transaction(self.engine, lock_and_work)


def _lock_session(connection: sa.Connection, session_id: str) -> bool:
    """Lock a session, so that nobody else writes to it; False when there is none."""
    values = {"session": session_id}
    return connection.execute(SQL["lock_session"], values).one_or_none() is not None


def _find_search(about: AboutAnswer) -> str | None:
    """Find the id under which an answer's search is logged, if it is."""
    search = (about.get("evidence") or {}).get("search") or {}
    return search.get("id") if isinstance(search, Mapping) else None


def _refuse_session(session_id: str) -> StoreError:
    return StoreError(f"There is no session {session_id!r}. `kb session list` shows all.")


def _refuse_turn(session_id: str, turn_id: str) -> StoreError:
    return StoreError(
        f"The session {session_id!r} has no turn {turn_id!r}; it may have been deleted or reset "
        "meanwhile. Ask again."
    )
