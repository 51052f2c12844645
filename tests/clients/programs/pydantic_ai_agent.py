"""pydantic-ai: a model of chats, one of responses, and the tools of MCP."""

import asyncio
import os

from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider

QUESTION = os.environ["KB_QUESTION"]
provider = OpenAIProvider(base_url=os.environ["KB_API"], api_key=os.environ["KB_TOKEN"])

text = Agent(OpenAIChatModel("kb-documents", provider=provider)).run_sync(QUESTION).output
print(text)
responding = Agent(OpenAIResponsesModel("kb-documents", provider=provider))
assert responding.run_sync(QUESTION).output == text


async def stream() -> None:
    for agent in (Agent(OpenAIChatModel("kb-documents", provider=provider)), responding):
        async with agent.run_stream(QUESTION) as result:
            assert await result.get_output() == text


asyncio.run(stream())
