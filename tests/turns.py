"""Turns of conversations, as a store gives them."""

from datetime import UTC, datetime
from typing import Any

from stores.chats.chat_sessions import Turn


def turn(question: str, answer: str = "", **changes: Any) -> Turn:
    evidence = changes.pop("evidence", {"route": "database"})
    now = datetime(2026, 6, 30, tzinfo=UTC)
    values: dict[str, Any] = {
        "id": question,
        "number": 1,
        "question": question,
        "standalone": None,
        "rewritten_by": "",
        "answer": answer,
        "status": "complete",
        "error": None,
        "evidence": evidence,
        "model": None,
        "prompt_tokens": None,
        "completion_tokens": None,
        "asked_at": now,
        "answered_at": now,
    }
    return Turn(**values | changes)
