"""A chat session of a knowledge base, put together."""

import asyncio
import logging
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from llama_index.core.base.base_query_engine import BaseQueryEngine

from engines.chat.chat_session import ChatSession
from engines.chat.memory import make_session_memory
from engines.chat.titles import Titles
from engines.follow_ups.rewriting import Rewritten
from kb.assembly.answering import make_unlogged_engine
from kb.assembly.searching import AnswerOptions, make_rewriter
from stores.errors import ModelUnavailable

if TYPE_CHECKING:
    from kb.assembly.components import Components

_log = logging.getLogger(__name__)


def _make_titles(components: "Components") -> Titles | None:
    """Make what names sessions, where the configuration has a model do that."""
    llm = components.llm_for("memory")
    wished = components.config.chat.titles == "model"
    return Titles(components.session_store, llm) if wished and llm else None


def make_chat_session(
    components: "Components", options: AnswerOptions, user: str | None
) -> ChatSession:
    """Make the session of the options, which need not be there yet. Raises ConfigError."""
    assert options.session  # noqa: S101 - the caller names it
    components = components.with_model(options.model)
    sessions = components.session_store

    @cache
    def make_engine(streaming: bool) -> BaseQueryEngine:  # noqa: FBT001 - the session's interface
        return make_unlogged_engine(components, replace(options, streaming=streaming, model=None))

    def require_budget() -> None:
        if components.llm is not None:
            components.books.require_budget(user)

    def rewrite_question(*asked: Any, **more: Any) -> Rewritten:
        rewriter = make_rewriter(components, options)
        try:
            require_budget()
            return rewriter.rewrite(*asked, **more)
        except ModelUnavailable as error:  # a question can be read without it
            _log.info("%s", error)
            return replace(rewriter, llm=None).rewrite(*asked, **more)

    async def arewrite_question(*asked: Any, **more: Any) -> Rewritten:
        rewriter = await asyncio.to_thread(make_rewriter, components, options)
        try:
            await asyncio.to_thread(require_budget)
            return await rewriter.arewrite(*asked, **more)
        except ModelUnavailable as error:  # as above
            _log.info("%s", error)
            return await replace(rewriter, llm=None).arewrite(*asked, **more)

    # What is wrong with the options shows before the first question.
    make_engine(False)  # noqa: FBT003 - as the session calls it
    return ChatSession(
        sessions,
        options.session,
        answering=make_engine,
        memory=make_session_memory(
            options.session,
            sessions=sessions,
            vector_store=components.memory_store,
            embed_model=components.embed_model,
            llm=components.llm_for("memory"),
            token_limit=components.config.chat.token_limit,
            user=user,
            user_memory=components.config.chat.user_memory,
        ),
        memory_updates=components.memory_updates,
        late_ends=components.late_ends,
        llm=components.llm_for("answer"),
        rewrite=rewrite_question,
        arewrite=arewrite_question,
        user=user,
        instructions=components.config.llm.instructions,
        options=options.values(),
        titles=_make_titles(components),
        on_begin=components.books.make_logger(options.session, user, "chat"),
    )
