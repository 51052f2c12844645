"""Makes the memory of a chat session: its last turns, a summary, facts, and earlier turns.

LlamaIndex's Memory keeps the last turns within a budget of tokens. What it lets go is summed up and
searched for facts about the user, with a language model, and can be found again by its meaning.
"""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from itertools import takewhile
from typing import Any, Final

import sqlalchemy as sa
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_index.core.llms.llm import LLM
from llama_index.core.memory import BaseMemoryBlock, Memory
from llama_index.core.prompts import PromptTemplate
from llama_index.core.schema import BaseNode, MetadataMode, TextNode
from llama_index.core.vector_stores.types import (
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
)
from pydantic import Field

from engines.model_calls import count_text_tokens
from engines.model_errors import model_errors
from engines.prompts import load_prompt
from engines.shortening import cut
from stores.chats.chat_messages import MariaDBChatStore
from stores.chats.chat_sessions import SessionStore, Turn
from stores.chunks.chunk_rows import node_to_row
from stores.chunks.metadata_filters import require_filters
from stores.chunks.vector_store import MariaDBVectorStore

FILTER_KEYS: Final = ("session_id", "user", "kind")  # of the vector store that it takes
_FLUSHED = 0.1  # of the budget, at once
_OF_THE_WINDOW = 0.5  # of a model's context; the rest is for its instructions and its answer
_TURNS_FOUND, _FACTS_FOUND = 3, 8
_FACTS_KNOWN = 30  # told to the model, so that it does not repeat them
_FACTS_A_TIME = 10
_TEXT_CHARACTERS = 1_000  # of a question or an answer
_SUMMARY_CHARACTERS = 3_000
_FACT_CHARACTERS = 300
_READ_CHARACTERS = 8_000  # by a model at once


def make_session_memory(
    session_id: str,
    *,
    sessions: SessionStore,
    vector_store: MariaDBVectorStore,
    embed_model: BaseEmbedding,
    llm: LLM | None,
    token_limit: int,
    user: str | None = None,
    user_memory: bool = False,
) -> Memory:
    """Make the memory of a session; with `user_memory` it also finds turns of the user's others."""
    if llm:
        token_limit = min(token_limit, int(llm.metadata.context_window * _OF_THE_WINDOW))
    messages = MariaDBChatStore(engine=sessions.engine, user=user)
    block = LongTermMemory(
        session_id=session_id,
        sessions=sessions,
        messages=messages,
        vector_store=vector_store,
        embed_model=embed_model,
        llm=llm,
        user=user or "",
        user_memory=user_memory,
    )
    return Memory.from_defaults(
        session_id=session_id,
        token_limit=token_limit,
        token_flush_size=max(1, int(token_limit * _FLUSHED)),
        memory_blocks=[block],
        chat_store=messages,
    )


def forget_session(
    vector_store: MariaDBVectorStore, connection: sa.Connection, session_id: str
) -> None:
    """Delete what memory could find again of a session, in the transaction that deletes it."""
    vector_store.set_up()
    where = vector_store.table.make_where()
    require_filters(where, _make_equality_filters(session_id=session_id))
    vector_store.table.delete(connection, where)


