"""Pages of other sites that may call the server, and those that may not."""

import httpx
import pytest
from api_server import Api, configured, database_of, running
from pydantic import ValidationError

from kb.config.serving import ServeConfig

SITE = "https://intranet.example"
OTHER = "https://evil.example"
ASKED = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type,x-stainless-os",
}


@pytest.fixture(scope="module")
def open_to_site(server, models, embeddings, tmp_path_factory):
    with database_of(server) as url:
        folder = tmp_path_factory.mktemp("cors")
        serve = {"cors_origins": [SITE]}
        with running(configured(url, folder, embeddings, models, serve=serve)) as api:
            yield api


def ask_before(api: Api, origin: str) -> httpx.Response:
    """What a browser asks before it sends what a page of this origin wants to send."""
    return httpx.options(f"{api.client.base_url}/v1/models", headers={"Origin": origin, **ASKED})


def test_a_named_origin_may_call_with_a_key(open_to_site):
    before = ask_before(open_to_site, SITE)
    assert before.status_code == 200
    assert before.headers["access-control-allow-origin"] == SITE
    assert "x-stainless-os" in before.headers["access-control-allow-headers"]
    assert "access-control-allow-credentials" not in before.headers
    reply = open_to_site.with_key("site").get("/v1/models", headers={"Origin": SITE})
    assert reply.status_code == 200
    assert reply.headers["access-control-allow-origin"] == SITE
    assert "Origin" in reply.headers["vary"]
    open_to_site.forget_keys()


def test_a_page_reads_the_problem_that_it_caused(open_to_site):
    url = f"{open_to_site.client.base_url}/v1/models"
    refused = httpx.get(url, headers={"Origin": SITE, "Authorization": "Bearer wrong"})
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == SITE


def test_the_token_of_the_start_is_not_for_other_sites(open_to_site):
    reply = open_to_site.client.get("/v1/models", headers={"Origin": SITE})
    assert reply.status_code == 403


@pytest.mark.parametrize("origin", [OTHER, f"{SITE}.evil.example", f"{SITE}:444", "null"])
def test_another_origin_may_not(open_to_site, origin):
    assert "access-control-allow-origin" not in ask_before(open_to_site, origin).headers
    keyed = open_to_site.with_key("other").get("/v1/models", headers={"Origin": origin})
    assert "access-control-allow-origin" not in keyed.headers
    open_to_site.forget_keys()


def test_by_default_no_other_site_may(api):
    before = ask_before(api, SITE)
    assert before.status_code in (401, 405)
    assert not [name for name in before.headers if name.startswith("access-control-")]


@pytest.mark.parametrize(
    "origin", ["*", "null", "https://*.example", f"{SITE}/", f"{SITE}/page", "intranet.example"]
)
def test_an_origin_is_exact(origin):
    with pytest.raises(ValidationError, match="cors_origins"):
        ServeConfig(cors_origins=[origin])
