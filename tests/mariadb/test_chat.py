"""The chat engine of a stored session: every way of asking, what it returns and what it stores."""

import asyncio
import gc
import signal
import threading
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import pytest
import sqlalchemy as sa
from chats import chat_session, session_store, shared
from fake_models import Broken, ScriptedLLM
from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_index.core.chat_engine.types import AgentChatResponse, BaseChatEngine
from model_calls import KEY, llm_of
from model_server import FakeModels

from engines.chat.chat_session import ChatSession
from engines.chat.streamed_answer import StreamedAnswer
from stores.chats.chat_messages import MariaDBChatStore
from stores.chats.chat_sessions import Turn
from stores.errors import EngineError, ModelUnavailable, StoreError

pytest_plugins = ["chat_database"]

ANSWER = "You have 30 days [1]."


@pytest.fixture
def engine(chat_engine: sa.Engine) -> sa.Engine:
    return chat_engine


def chat(session: ChatSession, message: str, **options: str) -> AgentChatResponse:
    return session.chat(message, **options)


def stream_chat(session: ChatSession, message: str, **options: str) -> StreamedAnswer:
    answer = session.stream_chat(message, **options)
    assert list(answer.response_gen)
    return answer


def achat(session: ChatSession, message: str, **options: str) -> AgentChatResponse:
    return asyncio.run(session.achat(message, **options))


def astream_chat(session: ChatSession, message: str, **options: str) -> StreamedAnswer:
    async def read() -> StreamedAnswer:
        answer = await session.astream_chat(message, **options)
        assert [piece async for piece in answer.async_response_gen()]
        return answer

    return asyncio.run(read())


WAYS = [chat, stream_chat, achat, astream_chat]
every_way = pytest.mark.parametrize("ask", WAYS)


async def cancel_twice(asking: Coroutine[Any, Any, AgentChatResponse]) -> None:
    task = asyncio.create_task(asking)
    for _ in range(2):
        await asyncio.sleep(0.2)
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def cancel_by_scope(asking: Coroutine[Any, Any, AgentChatResponse]) -> None:
    with anyio.move_on_after(0.2) as scope:
        await asking
    assert scope.cancelled_caught


every_way_of_cancelling = pytest.mark.parametrize("cancel", [cancel_twice, cancel_by_scope])


def only_turn(session: ChatSession) -> Turn:
    [turn] = session.turns
    return turn


@every_way
def test_a_turn_is_answered_with_its_sources_and_stored_with_its_evidence(engine, ask):
    session = chat_session(engine, ScriptedLLM(replies=[ANSWER]))
    assert isinstance(session, BaseChatEngine)
    answer = ask(session, "How long may I keep it?", turn_id="t1")
    assert answer.response == str(answer) == ANSWER
    assert [node.node_id for node in answer.source_nodes] == ["returns.md"]
    metadata = answer.metadata
    assert (metadata["route"], metadata["turn_id"], metadata["turn"]) == ("documents", "t1", 1)
    assert (metadata["status"], metadata["model"]) == ("complete", "scripted")
    assert set(metadata["timings"]) == {"rewriting", "retrieval", "answer"}
    turn = only_turn(session)
    assert (turn.status, turn.answer, turn.error, turn.model) == (
        "complete",
        ANSWER,
        None,
        "scripted",
    )
    assert turn.evidence["citations"] == metadata["citations"]
    assert "turn_id" not in turn.evidence
    assert turn.prompt_tokens == metadata["prompt_tokens"] > 50
    assert turn.completion_tokens == metadata["completion_tokens"] == 8


@every_way
def test_a_turn_asked_twice_is_stored_once_and_no_model_is_asked_again(engine, ask):
    first = ask(chat_session(engine, ScriptedLLM(replies=[ANSWER])), "How long?", turn_id="t1")
    again = ask(chat_session(engine, ScriptedLLM()), "How long?", turn_id="t1")
    assert again.response == first.response
    assert again.metadata == first.metadata
    assert [node.node_id for node in again.source_nodes] == ["returns.md"]
    assert only_turn(chat_session(engine, None)).id == "t1"


def test_another_process_continues_the_conversation(engine):
    chat_session(engine, ScriptedLLM(replies=["One [1]."])).chat("First?")
    other = chat_session(engine, ScriptedLLM(replies=["Two [2]."]))
    other.chat("Second?")
    said = [(message.role.value, message.content) for message in other.chat_history]
    assert said == [
        ("user", "First?"),
        ("assistant", "One [1]."),
        ("user", "Second?"),
        ("assistant", "Two [2]."),
    ]