class LongTermMemory(BaseMemoryBlock[str]):
    """The part of memory that holds the turns which left the window of one session.

    It reads them from the session, after the last one that it took in: what a killed process or a
    silent model left out is taken in the next time.
    """

    name: str = "earlier"
    priority: int = 1
    session_id: str
    sessions: SessionStore = Field(exclude=True, repr=False)
    messages: MariaDBChatStore = Field(exclude=True, repr=False)
    vector_store: MariaDBVectorStore = Field(exclude=True, repr=False)
    embed_model: BaseEmbedding = Field(exclude=True, repr=False)
    llm: LLM | None = Field(exclude=True, repr=False)
    user: str
    user_memory: bool

    async def _aget(self, messages: list[ChatMessage] | None = None, **_: Any) -> str:
        known = await asyncio.to_thread(self.sessions.read_memory, self.session_id)
        if not messages or not (known or self.user_memory):
            return ""
        question = messages[-1].content or ""
        facts, turns = await asyncio.to_thread(self._find_related, question, known.get("taken", 0))
        return _compose_memory(known.get("summary", ""), facts, turns)

    async def atruncate(self, content: str, tokens_to_truncate: int) -> str | None:
        """Shorten what was found from its end: earlier turns, then facts, then the summary.

        Never too little of it: Memory would then leave all of it out. Nothing comes as a list.
        """
        if not content:
            return None
        kept = count_text_tokens(content) - tokens_to_truncate
        while content and (tokens := count_text_tokens(content)) > kept:
            content = content[: max(0, len(content) * kept // tokens - 1)]
        return content or None

    async def _aput(self, messages: list[ChatMessage]) -> None:  # noqa: ARG002 - it reads more
        """Take in what left the window since the last time, and not only these messages."""
        window = await self.messages.get_messages(self.session_id)
        asked = sum(message.role is MessageRole.USER for message in window)
        left = await asyncio.to_thread(self._list_turns_to_take_in, asked)
        for turns in _split_into_portions(left):
            known = await asyncio.to_thread(self.sessions.read_memory, self.session_id)
            summary, facts = await self._sum_up(known.get("summary", ""), turns)
            await asyncio.to_thread(self._store_taken_in, summary, facts, turns, known)

    async def aput_turn(self, turn: Turn) -> None:
        """Let the user's other sessions find a turn before it leaves the window of this one."""
        if self.user_memory and turn.answer:
            nodes = [self._turn_to_node(turn)]
            await asyncio.to_thread(self._store_nodes, nodes, turn, lambda now: now)

    def _list_turns_to_take_in(self, asked: int) -> list[Turn]:
        """List turns that left the window and were not taken in, up to one still being answered.

        The window holds the last `asked` turns; those that failed are never in it.
        """
        last = self.sessions.list_turns(self.session_id, limit=1)
        taken = self.sessions.read_memory(self.session_id).get("taken", 0)
        if not last or last[0].number <= taken:
            return []
        turns = self.sessions.list_turns(self.session_id, limit=last[0].number - taken)
        said = [turn for turn in turns if turn.status != "failed" and turn.number > taken]
        left = said[: max(0, len(said) - asked)]
        return list(takewhile(lambda turn: turn.status != "open", left))

    async def _sum_up(self, summary: str, turns: Sequence[Turn]) -> tuple[str, list[str]]:
        """Return a new summary and the facts that the user told, both by the language model."""
        if self.llm is None:
            return "", []
        said = "\n\n".join(map(_turn_to_text, turns))
        asked = "\n".join(f"- {cut(turn.question, _TEXT_CHARACTERS)}" for turn in turns)
        nodes = await asyncio.to_thread(self._find_nearest_nodes, None, "fact", _FACTS_KNOWN)
        known = "\n".join(f"- {_node_text(node)}" for node in nodes) or "- (none)"
        with model_errors("summing up the conversation"):
            summed, listed = await asyncio.gather(
                self.llm.apredict(_load_template("memory_summary"), summary=summary, turns=said),
                self.llm.apredict(_load_template("memory_facts"), known=known, questions=asked),
            )
        return cut(summed.strip(), _SUMMARY_CHARACTERS) or summary, _read_facts(listed)

    def _store_taken_in(
        self, summary: str, facts: Sequence[str], turns: Sequence[Turn], before: dict[str, Any]
    ) -> None:
        """Store nodes, and the new summary unless another process has stored one meanwhile."""
        nodes = [self._turn_to_node(turn) for turn in turns]
        for fact in facts:
            key = hashlib.sha256(fact.casefold().encode()).hexdigest()[:32]
            nodes.append(self._make_node("fact", key, fact))
        after = {"summary": summary, "taken": turns[-1].number}
        self._store_nodes(nodes, turns[-1], lambda now: after if now == before else now)

    def _store_nodes(
        self,
        nodes: Sequence[TextNode],
        turn: Turn,
        change: Callable[[dict[str, Any]], dict[str, Any]],
    ) -> None:
        """Store nodes and change the memory, unless the turn was deleted with its session."""
        with model_errors("embedding what was said"):
            embeddings = self.embed_model.get_text_embedding_batch([node.text for node in nodes])
        for node, embedding in zip(nodes, embeddings, strict=True):
            node.embedding = embedding
        self.vector_store.set_up()
        rows = {node.node_id: node_to_row(node, self.vector_store.embed_dim) for node in nodes}

        def put_rows(connection: sa.Connection, now: dict[str, Any]) -> dict[str, Any]:
            self.vector_store.table.put(connection, [*rows.values()])
            return change(now)

        self.sessions.remember(self.session_id, turn, put_rows)

    def _turn_to_node(self, turn: Turn) -> TextNode:
        return self._make_node("turn", str(turn.number), _turn_to_text(turn), number=turn.number)

    def _make_node(self, kind: str, key: str, text: str, **more: Any) -> TextNode:
        about = {"session_id": self.session_id, "user": self.user, "kind": kind}
        return TextNode(id_=f"{kind}:{key}:{self.session_id}", text=text, metadata=about | more)

    def _find_related(self, question: str, taken: int) -> tuple[list[str], list[str]]:
        """Find facts, and turns that are no longer in the window, close to a question."""
        with model_errors("embedding the question"):
            embedding = self.embed_model.get_query_embedding(question)
        facts = self._find_nearest_nodes(embedding, "fact", _FACTS_FOUND)
        turns = [
            node
            for node in self._find_nearest_nodes(embedding, "turn", _TURNS_FOUND)
            if node.metadata["session_id"] != self.session_id or node.metadata["number"] <= taken
        ]
        return [*map(_node_text, facts)], [*map(_node_text, turns)]

    def _find_nearest_nodes(
        self, embedding: list[float] | None, kind: str, top_k: int
    ) -> Sequence[BaseNode]:
        query = VectorStoreQuery(
            query_embedding=embedding, similarity_top_k=top_k, filters=self._make_own_filters(kind)
        )
        return self.vector_store.query(query).nodes or ()

    def _make_own_filters(self, kind: str) -> MetadataFilters:
        """Make the filters of one search anew, so that no session gets those of another."""
        if self.user_memory:
            return _make_equality_filters(user=self.user, kind=kind)
        return _make_equality_filters(session_id=self.session_id, kind=kind)


def _make_equality_filters(**values: str) -> MetadataFilters:
    return MetadataFilters(
        filters=[MetadataFilter(key=key, value=value) for key, value in values.items()]
    )


def _compose_memory(summary: str, facts: Sequence[str], turns: Sequence[str]) -> str:
    """Write what memory holds for a model, each part below a heading."""
    parts = {
        "Summary of what was said before": summary,
        "What the user has told": "\n".join(f"- {fact}" for fact in facts),
        "Earlier turns that may matter": "\n\n".join(turns),
    }
    return "\n\n".join(f"{heading}:\n{text}" for heading, text in parts.items() if text)


def _turn_to_text(turn: Turn) -> str:
    question, answer = (cut(text, _TEXT_CHARACTERS) for text in (turn.question, turn.answer))
    return f"User: {question}\nAssistant: {answer}"


def _split_into_portions(turns: Sequence[Turn]) -> list[list[Turn]]:
    """Split turns into portions that a model reads at once."""
    portions: list[list[Turn]] = []
    size = _READ_CHARACTERS
    for turn in turns:
        length = len(_turn_to_text(turn))
        if size + length > _READ_CHARACTERS:
            portions.append([])
            size = 0
        portions[-1].append(turn)
        size += length
    return portions


def _read_facts(listed: str) -> list[str]:
    """Return the facts that a model listed, one a line behind a dash or a star."""
    lines = (line.strip() for line in listed.splitlines())
    facts = (line[2:].strip() for line in lines if line.startswith(("- ", "* ")))
    return [cut(fact, _FACT_CHARACTERS) for fact in facts if fact][:_FACTS_A_TIME]


def _node_text(node: BaseNode) -> str:
    return node.get_content(MetadataMode.NONE)


def _load_template(name: str) -> PromptTemplate:
    return PromptTemplate(load_prompt(name))
