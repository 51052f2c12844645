"""The reference of the HTTP interface, from its OpenAPI document."""

import json
import sys
from typing import Any

from markdown_tables import markdown_table

from kb import Config
from kb.api.application import make_app

INTRODUCTION = """# HTTP

Made from the [OpenAPI document](openapi.json){ download }, which a server also gives at
`/openapi.json`, with all types and bounds; at `/docs` it shows it. [Serve](../guides/serve.md) says
how to authenticate, what limits there are and what the events of a stream are.

What an endpoint answers is named below its fields, and described under [Answers](#answers).

Every error is a problem document (RFC 9457, `application/problem+json`): `type`, `title`, `status`,
`detail` and `id`, which is the `X-Request-Id` of the reply. Under `/v1` errors have the form that
clients of OpenAI expect.
"""


def openapi_document() -> dict[str, Any]:
    return make_app(Config()).openapi()


def http_page(document: dict[str, Any]) -> str:
    groups: dict[str, list[str]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            text = _operation(document, method.upper(), path, operation)
            groups.setdefault(operation["tags"][0], []).append(text)
    sections = [
        f"## {name[0].upper()}{name[1:]}\n\n" + "\n".join(texts) for name, texts in groups.items()
    ]
    return "\n".join([INTRODUCTION, *sections, _answers(document), _statuses(document)])


def _operation(document: dict[str, Any], method: str, path: str, operation: dict[str, Any]) -> str:
    parts = [f"### `{method} {path}`\n", f"{operation.get('description', '')}\n"]
    rows = [
        (f"`{each['name']}`", each["in"], _kind(document, each["schema"]), _required(each))
        for each in operation.get("parameters", [])
    ]
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        schema = _resolved(document, content["schema"])
        needed = schema.get("required", [])
        where = "form" if media_type.startswith("multipart") else "body"
        rows += [
            (f"`{name}`", where, _kind(document, field), _required_in(name, needed, field))
            for name, field in schema.get("properties", {}).items()
        ]
        if schema.get("description"):
            parts.append(f"{schema['description']}\n")
    if rows:
        parts.append(markdown_table(("name", "in", "type", ""), rows))
    if told := _told(document, operation):
        parts.append(f"Answers {told}.\n")
    return "\n".join(parts)


def _told(document: dict[str, Any], operation: dict[str, Any]) -> str:
    """What comes when all is well, a word for each form of it."""
    told = {
        _shape(document, content.get("schema", {}))
        if "json" in media_type or "event" in media_type
        else f"`{media_type}`"
        for status, response in operation["responses"].items()
        if status.startswith("2")
        for media_type, content in response.get("content", {}).items()
    }
    return " or ".join(sorted(told))


def _shape(document: dict[str, Any], schema: dict[str, Any]) -> str:
    """A type in words, those of objects with a link to their fields."""
    if "contentSchema" in schema:
        return f"events, each {_shape(document, schema['contentSchema'])}"
    if "$ref" in schema and "enum" not in _resolved(document, schema):
        name = schema["$ref"].split("/")[-1]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        kinds = dict.fromkeys(_shape(document, part) for part in schema["anyOf"])
        return " or ".join(kinds)
    if schema.get("type") == "array":
        return f"list of {_shape(document, schema.get('items', {}))}"
    if isinstance(values := schema.get("additionalProperties"), dict):
        return f"object of {_shape(document, values)}"
    return _kind(document, schema)


def _answers(document: dict[str, Any]) -> str:
    """The fields of all objects that answers and events are made of, by their names."""
    operations = [each for path in document["paths"].values() for each in path.values()]
    names = _list_named([operation["responses"] for operation in operations])
    reached: dict[str, None] = {}
    while names:
        if (name := names.pop()) not in reached:
            reached[name] = None
            names += _list_named(document["components"]["schemas"][name])
    parts = ["## Answers\n"]
    for name in sorted(reached, key=str.lower):
        schema = document["components"]["schemas"][name]
        if "enum" in schema:
            continue
        parts.append(f"### {name}\n\n{schema.get('description', '')}\n")
        if "anyOf" in schema:
            parts.append(f"{_shape(document, schema)}.\n")
            continue
        needed = schema.get("required", [])
        rows = [
            (
                f"`{field}`",
                _shape(document, kind),
                kind.get("description", "") if field in needed else "may be left out",
            )
            for field, kind in schema.get("properties", {}).items()
        ]
        parts.append(markdown_table(("field", "type", ""), rows))
    return "\n".join(parts)


def _list_named(part: Any) -> list[str]:
    """The names of the objects that a part of the document refers to."""
    match part:
        case {"$ref": str(ref)}:
            return [ref.split("/")[-1]]
        case dict():
            return [name for each in part.values() for name in _list_named(each)]
        case list():
            return [name for each in part for name in _list_named(each)]
    return []


def _required(parameter: dict[str, Any]) -> str:
    return _required_in("", [""] if parameter.get("required") else [], parameter["schema"])


def _required_in(name: str, required: list[str], schema: dict[str, Any]) -> str:
    if name in required:
        return "required"
    return f"default `{schema['default']}`" if schema.get("default") not in (None, "") else ""


def _kind(document: dict[str, Any], schema: dict[str, Any]) -> str:
    """A type in words; the document has the bounds."""
    schema = _resolved(document, schema)
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if "anyOf" in schema:
        kinds = [_kind(document, part) for part in schema["anyOf"]]
        return " or ".join(dict.fromkeys(kind for kind in kinds if kind != "null"))
    if schema.get("type") == "array":
        return f"list of {_kind(document, schema.get('items', {}))}"
    if schema.get("contentMediaType"):
        return "file"
    return str(schema.get("type", "anything"))


def _resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        resolved: dict[str, Any] = document["components"]["schemas"][schema["$ref"].split("/")[-1]]
        return resolved
    return schema


def _statuses(document: dict[str, Any]) -> str:
    responses = document["paths"]["/api/ask"]["post"]["responses"]
    rows = [
        (f"`{status}`", response["description"])
        for status, response in sorted(responses.items())
        if status[0] in "45"
    ]
    return "## Statuses of problems\n\n" + markdown_table(("status", "meaning"), rows)


if __name__ == "__main__":
    json.dump(openapi_document(), sys.stdout, indent=2, ensure_ascii=False)
