"""config.yaml and the environment -> Config; nothing else in kb reads either of them."""

import os
import platform
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeAlias, get_args
from urllib.parse import urlsplit

import platformdirs
import sqlalchemy as sa
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    SecretStr,
    ValidationError,
    ValidationInfo,
)

from engines.search.profiles import DEFAULT, Profile, resolve_profile
from kb.config_file import explain_mistakes, read_sections
from kb.indexing.reading_options import ReadingOptions
from stores.errors import ConfigError

EMBEDDED: Final = "embedded"
DRIVER = "mariadb+mariadbconnector"
FILE = "config.yaml"
_IMPORT_PATH: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{16,}")  # what an address and a header can hold


def _read_database_url(value: Any) -> Any:
    if value == EMBEDDED:
        return value
    try:
        url = sa.make_url(value)
    except (sa.exc.ArgumentError, ValueError):
        url = None
    if url is None or not url.drivername.startswith("mariadb+"):
        raise ValueError(f"{EMBEDDED}, or {DRIVER}://user:password@host:3306/database")
    return url


def _read_server_url(value: Any) -> sa.URL:
    url = _read_database_url(value)
    if not isinstance(url, sa.URL):
        raise ValueError(f"{DRIVER}://user:password@host:3306/database")  # noqa: TRY004 - pydantic's
    return url


def _write_without_password(url: sa.URL | str) -> str:
    return url if isinstance(url, str) else url.render_as_string(hide_password=True)


def _require_web_url(value: str) -> str:
    address = urlsplit(value)
    if address.scheme not in ("http", "https") or not address.hostname:
        raise ValueError("a URL that begins with http:// or https:// and a host")
    try:
        _ = address.port
    except ValueError:  # it would name a part of the address
        raise ValueError("a URL whose port is a number up to 65535") from None
    return value.rstrip("/")


def _resolve_beside_config(path: Path, info: ValidationInfo) -> Path:
    directory: Path = (info.context or {}).get("directory", Path.cwd())
    return directory / path.expanduser()


def _read_provider(names: tuple[str, ...]) -> BeforeValidator:
    """Let one of the names pass, or the import path of a class."""

    def require_provider(value: Any) -> str:
        if isinstance(value, str) and (value in names or _IMPORT_PATH.fullmatch(value)):
            return value
        raise ValueError(
            f"{', '.join(map(repr, names))}, or the import path of a class of LlamaIndex"
        )

    return BeforeValidator(require_provider)


def _require_token(value: SecretStr | None) -> SecretStr | None:
    if value and not _TOKEN.fullmatch(value.get_secret_value()):
        raise ValueError("at least 16 letters, digits, - and _")
    return value


EmbeddingProvider: TypeAlias = Literal[
    "local",
    "wordllama",
    "openai",
    "openai-like",
    "ollama",
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
}

