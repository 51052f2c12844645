"""Models of kb that talk to a FakeModels server, and the ways of calling one."""

import asyncio

from model_server import FakeModels

from engines.model_errors import model_errors
from kb.assembly.models import make_embedder, make_llm
from kb.config.models import EmbeddingConfig, LLMConfig
from kb.config.sections import Config

PROMPT = "prompt-canary: what is blue?"
KEY = "sk-canary"
LLMS = ["openai-like", "ollama"]


def llm_of(server: FakeModels, provider: str, **settings):
    base_url = server.url if provider == "ollama" else server.openai_url
    settings = {"timeout": 5, "max_retries": 0, "base_url": base_url} | settings
    llm = LLMConfig(provider=provider, model="fake", api_key=KEY, **settings)
    return make_llm(Config(llm=llm))


def embedder_of(server: FakeModels, provider: str, **settings):
    base_url = server.url if provider == "ollama" else server.openai_url
    settings = {"timeout": 5, "max_retries": 0, "base_url": base_url} | settings
    embedding = EmbeddingConfig(provider=provider, model="fake", api_key=KEY, **settings)
    return make_embedder(Config(embedding=embedding))


def complete(llm) -> str:
    with model_errors("answering"):
        return llm.complete(PROMPT).text


def stream(llm) -> str:
    def tokens():
        with model_errors("answering"):
            for part in llm.stream_complete(PROMPT):
                yield part.delta

    return "".join(tokens())


def acomplete(llm) -> str:
    async def answer():
        with model_errors("answering"):
            return (await llm.acomplete(PROMPT)).text

    return asyncio.run(answer())


def astream(llm) -> str:
    async def tokens():
        with model_errors("answering"):
            async for part in await llm.astream_complete(PROMPT):
                yield part.delta

    async def answer():
        return "".join([token async for token in tokens()])

    return asyncio.run(answer())


WAYS = [complete, stream, acomplete, astream]
STREAMS = [stream, astream]


EMBEDDERS = ["openai", "openai-like", "ollama"]


def embed(embedder):
    with model_errors("embedding documents"):
        return embedder.get_text_embedding_batch([PROMPT, "two"])


def ask(embedder):
    with model_errors("embedding documents"):
        return embedder.get_query_embedding(PROMPT)


def aembed(embedder):
    async def embeddings():
        with model_errors("embedding documents"):
            return await embedder.aget_text_embedding_batch([PROMPT, "two"])

    return asyncio.run(embeddings())


EMBED_WAYS = [embed, ask, aembed]
