"""Has what servers report of embedded texts heard, which LlamaIndex's classes leave out."""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

from engines.model_calls import find_listening


def hear_openai_tokens(client: Any, async_client: Any) -> None:
    """Have the tokens heard that clients of OpenAI are told of what they embed."""
    embeddings, async_embeddings = client.embeddings, async_client.embeddings
    embeddings.create = _hear_tokens(embeddings.create, _read_openai_tokens)
    async_embeddings.create = _hear_tokens_async(async_embeddings.create, _read_openai_tokens)


def hear_ollama_tokens(client: Any, async_client: Any) -> None:
    """Have the tokens heard that clients of Ollama are told of what they embed."""
    client.embed = _hear_tokens(client.embed, _read_ollama_tokens)
    async_client.embed = _hear_tokens_async(async_client.embed, _read_ollama_tokens)


def _hear_tokens(embed: Callable[..., Any], read: Callable[[Any], int | None]) -> Any:
    @wraps(embed)
    def embed_and_note(*values: Any, **options: Any) -> Any:
        reply = embed(*values, **options)
        _note(read(reply))
        return reply

    return embed_and_note


def _hear_tokens_async(
    embed: Callable[..., Awaitable[Any]], read: Callable[[Any], int | None]
) -> Any:
    @wraps(embed)
    async def embed_and_note(*values: Any, **options: Any) -> Any:
        reply = await embed(*values, **options)
        _note(read(reply))
        return reply

    return embed_and_note


def _note(tokens: int | None) -> None:
    if tokens and (calls := find_listening()):
        calls.note_reported_tokens(tokens)


def _read_openai_tokens(reply: Any) -> int | None:
    return getattr(getattr(reply, "usage", None), "prompt_tokens", None)


def _read_ollama_tokens(reply: Any) -> int | None:
    return getattr(reply, "prompt_eval_count", None)
