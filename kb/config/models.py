"""The sections on models: what makes vectors, and what writes answers and SQL."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal, Self, TypeAlias, get_args

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from kb.config.section import ApiKey, BaseUrl, Positive, Seconds, Section
from stores.errors import ConfigError

MULTILINGUAL, E5 = "multilingual", "e5"  # beside null, what `local` fetches by its name
_IMPORT_PATH: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")


def _read_provider(names: tuple[str, ...]) -> BeforeValidator:
    """Let one of the names pass, or the import path of a class."""

    def require_provider(value: Any) -> str:
        if isinstance(value, str) and (value in names or _IMPORT_PATH.fullmatch(value)):
            return value
        raise ValueError(
            f"{', '.join(map(repr, names))}, or the import path of a class of LlamaIndex"
        )

    return BeforeValidator(require_provider)


EmbeddingProvider: TypeAlias = Literal[
    "local",
    "wordllama",
    "openai",
    "openai-like",
    "ollama",
    "llama-cpp",
    "cohere",
    "voyage",
    "huggingface",
]


LLMProvider: TypeAlias = Literal[
    "none",
    "openai",
    "openai-like",
    "ollama",
    "llama-cpp",
    "azure-openai",
    "anthropic",
    "mistral",
    "gemini",
    "bedrock",
    "huggingface",
]


RerankerProvider: TypeAlias = Literal["none", "cohere", "jina", "voyage", "server"]


# What the environment says of a model, by the provider that has issued the key.
MODEL_VARIABLES: Final[Mapping[str, Mapping[str, str]]] = {
    "openai": {"api_key": "OPENAI_API_KEY", "base_url": "OPENAI_API_BASE"},
    "openai-like": {"base_url": "OPENAI_API_BASE"},
    "ollama": {"base_url": "OLLAMA_BASE_URL"},
    "azure-openai": {"api_key": "AZURE_OPENAI_API_KEY", "base_url": "AZURE_OPENAI_ENDPOINT"},
    "anthropic": {"api_key": "ANTHROPIC_API_KEY"},
    "mistral": {"api_key": "MISTRAL_API_KEY"},
    "gemini": {"api_key": "GOOGLE_API_KEY"},
    "cohere": {"api_key": "COHERE_API_KEY"},
    "voyage": {"api_key": "VOYAGE_API_KEY"},
    "jina": {"api_key": "JINA_API_KEY"},
}


ChoiceName: TypeAlias = Annotated[str, Field(min_length=1, max_length=40, pattern=r"^\S(.*\S)?$")]


Task: TypeAlias = Literal["answer", "sql", "route", "rewrite", "memory"]
"""What a language model is asked for."""


class ModelConfig(Section):
    model: str | None = None
    """The model's name; `null` for the provider's default."""
    base_url: BaseUrl | None = Field(default=None, repr=False)  # may hold a password
    """The address of an OpenAI-compatible server or of Ollama."""
    api_key: ApiKey = None
    """The key of that server, best from the environment: `${OPENAI_API_KEY:}`."""
    timeout: Seconds = 60
    """Seconds for one reply; each try has as many."""
    max_retries: Annotated[int, Field(ge=0)] = 2
    """Tries after the first one failed."""
    arguments: dict[str, Any] = Field(default_factory=dict, repr=False)  # may hold secrets
    """What else the class of LlamaIndex takes, by the names of its own parameters; with an import
    path all that it takes. Secrets come from the environment: `{api_key: "${MY_KEY}"}`."""

    def values_set(self) -> dict[str, Any]:
        """Return what somebody has set, without defaults: some providers refuse what they lack."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class EmbeddingConfig(ModelConfig):
    """What makes vectors of texts. With provider `local`, `model` may be a directory of files."""

    provider: Annotated[EmbeddingProvider | str, _read_provider(get_args(EmbeddingProvider))] = (
        "local"
    )
    """Who makes the vectors: `local`, `wordllama`, `openai`, `openai-like`, `ollama`, `llama-cpp`,
    `cohere`, `voyage`, `huggingface`, or the import path of a `BaseEmbedding` of LlamaIndex.
    Documents leave the machine only to a provider that is elsewhere."""
    dimensions: Positive | None = None
    """A shorter vector, of models that can give one; `null` for as many as the model gives."""

    @property
    def is_fetched(self) -> bool:
        """Whether `kb setup` fetches the model; any other of provider `local` is a directory."""
        return self.provider == "local" and self.model in (None, MULTILINGUAL, E5)


class NextEmbeddingConfig(ModelConfig):
    """The model to change to, or the former one: the collection's own of both is used."""

    provider: (
        Annotated[EmbeddingProvider | str, _read_provider(get_args(EmbeddingProvider))] | None
    ) = None
    """Who makes its vectors, as in `embedding`; `null` while there is no such model."""
    dimensions: Positive | None = None
    """A shorter vector, as in `embedding`."""

    def to_embedding(self) -> EmbeddingConfig | None:
        """Return it as it would stand in `embedding`; None while there is no such model."""
        return EmbeddingConfig(**self.values_set()) if self.provider else None