def test_reset_forgets_and_a_new_session_can_be_reset(engine):
    session = chat_session(engine, ScriptedLLM(replies=[ANSWER, ANSWER]))
    session.reset()
    session.chat("How long?")
    session.reset()
    assert (session.turns, session.chat_history) == ([], [])
    session.chat("How long?")
    assert only_turn(session).number == 1


@every_way
def test_what_fails_before_the_first_word_is_stored_as_failed_and_the_session_goes_on(engine, ask):
    failure = ModelUnavailable("The model is asleep. Wake it.")
    session = chat_session(engine, ScriptedLLM(replies=[failure, ANSWER]))
    with pytest.raises(ModelUnavailable, match="asleep"):
        ask(session, "How long?", turn_id="t1")
    turn = only_turn(session)
    assert (turn.status, turn.answer, turn.error) == ("failed", "", str(failure))
    assert ask(session, "How long?", turn_id="t1").response == ANSWER
    assert only_turn(session).status == "complete"


@pytest.mark.parametrize("ask", [stream_chat, astream_chat])
def test_a_stream_that_breaks_is_stored_as_partial_with_its_reason(engine, ask):
    failure = ModelUnavailable("It broke off.")
    session = chat_session(engine, ScriptedLLM(replies=[Broken("You have 30", failure)]))
    with pytest.raises(ModelUnavailable):
        ask(session, "How long?")
    turn = only_turn(session)
    assert (turn.status, turn.answer, turn.error) == ("partial", "You have ", "It broke off.")
    assert turn.prompt_tokens > 50
    assert 0 < turn.completion_tokens <= 4


@every_way
def test_an_error_that_kb_does_not_know_is_raised_as_one_of_kb_without_its_words(engine, ask):
    session = chat_session(engine, ScriptedLLM(replies=[ValueError("secret")]))
    with pytest.raises(EngineError, match="ValueError") as caught:
        ask(session, "How long?")
    assert "secret" not in str(caught.value)
    assert only_turn(session).status == "failed"


def test_who_stops_reading_leaves_a_partial_answer(engine):
    session = chat_session(engine, ScriptedLLM(replies=["You have 30 days [1] to return it."]))
    answer = session.stream_chat("How long?")
    for piece in answer.response_gen:
        assert piece == "You "
        break
    turn = only_turn(session)
    assert (turn.status, turn.answer) == ("partial", "You ")
    assert "stopped" in turn.error


def test_an_answer_that_nobody_reads_is_partial(engine):
    session = chat_session(engine, ScriptedLLM(replies=[ANSWER]))
    answer = session.stream_chat("How long?")
    assert only_turn(session).status == "open"
    del answer
    gc.collect()
    assert (only_turn(session).status, only_turn(session).answer) == ("partial", "")


async def test_who_stops_reading_an_asynchronous_answer_leaves_a_partial_one(engine):
    session = chat_session(engine, ScriptedLLM(replies=["You have 30 days."]))
    answer = await session.astream_chat("How long?")
    pieces = answer.async_response_gen()
    assert await anext(pieces) == "You "
    await pieces.aclose()
    [turn] = await asyncio.to_thread(lambda: session.turns)
    assert (turn.status, turn.answer) == ("partial", "You ")


async def test_who_breaks_out_of_an_asynchronous_answer_leaves_a_partial_one(engine):
    session = chat_session(engine, ScriptedLLM(replies=["You have 30 days."]))
    answer = await session.astream_chat("How long?")
    async for _ in answer.async_response_gen():
        break
    await until_ended(session)
    [turn] = await asyncio.to_thread(lambda: session.turns)
    assert (turn.status, turn.answer) == ("partial", answer.unformatted_response)


def test_a_loop_that_ends_leaves_a_partial_answer_and_no_complaint(engine, caplog):
    session = chat_session(engine, ScriptedLLM(replies=["You have 30 days."]))

    async def leave() -> object:
        pieces = (await session.astream_chat("How long?")).async_response_gen()
        assert await anext(pieces) == "You "
        return pieces

    still_held = asyncio.run(leave())
    assert still_held
    assert (only_turn(session).status, only_turn(session).answer) == ("partial", "You ")
    assert caplog.records == []


async def test_a_cancelled_task_leaves_a_partial_answer(engine):
    session = chat_session(engine, ScriptedLLM(replies=["You have 30 days."]))
    reads = asyncio.Event()

    async def read() -> None:
        answer = await session.astream_chat("How long?")
        async for _ in answer.async_response_gen():
            reads.set()
            await asyncio.sleep(60)

    task = asyncio.create_task(read())
    await reads.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until_ended(session)
    [turn] = await asyncio.to_thread(lambda: session.turns)
    assert (turn.status, turn.answer) == ("partial", "You ")


