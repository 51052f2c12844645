"""People whom a trusted proxy names, and whoever else sends its headers."""

from collections.abc import Iterator

import httpx
import pytest
from api_server import Api, database_of, running
from model_server import FakeModels
from twins import VISIBLE, configure, make_hidden, write_files

from stores.api_keys import ApiKeys
from stores.errors import StoreError

PROXY = {"addresses": ["127.0.0.0/8"], "scope": "write"}


@pytest.fixture(scope="module")
def api(server, tmp_path_factory) -> Iterator[Api]:
    folder = tmp_path_factory.mktemp("proxied")
    write_files(folder, {**make_hidden(10), **VISIBLE})
    with (
        FakeModels() as embeddings,
        database_of(server) as url,
        running(configure(url, folder, embeddings, serve={"trusted_proxy": PROXY})) as api,
    ):
        api.kb.index()
        yield api


@pytest.fixture
def proxied(api: Api) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=api.client.base_url, timeout=30) as client:
        yield client


def user(name: str, groups: str | None = None) -> dict[str, str]:
    headers = {"X-Forwarded-User": name}
    return headers if groups is None else {**headers, "X-Forwarded-Groups": groups}


def count(client: httpx.Client, headers: dict[str, str]) -> int:
    reply = client.get("/api/documents", headers=headers)
    assert reply.status_code == 200, reply.text
    return int(reply.json()["total"])


def test_its_users_see_what_their_groups_may(proxied):
    assert count(proxied, user("ana", "sales")) == len(VISIBLE)
    assert count(proxied, user("ana", "sales, hr")) == len(VISIBLE) + 11
    assert count(proxied, user("ana", "")) == count(proxied, user("ana")) == 0
    status = proxied.get("/api/status", headers=user("ana", "sales")).json()
    assert (status["key"], status["scope"]) == ("user:ana", "write")
    assert proxied.get("/api/status").status_code == 401


def test_its_users_have_sessions_of_their_own_and_no_key_has_their_names(api, proxied):
    asked = {"message": "When do goods go back?"}
    for name in ("ana", "bob"):
        told = proxied.post("/api/sessions/s/turns", json=asked, headers=user(name, "sales"))
        assert told.json()["turn"] == 1
    assert len(proxied.get("/api/sessions", headers=user("ana")).json()) == 1
    assert proxied.get("/api/sessions/s", headers=user("cleo")).status_code == 404
    keys = ApiKeys(api.kb.components.engine)
    with pytest.raises(StoreError, match="names of people"):
        keys.create("user:ana", "read")


@pytest.mark.parametrize(
    "headers",
    [
        [("X-Forwarded-User", "ana"), ("X-Forwarded-User", "bob")],
        [("X-Forwarded-User", "ana"), ("X-Forwarded-Groups", "a"), ("X-Forwarded-Groups", "hr")],
        [("X-Forwarded-Groups", "hr")],
        [("X-Forwarded-User", "ana"), ("Sec-Fetch-Site", "cross-site")],
        [("X-Forwarded-User", "ana"), ("Origin", "https://evil.example")],
    ],
    ids=str,
)
def test_what_no_proxy_sends_is_refused(proxied, headers):
    assert proxied.get("/api/documents", headers=headers).status_code == 403


@pytest.mark.parametrize("name", ["", "a  b", "a\tb", "x" * 151])
def test_a_user_without_a_plain_name_is_refused(proxied, name):
    assert proxied.get("/api/documents", headers=user(name)).status_code == 401


def test_the_headers_are_refused_from_any_other_address(server, tmp_path):
    write_files(tmp_path, VISIBLE)
    elsewhere = {"addresses": ["10.0.0.7"]}
    with (
        FakeModels() as embeddings,
        database_of(server) as url,
        running(configure(url, tmp_path, embeddings, serve={"trusted_proxy": elsewhere})) as api,
    ):
        key = api.with_key("ana", groups=["sales"])
        assert key.get("/api/documents").status_code == 200
        reply = key.get("/api/documents", headers=user("ana", "hr"))
        assert (reply.status_code, reply.json()["code"]) == (403, "proxy_not_trusted")
