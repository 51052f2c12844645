"""Haystack's OpenAIChatGenerator and its embedder."""

import os

from haystack.components.embedders import OpenAITextEmbedder
from haystack.components.generators.chat import OpenAIChatGenerator
from haystack.dataclasses import ChatMessage
from haystack.utils import Secret

QUESTION = os.environ["KB_QUESTION"]
SETTINGS = {
    "api_base_url": os.environ["KB_API"],
    "api_key": Secret.from_token(os.environ["KB_TOKEN"]),
}

asked = [ChatMessage.from_user(QUESTION)]
text = OpenAIChatGenerator(model="kb-documents", **SETTINGS).run(asked)["replies"][0].text
print(text)
pieces = []
streaming = OpenAIChatGenerator(
    model="kb-documents", streaming_callback=lambda chunk: pieces.append(chunk.content), **SETTINGS
)
assert streaming.run(asked)["replies"][0].text == "".join(pieces) == text

embedder = OpenAITextEmbedder(model="kb-embedding", **SETTINGS)
assert embedder.run("a")["embedding"]