DatabaseUrl = Annotated[
    sa.URL | Literal["embedded"],
    PlainValidator(_read_database_url),
    PlainSerializer(_write_without_password),
]
ServerUrl = Annotated[
    sa.URL, PlainValidator(_read_server_url), PlainSerializer(_write_without_password)
]
ApiKey = Annotated[SecretStr | None, BeforeValidator(lambda value: value or None)]
Token = Annotated[ApiKey, AfterValidator(_require_token)]
BaseUrl = Annotated[str, AfterValidator(_require_web_url)]
Origin = Annotated[str, Field(pattern=r"^https?://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?$")]
RelativePath = Annotated[Path, AfterValidator(_resolve_beside_config)]
Positive = Annotated[int, Field(gt=0)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Weight = Annotated[float, Field(gt=0, allow_inf_nan=False)]


def _read_off(value: Any) -> Any:
    """Return the word `off`, which YAML reads as false where it has no quotes."""
    return "off" if value is False else value


Task: TypeAlias = Literal["answer", "sql", "route", "rewrite", "memory"]
"""What a language model is asked for."""


class Section(BaseModel):
    """The text below a key is its description in the reference of the configuration."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=True
    )


class DatabaseConfig(Section):
    """Where kb keeps its own tables."""

    url: DatabaseUrl = EMBEDDED
    """`embedded` is a private MariaDB that kb starts; any other from 11.8 on is
    `mariadb+mariadbconnector://user:password@host:3306/name` (`mariadb+pymysql://…` with the extra
    `pymysql`). Where it is not set and `DB_HOST` is, it is made of `DB_HOST`, `DB_PORT`, `DB_USER`,
    `DB_PASSWORD` and `DB_NAME`."""
    replicas: tuple[ServerUrl, ...] = ()
    """Servers that replicate that of `url` by GTID, with the same database: searches are read from
    them, and everything else from `url`."""
    replica_seconds: Seconds = 10
    """The most seconds that a replica may be behind; further behind it is not asked."""
    name: str = "kb"
    """The database on the embedded server. Each one is a knowledge base of its own."""
    vector_cache_mb: Positive | None = None
    """The most memory of the embedded server for the vector index, from its next start on; without
    it a sixteenth of the machine's, 256 to 4096."""
    buffer_pool_mb: Positive | None = None
    """The most memory of the embedded server for all other tables, from its next start on; without
    it an eighth of the machine's, 256 to 4096. Its log of changes is half as large, up to 1024."""


class DocumentsConfig(Section):
    """What is indexed."""

    description: str | None = None
    """What the documents are about, in a sentence: for the model that chooses between them and the
    tables, and for AI applications."""
    path: RelativePath | None = None
    """What `kb index` reads when it is given no path."""
    filter_keys: tuple[str, ...] = ()
    """Metadata keys that get an indexed column; filters work on all others too."""
    hidden_sheets: bool = False
    """Whether the hidden sheets of workbooks are read too. Rows that somebody hid are not."""
    max_file_mb: Positive = 200
    """The largest file that is read at once. Its reader may take memory as large as 2.5 times this
    number, 512 MB at the least."""
    max_parted_file_mb: Positive = 2000
    """The largest file that is read by parts, as a text, a table or a mailbox can be."""

    @property
    def reading_options(self) -> ReadingOptions:
        """What of this the readers of files heed."""
        return ReadingOptions(
            max_file=self.max_file_mb * 1_000_000,
            max_parted_file=self.max_parted_file_mb * 1_000_000,
            hidden_sheets=self.hidden_sheets,
        )


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


class EmbeddingConfig(ModelConfig):
    """What makes vectors of texts. With provider `local`, `model` may be a directory of files."""

    provider: Annotated[EmbeddingProvider | str, _read_provider(get_args(EmbeddingProvider))] = (
        "local"
    )
    """Who makes the vectors: `local`, `wordllama`, `openai`, `openai-like`, `ollama`, `cohere`,
    `voyage`, `huggingface`, or the import path of a `BaseEmbedding` of LlamaIndex. Documents leave
    the machine only to a provider that is elsewhere."""
    dimensions: Positive | None = None
    """A shorter vector, of models that can give one; `null` for as many as the model gives."""


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
        return EmbeddingConfig(**dict(self)) if self.provider else None


class LLMConfig(ModelConfig):
    """The language model that writes answers and SQL."""

    provider: Annotated[LLMProvider | str, _read_provider(get_args(LLMProvider))] = "none"
    """Who writes answers: `openai`, `openai-like`, `ollama`, `llama-cpp`, `azure-openai`,
    `anthropic`, `mistral`, `gemini`, `bedrock`, `huggingface`, or the import path of an `LLM` of
    LlamaIndex. With `none` they are quoted from the documents, and the tables answer by verified
    queries."""
    context_window: Positive | None = None
    """In tokens, for models that kb does not know."""
    instructions: Annotated[str, Field(max_length=4000)] = ""
    """What answers have to heed besides kb's own rules, such as a tone or a length: `Address the
    reader formally. At most three sentences.` SQL is written without it."""
    max_tokens: Positive | None = None
    """The most tokens of one reply, be it an answer or SQL; `null` for a bound of kb: with
    `llama-cpp` by task, with `openai-like` and `ollama` a quarter of the context window, at most
    4096. Models of OpenAI have their own."""
    max_tokens_by_task: dict[Task, Positive] = Field(default_factory=dict)
    """The same of single tasks, before `max_tokens`: `{answer: 800, sql: 400}`. The others are
    `route`, `rewrite` (of follow-ups and translations) and `memory`. Thoughts count too."""
    threads: Positive | None = None
    """Threads of the provider `llama-cpp`; `null` for half of the machine's processors."""


class RetrievalConfig(Section):
    """How passages are searched for."""

    profile: str = DEFAULT
    """The search profile that is used where none is named."""
    deadline: Seconds = 30
    """Seconds that the documents have in an answer from documents and tables."""
    top_k: Positive = 6
    """The passages that an answer may rest on."""
    log: Annotated[Literal["full", "no-text", "off"], BeforeValidator(_read_off)] = "no-text"
    """What is kept of each search: `full`, `no-text` (all but the question) or `off`."""
    experiment: dict[str, Weight] | None = None
    """Profiles that sessions are split between, by weight: `{default: 50, precision: 50}`."""

    def profile_names(self) -> dict[str, str]:
        """Each profile that is named here, by the key that names it."""
        split = {f"retrieval.experiment.{name}": name for name in self.experiment or ()}
        return {"retrieval.profile": self.profile, **split}


class TablesConfig(Section):
    """The business tables that may be asked."""

    url: DatabaseUrl = EMBEDDED
    """The server that holds them, as `database.url`, from MariaDB 10.6 on; elsewhere than
    `embedded` with an account that can only `SELECT`, for which `kb db account` prints the SQL."""
    database: str | None = None
    """The database of the tables that are named without one; `null` for that of `url`."""
    include: tuple[str, ...] = ()
    """The tables that may be asked: `orders`, or `crm.contacts` of another database of the server.
    No other is ever read."""
    descriptions: dict[str, str] = Field(default_factory=dict)
    """What tables and columns mean, besides their SQL comments:
    `{orders: "…", orders.total: "…"}`."""
    show_values: bool = True
    """Whether a model is shown the values of short text columns."""
    row_limit: Positive = 1000
    """The most rows of an answer."""
    timeout: Seconds = 10
    """Seconds that one statement may take."""
    deadline: Seconds = 120
    """Seconds that the tables have in an answer from documents and tables."""
    allow_powerful_account: bool = False
    """Whether an account that may write is taken all the same."""
    verified_queries: RelativePath | None = None
    """A file of questions whose SQL a person has checked."""


class ChatConfig(Section):
    """What a chat session remembers, and for how long."""

    user_memory: bool = False
    """Whether facts and earlier turns are found in all sessions of a user, not only in the one
    where they were said."""
    token_limit: Positive = 8000
    """Tokens of a conversation that a model is reminded of: 70 % for the last turns, the rest for
    the summary, facts and earlier turns. Never more than half of the model's window."""
    retention_days: Positive | None = None
    """Sessions that nobody used for so many days are deleted; `null` keeps them."""


class ServeConfig(Section):
    """The server. Limits are of each key that has none of its own."""

    host: str = "127.0.0.1"
    """The address that `kb serve` listens at."""
    port: Annotated[int, Field(gt=0, lt=65536)] = 8080
    """The port that it listens at."""
    public_url: BaseUrl | None = None
    """The address at which people reach the page, for links in answers over `/v1`; `null` for that
    of each request."""
    uploads: RelativePath | None = None
    """A directory that keeps uploaded files, shared by all servers of the database; `null` for the
    database itself, which every server and every backup has."""
    machine: Annotated[str, Field(min_length=1, max_length=190)] | None = None
    """Who sees the indexed directories: jobs for them are done by servers of that name alone.
    Servers that see the same directories at the same paths may share a name; `null` for that of the
    machine."""
    max_upload_mb: Positive = 50
    """The most megabytes of one upload."""
    upload_files_per_key: Positive | None = 5000
    """The most files that a key keeps (then 413, until it removes some); `null` for any number."""
    upload_mb_per_key: Positive | None = 2000
    """The most megabytes that a key keeps, likewise."""
    upload_failures_per_day: Positive | None = 50
    """Files of a key's uploads that may turn out to be unreadable in a day (then 429); `null` for
    any number."""
    requests_per_minute: Positive | None = 600
    """Requests of a key in a minute; `null` for any number."""
    tokens_per_day: Positive | None = None
    """Model tokens of a key in a day; `null` for any number."""
    cors_origins: list[Origin] = []
    """Pages of other sites that may call the server by a key, each by its exact origin, such as
    `https://intranet.example`: small letters, and no path. The token of the start is never for
    them."""
    redis_url: ApiKey = None  # may hold a password
    """Counts the limits of several processes together, with the extra `redis`; without it each
    process counts for itself."""
    token: Token = None
    """What callers send while there is no key, better set as `KB_SERVE_TOKEN`; without it each
    start makes a new one."""


class WorkersConfig(Section):
    """Other processes, on any machine, that index besides the one that is asked: `kb worker`."""

    broker: ApiKey = None  # may hold a password
    """Redis or RabbitMQ, by which workers learn of work, with the extra `workers`; best from the
    environment: `${KB_BROKER:}` for `redis://:password@host:6379/0` or `amqp://user:password@host`.
    Without it the process that is asked does everything."""
    queue: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,100}$")] | None = None
    """What the queue of this knowledge base is called at the broker; `null` for `kb-` and the name
    of the database. Where databases of several servers share a broker and a name, it tells them
    apart."""
    dead_after: Seconds = 30
    """Seconds without a sign of life after which the work of a worker is given to another one."""
    give_up_after: Seconds = 600
    """Seconds in which no worker takes anything until a run ends, and says so; what is not indexed
    by then is found by the next one."""


