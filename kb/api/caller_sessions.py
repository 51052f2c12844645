"""The chat sessions of a caller, by the ids that they know them by."""

from dataclasses import replace
from typing import Final

from kb.api.dependencies import KB
from kb.api.guards.access import Caller
from kb.api.problem_codes import Code
from kb.api.problems import translate_missing
from stores.chats.chat_messages import ID_CHARACTERS
from stores.chats.session_list import SessionInfo

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


def restore_id(info: SessionInfo, caller: Caller) -> SessionInfo:
    """Return a session with the id that the caller knows it by."""
    return replace(info, id=info.id.removesuffix(f"@{caller.id}"))
