"""LlamaIndex's OpenAILike and its embeddings."""

import asyncio
import os

from llama_index.core.llms import ChatMessage
from llama_index.embeddings.openai_like import OpenAILikeEmbedding
from llama_index.llms.openai_like import OpenAILike

QUESTION = os.environ["KB_QUESTION"]
SETTINGS = {"api_base": os.environ["KB_API"], "api_key": os.environ["KB_TOKEN"]}

llm = OpenAILike(model="kb-documents", is_chat_model=True, **SETTINGS)
text = llm.chat([ChatMessage(QUESTION)]).message.content
print(text)
assert [*llm.stream_chat([ChatMessage(QUESTION)])][-1].message.content == text
assert asyncio.run(llm.achat([ChatMessage(QUESTION)])).message.content == text
assert llm.complete(QUESTION).text == text
assert OpenAILike(model="kb-documents", **SETTINGS).complete(QUESTION).text == text

embeddings = OpenAILikeEmbedding(model_name="kb-embedding", **SETTINGS)
assert len(embeddings.get_text_embedding_batch(["a", "b"])) == 2
