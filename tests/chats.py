"""Chat sessions for tests: two fixed passages, a real store, and the model that a test brings."""

from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from fake_models import HashEmbedding
from llama_index.core.llms.llm import LLM
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

from engines.chat.chat_session import ChatSession
from engines.chat.memory import FILTER_KEYS, forget_session, make_session_memory
from engines.chat.memory_updates import MemoryUpdates
from engines.chat.turn import LateEnds
from engines.documents.document_engine import DocumentQueryEngine
from engines.follow_ups.rewriting import Rewritten
from engines.question import Question
from stores.chats.chat_sessions import SessionStore
from stores.chunks.vector_store import MariaDBVectorStore

EMBEDDING = HashEmbedding()
_SHARED: WeakKeyDictionary[sa.Engine, tuple[MemoryUpdates, LateEnds]] = WeakKeyDictionary()


class Shop(BaseRetriever):
    """Finds the same two passages for every question, which it remembers."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[QueryBundle] = []

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        self.asked.append(query_bundle)
        texts = {"returns.md": "30 days from delivery.", "kettle.pdf": "It boils in 3 minutes."}
        return [
            NodeWithScore(
                node=TextNode(id_=path, text=text, metadata={"path": path, "title": path.title()}),
                score=0.9,
            )
            for path, text in texts.items()
        ]


def memory_table(engine: sa.Engine) -> MariaDBVectorStore:
    return MariaDBVectorStore(
        engine, "kb_memory", embed_dim=64, filter_keys=FILTER_KEYS, words="none"
    )


def shared(engine: sa.Engine) -> tuple[MemoryUpdates, LateEnds]:
    """What the sessions of a database share, as those of a knowledge base do."""
    return _SHARED.setdefault(engine, (MemoryUpdates(), LateEnds()))


def forget_shared(engine: sa.Engine) -> None:
    _SHARED.pop(engine, None)


def session_store(engine: sa.Engine) -> SessionStore:
    return SessionStore(engine, forget=partial(forget_session, memory_table(engine)))


def as_asked(asked: str, *_: object, **__: object) -> Rewritten:
    return Rewritten(Question(asked), "")


async def aas_asked(asked: str, *_: object, **__: object) -> Rewritten:
    return as_asked(asked)


def chat_session(
    engine: sa.Engine,
    llm: LLM | None,
    session_id: str = "s",
    *,
    token_limit: int = 8000,
    user: str | None = None,
    user_memory: bool = False,
    shop: Shop | None = None,
    **rewriting: Any,
) -> ChatSession:
    sessions = session_store(engine)
    shop = shop or Shop()

    def answering(streaming: bool) -> DocumentQueryEngine:
        return DocumentQueryEngine(shop, llm=llm, embed_model=EMBEDDING, streaming=streaming)

    memory = make_session_memory(
        session_id,
        sessions=sessions,
        vector_store=memory_table(engine),
        embed_model=EMBEDDING,
        llm=llm,
        token_limit=token_limit,
        user=user,
        user_memory=user_memory,
    )
    return ChatSession(
        sessions,
        session_id,
        answering=answering,
        memory=memory,
        memory_updates=shared(engine)[0],
        late_ends=shared(engine)[1],
        llm=llm,
        user=user,
        **({"rewrite": as_asked, "arewrite": aas_asked} | rewriting),
    )
