"""fastmcp, as a client."""

import asyncio
import os

from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport


async def use_tools() -> None:
    transport = StreamableHttpTransport(os.environ["KB_MCP"], auth=os.environ["KB_TOKEN"])
    async with Client(transport) as client:
        assert "ask" in [tool.name for tool in await client.list_tools()]
        asked = {"question": os.environ["KB_QUESTION"], "source": "documents"}
        told = await client.call_tool("ask", asked)
        print(told.content[0].text)
        assert told.data
        assert await client.list_resource_templates()


asyncio.run(use_tools())