class Sections(Section):
    """What config.yaml may hold."""

    database: DatabaseConfig = DatabaseConfig()
    documents: DocumentsConfig = DocumentsConfig()
    embedding: EmbeddingConfig = EmbeddingConfig()
    next_embedding: NextEmbeddingConfig = NextEmbeddingConfig()
    llm: LLMConfig = LLMConfig()
    retrieval: RetrievalConfig = RetrievalConfig()
    profiles: dict[str, Profile] = Field(default_factory=dict)
    tables: TablesConfig = TablesConfig()
    chat: ChatConfig = ChatConfig()
    serve: ServeConfig = ServeConfig()
    workers: WorkersConfig = WorkersConfig()


class Config(Sections):
    """`directory` is the file's; `home` holds the embedded server, `cache` what was fetched."""

    file: Path | None = None
    directory: Path = Field(default_factory=Path.cwd)
    home: Path = Field(default_factory=lambda: platformdirs.user_data_path("kb"))
    cache: Path = Field(default_factory=lambda: platformdirs.user_cache_path("kb"))
    mariadbd: str | None = None

    @property
    def former_uploads(self) -> Path:
        """Where a former kb kept uploaded files without serve.uploads, for each database."""
        url = self.database.url
        place = (url.host, url.port, url.database) if isinstance(url, sa.URL) else ()
        name = "-".join(str(part) for part in place if part) or self.database.name
        return self.home / "uploads" / re.sub(r"[^\w-]", "_", name)

    @property
    def queue(self) -> str:
        """What the queue of this knowledge base is called at the broker."""
        url = self.database.url
        name = url.database if isinstance(url, sa.URL) else self.database.name
        return self.workers.queue or f"kb-{name}"

    @property
    def machine(self) -> str | None:
        """Who sees the indexed directories; None with the embedded server, on one machine."""
        if self.database.url == EMBEDDED:
            return None
        return self.serve.machine or platform.node()[:190]

    def profile(self, name: str) -> Profile:
        """Return a search profile, ready or of `profiles`. Raises ConfigError."""
        return resolve_profile(name, self.profiles)


