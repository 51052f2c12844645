"""What a session remembers beyond its last turns, and what never leaves it."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from chats import Shop, aas_asked, as_asked, chat_session, memory_table, session_store, shared
from fake_models import ScriptedLLM
from llama_index.core.storage.chat_store.base_db import MessageStatus

from engines.chat.chat_session import ChatSession
from engines.follow_ups.rewriting import Rewriter
from engines.question import as_question
from stores.errors import ModelUnavailable, StoreError

pytest_plugins = ["chat_database"]

LIMIT = 600  # tokens; a turn of the tests takes about 85, and 70% are for turns
FILLER = "and some more words of no weight " * 10


@pytest.fixture
def engine(chat_engine: sa.Engine) -> sa.Engine:
    return chat_engine


def script(**replies: str | Callable[[str], str]) -> ScriptedLLM:
    """Replies to the prompts of memory by their kind; anything else is answered."""
    marks = {
        "summary": "You keep the summary",
        "facts": "List what they tell about the user",
        "conversation": "question about the conversation",
    }
    defaults = {"summary": "(summary)", "facts": "NONE", "conversation": "As you said."}

    def reply(prompt: str) -> str:
        for kind, mark in marks.items():
            if mark in prompt:
                given = {**defaults, **replies}[kind]
                return given if isinstance(given, str) else given(prompt)
        return f"An answer {FILLER} [1]."

    return ScriptedLLM(reply=reply)


class Contexts:
    """Leaves questions as they are, and keeps what memory said of each."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def rewrite(self, asked: str, *_: object, context: str):
        self.seen.append(context)
        return as_asked(asked)

    async def arewrite(self, asked: str, *_: object, context: str):
        self.seen.append(context)
        return await aas_asked(asked)


def remembering(engine, llm, session_id="s", **options) -> tuple[ChatSession, list[str]]:
    contexts = Contexts()
    session = chat_session(
        engine,
        llm,
        session_id,
        token_limit=LIMIT,
        rewrite=contexts.rewrite,
        arewrite=contexts.arewrite,
        **options,
    )
    return session, contexts.seen


def remembered(session: ChatSession) -> None:
    block: Any = session.memory.memory_blocks[0]
    shared(block.sessions.engine)[0].wait(30)


def talk(session: ChatSession, *questions: str) -> None:
    for question in questions:
        session.chat(question)
        remembered(session)


def messages(session: ChatSession, status: MessageStatus) -> list[str]:
    return [m.content for m in asyncio.run(session.memory.aget_all(status))]


def test_older_turns_leave_the_window_and_are_summed_up_a_few_at_a_time(engine):
    summaries: list[str] = []

    def summary(prompt: str) -> str:
        summaries.append(prompt)
        return f"summary {len(summaries)}"

    session, contexts = remembering(engine, script(summary=summary))
    talk(session, *(f"Question {number}?" for number in range(12)))
    window = messages(session, MessageStatus.ACTIVE)
    assert "Question 11?" in window
    assert "Question 0?" not in window
    assert "Question 0?" in messages(session, MessageStatus.ARCHIVED)
    assert len(messages(session, MessageStatus.ACTIVE)) <= 10
    assert "Question 0?" in summaries[0]
    assert "Question 0?" not in summaries[1]
    assert "summary 1" in summaries[1]
    assert f"summary {len(summaries) - 1}" in contexts[-1]
    taken = session_store(engine).read_memory("s")["taken"]
    assert taken == sum(f"Question {n}?" not in window for n in range(12))


async def test_memory_grows_in_asynchronous_turns_too(engine):
    session, contexts = remembering(engine, script(summary="the summary"))
    for number in range(9):
        await session.achat(f"Question {number}?")
    assert "the summary" in contexts[-1]


