"""config.yaml and the environment -> Config; nothing else in kb reads either of them."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

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

from engines.search.profiles import DEFAULT, Profile, profile_named
from kb.config_file import explain, read
from stores.errors import ConfigError

EMBEDDED: Final = "embedded"
DRIVER = "mariadb+mariadbconnector"
FILE = "config.yaml"
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{16,}")  # what an address and a header can hold


def _database_url(value: Any) -> Any:
    if value == EMBEDDED:
        return value
    try:
        url = sa.make_url(value)
    except (sa.exc.ArgumentError, ValueError):
        url = None
    if url is None or not url.drivername.startswith("mariadb+"):
        raise ValueError(f"{EMBEDDED}, or {DRIVER}://user:password@host:3306/database")
    return url


def _without_password(url: sa.URL | str) -> str:
    return url if isinstance(url, str) else url.render_as_string(hide_password=True)


def _web_url(value: str) -> str:
    if not value.startswith(("http://", "https://")):
        raise ValueError("a URL that begins with http:// or https://")
    return value.rstrip("/")


def _beside_config(path: Path, info: ValidationInfo) -> Path:
    directory: Path = (info.context or {}).get("directory", Path.cwd())
    return directory / path.expanduser()


def _secret(value: Any) -> Any:
    return value or None


def _token(value: SecretStr | None) -> SecretStr | None:
    if value and not _TOKEN.fullmatch(value.get_secret_value()):
        raise ValueError("at least 16 letters, digits, - and _")
    return value


def _word(value: Any) -> Any:
    """YAML reads a bare `off` as false."""
    return "off" if value is False else value


DatabaseUrl = Annotated[
    sa.URL | Literal["embedded"],
    PlainValidator(_database_url),
    PlainSerializer(_without_password),
]
ApiKey = Annotated[SecretStr | None, BeforeValidator(_secret)]
Token = Annotated[ApiKey, AfterValidator(_token)]
BaseUrl = Annotated[str, AfterValidator(_web_url)]
RelativePath = Annotated[Path, AfterValidator(_beside_config)]
Positive = Annotated[int, Field(gt=0)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Weight = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class DatabaseConfig(Section):
    """Where kb keeps its own tables.

    A `url` that is not set is made of DB_HOST, DB_PORT, DB_USER, DB_PASSWORD and DB_NAME when
    DB_HOST is set, else it is the embedded server, on which `name` is the database. The sizes are
    the embedded server's, from its next start on.
    """

    url: DatabaseUrl = EMBEDDED
    name: str = "kb"
    vector_cache_mb: Positive = 256
    buffer_pool_mb: Positive = 256


class DocumentsConfig(Section):
    """`description` tells the model that chooses between documents and tables what they are."""

    description: str | None = None
    path: RelativePath | None = None
    filter_keys: tuple[str, ...] = ()


class ModelConfig(Section):
    """`max_retries` counts the tries after the first; `timeout` is for each try."""

    model: str | None = None
    base_url: BaseUrl | None = Field(default=None, repr=False)  # may hold a password
    api_key: ApiKey = None
    timeout: Seconds = 60
    max_retries: Annotated[int, Field(ge=0)] = 2


class EmbeddingConfig(ModelConfig):
    """`model` of provider `local` is a directory, or None for the model that `kb setup` fetches."""

    provider: Literal["local", "wordllama", "openai", "openai-like", "ollama"] = "local"
    dimensions: Positive | None = None


class LLMConfig(ModelConfig):
    provider: Literal["none", "openai", "openai-like", "ollama"] = "none"
    context_window: Positive | None = None


class RetrievalConfig(Section):
    """`log` says what is kept of each search; `experiment` shares sessions among profiles.

    `deadline` is in seconds, for the documents' part of an answer from documents and tables.
    """

    profile: str = DEFAULT
    deadline: Seconds = 30
    top_k: Positive = 6
    log: Annotated[Literal["full", "no-text", "off"], BeforeValidator(_word)] = "no-text"
    experiment: dict[str, Weight] | None = None

    def profile_names(self) -> dict[str, str]:
        """Each profile that is named here, by the key that names it."""
        split = {f"retrieval.experiment.{name}": name for name in self.experiment or ()}
        return {"retrieval.profile": self.profile, **split}


class TablesConfig(Section):
    """The business tables that may be queried; `database` is theirs on the embedded server.

    `descriptions` are of "table" and "table.column". Whether the model sees the values of short
    text columns is for `show_values` to say. `timeout` is in seconds, for one statement.
    """

    url: DatabaseUrl = EMBEDDED
    database: str | None = None
    include: tuple[str, ...] = ()
    descriptions: dict[str, str] = Field(default_factory=dict)
    show_values: bool = True
    row_limit: Positive = 1000
    timeout: Seconds = 10
    deadline: Seconds = 120
    allow_powerful_account: bool = False
    verified_queries: RelativePath | None = None


class ChatConfig(Section):
    """With `user_memory` what a user said in one session is remembered in their others."""

    user_memory: bool = False
    token_limit: Positive = 8000
    retention_days: Positive | None = None


class ServeConfig(Section):
    """The server: limits are of each key that has none of its own.

    `uploads` is the directory that keeps uploaded files. `redis_url` lets several server processes
    count limits together; without it each counts for itself. `token` is what callers send while
    there is no key; without it a new one is made at each start.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Field(gt=0, lt=65536)] = 8080
    uploads: RelativePath | None = None
    max_upload_mb: Positive = 50
    upload_files_per_key: Positive | None = 5000
    upload_mb_per_key: Positive | None = 2000
    upload_failures_per_day: Positive | None = 50
    requests_per_minute: Positive | None = 600
    tokens_per_day: Positive | None = None
    redis_url: ApiKey = None  # may hold a password
    token: Token = None


