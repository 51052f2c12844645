"""Which files hold keys or passwords, and which only look like it."""

import os
from importlib import resources
from pathlib import Path

import pytest
import yaml
from growth import grows_with_the_square

from kb.config.sections import Config
from kb.indexing.secret_files import OwnFiles, why_secret
from kb.indexing.walk import FoundFile, PassedOver, walk_files

BODY = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\n" * 3
KEY = f"-----BEGIN PRIVATE KEY-----\n{BODY}-----END PRIVATE KEY-----\n"
LEGACY = f"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES,00\n\n{BODY}"
PGP = f"-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: 1\n\n{BODY}"


@pytest.mark.parametrize(
    "name",
    [
        *(".env", ".env.local", "prod.env", ".env~", ".ENV", "dir/.env", "C:\\app\\.env"),
        *("id_rsa", "id_ed25519", "server.pem", "Server.KEY", "a.p12", "a.pfx", "vault.kdbx"),
        *(".netrc", ".pgpass", ".my.cnf", "credentials", "client_secret_7.json", "id_rsa.bak"),
        *(".env ", ".env.", ".env\u200b", "\u200b.env", "\uff0eenv", ".e\ufe0fnv", "a\uff0f.env"),
        *(".env-prod", ".env_old", ".env copy", ".env (1)", "id_rsa(2)", "secrets - copy 2.yaml"),
        *(
            "credentials ",
            "secrets.yaml ",
            "secret.yaml",
            "secrets.yaml.txt",
            "credentials (1).json",
        ),
    ],
)
def test_some_names_are_enough(name):
    assert why_secret(name) == "files of that name hold keys or passwords"


@pytest.mark.parametrize(
    "name",
    [
        *("id_rsa.pub", "environment.md", "credentials.md", "keys.md", "a.envelope", "env.md"),
        *("pem", "copy.md", "secret.md", "secretary.yaml", "environment (1).md", "keys copy.md"),
    ],
)
def test_names_about_secrets_are_no_secrets(name):
    assert why_secret(name, b"words") is None


@pytest.mark.parametrize(
    "content",
    [
        *(KEY, LEGACY, PGP, f"cert first\n\n{KEY}", KEY.replace("\n", "\r\n")),
        '{"type": "service_account", "private_key": "' + KEY.replace("\n", "\\n") + '"}',
        "tls:\n  key: |\n    " + KEY.replace("\n", "\n    "),
        *(KEY.encode("utf-16"), KEY.encode("utf-32"), KEY.encode("utf-16-le")),
        *("> " + KEY.replace("\n", "\n> "), "| " + KEY.replace("\n", " |\n| ")),
        *("# " + KEY.replace("\n", "\n# "), KEY.replace("\n", "\r")),
        "> " + LEGACY.replace("\n", "\n> "),
    ],
)
def test_a_private_key_is_known_in_any_file(content):
    data = content if isinstance(content, bytes) else content.encode()
    assert why_secret("notes.txt", data) == "it holds a private key"


def test_a_text_about_keys_is_a_document():
    assert why_secret("tls.md", b"It begins with -----BEGIN PRIVATE KEY----- and so on\n") is None
    assert why_secret("tls.md", b"-----BEGIN PRIVATE KEY-----\nMIIEvQ...\n") is None
    assert why_secret("tls.md", f"-----BEGIN CERTIFICATE-----\n{BODY}".encode()) is None


def test_an_option_file_with_a_password_is_known_by_its_content():
    option_file = b"# ours\n\n[client]\nuser=kb\npassword=secret\n"
    for content in (
        option_file,
        *(b"\xef\xbb\xbf" + option_file, option_file.decode().encode("utf-16")),
        *(b"[client]\nloose-password=x\n", b"[client]\rpassword = x\r"),
        *(b"[mysqldump]\npass=x\n", b"[section]\na=b\n[client-server]\npassword=x\n"),
    ):
        assert why_secret("client.cnf", content) == "it holds a password of MariaDB", content
    assert why_secret("client.cnf", b"[client]\nuser=kb\n") is None
    assert why_secret("a.md", b"Write this:\n\n" + option_file) is None
    assert why_secret("a.md", b"[A link](b.md)\n\n" + option_file) is None
    assert why_secret("a.ini", b"[section]\npassword=of something else\n") is None


STARTING = resources.files("kb").joinpath("starting_config.yaml").read_text("utf-8")
SHORT = {"llm": {"provider": "openai", "api_key": "sk-canary"}}


