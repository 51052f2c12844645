"""A question that leans on the ones before it -> one that can be asked alone."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from llama_index.core.llms.llm import LLM

from engines.entities import EntityIndex
from engines.question import Question
from stores.sessions import Turn


@dataclass(frozen=True)
class Rewritten:
    """`question` can be asked alone; `by` is "" where it is as it was asked."""

    question: Question
    by: Literal["", "model", "rule"]


def rewritten(
    asked: str,
    turns: Sequence[Turn],  # noqa: ARG001 - nothing is carried over yet
    *,
    llm: LLM | None,  # noqa: ARG001 - as above
    entities: EntityIndex | None,  # noqa: ARG001 - as above
    context: str = "",  # noqa: ARG001 - as above
) -> Rewritten:
    return Rewritten(Question(asked), "")


async def arewritten(
    asked: str,
    turns: Sequence[Turn],
    *,
    llm: LLM | None,
    entities: EntityIndex | None,
    context: str = "",
) -> Rewritten:
    return await asyncio.to_thread(
        rewritten, asked, turns, llm=llm, entities=entities, context=context
    )
