"""Config -> the language model in a file of this machine, for llm.provider: llama-cpp."""

import asyncio
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from llama_index.core.base.llms.types import ChatMessage, ChatResponse, ChatResponseAsyncGen
from llama_index.llms.openai_like import OpenAILike
from pydantic import PrivateAttr

from kb.config.models import LLMConfig
from kb.config.sections import Config
from kb.model_file.known_files import DEFAULT_FILE, KNOWN_FILES, locate_known_file
from kb.model_file.served_file import ServedFile, require_llama_cpp
from stores.errors import ConfigError

MakeClients = Callable[[LLMConfig, str, str], tuple[Any, Any]]

_CONTEXT_WINDOW: Final = 8192  # tokens, of which each takes memory whether it is used or not
_PATIENCE: Final = 300.0  # seconds for a reply: two cores read the longest prompt for a minute


class LlamaCpp(OpenAILike):  # type: ignore[misc]  # LlamaIndex's package ships no types
    """A model that llama.cpp serves in a child process, which the first request starts."""

    api_base: str
    _client: Any
    _aclient: Any
    _served: ServedFile = PrivateAttr()
    _make_clients: Callable[[str], tuple[Any, Any]] = PrivateAttr()

    def __init__(
        self, served: ServedFile, make_clients: Callable[[str], tuple[Any, Any]], **options: Any
    ) -> None:
        super().__init__(
            model=served.name,
            context_window=served.context_window,
            is_chat_model=True,
            should_use_structured_outputs=True,
            max_retries=0,
            **options,
        )
        self._served, self._make_clients = served, make_clients

    @classmethod
    def class_name(cls) -> str:
        return "LlamaCpp"

    @property
    def process_id(self) -> int | None:
        """The process that has the model in memory; None while none was needed."""
        return self._served.process_id

    async def achat(self, messages: Sequence[ChatMessage], **options: Any) -> ChatResponse:
        await asyncio.to_thread(self._served.start)  # for seconds, in which others go on
        response: ChatResponse = await super().achat(messages, **options)
        return response

    async def astream_chat(
        self, messages: Sequence[ChatMessage], **options: Any
    ) -> ChatResponseAsyncGen:
        await asyncio.to_thread(self._served.start)
        pieces: ChatResponseAsyncGen = await super().astream_chat(messages, **options)
        return pieces

    def _get_client(self) -> Any:
        self._follow_server()
        return self._client

    def _get_aclient(self) -> Any:
        self._follow_server()
        return self._aclient

    def _follow_server(self) -> None:
        """Take the address of the server, which a new child changes. Raises ModelUnavailable."""
        url = self._served.start()
        if url != self.api_base or self._client is None:
            if self._client is not None:
                self._client.close()
            self.api_base = url
            self._client, self._aclient = self._make_clients(url)


def make_llama_cpp(config: Config, make_clients: MakeClients) -> LlamaCpp:
    """Make the model of llm.model, a name of `kb setup --llm` or a file. Raises ConfigError."""
    require_llama_cpp("llm")
    timeout = config.llm.timeout if "timeout" in config.llm.model_fields_set else _PATIENCE
    patient = config.llm.model_copy(update={"timeout": timeout})
    path = find_model_file(config)
    served = ServedFile(
        path=path,
        name=path.stem,
        context_window=config.llm.context_window or _CONTEXT_WINDOW,
        threads=config.llm.threads or choose_threads(),
    )
    return LlamaCpp(
        served,
        lambda url: make_clients(patient, url, served.api_key),
        api_key=served.api_key,
        timeout=patient.timeout,
        max_tokens=config.llm.max_tokens,
    )


def find_model_file(config: Config) -> Path:
    """Return the file of llm.model. Raises ConfigError where there is none."""
    name = config.llm.model or DEFAULT_FILE
    known = KNOWN_FILES.get(name)
    if known is None:
        path = config.directory / Path(name).expanduser()
        if not path.is_file():
            raise ConfigError(
                f"llm.model is {name!r}: there is no file {path}. For the provider llama-cpp it is "
                f"the path of a GGUF file, or one of {', '.join(KNOWN_FILES)}."
            )
        return path
    path = locate_known_file(config.cache, known)
    if not path.is_file():
        raise ConfigError(
            f"{known.title} was not fetched yet. Run `kb setup --llm {name}` "
            f"({known.size_mb} MB), or name a GGUF file of yours as llm.model in config.yaml."
        )
    return path


def choose_threads() -> int:
    """Return half of the processors: threads that wait for a busy one make all of them slow."""
    return max((os.cpu_count() or 1) // 2, 1)
