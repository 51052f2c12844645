// @modelcontextprotocol/inspector, on the command line.
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const inspector = fileURLToPath(new URL("../node_modules/.bin/mcp-inspector", import.meta.url));

const call = (...words) =>
  execFileSync(inspector, [
    "--cli",
    process.env.KB_MCP,
    ...["--transport", "http", "--header", `Authorization: Bearer ${process.env.KB_TOKEN}`],
    ...words,
  ]).toString();

const tools = JSON.parse(call("--method", "tools/list")).tools;
if (!tools.some((tool) => tool.name === "ask")) throw new Error("there is no tool to ask by");
const question = `question=${process.env.KB_QUESTION}`;
const asked = ["--tool-name", "ask", "--tool-arg", question, "--tool-arg", "source=documents"];
console.log(JSON.parse(call("--method", "tools/call", ...asked)).content[0].text);
