"""Signing in on the page at a provider: who comes back has the cookie, and nobody else."""

from collections.abc import Iterator

import httpx
import pytest
from api_server import Api, database_of, running
from model_server import FakeModels
from oidc_provider import Provider, running_provider
from twins import VISIBLE, configure, make_hidden, write_files


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with running_provider() as provider:
        yield provider


@pytest.fixture(scope="module")
def api(server, provider, tmp_path_factory) -> Iterator[Api]:
    folder = tmp_path_factory.mktemp("provider")
    write_files(folder, {**make_hidden(3), **VISIBLE})
    oidc = {
        "issuer": provider.issuer,
        "audience": "another",
        "client_id": "kb",
        "client_secret": "secret of kb",
    }
    with (
        FakeModels() as embeddings,
        database_of(server) as url,
        running(configure(url, folder, embeddings, serve={"oidc": oidc})) as api,
    ):
        api.kb.index()
        yield api


@pytest.fixture(autouse=True)
def uncounted(api: Api, provider: Provider) -> None:
    api.forget_keys()
    provider.claims = {"groups": ["sales"]}


@pytest.fixture
def browser(api: Api) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=api.client.base_url) as client:
        yield client


def go(browser: httpx.Client) -> str:
    """Set out, and where the provider is asked."""
    reply = browser.get("/sign-in/provider")
    assert reply.status_code == 302
    return reply.headers["location"]


def test_who_comes_back_is_signed_in_with_their_groups(api, browser, provider):
    assert browser.get("/sign-in").json() == {"provider": True}
    assert browser.get("/api/me").status_code == 401
    back = browser.get(provider.authorize(go(browser)))
    assert (back.status_code, back.headers["location"]) == (302, "../../")
    cookies = back.headers.get_list("set-cookie")
    own = next(each for each in cookies if each.startswith("kb-sign-in-"))
    assert "httponly" in own.lower()
    assert "samesite=strict" in own.lower()
    me = browser.get("/api/me").json()
    assert me == {
        "name": "ana",
        "scope": "read",
        "groups": ["sales"],
        "way": "oidc",
        "by_cookie": True,
    }
    assert browser.get("/api/documents").json()["total"] == len(VISIBLE)
    origin = {"Origin": str(api.client.base_url).rstrip("/")}
    assert browser.delete("/api/sign-in", headers=origin).status_code == 204
    assert browser.get("/api/me").status_code == 401


def test_a_code_of_another_browser_signs_nobody_in(api, browser, provider):
    link = provider.authorize(go(browser))
    with httpx.Client(base_url=api.client.base_url) as other:
        refused = other.get(link)
        assert refused.status_code == 403
        assert "not begun here" in refused.text
        assert other.get("/api/me").status_code == 401
        go(other)  # on a way of its own
        assert other.get(link).status_code == 403


def test_a_code_opens_once_and_a_way_is_gone_once_gone(browser, provider):
    link = provider.authorize(go(browser))
    assert browser.get(link).status_code == 302
    assert browser.get(link).status_code == 403


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"aud": "another"},
        {"iss": "http://127.0.0.1:1"},
        {"exp": 1},
    ],
    ids=str,
)
def test_a_token_that_is_not_of_this_way_signs_nobody_in(browser, provider, claims):
    provider.claims = claims
    refused = browser.get(provider.authorize(go(browser)))
    assert refused.status_code == 502
    assert "has not signed you in" in refused.text
    assert browser.get("/api/me").status_code == 401


def test_what_the_provider_does_not_take_is_said_in_words(browser, provider):
    link = provider.authorize(go(browser))
    provider.codes.clear()
    assert browser.get(link).status_code == 502
    way = go(browser)
    denied = provider.authorize(way).split("?")[0] + "?error=access_denied&state="
    state = httpx.URL(way).params["state"]
    told = browser.get(denied + state, headers={"Accept-Language": "fr"})
    assert told.status_code == 502
    assert "fournisseur" in told.text


def test_the_secrets_of_the_way_are_not_in_what_the_browser_is_shown(browser, provider):
    address = go(browser)
    secret = browser.cookies["kb-way"]
    assert secret not in address
    params = httpx.URL(address).params
    assert params["code_challenge_method"] == "S256"
    assert len({params["state"], params["nonce"], params["code_challenge"]}) == 3
    assert "secret of kb" not in address


def test_without_a_name_at_the_provider_nobody_is_sent_there(api, browser, monkeypatch):
    monkeypatch.setitem(api.kb.config.serve.oidc.__dict__, "client_id", None)
    assert browser.get("/sign-in").json() == {"provider": False}
    assert browser.get("/sign-in/provider").status_code == 404
    assert browser.get("/sign-in/provider/back?code=a&state=b").status_code == 404