def load_config(path: str | Path | None = None) -> Config:
    """Load the configuration of `path`, KB_CONFIG or ./config.yaml, or else the defaults.

    Raises ConfigError.
    """
    environment = {name: value for name, value in os.environ.items() if value}
    file = _choose_file(path, environment)
    data = read_sections(file, environment) if file else {}
    directory = (file or Path(FILE)).absolute().parent
    try:
        _fill_from(environment, data)
        sections = Sections.model_validate(data, context={"directory": directory})
    except ValidationError as error:
        raise ConfigError(explain_mistakes(file or Path(FILE), error, Sections)) from error
    config = Config(
        **dict(sections), file=file, directory=directory, **_find_directories(environment)
    )
    _check_profile_names(config)
    return config


def _check_profile_names(config: Config) -> None:
    for key, name in config.retrieval.profile_names().items():
        try:
            config.profile(name)
        except ConfigError as error:
            raise ConfigError(f"{config.file} cannot be used:\n  {key}: {error}") from error


def _choose_file(path: str | Path | None, environment: Mapping[str, str]) -> Path | None:
    if chosen := path or environment.get("KB_CONFIG"):
        return Path(chosen).expanduser()
    return Path(FILE) if Path(FILE).exists() else None


def _fill_from(environment: Mapping[str, str], data: dict[str, Any]) -> None:
    """Add what the environment says about keys that the file leaves out or null."""
    for section in ("embedding", "next_embedding", "llm"):
        _drop_key_of_openai(environment, data.get(section))
        _add_defaults(data, section, _find_model_defaults(environment, data.get(section)))
    if "KB_SERVE_TOKEN" in environment:
        _add_defaults(data, "serve", {"token": environment["KB_SERVE_TOKEN"]})
    if "DB_HOST" in environment:
        _add_defaults(data, "database", {"url": _make_database_url(environment)})