def test_facts_and_earlier_turns_are_found_again_by_their_meaning(engine):
    session, contexts = remembering(
        engine, script(facts=lambda p: "- Ana lives in Cork" if "zanzibar" in p else "NONE")
    )
    talk(session, "My zanzibar kettle leaks", *(f"Question {n}?" for n in range(8)))
    session.chat("Is the zanzibar kettle under warranty?")
    assert "- Ana lives in Cork" in contexts[-1]
    assert "User: My zanzibar kettle leaks" in contexts[-1]
    assert contexts[1] == ""


def test_a_fact_is_told_once_and_the_model_is_told_what_is_known(engine):
    known: list[str] = []

    def facts(prompt: str) -> str:
        known.append(prompt)
        return "- Ana lives in Cork"

    session, contexts = remembering(engine, script(facts=facts))
    talk(session, *(f"Question {number}?" for number in range(12)))
    assert len(known) > 2
    assert "- Ana lives in Cork" in known[-1]
    assert contexts[-1].count("Ana lives in Cork") == 1


@pytest.mark.parametrize("user_memory", [False, True])
def test_memory_crosses_sessions_of_one_user_only_when_that_is_wanted(engine, user_memory):
    llm = script(facts=lambda p: "- canary fact" if "canary" in p else "NONE")
    options = {"user": "ana", "user_memory": user_memory}
    first, _ = remembering(engine, llm, "first", **options)
    talk(first, "The canary kettle leaks", *(f"Question {n}?" for n in range(8)))
    second, contexts = remembering(engine, llm, "second", **options)
    talk(second, "Hello", "What about the canary kettle?")
    assert ("The canary kettle leaks" in contexts[-1]) is user_memory
    assert ("canary fact" in contexts[-1]) is user_memory
    stranger, seen = remembering(engine, llm, "third", user="bob", user_memory=user_memory)
    talk(stranger, "Hello", "What about the canary kettle?")
    assert not any("canary" in context for context in seen)


def test_a_turn_of_a_short_session_is_found_by_the_user_s_next_session(engine):
    options = {"user": "ana", "user_memory": True}
    first, _ = remembering(engine, script(), "first", **options)
    talk(first, "The canary kettle leaks")
    second, contexts = remembering(engine, script(), "second", **options)
    talk(second, "Hello", "What about the canary kettle?")
    assert contexts[-1].count("The canary kettle leaks") == 1
    assert "User: Hello" not in contexts[-1]


def test_a_model_that_cannot_sum_up_fails_no_turn_and_nothing_is_left_out_later(
    engine, caplog, monkeypatch
):
    monkeypatch.setattr("engines.chat.memory_updates._PAUSE", 0.0)
    asleep = True

    def summary(prompt: str) -> str:
        if asleep:
            raise ModelUnavailable("The model is asleep.")
        return "summary of " + ",".join(str(n) for n in range(14) if f"Question {n}?" in prompt)

    session, contexts = remembering(engine, script(summary=summary))
    with caplog.at_level(logging.WARNING):
        talk(session, *(f"Question {number}?" for number in range(9)))
    assert "asleep" in caplog.text
    assert session.turns[-1].status == "complete"
    asleep = False
    talk(session, *(f"Question {number}?" for number in range(9, 14)))
    taken = session_store(engine).read_memory("s")["taken"]
    assert taken >= 4
    found = memory_table(engine).get_nodes()
    assert sorted(node.metadata["number"] for node in found) == list(range(1, taken + 1))
    assert "summary of" in contexts[-1]


def test_a_model_that_cannot_sum_up_is_left_alone_for_a_while(engine, caplog):
    tried: list[str] = []

    def summary(prompt: str) -> str:
        tried.append(prompt)
        raise ModelUnavailable("The model is asleep.")

    session, _ = remembering(engine, script(summary=summary))
    talk(session, *(f"Question {number}?" for number in range(10)))
    assert len(tried) == 1
    assert caplog.text.count("asleep") == 1


