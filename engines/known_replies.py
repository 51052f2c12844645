"""A language model whose replies are kept: the same is asked once."""

import asyncio
from collections.abc import AsyncGenerator, Generator, Sequence
from typing import Any

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseAsyncGen,
    ChatResponseGen,
    CompletionResponse,
    CompletionResponseAsyncGen,
    CompletionResponseGen,
    LLMMetadata,
)
from llama_index.core.bridge.pydantic import BaseModel, PrivateAttr
from llama_index.core.llms.llm import LLM
from llama_index.core.prompts import BasePromptTemplate
from llama_index.core.types import TokenAsyncGen, TokenGen

from engines.model_calls import find_listening
from stores.caches.cache import Cache, make_key


class RememberingLLM(LLM):
    """Fills prompts for `llm`, and gives the reply that it gave to exactly the same before.

    A reply depends on nothing but the model and what it is shown: passages, rows, the prompt and
    the question, of which all are in the key. So no change of any of them brings an old reply, and
    who may not see a passage has no reply that was made of it. `identity` is what the model is
    asked by beside that: its name, its server, its bounds. A reply that was cut, by a limit or on
    its way, is not kept. What is chatted or completed without a prompt is asked anew.
    """

    _llm: LLM = PrivateAttr()
    _cache: Cache = PrivateAttr()
    _identity: Sequence[Any] = PrivateAttr()

    def __init__(self, llm: LLM, cache: Cache, identity: Sequence[Any]) -> None:
        super().__init__(callback_manager=llm.callback_manager)
        self._llm, self._cache, self._identity = llm, cache, identity

    @classmethod
    def class_name(cls) -> str:
        return "RememberingLLM"

    @property
    def metadata(self) -> LLMMetadata:
        return self._llm.metadata

    def predict(self, prompt: BasePromptTemplate, **prompt_args: Any) -> str:
        key = self._make_key(prompt, prompt_args)
        reply = self._find(key)
        if reply is None:
            reply = self._llm.predict(prompt, **prompt_args)
            self._keep(key, reply)
        return reply

    async def apredict(self, prompt: BasePromptTemplate, **prompt_args: Any) -> str:
        key = self._make_key(prompt, prompt_args)
        reply = await asyncio.to_thread(self._find, key)
        if reply is None:
            reply = await self._llm.apredict(prompt, **prompt_args)
            await asyncio.to_thread(self._keep, key, reply)
        return reply

    def stream(self, prompt: BasePromptTemplate, **prompt_args: Any) -> TokenGen:
        key = self._make_key(prompt, prompt_args)
        reply = self._find(key)
        if reply is not None:
            return _give(reply)
        return self._keep_stream(key, self._llm.stream(prompt, **prompt_args))

    async def astream(self, prompt: BasePromptTemplate, **prompt_args: Any) -> TokenAsyncGen:
        key = self._make_key(prompt, prompt_args)
        reply = await asyncio.to_thread(self._find, key)
        if reply is not None:
            return _agive(reply)
        return self._keep_astream(key, await self._llm.astream(prompt, **prompt_args))

    def structured_predict(
        self,
        output_cls: type[BaseModel],
        prompt: BasePromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Any:
        key = self._make_key(prompt, prompt_args, output_cls.model_json_schema())
        reply = self._find(key)
        if reply is not None:
            return output_cls.model_validate_json(reply)
        made = self._llm.structured_predict(output_cls, prompt, llm_kwargs, **prompt_args)
        self._keep(key, made.model_dump_json())
        return made

    async def astructured_predict(
        self,
        output_cls: type[BaseModel],
        prompt: BasePromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Any:
        key = self._make_key(prompt, prompt_args, output_cls.model_json_schema())
        reply = await asyncio.to_thread(self._find, key)
        if reply is not None:
            return output_cls.model_validate_json(reply)
        made = await self._llm.astructured_predict(output_cls, prompt, llm_kwargs, **prompt_args)
        await asyncio.to_thread(self._keep, key, made.model_dump_json())
        return made

    def _make_key(
        self, prompt: BasePromptTemplate, values: dict[str, Any], form: object = None
    ) -> bytes:
        messages = prompt.format_messages(llm=self._llm, **values)
        return make_key(*self._identity, [each.model_dump(mode="json") for each in messages], form)

    def _find(self, key: bytes) -> str | None:
        kept = self._cache.find(key)
        return None if kept is None else kept.decode()

    def _keep(self, key: bytes, reply: str) -> None:
        calls = find_listening()  # or else nobody knows whether the reply is whole
        if calls and not (calls.is_cut or calls.limit):
            self._cache.keep(key, reply.encode())

    def _keep_stream(self, key: bytes, pieces: TokenGen) -> Generator[str, None, None]:
        said = []
        for piece in pieces:
            said.append(piece)
            yield piece
        self._keep(key, "".join(said))

    async def _keep_astream(self, key: bytes, pieces: TokenAsyncGen) -> AsyncGenerator[str, None]:
        said = []
        async for piece in pieces:
            said.append(piece)
            yield piece
        await asyncio.to_thread(self._keep, key, "".join(said))

    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        return self._llm.chat(messages, **kwargs)

    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:  # noqa: FBT001, FBT002 - the base class's
        return self._llm.complete(prompt, formatted, **kwargs)

    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        return self._llm.stream_chat(messages, **kwargs)

    def stream_complete(
        self,
        prompt: str,
        formatted: bool = False,  # noqa: FBT001, FBT002 - the base class's
        **kwargs: Any,
    ) -> CompletionResponseGen:
        return self._llm.stream_complete(prompt, formatted, **kwargs)

    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        return await self._llm.achat(messages, **kwargs)

    async def acomplete(
        self,
        prompt: str,
        formatted: bool = False,  # noqa: FBT001, FBT002 - the base class's
        **kwargs: Any,
    ) -> CompletionResponse:
        return await self._llm.acomplete(prompt, formatted, **kwargs)

    async def astream_chat(
        self, messages: Sequence[ChatMessage], **kwargs: Any
    ) -> ChatResponseAsyncGen:
        return await self._llm.astream_chat(messages, **kwargs)

    async def astream_complete(
        self,
        prompt: str,
        formatted: bool = False,  # noqa: FBT001, FBT002 - the base class's
        **kwargs: Any,
    ) -> CompletionResponseAsyncGen:
        return await self._llm.astream_complete(prompt, formatted, **kwargs)


def _give(reply: str) -> Generator[str, None, None]:
    yield reply


async def _agive(reply: str) -> AsyncGenerator[str, None]:
    yield reply