def _add_defaults(data: dict[str, Any], section: str, defaults: dict[str, Any]) -> None:
    keys = data.setdefault(section, {})
    if isinstance(keys, dict):  # anything else is refused later, with its value
        keys.update({key: value for key, value in defaults.items() if keys.get(key) is None})


def _drop_key_of_openai(environment: Mapping[str, str], section: Any) -> None:
    """Leave out the key that config.yaml names from its beginning where another provider is chosen.

    A key goes only to who has issued it, and to servers that speak as OpenAI does.
    """
    if isinstance(section, dict) and section.get("provider") not in (None, "openai", "openai-like"):
        key = environment.get("OPENAI_API_KEY")
        if key and section.get("api_key") == key:
            del section["api_key"]


def _find_model_defaults(environment: Mapping[str, str], section: Any) -> dict[str, Any]:
    """Find what the environment says of a model: a key goes only to who has issued it."""
    provider = section.get("provider") if isinstance(section, dict) else None
    wanted = MODEL_VARIABLES.get(provider, {}) if isinstance(provider, str) else {}
    return {key: environment[name] for key, name in wanted.items() if name in environment}


def _make_database_url(environment: Mapping[str, str]) -> sa.URL:
    port = environment.get("DB_PORT", "3306")
    if not port.isdecimal():
        raise ConfigError(f"DB_PORT is {port!r}; expected a number such as 3306.")
    return sa.URL.create(
        DRIVER,
        username=environment.get("DB_USER"),
        password=environment.get("DB_PASSWORD"),
        host=environment["DB_HOST"],
        port=int(port),
        database=environment.get("DB_NAME", "kb"),
    )


def _find_directories(environment: Mapping[str, str]) -> dict[str, Any]:
    names = {"home": "KB_HOME", "cache": "KB_CACHE"}
    places: dict[str, Any] = {
        key: Path(environment[name]).expanduser().absolute()
        for key, name in names.items()
        if name in environment
    }
    return places | {"mariadbd": environment.get("KB_MARIADBD")}
