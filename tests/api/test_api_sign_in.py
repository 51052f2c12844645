"""Signing in on the page: a cookie for a key, what it opens, and what ends it."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from stores.api_keys import ApiKeys


@pytest.fixture
def browser(api):
    """A client that sends what a browser does from the page itself, and keeps cookies."""
    base = str(api.client.base_url)
    with httpx.Client(base_url=base, headers={"Sec-Fetch-Site": "same-origin"}) as client:
        yield client


def sign_in(browser, client):
    given = {"Authorization": client.headers["Authorization"]}
    return browser.post("/api/sign-in", headers=given)


def test_a_key_is_exchanged_for_a_cookie_that_scripts_and_other_sites_have_no_use_of(api, browser):
    reply = sign_in(browser, api.with_key("ana", "write", groups=["staff"]))
    told = {"name": "ana", "scope": "write", "groups": ["staff"], "way": "key", "by_cookie": True}
    assert (reply.status_code, reply.json()) == (200, told)
    cookie = reply.headers["Set-Cookie"]
    for part in ("HttpOnly", "SameSite=strict", "Path=/", "Max-Age=43200"):
        assert part in cookie
    assert "Secure" not in cookie
    assert browser.get("/api/me").json() == told
    assert browser.get("/api/status").json()["key"] == "ana"
    assert browser.post("/api/search", json={"question": "goods"}).status_code == 200


def test_behind_https_the_cookie_never_goes_over_http(api, browser):
    given = {"Authorization": api.with_key("ana").headers["Authorization"]}
    reply = browser.post("/api/sign-in", headers={**given, "X-Forwarded-Proto": "https"})
    assert "Secure" in reply.headers["Set-Cookie"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "OWN"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({}, 403),
        ({"Origin": "OWN"}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
    ],
)
def test_a_cookie_changes_nothing_for_another_site(api, browser, headers, status):
    sign_in(browser, api.with_key("ana"))
    own = str(api.client.base_url)
    sent = {name: own if value == "OWN" else value for name, value in headers.items()}
    with httpx.Client(base_url=own, cookies=browser.cookies) as other:
        reply = other.post("/api/search", json={"question": "goods"}, headers=sent)
        assert reply.status_code == status
        if status == 403:
            assert reply.json()["code"] == "foreign_site"


def test_a_revoked_key_ends_its_sign_ins_at_once(api, browser):
    sign_in(browser, api.with_key("ana"))
    api.with_key("ben")
    assert browser.get("/api/me").status_code == 200
    ApiKeys(api.kb.components.engine).revoke("ana")
    assert browser.get("/api/me").status_code == 401


def test_an_expired_key_ends_its_sign_ins(api, browser):
    sign_in(browser, api.with_key("ana", expires=datetime.now(UTC) + timedelta(hours=1)))
    run(api, "UPDATE kb_api_key SET expires_at = UTC_TIMESTAMP(6)")
    assert browser.get("/api/me").json()["code"] == "key_expired"


def test_a_sign_in_is_over_after_its_time(api, browser):
    sign_in(browser, api.with_key("ana"))
    run(api, "UPDATE kb_sign_in SET expires_at = UTC_TIMESTAMP(6)")
    assert browser.get("/api/me").status_code == 401
    sign_in(browser, api.with_key("ben"))
    assert run(api, "SELECT COUNT(*) FROM kb_sign_in WHERE expires_at <= UTC_TIMESTAMP(6)") == 0


def test_who_signed_out_is_out_also_with_the_cookie_of_before(api, browser):
    sign_in(browser, api.with_key("ana"))
    [kept] = browser.cookies.jar
    assert browser.delete("/api/sign-in").status_code == 204
    assert not browser.cookies
    assert browser.get("/api/me").status_code == 401
    browser.cookies.set(kept.name, kept.value)
    assert browser.get("/api/me").status_code == 401


def test_a_wrong_key_and_a_cookie_are_no_way_to_a_cookie(api, browser):
    api.with_key("ben")
    wrong = {"Authorization": f"Bearer kb-{'1' * 12}-{'1' * 43}"}
    assert browser.post("/api/sign-in", headers=wrong).status_code == 401
    assert browser.post("/api/sign-in").status_code == 401
    sign_in(browser, api.with_key("ana"))
    assert browser.post("/api/sign-in").status_code == 401, "it would never end"


def test_the_token_of_a_start_signs_in_until_there_is_a_key(api, browser):
    assert sign_in(browser, api.client).json()["way"] == "start"
    assert browser.get("/api/me").json() == {
        "name": None,
        "scope": "admin",
        "groups": None,
        "way": "start",
        "by_cookie": True,
    }
    proxied = browser.get("/api/me", headers={"X-Forwarded-For": "10.0.0.1"})
    assert proxied.status_code == 401
    assert browser.get("/api/me", headers={"Host": "kb.evil.example"}).status_code == 421
    api.with_key("ana")
    assert browser.get("/api/me").status_code == 401


def test_the_secret_of_a_cookie_is_nowhere_in_the_database(api, browser):
    sign_in(browser, api.with_key("ana"))
    [cookie] = browser.cookies.jar
    with api.kb.components.engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT * FROM kb_sign_in").all()
    assert cookie.value.encode() not in repr(rows).encode()


def run(api, statement):
    with api.kb.components.engine.begin() as connection:
        result = connection.exec_driver_sql(statement)
        return result.scalar() if result.returns_rows else None
