"""A chat session of a knowledge base, put together."""

import asyncio
import logging
from dataclasses import replace
from typing import Any

from llama_index.core.base.base_query_engine import BaseQueryEngine

from engines.chat.chat_session import ChatSession
from engines.chat.memory import session_memory
from engines.follow_ups.joined_search import CANDIDATES, JoinedSearch
from engines.follow_ups.rewriting import Rewriter, Rewritten
from kb.assembly.answering import Asking, answering_engine, document_retriever
from kb.assembly.components import Parts
from stores.errors import ConfigError, StoreError

_log = logging.getLogger(__name__)


def chat_session(parts: Parts, asking: Asking, user: str | None) -> ChatSession:
    """The session of `asking`, which need not be there yet. Raises ConfigError."""
    assert asking.session  # noqa: S101 - the caller names it
    answering_engine(parts, asking)  # what is wrong with it shows before the first question

    def answering(streaming: bool) -> BaseQueryEngine:  # noqa: FBT001 - the engine's interface
        return answering_engine(parts, replace(asking, streaming=streaming))

    async def arewrite(*asked: Any, **more: Any) -> Rewritten:
        rewriter = await asyncio.to_thread(make_rewriter, parts, asking)
        return await rewriter.arewrite(*asked, **more)

    return ChatSession(
        parts.session_store,
        asking.session,
        answering=answering,
        memory=session_memory(
            asking.session,
            sessions=parts.session_store,
            vector_store=parts.memory_store,
            embed_model=parts.embed_model,
            llm=parts.llm,
            token_limit=parts.config.chat.token_limit,
            user=user,
            user_memory=parts.config.chat.user_memory,
        ),
        llm=parts.llm,
        rewrite=lambda *asked, **more: make_rewriter(parts, asking).rewrite(*asked, **more),
        arewrite=arewrite,
        user=user,
    )


def make_rewriter(parts: Parts, asking: Asking) -> Rewriter:
    """For each question anew: tables that are away now may be there for the next one."""
    entities, matcher, is_better_joined = None, None, None
    if asking.source != "documents":
        try:
            entities, matcher = parts.entities, parts.verified_matcher
        except ConfigError:  # without tables there are no names of theirs
            pass
        except StoreError as error:
            _log.warning("A question is read without the names of the tables: %s", error)
    if asking.source != "database":
        retriever = document_retriever(parts, replace(asking, top_k=CANDIDATES))
        is_better_joined = JoinedSearch(retriever, parts.embed_model).is_better
    return Rewriter(parts.llm, entities, matcher, is_better_joined)
