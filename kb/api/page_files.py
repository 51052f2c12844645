"""The files of the page as they are sent: each with its address, its type and what it weighs less.

Their addresses name what is in all of them together, so that a browser keeps them for good and
loads new ones, all at once, as soon as one has changed: modules import each other by names that
are relative to their own.
"""

import gzip
import hashlib
import json
import mimetypes
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Final

from starlette.datastructures import Headers
from starlette.responses import Response

from stores.text.translations import LANGUAGES, SOURCE_LANGUAGE, load_catalogue

mimetypes.add_type("text/javascript", ".js")  # some systems say text/plain, which browsers refuse
mimetypes.add_type("text/javascript", ".mjs")
mimetypes.add_type("application/manifest+json", ".webmanifest")
_DIRECTORY: Final = Path(__file__).parents[1] / "page"
_CONTEXT: Final = "page"  # of the texts of kb/page in the catalogues
_INDEX: Final = "index.html"
_FIRST_MODULE: Final = "main.js"
_IMPORT: Final = re.compile(r'^(?:import|\}) .*?from "\./([^"]+)";$', re.MULTILINE)
_PRELOAD: Final = '<link rel="modulepreload" href="page/{}">'
_VERSIONED: Final = re.compile(r"(?:(?P<version>[0-9a-f]{16})/)?(?P<path>.*)", re.DOTALL)
_FOR_GOOD: Final = "public, max-age=31536000, immutable"
_ASK_EACH_TIME: Final = "no-cache"


@dataclass(frozen=True)
class PageFile:
    """A file of the page. It holds no secret, and nothing that somebody has sent."""

    content: bytes
    media_type: str

    @cached_property
    def compressed(self) -> bytes:
        return gzip.compress(self.content, mtime=0)

    @cached_property
    def hash(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    def respond(self, headers: Headers, kept: str) -> Response:
        """Respond with the file, compressed for who takes that; or with 304 when it is there."""
        is_smaller = len(self.compressed) < len(self.content)
        is_compressed = is_smaller and "gzip" in headers.get("accept-encoding", "")
        etag = f'"{self.hash}{"-gzip" if is_compressed else ""}"'
        told = {"Cache-Control": kept, "ETag": etag, "Vary": "Accept-Encoding"}
        if headers.get("if-none-match") == etag:
            return Response(status_code=304, headers=told)
        if is_compressed:
            told["Content-Encoding"] = "gzip"
        content = self.compressed if is_compressed else self.content
        return Response(content, headers=told, media_type=self.media_type)


@dataclass(frozen=True)
class PageFiles:
    """All files of the page, by their paths; `version` stands for what is in them."""

    files: dict[str, PageFile]
    version: str

    def respond_with_index(self, headers: Headers) -> Response:
        """Respond with the page itself, which names its files by their version."""
        return self.files[_INDEX].respond(headers, _ASK_EACH_TIME)

    def respond(self, asked: str, headers: Headers) -> Response | None:
        """Respond with a file, with or without a version before its path; None when it is not here.

        Of another version, as while servers of two are beside each other, it is this one, for once.
        """
        found = _VERSIONED.fullmatch(asked)
        file = found and self.files.get(found["path"])
        if not found or not file or found["path"] == _INDEX:
            return None
        is_ours = found["version"] == self.version
        return file.respond(headers, _FOR_GOOD if is_ours else _ASK_EACH_TIME)


@cache
def load_page() -> PageFiles:
    """Read all files of the page, once in the life of the process."""
    files = {}
    for path in sorted(_DIRECTORY.rglob("*")):
        if path.is_file():
            media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
            name = path.relative_to(_DIRECTORY).as_posix()
            files[name] = PageFile(path.read_bytes(), media_type)
    for language in LANGUAGES:
        files[f"texts/{language}.json"] = PageFile(_list_texts(language), "application/json")
    told = "\n".join(f"{name} {file.hash}" for name, file in files.items())
    version = hashlib.sha256(told.encode()).hexdigest()[:16]
    preloads = "".join(f"    {_PRELOAD.format(name)}\n" for name in _list_modules(files))
    index = files[_INDEX].content.replace(b"  </head>", f"{preloads}  </head>".encode())
    index = index.replace(b'"page/', f'"page/{version}/'.encode())
    index = index.replace(b"<html ", f'<html data-languages="{" ".join(LANGUAGES)}" '.encode())
    return PageFiles({**files, _INDEX: PageFile(index, "text/html")}, version)


def _list_modules(files: Mapping[str, PageFile]) -> list[str]:
    """List the modules that the first one imports, and those that they import, and so on.

    A browser that knows them all at once need not find each in the one before it.
    """
    found = [_FIRST_MODULE] if _FIRST_MODULE in files else []
    for name in found:
        imported = _IMPORT.findall(files[name].content.decode())
        found += dict.fromkeys(each for each in imported if each not in found)
    return found


def _list_texts(language: str) -> bytes:
    """List the forms of each text of the page, by the first of its English ones."""
    texts = {}
    if language != SOURCE_LANGUAGE:
        for message in load_catalogue(language):
            if message.context == _CONTEXT:
                english, *_ = _list_forms(message.id)
                texts[english] = _list_forms(message.string)
    return json.dumps(texts, ensure_ascii=False).encode()


def _list_forms(text: Any) -> list[str]:
    """List the plural forms of a text; Babel gives one without forms alone."""
    return [text] if isinstance(text, str) else list(text)