@pytest.mark.slow
def test_an_answer_ends_although_the_model_hangs_over_its_summary(engine):
    asked, go = threading.Event(), threading.Event()

    def summary(_: str) -> str:
        asked.set()
        assert go.wait(30)
        return "the summary"

    session, contexts = remembering(engine, script(summary=summary))
    for number in range(9):
        since = time.monotonic()
        stream(session, f"Question {number}?")
        if asked.wait(0.3):
            break
    assert asked.is_set()
    assert time.monotonic() - since < 3
    assert stream(session, "Already?").response
    assert asyncio.run(session.achat("And now?")).response
    assert "the summary" not in contexts[-1]
    go.set()
    remembered(session)
    session.chat("At last?")
    assert "the summary" in contexts[-1]
    numbers = [node.metadata["number"] for node in memory_table(engine).get_nodes()]
    assert sorted(numbers) == list(range(1, len(numbers) + 1))


def test_without_a_model_older_turns_are_cut(engine):
    session, contexts = remembering(engine, None)
    talk(session, *(f"How long are 30 days, {number}? {FILLER}" for number in range(9)))
    assert messages(session, MessageStatus.ARCHIVED)
    assert "summary" not in {k for k, v in session_store(engine).read_memory("s").items() if v}
    assert set(contexts) == {""}


def test_failed_and_cut_turns_are_not_taken_for_answers(engine):
    broken = iter([True])

    def reply(prompt: str) -> str:
        if "Question 1?" in prompt and next(broken, False):
            raise ModelUnavailable("asleep")
        return script().reply(prompt)

    session, _ = remembering(engine, ScriptedLLM(reply=reply))
    session.chat("Question 0?")
    with pytest.raises(ModelUnavailable):
        session.chat("Question 1?")
    talk(session, *(f"Question {number}?" for number in range(2, 12)))
    numbers = {node.metadata["number"] for node in memory_table(engine).get_nodes()}
    assert {1, 3} <= numbers
    assert 2 not in numbers


def test_deleting_or_resetting_a_session_leaves_nothing_of_its_memory(engine):
    for name in ("s", "other"):
        session, _ = remembering(engine, script(facts="- canary"), name)
        talk(session, *(f"Question {number}?" for number in range(9)))
    session_store(engine).delete("s")
    kept = {node.metadata["session_id"] for node in memory_table(engine).get_nodes()}
    assert kept == {"other"}
    session.reset()
    assert memory_table(engine).get_nodes() == []
    assert session_store(engine).read_memory("other") == {}


def test_a_session_that_is_deleted_while_it_is_summed_up_leaves_nothing(engine, caplog):
    def summary(prompt: str) -> str:
        session_store(engine).delete("s")
        return "too late"

    session, _ = remembering(engine, script(summary=summary))
    for number in range(9):
        talk(session, f"Question {number}?")
        if not session_store(engine).list_sessions():
            break
    assert "no session" in caplog.text
    assert memory_table(engine).get_nodes() == []


def test_a_session_that_is_reset_while_it_is_summed_up_stays_empty(engine):
    resets: list[str] = []

    def summary(prompt: str) -> str:
        session_store(engine).reset("s")
        resets.append(prompt)
        return "too late"

    session, _ = remembering(engine, script(summary=summary))
    for number in range(9):
        talk(session, f"Question {number}?")
        if resets:
            break
    assert resets
    assert session_store(engine).read_memory("s") == {}
    assert memory_table(engine).get_nodes() == []


def test_a_turn_of_a_session_that_was_just_deleted_is_not_kept_for_its_user(engine):
    session = chat_session(engine, script(), user="ana", user_memory=True)
    talk(session, "The canary kettle leaks")
    block: Any = session.memory.memory_blocks[0]
    turn = session.turns[-1]
    session_store(engine).delete("s")
    with pytest.raises(StoreError, match="no session 's'"):
        asyncio.run(block.aput_turn(turn))
    assert memory_table(engine).get_nodes() == []


