"""langchain-openai: chat completions, responses and embeddings."""

import asyncio
import os

from langchain_openai import ChatOpenAI, OpenAIEmbeddings

QUESTION = os.environ["KB_QUESTION"]
SETTINGS = {"base_url": os.environ["KB_API"], "api_key": os.environ["KB_TOKEN"]}

chat = ChatOpenAI(model="kb-documents", **SETTINGS)
text = chat.invoke(QUESTION).text
print(text)
assert "".join(chunk.text for chunk in chat.stream(QUESTION)) == text
assert asyncio.run(chat.ainvoke(QUESTION)).text == text
assert [reply.text for reply in chat.batch([QUESTION, QUESTION])] == [text, text]

responding = ChatOpenAI(model="kb-documents", use_responses_api=True, **SETTINGS)
told = responding.invoke(QUESTION)
assert told.text == text
assert any(block.get("annotations") for block in told.content_blocks)
assert "".join(chunk.text for chunk in responding.stream(QUESTION)) == text

embeddings = OpenAIEmbeddings(model="kb-embedding", **SETTINGS)
assert len(embeddings.embed_documents(["a", "b"])) == 2
