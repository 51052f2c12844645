"""A chat session of a knowledge base, put together."""

import asyncio
import logging
from dataclasses import replace
from functools import cache
from typing import Any

from llama_index.core.base.base_query_engine import BaseQueryEngine

from engines.chat.chat_session import ChatSession
from engines.chat.memory import session_memory
from engines.follow_ups.joined_search import CANDIDATES, JoinedSearch
from engines.follow_ups.rewriting import Rewriter, Rewritten
from kb.assembly.answering import AnswerOptions, make_answer_engine, make_retriever
from kb.assembly.components import Components
from stores.errors import ConfigError, StoreError

_log = logging.getLogger(__name__)


def make_chat_session(
    components: Components, options: AnswerOptions, user: str | None
) -> ChatSession:
    """The session of the options, which need not be there yet. Raises ConfigError."""
    assert options.session  # noqa: S101 - the caller names it
    llm, sessions = components.llm, components.session_store

    @cache
    def make_engine(streaming: bool) -> BaseQueryEngine:  # noqa: FBT001 - the session's interface
        return make_answer_engine(components, replace(options, streaming=streaming))

    async def arewrite(*asked: Any, **more: Any) -> Rewritten:
        rewriter = await asyncio.to_thread(make_rewriter, components, options)
        return await rewriter.arewrite(*asked, **more)

    # What is wrong with the options shows before the first question.
    make_engine(False)  # noqa: FBT003 - as the session calls it
    return ChatSession(
        sessions,
        options.session,
        answering=make_engine,
        memory=session_memory(
            options.session,
            sessions=sessions,
            vector_store=components.memory_store,
            embed_model=components.embed_model,
            llm=llm,
            token_limit=components.config.chat.token_limit,
            user=user,
            user_memory=components.config.chat.user_memory,
        ),
        memory_updates=components.memory_updates,
        late_ends=components.late_ends,
        llm=llm,
        rewrite=lambda *asked, **more: make_rewriter(components, options).rewrite(*asked, **more),
        arewrite=arewrite,
        user=user,
    )


def make_rewriter(components: Components, options: AnswerOptions) -> Rewriter:
    """For each question anew: tables that are away now may be there for the next one."""
    entities, matcher, is_better_joined = None, None, None
    if options.source != "documents":
        try:
            entities, matcher = components.entities, components.verified_matcher
        except ConfigError:  # without tables there are no names of theirs
            pass
        except StoreError as error:
            _log.warning("A question is read without the names of the tables: %s", error)
    if options.source != "database":
        retriever = make_retriever(components, replace(options, top_k=CANDIDATES))
        is_better_joined = JoinedSearch(retriever, components.embed_model).is_better
    return Rewriter(components.llm, entities, matcher, is_better_joined)
