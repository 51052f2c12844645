"""Questions in conversations that somebody else keeps."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

from engines.question import Question
from kb.assembly.answering import Asking
from kb.assembly.chatting import make_rewriter
from kb.assembly.components import Parts
from stores.chats.chat_sessions import Turn

_READ = 4  # earlier questions


async def standalone(
    parts: Parts, asked: str, past: Sequence[tuple[str, str]], asking: Asking
) -> Question:
    """The question as it can be asked alone; `past` are questions and answers, the oldest first.

    Raises ModelUnavailable, StoreUnavailable.
    """
    if not past:
        return Question(asked)
    rewriter = await asyncio.to_thread(make_rewriter, parts, asking)
    turns: list[Turn] = []
    for question, answer in past[-_READ:]:
        by = ""
        if not parts.llm:  # a model reads all of them, but a question is joined to what it follows
            by = (await rewriter.arewrite(question, turns)).by
        turns.append(_turn(len(turns) + 1, question, answer, by))
    return (await rewriter.arewrite(asked, turns)).question


def _turn(number: int, question: str, answer: str, rewritten_by: str) -> Turn:
    now = datetime.now(UTC).replace(tzinfo=None)
    return Turn(
        id=str(number),
        number=number,
        question=question,
        standalone=None,
        rewritten_by=rewritten_by,
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
