"""The text of config.yaml -> plain data, and what is wrong with it in plain words."""

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from stores.errors import ConfigError

SECRET_KEYS = {
    "api_key",
    "arguments",
    "base_url",
    "url",
    "redis_url",
    "token",
}  # their values never appear in a message
SECRET_NAME = re.compile(r"(?:key|password|secret|token)$")
URL_PASSWORD = re.compile(r"://[^/@\s]*:[^/@\s]+@")
VARIABLE = re.compile(r"\$\{(\w+)(?::([^}]*))?\}")
EXPECTED = {
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "dict_type": "a section with keys of its own",
    "finite_number": "a finite number",
    "float_parsing": "a number",
    "float_type": "a number",
    "greater_than": "a number greater than {gt}",
    "greater_than_equal": "a number not less than {ge}",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "less_than": "a number less than {lt}",
    "less_than_equal": "a number not greater than {le}",
    "literal_error": "{expected}",
    "model_type": "a section with keys of its own",
    "path_type": "a path",
    "string_type": "text (in quotes, if it looks like something else)",
    "tuple_type": "a list",
    "value_error": "{error}",
}


def read_sections(path: Path, environment: Mapping[str, str]) -> dict[str, Any]:
    """Read the sections that hold something, `${VAR}` and `${VAR:default}` replaced."""
    data = _parse_yaml(path, _read_text(path))
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise ConfigError(f"{path} should hold sections such as `llm:`, not a {_name_kind(data)}.")
    _refuse_literal_secrets(path, data)
    return {
        str(section): _replace_variables(keys, str(section), path, environment)
        for section, keys in data.items()
        if keys is not None
    }


def _refuse_literal_secrets(path: Path, data: Mapping[str, Any]) -> None:
    """Refuse secrets among `arguments`, which go as they are to a class that kb does not know."""
    secrets = [key for key in _find_secrets(dict(data), "") if ".arguments." in key]
    if secrets:
        raise ConfigError(
            f"{path}: {', '.join(secrets)} holds a secret. Take it from the environment: "
            "write ${NAME}, and set the variable NAME."
        )


def find_literal_secrets(path: Path) -> list[str]:
    """Find the keys of which the file itself holds the secret, and not the environment."""
    return sorted(_find_secrets(_parse_yaml(path, _read_text(path)), ""))


def _find_secrets(value: Any, key: str) -> Iterator[str]:
    match value:
        case dict():
            for name, item in value.items():
                yield from _find_secrets(item, f"{key}.{name}".lstrip("."))
        case list():
            for item in value:
                yield from _find_secrets(item, key)
        case str():
            written = VARIABLE.sub(lambda variable: variable[2] or "", value)
            if written and (SECRET_NAME.search(key) or URL_PASSWORD.search(written)):
                yield key


def explain_mistakes(path: Path, error: ValidationError, root: type[BaseModel]) -> str:
    """Explain what is wrong with a configuration, a line for each mistake."""
    lines = [_explain_mistake(details, root) for details in error.errors(include_url=False)]
    return "\n  ".join([f"{path} cannot be used:", *lines])


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigError(f"There is no {path}. `kb init` writes a starting one.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text (byte {error.start}).") from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error


def _parse_yaml(path: Path, text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        number = find_yaml_line(error)
        line = text.splitlines()[number - 1 : number]
        hint = " Put quotes around a value with ${…}." if "${" in "".join(line) else ""
        if error.problem == "mapping values are not allowed here":
            hint = hint or " Put quotes around a value with a colon; or the line before lacks one."
        raise ConfigError(f"{path}, line {number}: {error.problem}.{hint}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} has a character that YAML does not allow.") from error


def find_yaml_line(error: yaml.MarkedYAMLError) -> int:
    """Find the line where the trouble is: a quote or bracket is noticed where the text ends."""
    begun = (error.context or "").startswith(("while scanning", "while parsing a flow"))
    first, second = error.problem_mark, error.context_mark
    mark = (second or first) if begun else (first or second)
    return mark.line + 1 if mark else 1


def _replace_variables(value: Any, key: str, path: Path, environment: Mapping[str, str]) -> Any:
    match value:
        case dict():
            return {
                name: _replace_variables(item, f"{key}.{name}", path, environment)
                for name, item in value.items()
            }
        case list():
            return [_replace_variables(item, key, path, environment) for item in value]
        case str() if "${" in value:
            return VARIABLE.sub(_make_replacer(environment, key, path), value) or None
    return value


def _make_replacer(
    environment: Mapping[str, str], key: str, path: Path
) -> Callable[[re.Match[str]], str]:
    def replace_variable(match: re.Match[str]) -> str:
        name, default = match.groups()
        value = environment.get(name, default)
        if value is None:
            raise ConfigError(
                f"{path}: {key} needs the environment variable {name}, which is not set. "
                f"Set it, or write ${{{name}:default}}."
            )
        return value

    return replace_variable


def _explain_mistake(details: ErrorDetails, root: type[BaseModel]) -> str:
    keys = [str(part) for part in details["loc"]]
    name = ".".join(keys)
    if details["type"] == "extra_forbidden":
        return f"{name} is not a known key; {_suggest_key(keys, root)}"
    if details["type"] == "missing":
        return f"{name} is missing."
    expected = EXPECTED.get(details["type"], details["msg"]).format(**details.get("ctx", {}))
    if details["type"] == "value_error" and isinstance(details["input"], dict):
        return f"{name} cannot be used as it is; expected {expected}."
    return f"{name} {_describe_value(keys, details['input'])}; expected {expected}."


def _describe_value(keys: list[str], value: Any) -> str:
    if isinstance(value, list | dict):
        return f"is a {_name_kind(value)}"
    if SECRET_KEYS & set(keys) or "://" in str(value):
        return "has a wrong value (not shown)"
    return f"is {value!r:.80}"


def _suggest_key(keys: list[str], root: type[BaseModel]) -> str:
    known = _list_keys(keys[:-1], root)
    near = difflib.get_close_matches(keys[-1], known, n=1)
    if near:
        return f"did you mean {'.'.join([*keys[:-1], *near])}?"
    return f"known here: {', '.join(sorted(known))}."


def _list_keys(section: Iterable[str], model: type[BaseModel]) -> list[str]:
    names = iter(section)
    for name in names:
        annotation = model.model_fields[name].annotation
        model = _find_model(annotation) or model
        if get_origin(annotation) in (dict, tuple):
            next(names, None)  # a key of the user's own, or a place in a list
    return list(model.model_fields)


def _find_model(annotation: Any) -> type[BaseModel] | None:
    """Find the model that an annotation holds: Profile of `dict[str, Profile]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_find_model, get_args(annotation))), None)


def _name_kind(data: Any) -> str:
    kinds: dict[type, str] = {dict: "section", list: "list", str: "text"}
    return kinds.get(type(data), "single value")
