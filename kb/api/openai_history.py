"""Questions in conversations that somebody else keeps."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

from engines.follow_ups.rewriting import arewritten
from engines.question import Question
from engines.tables.entities import EntityIndex
from kb.assembly.components import Parts
from stores.chats.chat_sessions import Turn
from stores.errors import KBError


async def standalone(parts: Parts, asked: str, past: Sequence[tuple[str, str]]) -> Question:
    """The question as it can be asked alone; `past` are questions and answers, the oldest first.

    Raises ModelUnavailable, StoreUnavailable.
    """
    if not past:
        return Question(asked)
    turns = [_turn(number, *each) for number, each in enumerate(past, start=1)]
    entities = await asyncio.to_thread(_entities, parts)
    rewritten = await arewritten(asked, turns, llm=parts.llm, entities=entities)
    return rewritten.question


def _entities(parts: Parts) -> EntityIndex | None:
    try:
        return parts.entities
    except KBError:  # without tables there are no names of theirs
        return None


def _turn(number: int, question: str, answer: str) -> Turn:
    now = datetime.now(UTC).replace(tzinfo=None)
    return Turn(
        id=str(number),
        number=number,
        question=question,
        standalone=None,
        rewritten_by="",
        answer=answer,
        status="complete",
        error=None,
        evidence={},
        model=None,
        prompt_tokens=None,
        completion_tokens=None,
        asked_at=now,
        answered_at=now,
    )