@pytest.mark.parametrize(
    "content",
    [
        *(STARTING, yaml.safe_dump(SHORT), "llm: {api_key: sk-canary}\n"),
        '{"llm": {"api_key": "sk-canary"}}',
        "other: 1\nllm:\n  model: x\n  api_key: sk-canary\ndatabase:\n  url: y\n",
        "llm:\n  api_key: sk-canary\ndatabase:\n\turl: a tab is no YAML\n",
        *("\ufeff" + STARTING, STARTING.replace("\n", "\r")),
        "services:\n  kb:\n    llm:\n      api_key: sk-canary\n",
        "kb:\n- llm: {model: x}\n  database: {url: y}\n",
        "---\ntitle: x\n---\nllm: {api_key: sk-canary}\n",
        *(STARTING.encode("utf-16"), STARTING.encode("utf-32")),
    ],
)
def test_a_configuration_of_kb_is_known_whatever_its_name(content):
    why = "it is a configuration of kb, which may hold keys and passwords"
    data = content if isinstance(content, bytes) else content.encode()
    assert why_secret("old settings.txt", data) == why


@pytest.mark.parametrize(
    "content",
    [
        "# Configure\n\n```yaml\nllm:\n  api_key: x\ndatabase:\n  url: y\n```\n",
        "documents:\n- a\n- b\ntables: [c]\n",
        "questions:\n- question: q\n  tables: [t]\n",
        "chat: hello\nserve: dinner\n",
        "openapi: 3.0.0\ndatabase:\n  url: x\n",
        "app:\n  database:\n    url: x\n",
        "build:\n  documents:\n    path: x\n",
        "? {llm: 1}\n: {api_key: 2}\n",
    ],
)
def test_other_yaml_is_a_document(content):
    assert why_secret("a.yaml", content.encode()) is None


@pytest.mark.parametrize(
    "content",
    [
        *("llm: " + "[" * 200_000, "llm: " + "{a: " * 60_000, "llm:\n a: b\n" * 20_000),
        "llm: {a: &a [x], " + "".join(f"b{i}: &a [*a,*a,*a,*a], " for i in range(50)) + "}",
        "-----BEGIN PRIVATE KEY-----" + "A: b\n" * 50_000,
        *("\n" * 250_000, "[client]\n" + "password \n" * 20_000, "[client]\n" * 20_000),
        *("llm: x\nk: {" + "a," * 2**17, "llm: {z: 1}\n" + "a:\n" * 80_000),
        *("llm:\n" + "--- a\n" * 40_000, " \n" * 130_000, ("[client]" + "\n" + " " * 500) * 520),
        ("> -----BEGIN RSA PRIVATE KEY-----" + "> |\n" * 100) * 600,
    ],
)
def test_looking_into_a_hostile_file_costs_nothing(content):
    head = content.encode()[: 2**18]
    assert not grows_with_the_square(lambda part: why_secret("a.yaml", part), head)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Beside documents: its file under a name of its own, and its home."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("words")
    (tmp_path / "docs" / "settings").write_text("chat: {}\n")
    home = tmp_path / "docs" / "kb-home"
    (home / "data").mkdir(parents=True)
    (home / "uploads").mkdir()
    for name in ("client.cnf", "data/ibdata1", "uploads/b.md"):
        (home / name).write_text("words")
    return Config(file=tmp_path / "docs" / "settings", home=home)


def told(root: Path, config: Config) -> tuple[list[str], dict[str, str]]:
    entries = list(walk_files(root, OwnFiles.from_config(config)))
    passed = {each.relative: each.reason for each in entries if isinstance(each, PassedOver)}
    return [each.relative for each in entries if isinstance(each, FoundFile)], passed


def test_the_configuration_in_use_and_the_home_are_passed_over_wherever_they_are(config):
    found, passed = told(config.file.parent, config)
    assert found == ["a.md"]
    assert passed == {
        "settings": "it is the configuration in use",
        "kb-home": "kb keeps its own data there",
    }


def test_a_link_does_not_hide_the_configuration(config, tmp_path):
    os.link(config.file, tmp_path / "docs" / "copy.md")
    link = tmp_path / "link.yaml"
    link.symlink_to(config.file)
    by_link = config.model_copy(update={"file": link})
    found, passed = told(tmp_path / "docs", by_link)
    assert found == ["a.md"]
    assert sorted(passed) == ["copy.md", "kb-home", "settings"]
    assert told(link, by_link) == ([], {"settings": "it is the configuration in use"})


def test_documents_in_the_home_are_indexed_when_asked_for_but_never_the_servers_data(config):
    assert told(config.home / "uploads", config) == (["b.md"], {})
    assert sorted(told(config.home, config)[1]) == ["client.cnf", "data"]
    assert told(config.home / "data", config)[0] == []
    assert told(config.home / "data" / "ibdata1", config)[0] == []


def test_secrets_are_told_even_where_they_are_hidden_or_linked(tmp_path, config):
    docs = tmp_path / "docs"
    for name in (".env", ".hidden", "id_rsa"):
        (docs / name).write_text("SECRET=1")
    (docs / "server.pem").symlink_to("/nowhere/server.pem")
    (docs / "credentials").mkdir()
    (docs / "credentials" / "c.md").write_text("words")
    found, passed = told(docs, config)
    assert found == ["a.md", "credentials/c.md"]
    assert sorted(passed) == [".env", "id_rsa", "kb-home", "server.pem", "settings"]
    assert told(docs / ".env", config)[0] == []
