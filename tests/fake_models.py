"""Models for tests, in this process: an LLM that follows a script, and cheap embeddings."""

import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.base.llms.types import (
    CompletionResponse,
    CompletionResponseGen,
    LLMMetadata,
)
from llama_index.core.llms.callbacks import llm_completion_callback
from llama_index.core.llms.custom import CustomLLM
from pydantic import Field


@dataclass(frozen=True)
class Broken:
    """A reply that ends in an error after some words."""

    text: str
    error: Exception


Scripted = str | Exception | Broken | Callable[[str], str]


class ScriptedLLM(CustomLLM):
    """Give the replies in order, or what `reply` makes of each prompt; `prompts` remembers them."""

    replies: list[Scripted] = Field(default_factory=list)
    reply: Callable[[str], str] | None = None
    prompts: list[str] = Field(default_factory=list)
    context_window: int = 8192
    is_chat_model: bool = False

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(
            context_window=self.context_window,
            num_output=512,
            is_chat_model=self.is_chat_model,
            model_name="scripted",
        )

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        return CompletionResponse(text="".join(self._words(prompt)))

    @llm_completion_callback()
    def stream_complete(
        self, prompt: str, formatted: bool = False, **kwargs: Any
    ) -> CompletionResponseGen:
        def stream() -> Iterator[CompletionResponse]:
            text = ""
            for word in self._words(prompt):
                text += word
                yield CompletionResponse(text=text, delta=word)

        return stream()

    def _words(self, prompt: str) -> Iterator[str]:
        self.prompts.append(prompt)
        reply = self._next_reply(prompt)
        if isinstance(reply, Exception):
            raise reply
        text = reply.text if isinstance(reply, Broken) else reply
        yield from pieces(text)
        if isinstance(reply, Broken):
            raise reply.error

    def _next_reply(self, prompt: str) -> str | Exception | Broken:
        if self.replies:
            reply = self.replies.pop(0)
            return reply(prompt) if callable(reply) else reply
        if self.reply is None:
            raise AssertionError(f"the script has no reply left for: {prompt}")
        return self.reply(prompt)


class HashEmbedding(BaseEmbedding):
    """Signed counts of hashed words, L2-normalised: texts with common words are near."""

    model_name: str = "hash"
    dimensions: int = 64
    embedded: list[str] = Field(default_factory=list)  # every text in the order of arrival

    def _get_text_embedding(self, text: str) -> list[float]:
        self.embedded.append(text)
        return hashed_words(text, self.dimensions)

    def _get_query_embedding(self, query: str) -> list[float]:
        return hashed_words(query, self.dimensions)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_query_embedding(query)


def hashed_words(text: str, dimensions: int = 64) -> list[float]:
    vector = np.zeros(dimensions)
    for word in re.findall(r"\w+", text.casefold()) or [""]:
        digest = zlib.crc32(word.encode())
        vector[digest % dimensions] += 1 if digest & 0x10000 else -1
    length = np.linalg.norm(vector)
    if length == 0:  # signs cancelled each other
        vector[0], length = 1, np.float64(1)
    return (vector / length).tolist()


def pieces(text: str) -> list[str]:
    return re.findall(r"\s*\S+\s*$|\s*\S+", text) or [""]
