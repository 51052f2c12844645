// openai, the client of OpenAI for JavaScript.
import assert from "node:assert/strict";
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.env.KB_API, apiKey: process.env.KB_TOKEN });
const question = { role: "user", content: process.env.KB_QUESTION };
const asked = { model: "kb-documents", messages: [question] };

const models = await client.models.list();
assert(models.data.some((model) => model.id === "kb-auto"));

const reply = await client.chat.completions.create(asked);
assert.match(reply.choices[0].message.annotations[0].url_citation.url, /#\/passage\//);
console.log(reply.choices[0].message.content);

const stream = client.chat.completions.stream({
  ...asked,
  stream_options: { include_usage: true },
});
assert.equal(await stream.finalContent(), reply.choices[0].message.content);

const first = await client.responses.create({ model: "kb-documents", input: question.content });
const next = await client.responses.create({
  model: "kb-documents",
  input: "And for companies?",
  previous_response_id: first.id,
});
assert(first.output_text && next.output_text);
const events = client.responses.stream({ model: "kb-documents", input: question.content });
assert.equal((await events.finalResponse()).status, "completed");

const vectors = await client.embeddings.create({ model: "kb-embedding", input: ["a", "b"] });
assert.equal(vectors.data.length, 2);
