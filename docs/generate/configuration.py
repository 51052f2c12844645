"""The reference of config.yaml, from the models that check it and the file that kb init writes."""

import inspect
import json
import types
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import sqlalchemy as sa
from markdown_tables import markdown_table
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from engines.search.profiles import Profile
from kb.config.section import Section
from kb.config.sections import Sections

INTRODUCTION = """# Configuration

`kb init` writes a commented `config.yaml`. kb reads the file that `--config` names, else that of
`KB_CONFIG`, else `config.yaml` in the working directory. `${NAME}` takes a value from the
environment, `${NAME:default}` also when it is not set there. Paths are relative to the file. An
unknown key is an error that names the nearest known one. `kb doctor` checks all of it.
"""
ENVIRONMENT = """## Environment

| variable | meaning |
|---|---|
| `KB_CONFIG` | the configuration file |
| `KB_HOME` | the data of the private server and uploaded files |
| `KB_CACHE` | what was fetched: the server's packages, the embedding model |
| `KB_MARIADBD` | a server binary for the private server |
| `KB_SERVE_TOKEN` | `serve.token` |
| `KB_DEBUG` | show the traceback of an error |
| `OPENAI_API_KEY`, `OPENAI_API_BASE` | of provider `openai`; the address also of `openai-like` |
| `ANTHROPIC_API_KEY`, `MISTRAL_API_KEY` | of the provider of that name |
| `COHERE_API_KEY`, `VOYAGE_API_KEY` | of the provider of that name |
| `GOOGLE_API_KEY` | of provider `gemini` |
| `AZURE_OPENAI_API_KEY`, `AZURE_OPENAI_ENDPOINT` | of provider `azure-openai` |
| `OLLAMA_BASE_URL` | the address of provider `ollama` |
| `DB_HOST`, `DB_PORT`, `DB_USER`, `DB_PASSWORD`, `DB_NAME` | `database.url`, where it is not set |

A key in the environment switches nothing on: documents leave the machine only to the provider that
`config.yaml` names.
"""
# A value of the first of these that it is.
WORDS = {
    bool: "`true` or `false`",
    int: "a whole number",
    float: "a number",
    Path: "a path",
    str: "text",
    SecretStr: "text",
    sa.URL: "a URL",
    types.NoneType: "`null`",
    tuple: "a list",
    dict: "names and their values",
    BaseModel: "a section",
}


def configuration_page() -> str:
    parts = [INTRODUCTION]
    for name, field in Sections.model_fields.items():
        if name == "profiles":
            parts.append(_section(name, Profile, "profiles.NAME."))
        else:
            parts.append(_section(name, field.annotation, f"{name}."))
    starting = resources.files("kb").joinpath("starting_config.yaml").read_text("utf-8")
    written = f"## The file that kb init writes\n\n```yaml\n{starting}```\n"
    return "\n".join([*parts, ENVIRONMENT, written])


def _section(name: str, model: Any, prefix: str) -> str:
    table = markdown_table(("key", "meaning", "values", "default"), list(_rows(model, prefix)))
    return f"## {name}\n\n{inspect.getdoc(model)}\n\n{table}"


def _rows(model: Any, prefix: str) -> Iterator[tuple[str, str, str, str]]:
    """Yield a row for each key of a section, and of the sections within it."""
    for key, field in model.model_fields.items():
        name, kind = f"{prefix}{key}", _kind(field.annotation)
        yield f"`{name}`", _meaning(field), kind, _default(field)
        for part in (field.annotation, *get_args(field.annotation)):
            if isinstance(part, type) and issubclass(part, Section):
                yield from _rows(part, f"{name}.")


def _meaning(field: FieldInfo) -> str:
    if not field.description:
        raise ValueError("A key of the configuration has no description.")
    return field.description


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "has to be given"
    default = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(default, Section):
        return ""
    if isinstance(default, tuple):
        default = list(default)
    return f"`{json.dumps(default)}`" if not isinstance(default, str) else f"`{default}`"


def _kind(annotation: Any) -> str:
    return ", ".join(dict.fromkeys(_kinds(annotation)))


def _kinds(annotation: Any) -> Iterator[str]:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        yield " or ".join(f"`{value}`" for value in arguments)
    elif origin in (Union, types.UnionType):
        for part in arguments:
            yield from _kinds(part)
    elif origin in (tuple, dict):
        yield WORDS[origin]
    elif arguments:  # Annotated: the type, then its checks
        yield from _kinds(arguments[0])
    else:
        yield next(word for kind, word in WORDS.items() if issubclass(annotation, kind))
