"""openai-agents: agents over responses and over chats, and one with a session."""

import os

from agents import (
    Agent,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    SQLiteSession,
    set_tracing_disabled,
)
from openai import AsyncOpenAI

QUESTION = os.environ["KB_QUESTION"]
set_tracing_disabled(disabled=True)
client = AsyncOpenAI(base_url=os.environ["KB_API"], api_key=os.environ["KB_TOKEN"])

for model in (OpenAIResponsesModel, OpenAIChatCompletionsModel):
    agent = Agent("kb", model=model("kb-documents", client))
    print(Runner.run_sync(agent, QUESTION).final_output)
    session = SQLiteSession("one")
    Runner.run_sync(agent, QUESTION, session=session)
    assert Runner.run_sync(agent, "And for companies?", session=session).final_output
