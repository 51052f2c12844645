"""LlamaIndex's Memory over the messages of chat sessions."""

import asyncio

import pytest
import sqlalchemy as sa
from llama_index.core.base.llms.types import ChatMessage, ImageBlock, MessageRole, TextBlock
from llama_index.core.memory import Memory
from llama_index.core.storage.chat_store.base_db import MessageStatus

from stores.chats.chat_messages import MariaDBChatStore
from stores.chats.chat_sessions import SessionStore
from stores.errors import StoreError
from stores.registry.schema import migrate


@pytest.fixture
def store(engine: sa.Engine) -> MariaDBChatStore:
    migrate(engine)
    return MariaDBChatStore(engine=engine)


@pytest.fixture
def sessions(engine: sa.Engine) -> SessionStore:
    migrate(engine)
    return SessionStore(engine)


def memory(store: MariaDBChatStore, session: str = "s", **options: object) -> Memory:
    options = {"token_limit": 1000, **options}
    return Memory.from_defaults(session, chat_store=store, tokenizer_fn=str.split, **options)  # type: ignore[arg-type]  # of any type


def message(text: str, role: MessageRole = MessageRole.USER) -> ChatMessage:
    return ChatMessage(role=role, content=text)


def texts(messages: list[ChatMessage]) -> list[str | None]:
    return [each.content for each in messages]


async def test_a_memory_continues_in_another_one_of_the_same_session(store):
    await memory(store).aput_messages([message("Hello 🙂"), message("Hi\0", MessageRole.ASSISTANT)])
    assert texts(await memory(store).aget()) == ["Hello 🙂", "Hi\0"]
    assert await memory(store, "other").aget() == []


async def test_a_memory_works_inside_a_running_loop(store):
    await memory(store).aput(message("async"))
    memory(store).put(message("sync"))
    assert texts(await memory(store).aget()) == ["async", "sync"]


async def test_a_message_keeps_its_blocks_and_arguments(store):
    picture = ChatMessage(
        role=MessageRole.USER,
        blocks=[TextBlock(text="What is this?"), ImageBlock(url="http://127.0.0.1/x.png")],
        additional_kwargs={"date": "2026-01-02", "nested": {"decimal": "1"}},
    )
    half = message("a\ud800")
    await store.set_messages("s", [picture, half])
    assert (await store.get_messages("s")) == [picture, message("a�")]


async def test_old_messages_leave_the_window_and_stay_in_the_store(store):
    talk = memory(store, token_limit=20, token_flush_size=5, chat_history_token_ratio=0.5)
    for number in range(6):
        await talk.aput(message(f"question {number} of some words"))
        await talk.aput(message(f"answer {number} of some words", MessageRole.ASSISTANT))
    window = texts(await talk.aget())
    assert 2 <= len(window) < 12
    assert window[-1] == "answer 5 of some words"
    assert len(await talk.aget_all()) == 12
    archived = await store.count_messages("s", MessageStatus.ARCHIVED)
    assert archived == 12 - len(window)


async def test_the_words_of_turns_are_the_messages_of_the_memory(store, sessions):
    sessions.begin("s", "t1", "Why?")
    sessions.begin("s", "t2", "Who?")
    sessions.finish("s", "t2", answer="You.", status="partial")
    sessions.finish("s", "t1", answer="Because.", status="complete")
    assert texts(await memory(store).aget()) == ["Why?", "Because.", "Who?", "You."]


async def test_what_failed_is_no_part_of_the_conversation_until_it_is_asked_again(store, sessions):
    sessions.begin("s", "t1", "Why?")
    assert texts(await memory(store).aget()) == ["Why?"]
    sessions.finish("s", "t1", answer="", status="failed", error="the model is on fire")
    assert await memory(store).aget() == []
    assert [turn.question for turn in sessions.list_turns("s")] == ["Why?"]
    sessions.begin("s", "t1", "Why?")
    sessions.finish("s", "t1", answer="Becau", status="partial")
    sessions.begin("s", "t1", "Why?")
    assert texts(await memory(store).aget()) == ["Why?"]
    sessions.finish("s", "t1", answer="Because.", status="complete")
    assert texts(await memory(store).aget()) == ["Why?", "Because."]


async def test_an_answer_to_a_question_that_left_the_window_stays_outside(store, sessions):
    sessions.begin("s", "t1", "Why?")
    assert texts(await store.archive_oldest_messages("s", 1)) == ["Why?"]
    sessions.finish("s", "t1", answer="Because.", status="complete")
    assert await memory(store).aget() == []
    assert texts(await memory(store).aget_all()) == ["Why?", "Because."]


async def test_forgetting_a_question_forgets_its_turn(store, sessions):
    for turn in ("t1", "t2"):
        sessions.begin("s", turn, f"{turn}?")
        sessions.finish("s", turn, answer=f"{turn}.", status="complete")
    assert texts(await store.delete_oldest_messages("s", 2)) == ["t1?", "t1."]
    assert [turn.id for turn in sessions.list_turns("s")] == ["t2"]
    await memory(store).areset()
    assert sessions.list_turns("s") == []
    assert (await store.get_keys()) == ["s"]


async def test_messages_are_paged_and_deleted_by_their_position(store):
    await store.add_messages("s", [message(str(number)) for number in range(4)])
    assert texts(await store.get_messages("s", limit=2, offset=1)) == ["1", "2"]
    assert (await store.delete_message("s", 2)).content == "1"
    assert (await store.delete_message("s", 2)) is None
    assert (await store.delete_message("s", 99)) is None
    await store.add_message("s", message("4"), MessageStatus.ARCHIVED)
    assert (await store.count_messages("s", None)) == 4
    await store.delete_messages("s", MessageStatus.ACTIVE)
    assert texts(await store.get_messages("s", None)) == ["4"]


async def test_many_sessions_at_once_keep_their_messages_apart_and_in_order(store):
    async def talk(session: int) -> None:
        for number in range(5):
            await store.add_message(f"s{session}", message(f"{session}/{number}"))

    await asyncio.gather(*(talk(session) for session in range(64)))
    for session in range(64):
        found = texts(await store.get_messages(f"s{session}"))
        assert found == [f"{session}/{number}" for number in range(5)]


async def test_an_impossible_session_id_is_refused(store):
    with pytest.raises(StoreError, match="191 characters"):
        await store.add_message("x" * 191, message("x"))
