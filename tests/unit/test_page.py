"""The files of the page, and Markdown as it shows it."""

from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from kb.api.routes import page

FILES = Path(page.__file__).parents[2] / "page"


@pytest.fixture(scope="module")
def client():
    app = FastAPI()
    app.include_router(page.router)
    return TestClient(app)


def test_the_page_is_at_the_root_and_names_only_files_that_are_there(client):
    text = client.get("/").text
    assert text == (FILES / "index.html").read_text("utf-8")
    for name in ("main.js", "style.css", "icon.svg"):
        assert f'"page/{name}"' in text


@pytest.mark.parametrize(
    ("ending", "media_type"),
    [(".js", "text/javascript"), (".css", "text/css"), (".svg", "image/svg+xml")],
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


def test_a_file_that_has_not_changed_is_not_sent_again(client):
    first = client.get("/page/main.js")
    assert first.headers["cache-control"] == "no-cache"
    again = client.get("/page/main.js", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_the_texts_of_the_page_come_from_the_catalogue(client):
    french = client.get("/page/texts/fr.json")
    assert french.json()["{n} row"] == ["{n} ligne", "{n} lignes"]
    assert french.json()["Skip to the content"] == ["Aller au contenu"]
    known = {"If-None-Match": french.headers["etag"]}
    assert client.get("/page/texts/fr.json", headers=known).status_code == 304
    assert client.get("/page/texts/en.json").json() == {}
    assert client.get("/page/texts/de.json").status_code == 404


@pytest.mark.parametrize(
    "name", ["..%2fapp.py", "%2e%2e%2fapp.py", "../app.py", "nothing.js", "%00"]
)
def test_nothing_else_is_served(client, name):
    assert client.get(f"/page/{name}").status_code == 404
