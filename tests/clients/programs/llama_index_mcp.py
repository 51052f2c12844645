"""llama-index-tools-mcp: the tools of kb as those of LlamaIndex."""

import os

from llama_index.tools.mcp import BasicMCPClient, McpToolSpec

client = BasicMCPClient(
    os.environ["KB_MCP"], headers={"Authorization": f"Bearer {os.environ['KB_TOKEN']}"}
)
tools = {tool.metadata.name: tool for tool in McpToolSpec(client=client).to_tool_list()}
print(tools["ask"](question=os.environ["KB_QUESTION"], source="documents").content)
