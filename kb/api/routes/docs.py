"""What the API offers, as a page that needs nothing from other hosts."""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

router = APIRouter(include_in_schema=False)
_STYLE = """
body { font: 1rem/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; }
h2 { border-bottom: 1px solid; margin-top: 2.5rem; } h3 { margin: 1.5rem 0 0; }
code, pre { font-family: ui-monospace, monospace; } pre { overflow: auto; padding: .5rem;
border: 1px solid; } table { border-collapse: collapse; } th, td { padding: .1rem 1rem .1rem 0;
text-align: left; vertical-align: top; } :root { color-scheme: light dark; }
"""


@router.get("/docs")
async def docs(request: Request) -> HTMLResponse:
    return HTMLResponse("".join(_render_page(request.app.openapi())))


@router.get("/docs.css")
async def style() -> Response:
    return Response(_STYLE, media_type="text/css")


def _render_page(document: Mapping[str, Any]) -> Iterator[str]:
    title = f"{document['info']['title']} {document['info']['version']}"
    yield (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(title)}</title>"
        "<meta name=viewport content='width=device-width'><link rel=stylesheet href='docs.css'>"
        f"<h1>{escape(title)}</h1><p>As a document for programs: "
        "<a href='openapi.json'>openapi.json</a>. A key, or without "
        "keys the token of the server's start, is sent as <code>Authorization: Bearer KEY</code>."
    )
    section = ""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if (tag := operation["tags"][0]) != section:
                yield f"<h2>{escape(tag)}</h2>"
                section = tag
            yield from _render_operation(method, path, operation, document["components"]["schemas"])


def _render_operation(
    method: str, path: str, operation: Mapping[str, Any], schemas: Mapping[str, Any]
) -> Iterator[str]:
    yield f"<h3><code>{method.upper()} {escape(path)}</code></h3>"
    yield f"<p>{escape(operation.get('description', ''))}"
    fields = [
        (parameter["name"], parameter["in"], parameter["schema"], parameter.get("required", False))
        for parameter in operation.get("parameters", ())
    ]
    for content in operation.get("requestBody", {}).get("content", {}).values():
        schema = content["schema"]
        schema = schemas.get(schema.get("$ref", "").rpartition("/")[2], schema)
        if "description" in schema:
            yield f"<p>{escape(schema['description'])}"
        needed = schema.get("required", ())
        fields += [
            (name, "body", field, name in needed)
            for name, field in schema.get("properties", {}).items()
        ]
    if fields:
        rows = (_render_row(*field) for field in fields)
        yield f"<table><tr><th>name<th>in<th>type<th>default{''.join(rows)}</table>"


def _render_row(name: str, place: str, schema: Mapping[str, Any], required: bool) -> str:  # noqa: FBT001 - a field of the document
    default = "required" if required else str(schema.get("default", ""))
    cells = (f"<code>{escape(name)}</code>", place, escape(_describe_type(schema)), escape(default))
    return "<tr>" + "".join(f"<td>{cell}" for cell in cells)


def _describe_type(schema: Mapping[str, Any]) -> str:
    if options := schema.get("anyOf"):
        return " or ".join(dict.fromkeys(map(_describe_type, options)))
    if values := schema.get("enum"):
        return ", ".join(map(str, values))
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if schema.get("type") == "array":
        return f"list of {_describe_type(schema['items'])}"
    return str(schema.get("const", schema.get("type", "any")))
