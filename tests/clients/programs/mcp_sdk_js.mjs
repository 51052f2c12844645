// @modelcontextprotocol/sdk, the SDK of the Model Context Protocol for JavaScript.
import assert from "node:assert/strict";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const headers = { Authorization: `Bearer ${process.env.KB_TOKEN}` };
const client = new Client({ name: "trial", version: "1" });
await client.connect(
  new StreamableHTTPClientTransport(new URL(process.env.KB_MCP), { requestInit: { headers } }),
);
assert((await client.listTools()).tools.some((tool) => tool.name === "ask"));
const told = await client.callTool({
  name: "ask",
  arguments: { question: process.env.KB_QUESTION, source: "documents" },
});
console.log(told.content[0].text);
await client.close();
