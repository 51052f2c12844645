"""langchain-mcp-adapters: the tools of kb as those of LangChain."""

import asyncio
import os

from langchain_mcp_adapters.client import MultiServerMCPClient

HEADERS = {"Authorization": f"Bearer {os.environ['KB_TOKEN']}"}
SERVER = {"transport": "streamable_http", "url": os.environ["KB_MCP"], "headers": HEADERS}


async def use_tools() -> None:
    tools = {tool.name: tool for tool in await MultiServerMCPClient({"kb": SERVER}).get_tools()}
    asked = {"question": os.environ["KB_QUESTION"], "source": "documents"}
    print(await tools["ask"].ainvoke(asked))


asyncio.run(use_tools())