class FallbackConfig(ModelConfig):
    """A language model that answers while those before it do not."""

    provider: Annotated[LLMProvider | str, _read_provider(get_args(LLMProvider))] = "none"
    """Who writes answers: `openai`, `openai-like`, `ollama`, `llama-cpp`, `azure-openai`,
    `anthropic`, `mistral`, `gemini`, `bedrock`, `huggingface`, or the import path of an `LLM` of
    LlamaIndex. With `none` they are quoted from the documents, and the tables answer by verified
    queries."""
    context_window: Positive | None = None
    """In tokens, for models that kb does not know."""
    max_tokens: Positive | None = None
    """The most tokens of one reply, be it an answer or SQL; `null` for a bound of kb: with
    `llama-cpp` by task, with `openai-like` and `ollama` a quarter of the context window, at most
    4096. Models of OpenAI have their own."""
    max_tokens_by_task: dict[Task, Positive] = Field(default_factory=dict)
    """The same of single tasks, before `max_tokens`: `{answer: 800, sql: 400}`. The others are
    `route`, `rewrite` (of follow-ups and translations) and `memory`. Thoughts count too."""
    decides_route: bool | None = None
    """Whether it decides which source answers, where evidence leaves that open; else both are
    asked. `null`: yes, but for the files of `kb setup --llm`, which choose worse."""
    threads: Positive | None = None
    """Threads of the provider `llama-cpp`; `null` for half of the machine's processors."""


def _require_model(fallback: FallbackConfig) -> FallbackConfig:
    if fallback.provider == "none":
        raise ValueError(
            "one whose provider is not none: behind the last model documents are quoted"
        )
    return fallback


_OF_ONE_MODEL: Final = frozenset(FallbackConfig.model_fields)


class LLMConfig(FallbackConfig):
    """The language model that writes answers and SQL."""

    instructions: Annotated[str, Field(max_length=4000)] = ""
    """What answers have to heed besides kb's own rules, such as a tone or a length: `Address the
    reader formally. At most three sentences.` SQL is written without it."""
    fallback: tuple[Annotated[FallbackConfig, AfterValidator(_require_model)], ...] = ()
    """Models that answer, in their order, while those before them do not: a list of
    `{provider, model, …}`, each with the keys of this section. Who answered, and why, stands in the
    answer; when none answers, documents are quoted."""

    choices: dict[ChoiceName, Annotated[FallbackConfig, AfterValidator(_require_model)]] = Field(
        default_factory=dict
    )
    """Other models that a question or a chat may be answered by, each by a name that people see:
    `{large: {provider: openai, model: gpt-5}}`, with the keys of this section. When one does not
    answer, the model of this section does."""

    def choose(self, name: str) -> "LLMConfig":
        """Return the choice of this name as it would stand in this place, this model behind it.

        Raises ConfigError.
        """
        if name not in self.choices:
            known = f"There are {', '.join(map(repr, self.choices))}."
            none = f"Name it in llm.choices: {{{name}: {{provider: …, model: …}}}}."
            told = known if self.choices else none
            raise ConfigError(f"There is no model {name!r} to choose. {told}")
        own = {key: value for key, value in self.values_set().items() if key in _OF_ONE_MODEL}
        behind = () if self.provider == "none" else (FallbackConfig(**own), *self.fallback)
        chosen = self.choices[name].values_set()
        return LLMConfig(**chosen, instructions=self.instructions, fallback=behind)

    def list_models(self) -> Iterator[FallbackConfig]:
        """Yield every model that may come to answer."""
        yield from (self, *self.fallback, *self.choices.values())

    def next_model(self) -> "LLMConfig | None":
        """Return the first fallback as it would stand in this place; None after the last."""
        if not self.fallback:
            return None
        first, *others = self.fallback
        return LLMConfig(
            **first.values_set(), instructions=self.instructions, fallback=tuple(others)
        )

    def list_next_models(self) -> Iterator["LLMConfig"]:
        """Yield each fallback as it would stand in this place, in their order."""
        if following := self.next_model():
            yield following
            yield from following.list_next_models()

    @model_validator(mode="after")
    def _require_first(self) -> Self:
        if self.fallback and self.provider == "none":
            raise ValueError("a first model in provider, before those of fallback")
        return self


class RerankerConfig(ModelConfig):
    """A model that reads passages beside the question: for profiles with `rerank: {by: reranker}`.

    Passages leave the machine to a provider that is elsewhere.
    """

    provider: RerankerProvider = "none"
    """Who runs it: `cohere`, `jina`, `voyage`, or `server`, any that speaks as they do at
    `base_url` and `/rerank`: vLLM, llama.cpp, LocalAI, LiteLLM."""
    arguments: dict[str, Any] = Field(default_factory=dict, repr=False)
    """What else its server takes with each request, such as `{truncation: true}`."""
