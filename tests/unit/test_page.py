"""The files of the page, and Markdown as it shows it."""

import gzip
import re

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from kb.api import page_files
from kb.api.routes import page
from stores.text.translations import LANGUAGES

FILES = page_files._DIRECTORY
PLAIN = {"Accept-Encoding": "identity"}


@pytest.fixture(scope="module")
def client():
    app = FastAPI()
    app.include_router(page.router)
    return TestClient(app)


@pytest.fixture(scope="module")
def addresses(client):
    """Where the page finds its files: `main.js` by its name."""
    found = re.findall(r'"(page/[0-9a-f]{16}/([^"]+))"', client.get("/").text)
    return {name: address for address, name in found}


def test_the_page_names_files_by_their_version_and_only_such_as_are_there(client, addresses):
    text = re.sub("page/[0-9a-f]{16}/", "page/", client.get("/").text)
    plain = re.sub(' *<link rel="modulepreload".*\n', "", text)
    assert f'<html data-languages="{" ".join(LANGUAGES)}" ' in plain
    plain = re.sub('<html data-languages="[^"]+" ', "<html ", plain)
    assert plain == (FILES / "index.html").read_text("utf-8")
    assert {"main.js", "style.css", "icon.svg"} <= addresses.keys()
    for address in addresses.values():
        assert client.get(f"/{address}").status_code == 200


def test_all_modules_but_those_that_wait_for_their_use_are_asked_for_at_once(client):
    """The editor and the charts come when somebody uses them, with the modules that they need."""
    preloaded = re.findall(r'modulepreload" href="page/[0-9a-f]{16}/([^"]+)"', client.get("/").text)
    modules = {file.name: file.read_text("utf-8") for file in FILES.glob("*.js")}
    late = {name for name in modules if any(f'import("./{name}")' in m for m in modules.values())}
    others = {name for name in modules if name not in preloaded} - late
    assert late == {"editor.js", "picture.js"} - {*preloaded}
    for name in others:
        users = {each for each, text in modules.items() if f'from "./{name}"' in text}
        assert users, name
        assert not users & {*preloaded}


@pytest.mark.parametrize(
    ("ending", "media_type"),
    [
        (".js", "text/javascript"),
        (".css", "text/css"),
        (".svg", "image/svg+xml"),
        (".webmanifest", "application/manifest+json"),
    ],
)
def test_each_file_has_the_type_that_browsers_insist_on(client, ending, media_type):
    for file in FILES.glob(f"*{ending}"):
        reply = client.get(f"/page/{file.name}")
        assert reply.headers["content-type"].split(";")[0] == media_type
        assert reply.text == file.read_text("utf-8")


def test_files_of_others_are_served_with_their_type(client):
    reply = client.get("/page/vendor/pdf.worker.min.mjs")
    assert reply.headers["content-type"].split(";")[0] == "text/javascript"
    assert client.get("/page/vendor").status_code == 404


def test_a_file_of_this_version_is_kept_for_good_and_any_other_is_asked_for(client, addresses):
    assert "immutable" in client.get(f"/{addresses['main.js']}").headers["cache-control"]
    for path in ("/", "/page/main.js", f"/page/{'0' * 16}/main.js"):
        assert client.get(path).headers["cache-control"] == "no-cache"


def test_a_file_that_has_not_changed_is_not_sent_again(client):
    first = client.get("/page/main.js")
    again = client.get("/page/main.js", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_a_file_is_compressed_for_those_who_take_it(client):
    plain = client.get("/page/main.js", headers=PLAIN)
    assert "content-encoding" not in plain.headers
    with client.stream("GET", "/page/main.js", headers={"Accept-Encoding": "br, gzip"}) as reply:
        raw = b"".join(reply.iter_raw())
    assert (reply.headers["content-encoding"], gzip.decompress(raw)) == ("gzip", plain.content)
    assert len(raw) < len(plain.content) / 2
    assert {reply.headers["vary"], plain.headers["vary"]} == {"Accept-Encoding"}
    assert reply.headers["etag"] != plain.headers["etag"]


def test_another_file_or_text_is_another_version(tmp_path, monkeypatch):
    monkeypatch.setattr(page_files, "_DIRECTORY", tmp_path)
    (tmp_path / "index.html").write_text('<script src="page/vendor/a.mjs">')
    (tmp_path / "vendor").mkdir()
    versions = set()
    for text in ("1", "2"):
        (tmp_path / "vendor" / "a.mjs").write_text(text)
        loaded = page_files.load_page.__wrapped__()
        assert loaded.files["vendor/a.mjs"].media_type == "text/javascript"
        versions.add(loaded.version)
    assert len(versions) == 2


def test_the_texts_of_the_page_come_from_the_catalogue(client):
    french = client.get("/page/texts/fr.json")
    assert french.json()["{n} row"] == ["{n} ligne", "{n} lignes"]
    assert french.json()["Skip to the content"] == ["Aller au contenu"]
    assert client.get("/page/texts/en.json").json() == {}
    assert client.get("/page/texts/de.json").status_code == 404


@pytest.mark.parametrize(
    "name",
    ["..%2fapp.py", "%2e%2e%2fapp.py", "../app.py", "nothing.js", "%00", "index.html", "", "a/b/c"],
)
def test_nothing_else_is_served(client, name):
    assert client.get(f"/page/{name}").status_code == 404
