"""mcp, the SDK of the Model Context Protocol for Python."""

import asyncio
import os

import httpx
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client


async def use_tools() -> None:
    headers = {"Authorization": f"Bearer {os.environ['KB_TOKEN']}"}
    async with (
        httpx.AsyncClient(headers=headers, timeout=60) as http,
        streamable_http_client(os.environ["KB_MCP"], http_client=http) as (read, write, *_),
        ClientSession(read, write) as session,
    ):
        await session.initialize()
        assert "ask" in [tool.name for tool in (await session.list_tools()).tools]
        asked = {"question": os.environ["KB_QUESTION"], "source": "documents"}
        print((await session.call_tool("ask", asked)).content[0].text)
        assert (await session.list_resource_templates()).resource_templates


asyncio.run(use_tools())
