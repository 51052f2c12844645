"""What a chat session remembers: its last turns, a summary, facts, and earlier turns found again.

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
from llama_index.core.utils import get_tokenizer
from llama_index.core.vector_stores.types import (
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
)
from pydantic import Field

from engines.model_errors import model_errors
from engines.prompts import prompt
from engines.shortening import cut
from stores.chats.chat_messages import MariaDBChatStore
from stores.chats.chat_sessions import SessionStore, Turn
from stores.chunks.chunk_rows import node_to_row
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


def session_memory(
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
    """The memory of one session; with `user_memory` it also finds what its user said in others."""
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


def forget(vector_store: MariaDBVectorStore, connection: sa.Connection, session_id: str) -> None:
    """Delete what is found again of a session, in the transaction that deletes the session."""
    vector_store.set_up()
    where = vector_store.table.make_where()
    where.require_filters(_equal(session_id=session_id))
    vector_store.table.delete(connection, where)


class LongTermMemory(BaseMemoryBlock[str]):
    """What one session remembers of turns that left its window.

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
        facts, turns = await asyncio.to_thread(self._found, question, known.get("taken", 0))
        return _told(known.get("summary", ""), facts, turns)

    async def atruncate(self, content: str, tokens_to_truncate: int) -> str | None:
        """The end goes first: earlier turns, then facts, then the summary.

        Never too little of it: Memory would then leave all of it out. Nothing comes as a list.
        """
        if not content:
            return None
        kept = _tokens(content) - tokens_to_truncate
        while content and (tokens := _tokens(content)) > kept:
            content = content[: max(0, len(content) * kept // tokens - 1)]
        return content or None

    async def _aput(self, messages: list[ChatMessage]) -> None:  # noqa: ARG002 - it reads more
        """Take in what left the window since the last time, and not only these messages."""
        window = await self.messages.get_messages(self.session_id)
        asked = sum(message.role is MessageRole.USER for message in window)
        for turns in _portions(await asyncio.to_thread(self._left, asked)):
            known = await asyncio.to_thread(self.sessions.read_memory, self.session_id)
            summary, facts = await self._understood(known.get("summary", ""), turns)
            await asyncio.to_thread(self._keep, summary, facts, turns, known)

    async def aput_turn(self, turn: Turn) -> None:
        """Let the user's other sessions find a turn before it leaves the window of this one."""
        if self.user_memory and turn.answer:
            await asyncio.to_thread(self._put, [self._turn_node(turn)], turn, lambda now: now)

    def _left(self, asked: int) -> list[Turn]:
        """Turns that left the window and were not taken in; none behind one still being answered.

        The window holds the last `asked` turns; those that failed are never in it.
        """
        last = self.sessions.list_turns(self.session_id, limit=1)
        taken = self.sessions.read_memory(self.session_id).get("taken", 0)
        if not last or last[0].number <= taken:
            return []
        turns = self.sessions.list_turns(self.session_id, limit=last[0].number - taken)
        said = [turn for turn in turns if turn.status != "failed"]
        left = said[: max(0, len(said) - asked)]
        return list(takewhile(lambda turn: turn.status != "open", left))

    async def _understood(self, summary: str, turns: Sequence[Turn]) -> tuple[str, list[str]]:
        if self.llm is None:
            return "", []
        said = "\n\n".join(map(_text, turns))
        asked = "\n".join(f"- {cut(turn.question, _TEXT_CHARACTERS)}" for turn in turns)
        known = await asyncio.to_thread(self._facts_known)
        with model_errors("summing up the conversation"):
            summed, listed = await asyncio.gather(
                self.llm.apredict(_template("memory_summary"), summary=summary, turns=said),
                self.llm.apredict(_template("memory_facts"), known=known, questions=asked),
            )
        return cut(summed.strip(), _SUMMARY_CHARACTERS) or summary, _facts(listed)

    def _keep(
        self, summary: str, facts: Sequence[str], turns: Sequence[Turn], before: dict[str, Any]
    ) -> None:
        """All of it or, when another process was quicker, what it has not."""
        nodes = [*map(self._turn_node, turns), *map(self._fact_node, facts)]
        after = {"summary": summary, "taken": turns[-1].number}
        self._put(nodes, turns[-1], lambda now: after if now == before else now)

    def _put(
        self,
        nodes: Sequence[TextNode],
        turn: Turn,
        change: Callable[[dict[str, Any]], dict[str, Any]],
    ) -> None:
        """With the change of the memory, if the turn is still there: it goes with its session."""
        with model_errors("embedding what was said"):
            embeddings = self.embed_model.get_text_embedding_batch([node.text for node in nodes])
        for node, embedding in zip(nodes, embeddings, strict=True):
            node.embedding = embedding
        self.vector_store.set_up()
        rows = {node.node_id: node_to_row(node, self.vector_store.embed_dim) for node in nodes}

        def put(connection: sa.Connection, now: dict[str, Any]) -> dict[str, Any]:
            self.vector_store.table.put(connection, [*rows.values()])
            return change(now)

        self.sessions.remember(self.session_id, turn, put)

    def _turn_node(self, turn: Turn) -> TextNode:
        return self._node("turn", str(turn.number), _text(turn), number=turn.number)

    def _fact_node(self, fact: str) -> TextNode:
        return self._node("fact", hashlib.sha256(fact.casefold().encode()).hexdigest()[:32], fact)

    def _node(self, kind: str, key: str, text: str, **more: Any) -> TextNode:
        about = {"session_id": self.session_id, "user": self.user, "kind": kind}
        return TextNode(id_=f"{kind}:{key}:{self.session_id}", text=text, metadata=about | more)

    def _found(self, question: str, taken: int) -> tuple[list[str], list[str]]:
        """Facts, and turns that are no longer in the window, close to a question."""
        with model_errors("embedding the question"):
            embedding = self.embed_model.get_query_embedding(question)
        facts = self._nearest(embedding, "fact", _FACTS_FOUND)
        turns = [
            node
            for node in self._nearest(embedding, "turn", _TURNS_FOUND)
            if node.metadata["session_id"] != self.session_id or node.metadata["number"] <= taken
        ]
        return [*map(_content, facts)], [*map(_content, turns)]

    def _nearest(self, embedding: list[float] | None, kind: str, top_k: int) -> Sequence[BaseNode]:
        query = VectorStoreQuery(
            query_embedding=embedding, similarity_top_k=top_k, filters=self._own(kind)
        )
        return self.vector_store.query(query).nodes or ()

    def _facts_known(self) -> str:
        known = self._nearest(None, "fact", _FACTS_KNOWN)
        return "\n".join(f"- {_content(node)}" for node in known) or "- (none)"

    def _own(self, kind: str) -> MetadataFilters:
        """Made anew for each search: what one session is given never reaches another."""
        if self.user_memory:
            return _equal(user=self.user, kind=kind)
        return _equal(session_id=self.session_id, kind=kind)


def _tokens(text: str) -> int:
    return len(get_tokenizer()(text))


def _equal(**values: str) -> MetadataFilters:
    return MetadataFilters(
        filters=[MetadataFilter(key=key, value=value) for key, value in values.items()]
    )


def _told(summary: str, facts: Sequence[str], turns: Sequence[str]) -> str:
    parts = {
        "Summary of what was said before": summary,
        "What the user has told": "\n".join(f"- {fact}" for fact in facts),
        "Earlier turns that may matter": "\n\n".join(turns),
    }
    return "\n\n".join(f"{heading}:\n{text}" for heading, text in parts.items() if text)


def _text(turn: Turn) -> str:
    question, answer = (cut(text, _TEXT_CHARACTERS) for text in (turn.question, turn.answer))
    return f"User: {question}\nAssistant: {answer}"


def _portions(turns: Sequence[Turn]) -> list[list[Turn]]:
    """As much as a model reads at once."""
    portions: list[list[Turn]] = []
    size = _READ_CHARACTERS
    for turn in turns:
        length = len(_text(turn))
        if size + length > _READ_CHARACTERS:
            portions.append([])
            size = 0
        portions[-1].append(turn)
        size += length
    return portions


def _facts(listed: str) -> list[str]:
    lines = (line.strip() for line in listed.splitlines())
    facts = (line[2:].strip() for line in lines if line.startswith(("- ", "* ")))
    return [cut(fact, _FACT_CHARACTERS) for fact in facts if fact][:_FACTS_A_TIME]


def _content(node: BaseNode) -> str:
    return node.get_content(MetadataMode.NONE)


def _template(name: str) -> PromptTemplate:
    return PromptTemplate(prompt(name))
