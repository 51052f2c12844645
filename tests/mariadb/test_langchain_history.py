"""LangChain's chat history is a session of kb: what either side writes, the other reads."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
import sqlalchemy as sa
from chats import chat_session, memory_table, session_store
from fake_models import ScriptedLLM
from programs import in_another_process

from kb.cli.rendering.chat_sessions import show_session
from kb.transcript import write_transcript
from stores.chats.chat_sessions import SessionStore
from stores.chats.turns import ABANDONED
from stores.errors import StoreError
from stores.registry.schema import migrate

pytest.importorskip("langchain_core", reason="pip install 'mariadb-kb[langchain]'")

from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    ChatMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.runnables import RunnableLambda
from langchain_core.runnables.history import RunnableWithMessageHistory
from rich.console import Console

from stores.langchain_history import MariaDBChatMessageHistory

SAID = [
    HumanMessage("How long may it go back?", id="h1", name="Ana", additional_kwargs={"n": 1}),
    AIMessage(
        "Thirty days.",
        id="a1",
        response_metadata={"model_name": "gpt", "at": datetime(2026, 11, 1, tzinfo=UTC)},
        usage_metadata={"input_tokens": 12, "output_tokens": 3, "total_tokens": 15},
        additional_kwargs={"cost": Decimal("0.02")},
    ),
    HumanMessage([{"type": "text", "text": "And 🙂 for "}, {"type": "text", "text": "companies?"}]),
    AIMessage(""),
    HumanMessage("' OR 1=1 -- \\ {x}"),
    AIMessage("No.", id="a3"),
]


@pytest.fixture
def sessions(engine: sa.Engine) -> SessionStore:
    migrate(engine)
    memory_table(engine).set_up()
    return session_store(engine)


@pytest.fixture
def history(sessions: SessionStore) -> MariaDBChatMessageHistory:
    return MariaDBChatMessageHistory(sessions, "s")


def test_messages_come_back_as_they_were(history, sessions):
    assert history.messages == []
    history.add_messages(SAID[:4])
    history.add_messages(SAID[4:5])
    assert history.messages == SAID[:5]
    history.add_message(SAID[5])
    assert MariaDBChatMessageHistory(sessions, "s").messages == SAID
    assert str(history).startswith("Human: How long may it go back?\nAI: Thirty days.\nHuman: ")


def test_what_langchain_writes_are_turns_of_a_session(history, sessions):
    history.add_messages(SAID)
    first, second, _ = sessions.list_turns("s")
    assert (first.number, first.question, first.answer) == (1, SAID[0].content, SAID[1].content)
    assert (first.status, first.model) == ("complete", "gpt")
    assert (first.prompt_tokens, first.completion_tokens) == (12, 3)
    assert second.question == "And 🙂 for companies?"
    info = sessions.one("s")
    assert (info.title, info.turns) == (SAID[0].content, 3)
    console = Console(record=True, width=100)
    show_session(console, info, sessions.list_turns("s"))
    assert "Thirty days." in console.export_text()
    for written in ("markdown", "json"):
        assert "Thirty days." in write_transcript(info, sessions.list_turns("s"), written)


async def test_kb_goes_on_with_what_langchain_began_and_the_other_way_round(engine, history):
    history.add_messages(SAID[:2])
    chat = chat_session(engine, ScriptedLLM(reply=lambda _: "It boils in 3 minutes. [2]"))
    assert [message.content for message in chat.chat_history] == [
        message.content for message in SAID[:2]
    ]
    answer = str(await chat.achat("How long does the kettle boil?"))
    *_, asked, answered = history.messages
    assert (asked.content, answered.content) == ("How long does the kettle boil?", answer)
    await history.aadd_messages([HumanMessage("Thanks."), AIMessage("Gladly.")])
    assert [turn.question for turn in chat.turns][1:] == [asked.content, "Thanks."]
    assert [each.content for each in await history.aget_messages()][-1] == "Gladly."


def test_a_question_waits_for_its_answer_also_in_another_process(history, sessions, engine):
    asking = in_another_process(
        engine,
        """
        from langchain_core.messages import HumanMessage
        from stores.chats.chat_sessions import SessionStore
        from stores.langchain_history import MariaDBChatMessageHistory
        MariaDBChatMessageHistory(SessionStore(engine), "s").add_messages([HumanMessage("Why?")])
        """,
    )
    asking.communicate()
    assert asking.returncode == 0
    [turn] = sessions.list_turns("s")
    assert sessions.read_turn("s", turn.id).error == ABANDONED
    assert history.messages == [HumanMessage("Why?")]
    history.add_ai_message("Because.")
    assert history.messages == [HumanMessage("Why?"), AIMessage("Because.")]
    assert [message.content for message in sessions.read_history("s")] == ["Why?", "Because."]


def test_a_question_nobody_answered_is_read_and_the_next_one_begins(history, sessions):
    history.add_user_message("First?")
    history.add_messages([HumanMessage("Second?"), AIMessage("Yes.")])
    assert [each.content for each in history.messages] == ["First?", "Second?", "Yes."]
    assert [turn.status for turn in sessions.list_turns("s")] == ["open", "complete"]


def test_turns_of_kb_that_failed_are_left_out_and_nobody_answers_for_it(history, sessions):
    sessions.begin("s", "t", "Asked of kb?")
    with pytest.raises(StoreError, match="waits for an AIMessage"):
        history.add_ai_message("From elsewhere.")
    assert history.messages == [HumanMessage("Asked of kb?")]
    sessions.finish("s", "t", answer="", status="failed", error="No model.")
    assert history.messages == []
    sessions.begin("s", "u", "Asked again?")
    sessions.finish("s", "u", answer="Half of", status="partial", error="It was cut.")
    assert history.messages == [HumanMessage("Asked again?"), AIMessage("Half of")]


CALL = {"name": "look", "args": {}, "id": "1", "type": "tool_call"}


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (SystemMessage("Be brief."), "'system' is neither"),
        (ToolMessage("42", tool_call_id="1"), "'tool' is neither"),
        (ChatMessage(content="Hello", role="critic"), "'chat' is neither"),
        (AIMessage("Looking.", tool_calls=[CALL]), "'ai' calls tools"),
        (HumanMessage([{"type": "image_url", "image_url": {"url": "u"}}]), "has no text"),
        (HumanMessage("Why?", additional_kwargs={"of": object()}), "would not come back"),
        (HumanMessage("Why?", additional_kwargs={1: "number"}), "would not come back"),
    ],
)
def test_what_no_turn_holds_is_refused_with_all_that_came_with_it(history, sessions, message, why):
    with pytest.raises(StoreError, match=why) as refused:
        history.add_messages([HumanMessage("Before?"), AIMessage("Yes."), message])
    assert "checkpointer" in str(refused.value)
    assert (history.messages, sessions.list_sessions()) == ([], [])


def test_an_answer_without_its_question_is_refused_with_all_that_came_with_it(history, sessions):
    with pytest.raises(StoreError, match="Add the HumanMessage"):
        history.add_messages([*SAID[:2], AIMessage("Once more.")])
    assert (history.messages, sessions.list_sessions()) == ([], [])


def test_a_session_of_somebody_else_is_neither_read_nor_written_nor_cleared(history, sessions):
    history.add_messages(SAID)
    other = MariaDBChatMessageHistory(sessions, "s", user="ana")
    for touch in (lambda: other.messages, lambda: other.add_messages(SAID), other.clear):
        with pytest.raises(StoreError, match="another user"):
            touch()
    own = MariaDBChatMessageHistory(sessions, "t", user="ana")
    own.add_messages(SAID[:2])
    assert [info.id for info in sessions.list_sessions(user="ana", everybody=False)] == ["t"]
    assert history.messages == SAID


async def test_clear_leaves_the_session_without_a_word(history, sessions):
    history.clear()
    assert sessions.list_sessions() == []
    history.add_messages(SAID)
    await history.aclear()
    assert history.messages == []
    assert sessions.one("s").turns == 0
    history.add_messages(SAID[:2])
    assert [turn.number for turn in sessions.list_turns("s")] == [1]


def test_a_deleted_session_begins_anew(history, sessions):
    history.add_messages(SAID[:2])
    sessions.mark_deleted(["s"])
    history.add_messages(SAID[4:])
    assert history.messages == SAID[4:]


# LangChain would rather have everybody use LangGraph; programs that use it go on.
with_history = pytest.mark.filterwarnings("ignore:RunnableWithMessageHistory is deprecated")


def chain(sessions: SessionStore, *, replies: list[str]) -> RunnableWithMessageHistory:
    prompt = ChatPromptTemplate.from_messages(
        [("system", "Be brief."), MessagesPlaceholder("history"), ("human", "{question}")]
    )
    model = GenericFakeChatModel(messages=iter(AIMessage(reply) for reply in replies))
    return RunnableWithMessageHistory(
        prompt | model,
        lambda session_id: MariaDBChatMessageHistory(sessions, session_id),
        input_messages_key="question",
        history_messages_key="history",
    )


def config(session_id: str) -> dict:
    return {"configurable": {"session_id": session_id}}


@with_history
async def test_a_runnable_keeps_its_history_in_sessions(sessions):
    talk = chain(sessions, replies=["Thirty days.", "Sixty days.", "No idea.", "Three four."])
    talk.invoke({"question": "How long?"}, config("a"))
    await talk.ainvoke({"question": "And companies?"}, config("a"))
    talk.invoke({"question": "Who?"}, config("b"))
    assert "".join(p.text for p in talk.stream({"question": "So?"}, config("a"))) == "Three four."
    said = [(turn.question, turn.answer) for turn in sessions.list_turns("a")]
    assert said == [
        ("How long?", "Thirty days."),
        ("And companies?", "Sixty days."),
        ("So?", "Three four."),
    ]
    assert [turn.question for turn in sessions.list_turns("b")] == ["Who?"]


@with_history
def test_a_runnable_of_messages_alone_adds_each_once(sessions):
    told: list[int] = []

    def reply(messages: list) -> AIMessage:
        told.append(len(messages))
        return AIMessage(f"Reply {len(messages)}")

    talk = RunnableWithMessageHistory(
        RunnableLambda(reply), lambda session: MariaDBChatMessageHistory(sessions, session)
    )
    for question in ("First?", "Second?"):
        talk.invoke([HumanMessage(question)], config("a"))
    assert told == [1, 3]
    assert [turn.answer for turn in sessions.list_turns("a")] == ["Reply 1", "Reply 3"]


@with_history
def test_what_a_runnable_cannot_keep_is_told_by_langchain_in_its_log(sessions, caplog):
    call = AIMessage("", tool_calls=[CALL])
    talk = RunnableWithMessageHistory(
        RunnableLambda(lambda _: call), lambda session: MariaDBChatMessageHistory(sessions, session)
    )
    assert talk.invoke([HumanMessage("Why?")], config("a")) == call
    assert "calls tools, and is no answer yet" in caplog.text
    assert sessions.list_sessions() == []


def test_chunks_of_a_stream_become_the_message_they_add_up_to(history):
    history.add_messages(
        [HumanMessage("Why?"), AIMessageChunk(content="Be") + AIMessageChunk(content="cause.")]
    )
    assert history.messages[1] == AIMessage("Because.")