async def test_a_task_that_is_cancelled_while_its_question_is_stored_leaves_no_open_turn(engine):
    session = chat_session(engine, ScriptedLLM(replies=[ANSWER]))
    with engine.begin() as locker:
        locker.exec_driver_sql("INSERT INTO kb_session (id) VALUES ('s')")
        task = asyncio.create_task(session.achat("How long?", turn_id="t1"))
        await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.sleep(0.1)
        assert not task.done()
    with pytest.raises(asyncio.CancelledError):
        await task
    [turn] = await asyncio.to_thread(lambda: session.turns)
    assert (turn.status, turn.answer) == ("partial", "")
    assert (await session.achat("How long?", turn_id="t1")).response == ANSWER


async def until_ended(session: ChatSession) -> None:
    """The generator that a cancelled reader leaves behind is closed by the loop."""
    for _ in range(200):
        [turn] = await asyncio.to_thread(lambda: session.turns)
        if turn.status != "open":
            return
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("ask", [chat, stream_chat])
def test_ctrl_c_is_raised_and_leaves_a_partial_answer(engine, ask):
    def interrupted(prompt: str) -> str:
        signal.raise_signal(signal.SIGINT)
        return ANSWER

    session = chat_session(engine, ScriptedLLM(reply=interrupted))
    with pytest.raises(KeyboardInterrupt):
        ask(session, "How long?")
    assert only_turn(session).status == "partial"


def test_without_a_model_an_answer_counts_no_tokens(engine):
    session = chat_session(engine, None)
    answer = session.chat("How long does it take to boil, 3 minutes?")
    assert "[1]" in answer.response
    assert (only_turn(session).prompt_tokens, only_turn(session).completion_tokens) == (None, None)


def test_tokens_are_counted_for_each_of_two_turns_that_run_at_once(engine):
    both = threading.Barrier(2)

    def reply(prompt: str) -> str:
        both.wait(10)
        return "word " * (40 if "longer" in prompt else 4)

    llm = ScriptedLLM(reply=reply)
    sessions = [chat_session(engine, llm, name) for name in ("short", "longer")]
    threads = [threading.Thread(target=s.chat, args=(f"{s.session_id}?",)) for s in sessions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    short, longer = (only_turn(session).completion_tokens for session in sessions)
    assert 4 <= short <= 6
    assert 40 <= longer <= 42


def test_nothing_secret_is_shown_with_a_session(engine):
    with FakeModels() as server:
        session = chat_session(engine, llm_of(server, "openai-like"))
        assert KEY not in f"{session.memory!r}{session.memory.model_dump()}{session!r}"


def test_threads_that_talk_in_one_session_are_numbered_as_they_arrive(engine):
    llm = ScriptedLLM(reply=lambda prompt: prompt.rsplit("Question: ", 1)[1].split()[0] + " [1]")

    def talk(name: str) -> None:
        session = chat_session(engine, llm)
        for number in range(5):
            question = f"{name}{number}"
            assert session.chat(question, turn_id=question).response == f"{question} [1]"

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(talk, "abc"))
    turns = chat_session(engine, None).turns
    assert [turn.number for turn in turns] == list(range(1, 16))
    for name in "abc":
        own = [turn.id for turn in turns if turn.id.startswith(name)]
        assert own == [f"{name}{number}" for number in range(5)]
    said = [message.content for message in chat_session(engine, None).chat_history]
    assert said == [text for turn in turns for text in (turn.question, turn.answer)]


def test_an_empty_question_a_huge_one_and_a_foreign_history_are_refused(engine):
    session = chat_session(engine, None)
    with pytest.raises(EngineError, match="empty"):
        session.chat(" \n")
    with pytest.raises(EngineError, match="300,000 characters"):
        session.chat("x" * 300_000)
    with pytest.raises(EngineError, match="history"):
        session.chat("Hello", [ChatMessage(role=MessageRole.USER, content="old")])
    assert session.turns == []


def test_a_session_of_another_user_is_refused(engine):
    chat_session(engine, ScriptedLLM(replies=[ANSWER]), user="ana").chat("How long?")
    with pytest.raises(StoreError, match="another user"):
        chat_session(engine, ScriptedLLM(), user="bob").chat("How long?")


