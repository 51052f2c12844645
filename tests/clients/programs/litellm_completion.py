"""LiteLLM: chats, responses and embeddings, of a provider of OpenAI's form."""

import os

import litellm

QUESTION = os.environ["KB_QUESTION"]
SETTINGS = {"api_base": os.environ["KB_API"], "api_key": os.environ["KB_TOKEN"]}
MESSAGES = [{"role": "user", "content": QUESTION}]

reply = litellm.completion(model="openai/kb-documents", messages=MESSAGES, **SETTINGS)
text = reply.choices[0].message.content
print(text)
stream = litellm.completion(model="openai/kb-documents", messages=MESSAGES, stream=True, **SETTINGS)
assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == text
told = litellm.responses(model="openai/kb-documents", input=QUESTION, **SETTINGS)
assert told.output[0].content[0].text == text
vectors = litellm.embedding(model="openai/kb-embedding", input=["a", "b"], **SETTINGS)
assert len(vectors.data) == 2