def test_the_budget_stays_within_the_model_s_window(engine):
    llm = script()
    llm.context_window = 600
    assert chat_session(engine, llm).memory.token_limit == 300
    assert chat_session(engine, None).memory.token_limit == 8000


def ask(session: ChatSession, question: str):
    return session.chat(question)


def stream(session: ChatSession, question: str):
    answer = session.stream_chat(question)
    assert list(answer.response_gen)
    return answer


def aask(session: ChatSession, question: str):
    return asyncio.run(session.achat(question))


def astream(session: ChatSession, question: str):
    async def read():
        answer = await session.astream_chat(question)
        assert [piece async for piece in answer.async_response_gen()]
        return answer

    return asyncio.run(read())


@pytest.mark.parametrize("way", [ask, stream, aask, astream])
def test_a_model_answers_questions_about_the_conversation_from_memory(engine, way):
    prompts: list[str] = []

    def conversation(prompt: str) -> str:
        prompts.append(prompt)
        return "You asked about kettles ![x](http://evil/x.png) [3]."

    session, _ = remembering(engine, script(conversation=conversation, summary="(the summary)"))
    talk(session, "What of kettles?", *(f"Question {number}?" for number in range(9)))
    answer = way(session, "What did I ask first?")
    assert answer.response == "You asked about kettles x."
    assert answer.metadata["route"] is None
    assert answer.metadata["route_reason"] == "the conversation answers it"
    assert answer.source_nodes == []
    [prompt] = prompts
    assert "1. What of kettles?" in prompt
    assert "(the summary)" in prompt
    assert prompt.count("What did I ask first?") == 1
    assert session.turns[-1].answer == "You asked about kettles x."


@pytest.mark.parametrize("way", [ask, stream, aask, astream])
def test_without_a_model_the_questions_asked_are_told(engine, way):
    session, _ = remembering(engine, None)
    assert "Nothing was asked" in way(session, "What did I ask first?").response
    talk(session, "How long are 30 days?", "Combien de jours ?")
    listed = way(session, "Can you summarize our conversation?").response
    assert listed.splitlines()[2:] == ["2. How long are 30 days?", "3. Combien de jours ?"]
    assert "Combien de jours ?" not in way(session, "What was my first question?").response
    last = way(session, "Quelle était ma dernière question ?").response
    assert last == "Votre dernière question était : What was my first question?"


def test_what_is_remembered_may_be_read_in_a_follow_up_and_never_in_the_words_for_sql(engine):
    rewritings: list[str] = []

    def reply(prompt: str) -> str:
        if "You rewrite the last question" in prompt:
            rewritings.append(prompt)
            asked = prompt.rpartition("Last question: ")[2].partition("\n")[0]
            return "What about canary DROP TABLE orders in Ireland?" if "And" in asked else asked
        return script(summary="canary DROP TABLE orders").reply(prompt)

    shop, llm = Shop(), ScriptedLLM(reply=reply)
    session = chat_session(
        engine,
        llm,
        token_limit=LIMIT,
        shop=shop,
        rewrite=Rewriter(llm).rewrite,
        arewrite=Rewriter(llm).arewrite,
    )
    talk(session, *(f"How long may customers keep machine {number}?" for number in range(9)))
    assert len(rewritings) == 8  # of each but the first, which a model gives back as it was
    assert {turn.rewritten_by for turn in session.turns} == {""}
    session.chat("And in Ireland?")
    assert "canary DROP TABLE orders" in rewritings[-1]
    assert not any("canary" in as_question(asked).for_tables for asked in shop.asked)
    question = as_question(shop.asked[-1])
    assert "canary" in question.query_str
    assert "canary" not in question.for_tables
    assert "Ireland" in question.for_tables
    turn = session.turns[-1]
    assert (turn.standalone, turn.rewritten_by) == (question.query_str, "model")
