// The AI SDK, by its provider of OpenAI (responses, chat) and that of compatible servers.
import assert from "node:assert/strict";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { embedMany, generateText, streamText } from "ai";

const { KB_API: baseURL, KB_TOKEN: apiKey, KB_QUESTION: prompt } = process.env;
const openai = createOpenAI({ baseURL, apiKey });
const compatible = createOpenAICompatible({ name: "kb", baseURL, apiKey, includeUsage: true });

for (const model of [
  openai("kb-documents"),
  openai.chat("kb-documents"),
  compatible("kb-documents"),
]) {
  const whole = await generateText({ model, prompt });
  const streamed = streamText({
    model,
    prompt,
    onError: ({ error }) => {
      throw error;
    },
  });
  assert.equal(await streamed.text, whole.text);
  console.log(whole.text);
}
const cited = await generateText({ model: openai("kb-documents"), prompt });
assert.match(cited.sources[0].url, /#\/passage\//);

const model = openai.textEmbeddingModel("kb-embedding");
assert.equal((await embedMany({ model, values: ["a", "b"] })).embeddings.length, 2);
