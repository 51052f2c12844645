"""Tokens of a provider of OpenID Connect in the place of keys."""

import time
from collections.abc import Iterator

import jwt
import pytest
from api_server import Api, database_of, running
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from model_server import FakeModels
from oidc_provider import Provider, running_provider
from twins import VISIBLE, configure, make_hidden, write_files


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with running_provider() as provider:
        yield provider


@pytest.fixture(scope="module")
def api(server, provider, tmp_path_factory) -> Iterator[Api]:
    folder = tmp_path_factory.mktemp("oidc")
    write_files(folder, {**make_hidden(10), **VISIBLE})
    oidc = {"issuer": provider.issuer, "audience": "kb", "groups_claim": "realm_access.roles"}
    with (
        FakeModels() as embeddings,
        database_of(server) as url,
        running(configure(url, folder, embeddings, serve={"oidc": oidc})) as api,
    ):
        api.kb.index()
        yield api


@pytest.fixture(autouse=True)
def uncounted(api: Api) -> None:
    api.forget_keys()


def ask(api: Api, token: str, path: str = "/api/documents") -> tuple[int, dict]:
    reply = api.client.get(path, headers={"Authorization": f"Bearer {token}"})
    return reply.status_code, reply.json()


def roles(*names: str) -> dict:
    return {"realm_access": {"roles": names}}


def test_its_groups_say_what_is_seen(api, provider):
    assert ask(api, provider.sign(**roles("sales")))[1]["total"] == len(VISIBLE)
    assert ask(api, provider.sign(**roles("sales", "hr")))[1]["total"] == len(VISIBLE) + 11
    assert ask(api, provider.sign())[1]["total"] == 0
    assert ask(api, provider.sign(realm_access="hr"))[1]["total"] == 0
    status = ask(api, provider.sign(**roles("sales")), "/api/status")[1]
    assert (status["key"], status["scope"]) == ("user:ana", "read")
    assert provider.asked.count("/keys") == 1


def test_a_token_for_others_or_of_others_is_refused(api, provider):
    stranger = rsa.generate_private_key(65537, 2048)
    [own] = provider.keys.values()
    public = own.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    hmac_key = public.replace(b"PUBLIC KEY", b"PUBLIC-KEY")  # PyJWT signs by none that is public
    now = int(time.time())
    for token in (
        provider.sign(exp=now - 60),
        provider.sign(nbf=now + 120),
        provider.sign(aud="other"),
        provider.sign(iss=f"{provider.issuer}/"),
        provider.sign(exp=None),
        provider.sign(sub=None),
        provider.sign(key=stranger),
        provider.sign(key=hmac_key, algorithm="HS256"),
        jwt.encode({"sub": "ana", "iss": provider.issuer, "aud": "kb"}, "", "none"),
        "a.b.c",
    ):
        assert ask(api, token)[0] == 401, token


def test_a_new_key_of_the_provider_is_fetched(api, provider):
    former = provider.sign(**roles("sales"))
    provider.rotate("second")
    api.app.state.tokens._provider.keys.cooldown_duration = 0
    assert ask(api, provider.sign(**roles("sales")))[0] == 200
    assert ask(api, former)[0] == 401


def test_wrong_tokens_keep_nobody_else_waiting(api, provider):
    key = api.with_key("ana", groups=["sales"])
    assert key.get("/api/documents").json()["total"] == len(VISIBLE)
    assert {ask(api, "a.b.c")[0] for _ in range(40)} == {401}
    assert ask(api, provider.sign())[0] == 200
    assert key.get("/api/documents").status_code == 200


def test_a_provider_that_is_away_is_no_reason_to_let_anybody_in(server, tmp_path):
    write_files(tmp_path, VISIBLE)
    oidc = {"issuer": "http://127.0.0.1:9", "audience": "kb"}
    with (
        FakeModels() as embeddings,
        database_of(server) as url,
        running(configure(url, tmp_path, embeddings, serve={"oidc": oidc})) as api,
    ):
        code, told = ask(api, "a.b.c")
        assert (code, told["code"]) == (503, "provider_away")
        assert api.with_key("ana").get("/api/documents").status_code == 200
