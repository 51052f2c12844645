"""The chat sessions of a caller, by the ids that they know them by."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import replace
from datetime import datetime
from typing import Final

from kb.api.dependencies import KB
from kb.api.guards.access import Caller
from kb.api.problem_codes import Code
from kb.api.problems import Problem, translate_missing
from stores.chats.chat_messages import ID_CHARACTERS
from stores.chats.session_list import Place, SessionInfo

MOST_ID_CHARACTERS: Final = ID_CHARACTERS - len("@4f2a90c1d7b3")  # of a key, see find_stored_id


def find_session(kb: KB, session_id: str, caller: Caller) -> SessionInfo:
    """Return a session of the caller, with the id that it is stored under. Raises Problem 404."""
    with translate_missing(Code.NO_SUCH_SESSION):
        return kb.components.session_store.one(find_stored_id(kb, session_id, caller))


def find_stored_id(kb: KB, session_id: str, caller: Caller) -> str:
    """Return the id that a session of the caller is stored under.

    Each key has ids of its own, so that nobody takes, or learns of, those of another one. What is
    stored as the caller's without the id of their key is older, or was not made here.
    """
    if caller.name is None or kb.components.session_store.is_of(session_id, caller.name):
        return session_id
    return f"{session_id}@{caller.id}"


def write_cursor(place: Place) -> str:
    """Write a place in the list of sessions as a word that an address can hold."""
    text = json.dumps([place.is_pinned, place.updated.isoformat(), place.id])
    return urlsafe_b64encode(text.encode()).decode()


def read_cursor(cursor: str) -> Place:
    """Read back what `write_cursor` wrote. Raises Problem 422 for anything else."""
    try:
        is_pinned, updated, session_id = json.loads(urlsafe_b64decode(cursor.encode()))
        return Place(bool(is_pinned), datetime.fromisoformat(updated), str(session_id))
    except (ValueError, TypeError) as error:
        raise Problem(Code.BAD_CURSOR, {"cursor": cursor[:40]}) from error


def restore_id(info: SessionInfo, caller: Caller) -> SessionInfo:
    """Return a session with the id that the caller knows it by."""
    return replace(info, id=info.id.removesuffix(f"@{caller.id}"))
