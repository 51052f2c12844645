"""config.yaml and the environment -> Config; nothing else in kb reads either of them."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from pydantic import ValidationError

from kb.config.config_file import explain_mistakes, read_sections
from kb.config.databases import DRIVER
from kb.config.models import MODEL_VARIABLES
from kb.config.sections import Config, Sections
from stores.errors import ConfigError

FILE = "config.yaml"


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
    _check_access_tables(config)
    return config


def _check_profile_names(config: Config) -> None:
    for key, name in config.retrieval.profile_names().items():
        try:
            config.profile(name)
        except ConfigError as error:
            raise ConfigError(f"{config.file} cannot be used:\n  {key}: {error}") from error


def _check_access_tables(config: Config) -> None:
    """Raise ConfigError for a rule about a table that is named otherwise, which would be open."""
    for rule in config.access.tables:
        if rule.table not in config.tables.include:
            known = ", ".join(config.tables.include) or "none"
            raise ConfigError(
                f"{config.file} cannot be used:\n  access.tables: {rule.table!r} is not in "
                f"tables.include, which has {known}. Write it as it is written there."
            )
        if rule.columns and "." in rule.table:
            raise ConfigError(
                f"{config.file} cannot be used:\n  access.tables: {rule.table!r} is of another "
                "database, where a rule is for a whole table. Make a view without its columns "
                f"{', '.join(rule.columns)}."
            )


def _choose_file(path: str | Path | None, environment: Mapping[str, str]) -> Path | None:
    if chosen := path or environment.get("KB_CONFIG"):
        return Path(chosen).expanduser()
    return Path(FILE) if Path(FILE).exists() else None


def _fill_from(environment: Mapping[str, str], data: dict[str, Any]) -> None:
    """Add what the environment says about keys that the file leaves out or null."""
    for section in ("embedding", "next_embedding", "llm", "reranker"):
        _fill_model_from(environment, data.setdefault(section, {}))
    for fallback in _list_fallbacks(data):
        _fill_model_from(environment, fallback)
    if "KB_SERVE_TOKEN" in environment:
        _add_defaults(data, "serve", {"token": environment["KB_SERVE_TOKEN"]})
    if "DB_HOST" in environment:
        _add_defaults(data, "database", {"url": _make_database_url(environment)})


def _list_fallbacks(data: Mapping[str, Any]) -> list[Any]:
    llm = data["llm"]
    fallbacks = llm.get("fallback") if isinstance(llm, dict) else None
    return fallbacks if isinstance(fallbacks, list) else []


def _fill_model_from(environment: Mapping[str, str], section: Any) -> None:
    """Add what the environment says of a model, whose key goes only to who has issued it.

    The key of OpenAI, which config.yaml names from its beginning, is left out where another
    provider is chosen, unless its servers speak as OpenAI does.
    """
    if not isinstance(section, dict):  # it is refused later, with its value
        return
    provider, key = section.get("provider"), environment.get("OPENAI_API_KEY")
    if provider not in (None, "openai", "openai-like") and key and section.get("api_key") == key:
        del section["api_key"]
    wanted = MODEL_VARIABLES.get(provider, {}) if isinstance(provider, str) else {}
    _fill_in(
        section, {key: environment[name] for key, name in wanted.items() if name in environment}
    )


def _add_defaults(data: dict[str, Any], section: str, defaults: dict[str, Any]) -> None:
    keys = data.setdefault(section, {})
    if isinstance(keys, dict):  # anything else is refused later, with its value
        _fill_in(keys, defaults)


def _fill_in(section: dict[str, Any], defaults: Mapping[str, Any]) -> None:
    section.update({key: value for key, value in defaults.items() if section.get(key) is None})


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