@pytest.mark.parametrize("stranger", ["bob", None])
@pytest.mark.parametrize(
    "look",
    [
        lambda session: session.turns,
        lambda session: session.chat_history,
        lambda session: session.memory,
        ChatSession.reset,
    ],
)
def test_nothing_of_a_session_is_told_or_reset_for_another_user(engine, look, stranger):
    own = chat_session(engine, ScriptedLLM(replies=[ANSWER]), user="ana")
    own.chat("How long?")
    with pytest.raises(StoreError, match="another user"):
        look(chat_session(engine, ScriptedLLM(), user=stranger))
    assert only_turn(own).answer == ANSWER
    assert [message.content for message in own.chat_history] == ["How long?", ANSWER]


@every_way_of_cancelling
async def test_a_question_that_is_cancelled_while_it_is_stored_ends(engine, cancel):
    session = chat_session(engine, ScriptedLLM(reply=lambda _: ANSWER))
    await session.achat("How long?")
    with engine.connect() as other:
        locking = other.begin()
        other.exec_driver_sql("SELECT * FROM kb_session WHERE id = 's' FOR UPDATE")
        asyncio.get_running_loop().call_later(0.6, locking.rollback)
        await cancel(session.achat("Cancelled?", turn_id="t"))
    turn = session.turns[-1]
    assert (turn.question, turn.status) == ("Cancelled?", "partial")
    assert (await session.achat("Cancelled?", turn_id="t")).response == ANSWER


async def read_all(session: ChatSession) -> None:
    answer = await session.astream_chat("Cancelled?", turn_id="t")
    assert [piece async for piece in answer.async_response_gen()]


@pytest.mark.parametrize("ask", [lambda session: session.achat("Cancelled?"), read_all])
@every_way_of_cancelling
async def test_an_answer_that_is_cancelled_while_it_is_stored_is_whole_and_remembered(
    engine, cancel, ask, monkeypatch
):
    remembered = []
    updates = shared(engine)[0]
    monkeypatch.setattr(updates, "take_in", lambda _, turn, *_more: remembered.append(turn.id))

    def lock_session_and_reply(_: str) -> str:
        locker.exec_driver_sql("SELECT * FROM kb_session WHERE id = 's' FOR UPDATE")
        asyncio.get_running_loop().call_later(0.6, locking.rollback)
        return ANSWER

    session = chat_session(engine, ScriptedLLM(reply=lock_session_and_reply))
    with engine.connect() as locker:
        locking = locker.begin()
        await cancel(ask(session))
    turn = only_turn(session)
    assert (turn.question, turn.status, turn.answer) == ("Cancelled?", "complete", ANSWER)
    assert remembered == [turn.id]


def test_a_user_without_a_name_is_refused(engine):
    with pytest.raises(StoreError, match="user id is ''"):
        chat_session(engine, None, user="")
    with pytest.raises(StoreError, match="user id is ''"):
        session_store(engine).begin("s", "t", "Why?", user="")
    assert session_store(engine).list_sessions() == []


def test_messages_that_are_put_make_the_session_of_their_user(engine):
    session = chat_session(engine, ScriptedLLM(replies=[ANSWER]), user="ana")
    session.memory.put_messages([ChatMessage(role=MessageRole.USER, content="Hello")])
    session.chat("How long?")
    assert [each.id for each in session_store(engine).list_sessions(user="ana")] == ["s"]
    with pytest.raises(StoreError, match="another user"):
        asyncio.run(MariaDBChatStore(engine=engine, user="bob").delete_messages("s"))


def test_the_history_is_what_was_said_but_in_turns_that_failed(engine):
    failure = ModelUnavailable("The model is asleep. Wake it.")
    session = chat_session(engine, ScriptedLLM(replies=[failure, ANSWER]))
    with pytest.raises(ModelUnavailable):
        session.chat("How long?")
    session.chat("How long may I keep it?")
    said = [message.content for message in session.chat_history]
    assert said == ["How long may I keep it?", ANSWER]


@every_way
def test_emoji_code_and_halves_of_characters_survive(engine, ask):
    text = "🫖 `SELECT 1;`\n\x00\t" + "é" * 19_000
    session = chat_session(engine, ScriptedLLM(reply=lambda _: ANSWER))
    ask(session, text + "\ud83e")
    assert only_turn(session).question == text + "\N{REPLACEMENT CHARACTER}"


def test_chat_works_where_an_event_loop_runs(engine):
    session = chat_session(engine, ScriptedLLM(replies=[ANSWER]))

    async def notebook() -> str:
        return session.chat("How long?").response

    assert asyncio.run(notebook()) == ANSWER
    assert session_store(engine).one("s").turns == 1
