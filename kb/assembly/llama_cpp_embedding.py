"""Config -> the embedding model in a file of this machine, for embedding.provider: llama-cpp."""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import httpx
from llama_index.core.base.embeddings.base import BaseEmbedding, Embedding
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError

from kb.assembly.llama_cpp import choose_threads
from kb.assembly.reported_tokens import hear_openai_tokens
from kb.config.models import EmbeddingConfig
from kb.config.sections import Config
from kb.mistakes import describe_first_mistake, join_place
from kb.model_file.served_file import ServedFile, require_llama_cpp
from stores.errors import ConfigError

MakeClients = Callable[[EmbeddingConfig, str, str], tuple[Any, Any]]

_PATIENCE: Final = 300.0  # seconds for some texts: the longest of a large model on two cores
_TEXTS_AT_ONCE: Final = 16
_END: Final = 1 << 20  # bytes of each end of a file that tell it from others
_MARGIN: Final = 8  # tokens by which a text that was cut may be read as more


class EmbeddingArguments(BaseModel):
    """What `embedding.arguments` takes with llama-cpp, by the names that LlamaIndex gives them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    pooling: Literal["model", "mean", "cls", "last"] = "model"
    max_length: Annotated[int, Field(ge=32)] = 512
    query_instruction: str = ""
    text_instruction: str = ""


class LlamaCppEmbedding(BaseEmbedding):
    """Embeddings of a model that llama.cpp serves in a child process, which the first text starts.

    A text that is longer than `max_length` tokens is cut there, as sentence models do.
    """

    arguments: EmbeddingArguments
    _served: ServedFile = PrivateAttr()
    _make_client: Callable[[str], Any] = PrivateAttr()
    _client: Any = PrivateAttr(default=None)

    def __init__(
        self,
        served: ServedFile,
        make_client: Callable[[str], Any],
        arguments: EmbeddingArguments,
        model_name: str,
    ) -> None:
        super().__init__(
            model_name=model_name, embed_batch_size=_TEXTS_AT_ONCE, arguments=arguments
        )
        self._served, self._make_client = served, make_client

    @classmethod
    def class_name(cls) -> str:
        return "LlamaCppEmbedding"

    def _get_query_embedding(self, query: str) -> Embedding:
        [embedding] = self._embed([self.arguments.query_instruction + query])
        return embedding

    async def _aget_query_embedding(self, query: str) -> Embedding:
        return await asyncio.to_thread(self._get_query_embedding, query)

    def _get_text_embedding(self, text: str) -> Embedding:
        [embedding] = self._get_text_embeddings([text])
        return embedding

    def _get_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        return self._embed([self.arguments.text_instruction + text for text in texts])

    async def _aget_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        return await asyncio.to_thread(self._get_text_embeddings, texts)

    def _embed(self, texts: Sequence[str]) -> list[Embedding]:
        client = self._follow_server()
        cut = [self._cut_text(client, text) or " " for text in texts]  # "" is refused
        reply = client.embeddings.create(
            input=cut, model=self._served.name, encoding_format="float"
        )
        return [each.embedding for each in sorted(reply.data, key=lambda each: each.index)]

    def _cut_text(self, client: Any, text: str) -> str:
        """Leave of a text what the model reads, as llama.cpp refuses a longer one."""
        if len(text.encode()) < self.arguments.max_length - _MARGIN:  # no token has no byte
            return text
        [tokens] = self._ask(client, "tokenize", {"content": text}).values()
        if len(tokens) < self.arguments.max_length - _MARGIN:
            return text
        kept = tokens[: self.arguments.max_length - _MARGIN]
        return str(self._ask(client, "detokenize", {"tokens": kept})["content"])

    def _ask(self, client: Any, what: str, body: dict[str, Any]) -> dict[str, Any]:
        url = client.base_url.join(f"/{what}")  # beside the protocol of OpenAI, which lacks it
        reply: dict[str, Any] = client.post(str(url), body=body, cast_to=httpx.Response).json()
        return reply

    def _follow_server(self) -> Any:
        """Return a client of the server, another one of a new child. Raises ModelUnavailable."""
        url = self._served.start()
        if self._client is None or str(self._client.base_url).rstrip("/") != url:
            if self._client is not None:
                self._client.close()
            self._client = self._make_client(url)
        return self._client


def make_llama_cpp_embedding(config: Config, make_clients: MakeClients) -> LlamaCppEmbedding:
    """Make the model of the file embedding.model. Raises ConfigError."""
    require_llama_cpp("embedding")
    embedding, arguments = config.embedding, _read_arguments(config.embedding)
    path = find_embedding_file(config)
    timeout = embedding.timeout if "timeout" in embedding.model_fields_set else _PATIENCE
    patient = embedding.model_copy(update={"timeout": timeout})
    served = ServedFile(
        path=path,
        name=path.stem,
        context_window=arguments.max_length,
        threads=choose_threads(),
        pooling=arguments.pooling,
    )

    def make_client(url: str) -> Any:
        client, async_client = make_clients(patient, url, served.api_key)
        hear_openai_tokens(client, async_client)
        return client

    return LlamaCppEmbedding(served, make_client, arguments, _name_vectors(path, arguments))


def find_embedding_file(config: Config) -> Path:
    """Return the file of embedding.model. Raises ConfigError where there is none."""
    embedding = config.embedding
    if embedding.dimensions:
        raise ConfigError(
            "embedding.dimensions cannot be set for the provider llama-cpp. Remove it."
        )
    name = embedding.model
    if name is None:
        raise ConfigError(
            "embedding.model is not set in config.yaml. For the provider llama-cpp it is the path "
            "of a GGUF file, for example models/nomic-embed-text-v1.5.Q8_0.gguf."
        )
    path = config.directory / Path(name).expanduser()
    if not path.is_file():
        raise ConfigError(
            f"embedding.model is {name!r}: there is no file {path}. For the provider llama-cpp it "
            "is the path of a GGUF file of an embedding model."
        )
    return path


def _read_arguments(embedding: EmbeddingConfig) -> EmbeddingArguments:
    try:
        return EmbeddingArguments(**embedding.arguments)
    except ValidationError as error:
        place, reason = describe_first_mistake(error, embedding.arguments)
        raise ConfigError(
            f"embedding.arguments.{join_place(place)} cannot be used: {reason}. With the provider "
            f"llama-cpp there are {', '.join(EmbeddingArguments.model_fields)}."
        ) from error


def _name_vectors(path: Path, arguments: EmbeddingArguments) -> str:
    """Name what vectors compare with: another file, pooling or instruction makes others."""
    digest = hashlib.sha256(f"{path.stat().st_size} {arguments.model_dump_json()}".encode())
    with path.open("rb") as file:
        digest.update(file.read(_END))
        file.seek(max(path.stat().st_size - _END, 0))
        digest.update(file.read(_END))
    return f"{path.stem}-{digest.hexdigest()[:8]}"
