"""pydantic-ai: the tools of kb as a toolset."""

import asyncio
import os

from pydantic_ai.mcp import MCPToolset


async def use_tools() -> None:
    headers = {"Authorization": f"Bearer {os.environ['KB_TOKEN']}"}
    async with MCPToolset(os.environ["KB_MCP"], headers=headers) as server:
        assert "ask" in [tool.name for tool in await server.list_tools()]
        asked = {"question": os.environ["KB_QUESTION"], "source": "documents"}
        print(await server.direct_call_tool("ask", asked))


asyncio.run(use_tools())
