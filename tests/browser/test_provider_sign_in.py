"""Somebody signs in on the page at a provider, which is a process of its own."""

import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from api_server import configured, database_of, running, wait_until
from model_server import FakeModels
from test_accessibility import LOOKS, violations

expect = pytest.importorskip("playwright.sync_api", reason="pip install playwright").expect


@pytest.fixture(scope="module")
def provider():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = Path(sys.executable).with_name("oidc-provider-mock")
    user = '{"sub": "ana", "groups": ["sales"]}'
    command = [program, "--port", str(port), "--require-nonce", "true", "--user-claims", user]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        address = f"http://127.0.0.1:{port}"
        wait_until(lambda: is_there(address))
        yield address
        process.terminate()


def is_there(address):
    try:
        return httpx.get(f"{address}/.well-known/openid-configuration").is_success
    except httpx.TransportError:
        return False


@pytest.fixture(scope="module")
def served(installed, request, models, provider, tmp_path_factory):
    assert installed
    server = request.getfixturevalue("server")
    folder = tmp_path_factory.mktemp("provider")
    oidc = {"issuer": provider, "audience": "kb", "client_id": "kb", "client_secret": "any"}
    with FakeModels() as embeddings, database_of(server) as url:
        config = configured(url, folder, embeddings, models, serve={"oidc": oidc})
        with running(config) as api:
            api.kb.index()
            yield api


def test_somebody_signs_in_at_the_provider_and_out_again(chromium, served):
    context = chromium.new_context(locale="en-GB")
    page = context.new_page()
    page.goto(str(served.client.base_url))
    page.get_by_role("dialog").get_by_role("link", name="Sign in with your organisation").click()
    page.get_by_role("button", name="ana").click()
    expect(page.locator("#me")).to_contain_text("ana")
    expect(page.locator("#me")).to_contain_text("by an identity provider")
    expect(page.get_by_role("heading", name="What would you like to know?")).to_be_visible()
    assert page.evaluate("document.cookie") == ""
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("dialog", name="This server asks for a key")).to_be_visible()
    context.close()


@pytest.mark.parametrize("look", LOOKS)
def test_the_way_in_is_accessible(visit, served, look):
    served.with_key(f"somebody, {look}")
    page = visit(**LOOKS[look])
    page.locator("dialog a").wait_for()
    assert violations(page) == []
    served.forget_keys()
