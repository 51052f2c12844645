"""Questions in conversations that somebody else keeps."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from engines.question import Question
from kb.assembly.searching import AnswerOptions, make_rewriter
from stores.chats.chat_sessions import Turn

if TYPE_CHECKING:  # handed in, by who opened them
    from kb.assembly.components import Components

_READ = 4  # earlier questions


async def read_standalone(
    components: "Components", asked: str, past: Sequence[tuple[str, str]], options: AnswerOptions
) -> Question:
    """Read a question as it can be asked alone.

    `past` are the questions and answers before it, the oldest first.

    Raises ModelUnavailable, StoreUnavailable.
    """
    if not past:
        return Question(asked)
    rewriter = await asyncio.to_thread(make_rewriter, components, options)
    turns: list[Turn] = []
    for question, answer in past[-_READ:]:
        by = ""
        if not components.llm:  # a model reads all; without one a question joins what it follows
            by = (await rewriter.arewrite(question, turns)).by
        turns.append(_make_turn(len(turns) + 1, question, answer, by))
    return (await rewriter.arewrite(asked, turns)).question


def _make_turn(number: int, question: str, answer: str, rewritten_by: str) -> Turn:
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
