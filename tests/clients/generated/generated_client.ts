// A client of the types that openapi-typescript has made of the OpenAPI document; tsc --strict has
// read this first.
import createClient from "openapi-fetch";
import type { components, paths } from "./kb.js";

type AnswerEvent = components["schemas"]["AnswerEvent"];
type ChatCompletionEvent = components["schemas"]["ChatCompletionEvent"];
type Answer = components["schemas"]["Answer"];

declare const process: { env: Record<string, string> };

// Tells at compile time that a type is not any.
type Known<T> = 0 extends 1 & T ? never : T;

const { KB_API, KB_TOKEN, KB_QUESTION } = process.env;
const baseUrl = KB_API.replace(/\/v1$/, "");
const headers = { Authorization: `Bearer ${KB_TOKEN}` };
const client = createClient<paths>({ baseUrl, headers });

function require(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(what);
}

const asked = await client.POST("/api/ask", { body: { question: KB_QUESTION } });
require(asked.data !== undefined && typeof asked.data !== "string", "no answer");
const answer: Known<Answer> = asked.data;
const documents: Known<string>[] = answer.citations.map((cited) => cited.document);
require(documents.includes("returns.md"), "not cited");
console.log(answer.answer);

const found = await client.POST("/api/search", { body: { question: KB_QUESTION, top_k: 3 } });
require(found.data !== undefined, "nothing is found");
const paths: Known<string | null>[] = found.data.map((passage) => passage.path);
require(paths[0] === "returns.md", "another document is found first");

const listed = await client.GET("/api/documents", { params: { query: { limit: 2 } } });
require(listed.data !== undefined, "no documents");
const total: Known<number> = listed.data.total;
require(listed.data.documents.length === 2 && total > 2, "another page");

const refused = await client.POST("/api/ask", { body: { question: KB_QUESTION, profile: "none" } });
require(refused.error !== undefined, "an unknown profile answers");
const code: Known<components["schemas"]["Code"]> = refused.error.code;
require(code === "no_such_profile", code);

const streamed = await fetch(`${baseUrl}/api/ask`, {
  method: "POST",
  headers: { ...headers, "Content-Type": "application/json" },
  body: JSON.stringify({ question: KB_QUESTION, stream: true }),
});
let told = "";
for (const block of (await streamed.text()).split("\n\n")) {
  const event = readEvent(block);
  if (event?.event === "token") told += event.data.text;
  if (event?.event === "done") require(event.data.answer === told.trim(), "other words");
}
require(told.trim() === answer.answer, told);

const chat = await fetch(`${baseUrl}/v1/chat/completions`, {
  method: "POST",
  headers: { ...headers, "Content-Type": "application/json" },
  body: JSON.stringify({
    model: "kb-documents",
    messages: [{ role: "user", content: KB_QUESTION }],
    stream: true,
    stream_options: { include_usage: true },
  }),
});
let said = "";
let tokens = 0;
for (const block of (await chat.text()).split("\n\n").filter(Boolean)) {
  const chunk = readChunk(block);
  if (chunk === "[DONE]") break;
  require(!("error" in chunk), "an error");
  for (const choice of chunk.choices) {
    const piece: Known<string | undefined> = "delta" in choice ? choice.delta.content : undefined;
    said += piece ?? "";
  }
  if (!("citations" in chunk) && "usage" in chunk) tokens = chunk.usage.total_tokens;
}
require(said.startsWith("They go back [1].") && tokens > 0, said);

function readChunk(block: string): ChatCompletionEvent["data"] {
  const data = block.replace("data: ", "");
  return data === "[DONE]" ? data : JSON.parse(data);
}

function readEvent(block: string): AnswerEvent | undefined {
  const event = /^event: (.*)$/m.exec(block)?.[1];
  const data = /^data: (.*)$/m.exec(block)?.[1];
  return data === undefined ? undefined : ({ event, data: JSON.parse(data) } as AnswerEvent);
}
