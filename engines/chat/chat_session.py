"""A stored session as a LlamaIndex chat engine, over the engines that answer questions."""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import closing, suppress
from typing import Any, Final

from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.chat_engine.types import AgentChatResponse, BaseChatEngine
from llama_index.core.llms.llm import LLM
from llama_index.core.memory import Memory
from llama_index.core.schema import NodeWithScore

from engines.chat.awaited import awaited, in_thread, settled
from engines.chat.conversation import ConversationQueryEngine, is_about_conversation, recalled
from engines.chat.memory_updates import MemoryUpdates
from engines.chat.streamed_answer import (
    StreamedAnswer,
    abegun,
    atokens_of,
    awhole,
    begun,
    tokenize_sql,
    whole,
)
from engines.chat.turn import LateEnds, OpenTurn, cited_passages, unforeseen
from engines.follow_ups.rewriting import Rewritten
from stores.chats.chat_messages import check_user
from stores.chats.chat_sessions import SessionStore, Turn
from stores.chats.turns import make_owner
from stores.errors import EngineError

_EARLIER: Final = 10  # turns that a follow-up may refer to
_PATIENCE: Final = 2.0  # seconds for the memory of the turn before; longer, it is taken in later


class ChatSession(BaseChatEngine):
    """The chat engine of one stored session; several may be open on it, in any process.

    `answering` makes the engine that answers, streaming or not; `rewrite` and `arewrite` make a
    follow-up a question of its own. All sessions of a knowledge base share `memory_updates` and
    `late_ends`. A turn is stored before it is answered and when its answer
    ends: complete, partial when the answer was cut or its reader left, or failed.
    """

    def __init__(
        self,
        store: SessionStore,
        session_id: str,
        *,
        answering: Callable[[bool], BaseQueryEngine],
        memory: Memory,
        memory_updates: MemoryUpdates,
        late_ends: LateEnds,
        llm: LLM | None,
        rewrite: Callable[..., Rewritten],
        arewrite: Callable[..., Awaitable[Rewritten]],
        user: str | None = None,
    ) -> None:
        check_user(user)
        self.session_id = session_id
        self._memory = memory
        self._memory_updates = memory_updates
        self._late_ends = late_ends
        self._store = store
        self._answering = answering
        self._llm = llm
        self._rewrite = rewrite
        self._arewrite = arewrite
        self._user = user

    @property
    def memory(self) -> Memory:
        """As all that is told of a session, it raises StoreError for one of another user."""
        self._store.check_owner(self.session_id, self._user)
        return self._memory

    @property
    def chat_history(self) -> list[ChatMessage]:
        """All that was said, but in turns that failed."""
        self._store.check_owner(self.session_id, self._user)
        return self._store.read_history(self.session_id)

    @property
    def turns(self) -> list[Turn]:
        self._store.check_owner(self.session_id, self._user)
        return self._store.list_turns(self.session_id)

    def reset(self) -> None:
        """Forget everything that was said; the session keeps its id."""
        if self.turns or self.chat_history:
            self._store.reset(self.session_id)

    def chat(
        self,
        message: str,
        chat_history: list[ChatMessage] | None = None,
        *,
        turn_id: str | None = None,
    ) -> AgentChatResponse:
        """Answer and store a turn; one that is complete comes back as it is stored.

        Raises EngineError, StoreError; the session can go on after any of them.
        """
        turn = self._begin(message, chat_history, turn_id)
        if turn.is_complete:
            return _again(turn)
        response = self._response(turn, streaming=False)
        turn.completed(str(response))
        self._remember(turn)
        return _answer(turn, response)

    async def achat(
        self,
        message: str,
        chat_history: list[ChatMessage] | None = None,
        *,
        turn_id: str | None = None,
    ) -> AgentChatResponse:
        turn = await self._abegin(message, chat_history, turn_id)
        if turn.is_complete:
            return _again(turn)
        response = await self._aresponse(turn, streaming=False)
        await asyncio.to_thread(turn.completed, str(response))
        self._remember(turn)
        return _answer(turn, response)

    def stream_chat(
        self,
        message: str,
        chat_history: list[ChatMessage] | None = None,
        *,
        turn_id: str | None = None,
    ) -> StreamedAnswer:
        """As `chat`; the answer is stored with its last word, its sources are known by then."""
        turn = self._begin(message, chat_history, turn_id)
        if turn.is_complete:
            return begun(whole(turn.stored.answer), _passages(turn), turn.metadata)
        response = self._response(turn, streaming=True)
        pieces = self._pieces(turn, tokenize_sql(response))
        return begun(pieces, response.source_nodes, turn.metadata)

    async def astream_chat(
        self,
        message: str,
        chat_history: list[ChatMessage] | None = None,
        *,
        turn_id: str | None = None,
    ) -> StreamedAnswer:
        turn = await self._abegin(message, chat_history, turn_id)
        if turn.is_complete:
            return await abegun(awhole(turn.stored.answer), _passages(turn), turn.metadata)
        response = await self._aresponse(turn, streaming=True)
        pieces = self._apieces(turn, atokens_of(response))
        return await abegun(pieces, response.source_nodes, turn.metadata)

    def _begin(
        self, message: str, chat_history: list[ChatMessage] | None, turn_id: str | None
    ) -> OpenTurn:
        if chat_history:
            raise EngineError(
                "A stored session has its own history. Leave chat_history out; another "
                "conversation is a session with another id."
            )
        if not message.strip():
            raise EngineError("The question is empty. Ask something.")
        self._late_ends.store()
        self._memory_updates.wait(_PATIENCE, self.session_id)
        turn_id = secrets.token_hex(8) if turn_id is None else turn_id
        owner = make_owner()
        stored, _ = self._store.begin(
            self.session_id, turn_id, message, user=self._user, owner=owner
        )
        return OpenTurn(self._store, self.session_id, stored, owner, self._late_ends)

    async def _abegin(
        self, message: str, chat_history: list[ChatMessage] | None, turn_id: str | None
    ) -> OpenTurn:
        """A question that is stored when its task was cancelled already ends, too."""
        begun = in_thread(self._begin, message, chat_history, turn_id)
        try:
            return await settled(begun)
        except asyncio.CancelledError as error:
            if begun.exception() is None and not (turn := begun.result()).is_complete:
                await settled(in_thread(turn.broke_off, "", error))
            raise

    def _response(self, turn: OpenTurn, *, streaming: bool) -> Any:
        try:
            with unforeseen(), turn.calls.listening():
                engine = self._conversation(turn, streaming=streaming)
                if engine is None:
                    self._make_standalone(turn)
                    engine = self._answering(streaming)
                response = engine.query(turn.question)
                turn.take_response(response)
        except BaseException as error:
            turn.broke_off("", error)
            raise
        return response

    async def _aresponse(self, turn: OpenTurn, *, streaming: bool) -> Any:
        try:
            with unforeseen(), turn.calls.listening():
                engine = await asyncio.to_thread(self._conversation, turn, streaming=streaming)
                if engine is None:
                    await self._amake_standalone(turn)
                    engine = await asyncio.to_thread(self._answering, streaming)
                response = await engine.aquery(turn.question)
                turn.take_response(response)
        except BaseException as error:
            await settled(in_thread(turn.broke_off, "", error))
            raise
        return response

    def _conversation(self, turn: OpenTurn, *, streaming: bool) -> BaseQueryEngine | None:
        """What answers a question about the conversation; None for any other question."""
        if not is_about_conversation(turn.stored.question):
            return None
        before = self._store.list_turns(self.session_id, before=turn.stored.number)
        return ConversationQueryEngine(self._memory, before, llm=self._llm, streaming=streaming)

    def _make_standalone(self, turn: OpenTurn) -> None:
        asked, earlier = turn.stored.question, self._earlier(turn)
        messages = awaited(self._memory.aget(asked)) if earlier and self._llm else []
        turn.take_rewritten(self._rewrite(asked, earlier, context=recalled(messages)))

    async def _amake_standalone(self, turn: OpenTurn) -> None:
        asked, earlier = turn.stored.question, await asyncio.to_thread(self._earlier, turn)
        messages = await self._memory.aget(asked) if earlier and self._llm else []
        turn.take_rewritten(await self._arewrite(asked, earlier, context=recalled(messages)))

    def _earlier(self, turn: OpenTurn) -> list[Turn]:
        return self._store.list_turns(self.session_id, before=turn.stored.number, limit=_EARLIER)

    def _pieces(
        self, turn: OpenTurn, tokens: Generator[str, None, None]
    ) -> Generator[str, None, None]:
        said = ""
        try:
            with closing(tokens), unforeseen():
                yield ""
                while (piece := turn.calls.next(tokens)) is not None:
                    said += piece
                    yield piece
                turn.require_whole()
        except BaseException as error:
            turn.broke_off(said, error)
            raise
        turn.completed(said)
        self._remember(turn)

    async def _apieces(
        self, turn: OpenTurn, tokens: AsyncGenerator[str, None]
    ) -> AsyncGenerator[str, None]:
        said = ""
        try:
            with unforeseen():
                yield ""
                while (piece := await turn.calls.anext(tokens)) is not None:
                    said += piece
                    yield piece
                turn.require_whole()
        except BaseException as error:
            await settled(in_thread(turn.broke_off, said, error))
            raise
        finally:
            with suppress(RuntimeError):  # a loop that ends may be closing it at this moment
                await tokens.aclose()
        await asyncio.to_thread(turn.completed, said)
        self._remember(turn)

    def _remember(self, turn: OpenTurn) -> None:
        self._memory_updates.take_in(self._memory, turn.stored)


def _answer(turn: OpenTurn, response: Any) -> AgentChatResponse:
    return AgentChatResponse(turn.stored.answer, [], response.source_nodes, metadata=turn.metadata)


def _again(turn: OpenTurn) -> AgentChatResponse:
    """A stored answer, without asking anybody."""
    return AgentChatResponse(turn.stored.answer, [], _passages(turn), metadata=turn.metadata)


def _passages(turn: OpenTurn) -> list[NodeWithScore]:
    return cited_passages(turn.stored.evidence)
