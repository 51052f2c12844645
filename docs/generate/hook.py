"""Pages made whenever the site is built: the reference from the code, and files of the top."""

import json
from pathlib import Path

from command_line import command_line_page
from configuration import configuration_page
from http_api import http_page, openapi_document
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from python_api import python_page

ROOT = Path(__file__).parents[2]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    openapi = openapi_document()
    generated = {
        "reference/configuration.md": configuration_page(),
        "reference/command-line.md": command_line_page(),
        "reference/python.md": python_page(),
        "reference/http.md": http_page(openapi),
        "reference/openapi.json": json.dumps(openapi, indent=2, ensure_ascii=False),
        "changelog.md": _top_page("CHANGELOG.md"),
        "contributing.md": _top_page("CONTRIBUTING.md"),
    }
    for path, content in generated.items():
        files.append(File.generated(config, path, content=content))
    return files


def _top_page(name: str) -> str:
    """A page of the top folder, its links as they are from docs/."""
    return (ROOT / name).read_text("utf-8").replace("](docs/", "](")
