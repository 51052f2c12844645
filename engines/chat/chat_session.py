"""Makes a stored session a LlamaIndex chat engine, over the engines that answer questions."""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from contextlib import closing, suppress
from typing import Any, Final

from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.chat_engine.types import AgentChatResponse, BaseChatEngine
from llama_index.core.llms.llm import LLM
from llama_index.core.memory import Memory

from engines.chat.async_bridge import run_coroutine, run_in_thread, wait_until_done
from engines.chat.conversation import (
    ConversationQueryEngine,
    is_about_conversation,
    join_system_messages,
)
from engines.chat.memory_updates import MemoryUpdates
from engines.chat.streamed_answer import (
    StreamedAnswer,
    read_tokens,
    read_tokens_async,
    start_answer,
    start_answer_async,
    yield_whole,
    yield_whole_async,
)
from engines.chat.titles import Titles
from engines.chat.turn import LateEnds, OpenTurn, hide_unforeseen_errors, read_cited_passages
from engines.ended_question import OnBegin
from engines.follow_ups.rewriting import Rewritten
from engines.question import check_question
from stores.caches.cache import pass_by_caches
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
    `late_ends`. A turn is stored before it is answered and when its answer ends: complete, partial
    when the answer was cut or its reader left, or failed. `options` are stored with each turn;
    `titles` name the session after the first. `on_begin` is told of each question, and gives what
    is told of its end.
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
        instructions: str = "",
        options: Mapping[str, Any] | None = None,
        titles: Titles | None = None,
        on_begin: OnBegin = lambda _: lambda _: None,
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
        self._instructions = instructions
        self._options = options
        self._titles = titles
        self._on_begin = on_begin

    @property
    def memory(self) -> Memory:
        """The memory of the session. Raises StoreError for the session of another user."""
        self._store.check_owner(self.session_id, self._user)
        return self._memory

    @property
    def chat_history(self) -> list[ChatMessage]:
        """The messages of all turns except failed ones. Raises StoreError as `memory` does."""
        self._store.check_owner(self.session_id, self._user)
        return self._store.read_history(self.session_id)

    @property
    def turns(self) -> list[Turn]:
        """All turns, failed ones too. Raises StoreError as `memory` does."""
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
        replaces: str | None = None,
    ) -> AgentChatResponse:
        """Answer and store a turn; one that is complete comes back as it is stored.

        With `replaces`, the id of a turn, it is another version of that one, from which the session
        goes on; `SessionStore.choose_version` goes back.

        Raises EngineError, StoreError; the session can go on after any of them.
        """
        turn = self._open_turn(message, chat_history, turn_id, replaces)
        if turn.is_complete:
            return _repeat_response(turn)
        response = self._ask_engine(turn, streaming=False)
        turn.complete(str(response))
        self._take_into_memory(turn)
        return _make_response(turn, response)

    async def achat(
        self,
        message: str,
        chat_history: list[ChatMessage] | None = None,
        *,
        turn_id: str | None = None,
        replaces: str | None = None,
    ) -> AgentChatResponse:
        turn = await self._open_turn_async(message, chat_history, turn_id, replaces)
        if turn.is_complete:
            return _repeat_response(turn)
        response = await self._ask_engine_async(turn, streaming=False)
        await self._complete_async(turn, str(response))
        return _make_response(turn, response)

    def stream_chat(
        self,
        message: str,
        chat_history: list[ChatMessage] | None = None,
        *,
        turn_id: str | None = None,
        replaces: str | None = None,
    ) -> StreamedAnswer:
        """Answer as `chat` does, piece by piece; with the last one the answer is stored."""
        turn = self._open_turn(message, chat_history, turn_id, replaces)
        if turn.is_complete:
            return start_answer(
                yield_whole(turn.stored.answer),
                read_cited_passages(turn.stored.evidence),
                turn.metadata,
            )
        response = self._ask_engine(turn, streaming=True)
        pieces = self._stream_pieces(turn, read_tokens(response))
        return start_answer(pieces, response.source_nodes, turn.metadata)

    async def astream_chat(
        self,
        message: str,
        chat_history: list[ChatMessage] | None = None,
        *,
        turn_id: str | None = None,
        replaces: str | None = None,
    ) -> StreamedAnswer:
        turn = await self._open_turn_async(message, chat_history, turn_id, replaces)
        if turn.is_complete:
            return await start_answer_async(
                yield_whole_async(turn.stored.answer),
                read_cited_passages(turn.stored.evidence),
                turn.metadata,
            )
        response = await self._ask_engine_async(turn, streaming=True)
        pieces = self._stream_pieces_async(turn, read_tokens_async(response))
        return await start_answer_async(pieces, response.source_nodes, turn.metadata)

    def _open_turn(
        self,
        message: str,
        chat_history: list[ChatMessage] | None,
        turn_id: str | None,
        replaces: str | None,
    ) -> OpenTurn:
        """Check and store a question, once the turn before it is taken into memory."""
        if chat_history:
            raise EngineError(
                "A stored session has its own history. Leave chat_history out; another "
                "conversation is a session with another id."
            )
        check_question(message)
        self._late_ends.store_all()
        self._memory_updates.wait(_PATIENCE, self.session_id)
        turn_id = secrets.token_hex(8) if turn_id is None else turn_id
        owner, on_end = make_owner(), self._on_begin(message)
        stored, _ = self._store.begin(
            self.session_id,
            turn_id,
            message,
            user=self._user,
            owner=owner,
            options=self._options,
            replaces=replaces,
        )
        ends = self._late_ends
        return OpenTurn(
            *(self._store, self.session_id, stored, owner, ends, on_end),
            is_version=replaces is not None,
        )

    async def _open_turn_async(
        self,
        message: str,
        chat_history: list[ChatMessage] | None,
        turn_id: str | None,
        replaces: str | None,
    ) -> OpenTurn:
        """Open a turn in a thread; one that is stored when its task was cancelled ends at once."""
        opening = run_in_thread(self._open_turn, message, chat_history, turn_id, replaces)
        try:
            return await wait_until_done(opening)
        except asyncio.CancelledError as error:
            if opening.exception() is None and not (turn := opening.result()).is_complete:
                await wait_until_done(run_in_thread(turn.break_off, "", error))
            raise

    def _ask_engine(self, turn: OpenTurn, *, streaming: bool) -> Any:
        """Ask the engine that the question is for, and break the turn off if it fails."""
        try:
            with hide_unforeseen_errors(), turn.calls.listen(), pass_by_caches(turn.is_version):
                engine = self._make_conversation_engine(turn, streaming=streaming)
                if engine is None:
                    self._make_standalone(turn)
                    engine = self._answering(streaming)
                response = engine.query(turn.question)
                turn.take_response(response)
        except BaseException as error:
            turn.break_off("", error)
            raise
        return response

    async def _ask_engine_async(self, turn: OpenTurn, *, streaming: bool) -> Any:
        try:
            with hide_unforeseen_errors(), turn.calls.listen(), pass_by_caches(turn.is_version):
                engine = await asyncio.to_thread(
                    self._make_conversation_engine, turn, streaming=streaming
                )
                if engine is None:
                    await self._make_standalone_async(turn)
                    engine = await asyncio.to_thread(self._answering, streaming)
                response = await engine.aquery(turn.question)
                turn.take_response(response)
        except BaseException as error:
            await wait_until_done(run_in_thread(turn.break_off, "", error))
            raise
        return response

    def _make_conversation_engine(
        self, turn: OpenTurn, *, streaming: bool
    ) -> BaseQueryEngine | None:
        """Make the engine for a question about the conversation; None for any other question."""
        if not is_about_conversation(turn.stored.question):
            return None
        before = self._store.list_turns(self.session_id, before=turn.stored.number)
        return ConversationQueryEngine(
            self._memory,
            before,
            llm=self._llm,
            streaming=streaming,
            instructions=self._instructions,
        )

    def _make_standalone(self, turn: OpenTurn) -> None:
        asked, earlier = turn.stored.question, self._list_earlier_turns(turn)
        messages = run_coroutine(self._memory.aget(asked)) if earlier and self._llm else []
        turn.take_rewritten(self._rewrite(asked, earlier, context=join_system_messages(messages)))

    async def _make_standalone_async(self, turn: OpenTurn) -> None:
        asked = turn.stored.question
        earlier = await asyncio.to_thread(self._list_earlier_turns, turn)
        messages = await self._memory.aget(asked) if earlier and self._llm else []
        context = join_system_messages(messages)
        turn.take_rewritten(await self._arewrite(asked, earlier, context=context))

    def _list_earlier_turns(self, turn: OpenTurn) -> list[Turn]:
        return self._store.list_turns(self.session_id, before=turn.stored.number, limit=_EARLIER)

    def _stream_pieces(
        self, turn: OpenTurn, tokens: Generator[str, None, None]
    ) -> Generator[str, None, None]:
        said = ""
        try:
            with closing(tokens), hide_unforeseen_errors():
                yield ""
                while (piece := turn.calls.next_piece(tokens)) is not None:
                    said += piece
                    turn.take_citations()
                    yield piece
        except BaseException as error:
            turn.break_off(said, error)
            raise
        turn.complete(said)
        self._take_into_memory(turn)

    async def _stream_pieces_async(
        self, turn: OpenTurn, tokens: AsyncGenerator[str, None]
    ) -> AsyncGenerator[str, None]:
        said = ""
        try:
            try:
                with hide_unforeseen_errors():
                    yield ""
                    while (piece := await turn.calls.anext_piece(tokens)) is not None:
                        said += piece
                        turn.take_citations()
                        yield piece
            finally:  # what was said is cited then
                with suppress(RuntimeError):  # a loop that ends may be closing it at this moment
                    await tokens.aclose()
        except BaseException as error:
            await wait_until_done(run_in_thread(turn.break_off, said, error))
            raise
        await self._complete_async(turn, said)

    async def _complete_async(self, turn: OpenTurn, said: str) -> None:
        """Store a whole answer; a task that is cancelled meanwhile ends when that is done."""
        try:
            await wait_until_done(run_in_thread(turn.complete, said))
        finally:
            if turn.is_complete:
                self._take_into_memory(turn)

    def _take_into_memory(self, turn: OpenTurn) -> None:
        self._memory_updates.take_in(self._memory, turn.stored, self._user, self._titles)


def _make_response(turn: OpenTurn, response: Any) -> AgentChatResponse:
    return AgentChatResponse(turn.stored.answer, [], response.source_nodes, metadata=turn.metadata)


def _repeat_response(turn: OpenTurn) -> AgentChatResponse:
    """Return a stored answer again, without asking anybody."""
    return AgentChatResponse(
        turn.stored.answer, [], read_cited_passages(turn.stored.evidence), metadata=turn.metadata
    )