class Sections(Section):
    """What config.yaml may hold."""

    database: DatabaseConfig = DatabaseConfig()
    documents: DocumentsConfig = DocumentsConfig()
    embedding: EmbeddingConfig = EmbeddingConfig()
    llm: LLMConfig = LLMConfig()
    retrieval: RetrievalConfig = RetrievalConfig()
    profiles: dict[str, Profile] = Field(default_factory=dict)
    tables: TablesConfig = TablesConfig()
    chat: ChatConfig = ChatConfig()
    serve: ServeConfig = ServeConfig()


class Config(Sections):
    """`directory` is the file's; `home` holds the embedded server, `cache` what was fetched."""

    file: Path | None = None
    directory: Path = Field(default_factory=Path.cwd)
    home: Path = Field(default_factory=lambda: platformdirs.user_data_path("kb"))
    cache: Path = Field(default_factory=lambda: platformdirs.user_cache_path("kb"))
    mariadbd: str | None = None

    @property
    def uploads(self) -> Path:
        """Where uploaded files are kept: serve.uploads, or beside kb's data, for each database."""
        url = self.database.url
        place = (url.host, url.port, url.database) if isinstance(url, sa.URL) else ()
        name = "-".join(str(part) for part in place if part) or self.database.name
        return self.serve.uploads or self.home / "uploads" / re.sub(r"[^\w-]", "_", name)

    def profile(self, name: str) -> Profile:
        """A search profile, ready or of `profiles`. Raises ConfigError."""
        return profile_named(name, self.profiles)


def load_config(path: str | Path | None = None) -> Config:
    """The configuration of `path`, else of KB_CONFIG, else of ./config.yaml, else the defaults.

    Raises ConfigError.
    """
    environment = {name: value for name, value in os.environ.items() if value}
    file = _chosen(path, environment)
    data = read(file, environment) if file else {}
    directory = (file or Path(FILE)).absolute().parent
    try:
        _fill_from(environment, data)
        sections = Sections.model_validate(data, context={"directory": directory})
    except ValidationError as error:
        raise ConfigError(explain(file or Path(FILE), error, Sections)) from error
    config = Config(**dict(sections), file=file, directory=directory, **_places(environment))
    _check_profile_names(config)
    return config


def _check_profile_names(config: Config) -> None:
    for key, name in config.retrieval.profile_names().items():
        try:
            config.profile(name)
        except ConfigError as error:
            raise ConfigError(f"{config.file} cannot be used:\n  {key}: {error}") from error


def _chosen(path: str | Path | None, environment: Mapping[str, str]) -> Path | None:
    if chosen := path or environment.get("KB_CONFIG"):
        return Path(chosen).expanduser()
    return Path(FILE) if Path(FILE).exists() else None


def _fill_from(environment: Mapping[str, str], data: dict[str, Any]) -> None:
    """Add what the environment says about keys that the file leaves out or null."""
    for section in ("embedding", "llm"):
        _add(data, section, _model_defaults(environment, data.get(section)))
    if "KB_SERVE_TOKEN" in environment:
        _add(data, "serve", {"token": environment["KB_SERVE_TOKEN"]})
    if "DB_HOST" in environment:
        _add(data, "database", {"url": _url_of(environment)})


def _add(data: dict[str, Any], section: str, defaults: dict[str, Any]) -> None:
    keys = data.setdefault(section, {})
    if isinstance(keys, dict):  # anything else is refused later, with its value
        keys.update({key: value for key, value in defaults.items() if keys.get(key) is None})


def _model_defaults(environment: Mapping[str, str], section: Any) -> dict[str, Any]:
    """A key goes only to the provider it was issued by, never to another server."""
    names = {
        "openai": {"api_key": "OPENAI_API_KEY", "base_url": "OPENAI_API_BASE"},
        "openai-like": {"base_url": "OPENAI_API_BASE"},
        "ollama": {"base_url": "OLLAMA_BASE_URL"},
    }
    provider = section.get("provider") if isinstance(section, dict) else None
    wanted = names.get(provider, {}) if isinstance(provider, str) else {}
    return {key: environment[name] for key, name in wanted.items() if name in environment}


def _url_of(environment: Mapping[str, str]) -> sa.URL:
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


def _places(environment: Mapping[str, str]) -> dict[str, Any]:
    names = {"home": "KB_HOME", "cache": "KB_CACHE"}
    places: dict[str, Any] = {
        key: Path(environment[name]).expanduser().absolute()
        for key, name in names.items()
        if name in environment
    }
    return places | {"mariadbd": environment.get("KB_MARIADBD")}
