"""TLS to a server: what a URL asks for is done by either driver, or refused."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from certificates import Authority, Files
from replication import run_server

from kb.doctor.server import check_encryption
from stores.connection import make_engine, read_cipher
from stores.errors import StoreError, StoreUnavailable
from stores.tls import list_client_options

DRIVERS = ("mariadb+mariadbconnector", "mariadb+pymysql")
ACCOUNTS = """
CREATE USER IF NOT EXISTS remote@'127.0.0.1' IDENTIFIED BY 'c4n4ry' REQUIRE SSL;
CREATE USER IF NOT EXISTS known@'127.0.0.1' IDENTIFIED BY 'c4n4ry' REQUIRE X509;
CREATE USER IF NOT EXISTS plain@'127.0.0.1' IDENTIFIED BY 'c4n4ry';
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def authority(folder: Path) -> Authority:
    return Authority(folder, "authority")


@pytest.fixture(scope="module")
def client(authority: Authority) -> Files:
    return authority.issue("client")


@pytest.fixture(scope="module", params=["127.0.0.1", "db.example"])
def port(authority: Authority, request: pytest.FixtureRequest) -> Iterator[tuple[str, int]]:
    """A server whose certificate is for this name, and where it listens."""
    files = authority.issue(request.param)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    listening = ("--skip-networking=0", f"--port={port}", "--bind-address=127.0.0.1")
    tls = (
        "--ssl=1",
        f"--ssl-ca={authority.ca}",
        f"--ssl-cert={files.cert}",
        f"--ssl-key={files.key}",
    )
    with run_server(ACCOUNTS, *listening, *tls):
        yield request.param, port


@pytest.fixture(params=DRIVERS)
def make_url(request: pytest.FixtureRequest, port: tuple[str, int]) -> Callable[..., sa.URL]:
    def make_url(account: str = "remote", **query: object) -> sa.URL:
        asked = {key: str(value) for key, value in query.items()}
        return sa.URL.create(request.param, account, "c4n4ry", "127.0.0.1", port[1], query=asked)

    return make_url


def find_cipher(url: sa.URL) -> str:
    """Return the cipher of a connection as the server knows it, "" without one."""
    engine = make_engine(url)
    try:
        return read_cipher(engine)
    finally:
        engine.dispose()


def test_a_certificate_of_the_authority_is_trusted_for_its_own_name_alone(
    make_url, port, authority
):
    url = make_url(ssl_ca=authority.ca)
    if port[0] == "127.0.0.1":
        assert find_cipher(url)
        assert find_cipher(make_url("plain", ssl_ca=authority.ca))  # though it need not
        return
    with pytest.raises(StoreError, match=r"(?i)certificate") as refused:
        find_cipher(url)
    assert not isinstance(refused.value, StoreUnavailable)  # to wait is of no use
    assert "Name in ssl_ca of database.url" in str(refused.value)
    assert "c4n4ry" not in str(refused.value)
    assert find_cipher(url.update_query_dict({"ssl_verify_cert": "false"}))


def test_a_certificate_of_another_authority_is_refused(make_url, folder):
    other = Authority(folder, "other")
    for account in ("remote", "plain"):  # nothing falls back to a plain connection
        with pytest.raises(StoreError, match=r"(?i)certificate"):
            find_cipher(make_url(account, ssl_ca=other.ca))


def test_an_account_may_ask_for_a_certificate_of_the_client(make_url, port, authority, client):
    asked = {"ssl_ca": authority.ca, "ssl_verify_cert": port[0] == "127.0.0.1"}
    with pytest.raises(StoreError, match="Access denied"):
        find_cipher(make_url("known", **asked))
    assert find_cipher(make_url("known", ssl_cert=client.cert, ssl_key=client.key, **asked))


def test_without_a_word_of_it_no_certificate_is_asked_for(make_url):
    find_cipher(make_url("plain"))
    assert find_cipher(make_url("plain", ssl="false")) == ""


def test_a_server_without_tls_is_not_spoken_to_plainly(server, authority, request):
    url = server.url("")
    assert find_cipher(url) == ""
    for driver in DRIVERS:
        asked = url.set(drivername=driver).update_query_dict({"ssl_ca": str(authority.ca)})
        with pytest.raises(StoreError, match=r"(?i)ssl"):
            find_cipher(asked)


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({"ssl_mode": "REQUIRED"}, "has ssl_mode, which kb does not know. Of TLS there are ssl,"),
        ({"tls_version": "TLSv1.3"}, "has tls_version, which kb does not know"),
        ({"ssl": "yes"}, "has ssl=yes; write true or false"),
        ({"ssl_verify_cert": "2"}, "has ssl_verify_cert=2; write"),
        ({"ssl": "false", "ssl_verify_cert": "true"}, "has ssl=false and ssl_verify_cert, which"),
        ({"ssl_ca": "/none/here.pem"}, "has ssl_ca=/none/here.pem, and there is no such file"),
        ({"ssl_key": __file__}, "ssl_key without its certificate"),
    ],
    ids=str,
)
def test_what_is_not_known_or_not_there_is_refused(query, told):
    for driver in DRIVERS:
        with pytest.raises(StoreError, match=r"database\.url") as refused:
            make_engine(sa.URL.create(driver, "a", "c4n4ry", "127.0.0.1", query=query))
        assert told in str(refused.value)


def test_a_file_that_is_no_certificate_is_refused(tmp_path):
    file = tmp_path / "ca.pem"
    file.write_text("no certificate")
    for driver in DRIVERS:
        url = sa.URL.create(driver, "a", "c4n4ry", "127.0.0.1", 1, query={"ssl_ca": str(file)})
        with pytest.raises(StoreError, match="certificates that cannot be read"):
            make_engine(url)


def test_the_clients_options_ask_for_the_same():
    def options(**query: str) -> list[str]:
        return list_client_options(sa.URL.create(DRIVERS[0], query=query))

    assert options() == []
    assert options(ssl="false") == ["--skip-ssl"]
    assert options(ssl="true") == ["--ssl", "--ssl-verify-server-cert"]
    unchecked = options(ssl_ca="a.pem", ssl_verify_cert="false")
    assert unchecked == ["--ssl", "--skip-ssl-verify-server-cert", "--ssl-ca=a.pem"]


@pytest.mark.parametrize(
    ("query", "state", "told"),
    [
        ({"ssl": "false"}, "warn", "can be read on its way"),
        ({"ssl": "true", "ssl_verify_cert": "false"}, "warn", "to whoever answers"),
        ({"ssl_ca": None}, "ok", "certificate checked"),
    ],
    ids=str,
)
def test_the_doctor_looks_at_what_leaves_the_machine(
    make_url, port, authority, monkeypatch, query, state, told
):
    asked = {key: value or authority.ca for key, value in query.items()}
    if port[0] != "127.0.0.1":
        pytest.skip("its certificate is for another name")
    engine = make_engine(make_url("plain", **asked))
    assert list(check_encryption(engine, "database.url")) == []  # it does not leave it
    monkeypatch.setattr("kb.doctor.server._THIS_MACHINE", ())
    [check] = check_encryption(engine, "database.url")
    engine.dispose()
    assert (check.state, told in str(check.seen)) == (state, True)
