import os
from pathlib import Path

import pytest
import sqlalchemy as sa
from pydantic import ValidationError

from kb.config.loading import load_config
from kb.config.models import LLMConfig, NextEmbeddingConfig
from kb.config.sections import Config
from stores.errors import ConfigError

PASSWORD = "s3cret-canary"


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch, tmp_path):
    for name in os.environ:
        if name.startswith(("OPENAI_", "OLLAMA_", "DB_", "KB_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def write(text: str, name: str = "config.yaml") -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def message_of(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(write(text))
    message = str(caught.value)
    assert "pydantic" not in message
    return message


# --- where it comes from --------------------------------------------------------------------


def test_without_a_file_the_defaults_hold():
    config = load_config()
    assert config.database.url == "embedded"
    assert config.embedding.provider == "local"
    assert config.llm.provider == "none"
    assert config.retrieval.top_k == 6
    assert config.tables.include == ()
    assert config.directory == Path.cwd()


def test_the_file_in_the_working_directory_is_found():
    write("retrieval: {top_k: 9}")
    assert load_config().retrieval.top_k == 9


def test_kb_config_names_the_file_and_an_argument_wins_over_it(monkeypatch):
    write("retrieval: {top_k: 1}")
    monkeypatch.setenv("KB_CONFIG", str(write("retrieval: {top_k: 2}", "named/kb.yaml")))
    assert load_config().retrieval.top_k == 2
    assert load_config(write("retrieval: {top_k: 3}", "given.yaml")).retrieval.top_k == 3


def test_an_empty_file_and_empty_sections_are_the_defaults():
    assert load_config(write("# nothing yet\n")).llm == LLMConfig()
    assert load_config(write("llm:\n  # provider: ollama\n")).llm == LLMConfig()


def test_every_documented_key_is_read():
    config = load_config(
        write("""
database:  {url: embedded}
documents: {path: data/documents, filter_keys: [category, language, product]}
embedding: {provider: local, model: null, base_url: null, api_key: "${OPENAI_API_KEY:}", \
dimensions: null}
llm:       {provider: none, model: null, base_url: null, api_key: "${OPENAI_API_KEY:}", \
context_window: null, timeout: 60}
retrieval: {profile: default, top_k: 6}
tables:    {url: embedded, database: shop, include: [customers, products], \
verified_queries: data/verified_queries.yaml}
chat:      {token_limit: 8000, retention_days: null}
""")
    )
    assert config.documents.filter_keys == ("category", "language", "product")
    assert config.llm.api_key is None
    assert config.tables.include == ("customers", "products")


def test_relative_paths_start_at_the_config_file(tmp_path):
    path = write("documents: {path: pages}\ntables: {verified_queries: q.yaml}", "sub/config.yaml")
    config = load_config(path)
    assert config.documents.path == tmp_path / "sub" / "pages"
    assert config.tables.verified_queries == tmp_path / "sub" / "q.yaml"
    assert config.directory == tmp_path / "sub"


def test_absolute_and_home_paths_stay_as_they_are():
    assert load_config(write("documents: {path: /srv/pages}")).documents.path == Path("/srv/pages")
    assert load_config(write("documents: {path: ~/p}")).documents.path == Path("~/p").expanduser()


# --- interpolation --------------------------------------------------------------------------


def test_variables_are_replaced_inside_values(monkeypatch):
    monkeypatch.setenv("WHERE", "example.test")
    monkeypatch.setenv("TOP_K", "12")
    config = load_config(
        write("llm: {base_url: 'http://${WHERE}:${PORT:8080}/v1'}\nretrieval: {top_k: '${TOP_K}'}")
    )
    assert config.llm.base_url == "http://example.test:8080/v1"
    assert config.retrieval.top_k == 12


def test_an_empty_default_is_null():
    assert load_config(write("llm: {model: '${MODEL:}'}")).llm.model is None


def test_variables_are_replaced_in_lists(monkeypatch):
    monkeypatch.setenv("TABLE", "orders")
    assert load_config(write("tables: {include: ['${TABLE}']}")).tables.include == ("orders",)


def test_a_variable_without_a_value_is_named_with_its_key():
    message = message_of("llm: {api_key: '${MY_KEY}'}")
    assert "llm.api_key" in message
    assert "MY_KEY" in message
    assert "${MY_KEY:default}" in message


# --- what is refused ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("llm: {modle: x}", ["llm.modle", "did you mean llm.model?"]),
        ("lmm: {model: x}", ["lmm", "did you mean llm?"]),
        ("zzz: {}", ["zzz is not a known key", "known here: access, caches, chat, cost, database"]),
        ("chat: {zzz: 1}", ["chat.zzz", "known here: retention_days, titles, token_limit"]),
        ("home: /tmp", ["home is not a known key"]),
        ("llm: {timeout: soon}", ["llm.timeout is 'soon'", "a number"]),
        ("llm: {timeout: 0}", ["llm.timeout is 0", "greater than 0"]),
        ("llm: {timeout: .inf}", ["llm.timeout is inf", "finite"]),
        ("retrieval: {top_k: many}", ["retrieval.top_k is 'many'", "a whole number"]),
        ("retrieval: {top_k: 1.5}", ["retrieval.top_k is 1.5", "a whole number"]),
        ("retrieval: {top_k: [1]}", ["retrieval.top_k is a list", "a whole number"]),
        ("llm: {max_retries: -1}", ["llm.max_retries is -1", "not less than 0"]),
        ("llm: {provider: open-ai}", ["llm.provider is 'open-ai'", "'openai'", "'ollama'"]),
        ("llm: {model: 4}", ["llm.model is 4", "text"]),
        (
            "caches: {embeddings: {place: redis}}",
            ["caches cannot be used as it is; expected `redis_url` beside `place: redis`"],
        ),
        ("llm: openai", ["llm is 'openai'", "a section"]),
        ("database: embedded", ["database is 'embedded'", "a section"]),
        ("documents: {filter_keys: category}", ["documents.filter_keys is 'category'", "a list"]),
        ("documents: {path: [1]}", ["documents.path is a list", "a path"]),
        ("llm: {base_url: localhost}", ["llm.base_url", "begins with http:// or"]),
        ("llm: {base_url: 'http://'}", ["llm.base_url", "and a host"]),
        ("llm: {base_url: 'http://a:b/v1'}", ["llm.base_url", "whose port is a number"]),
        ("serve: {port: 99999}", ["serve.port is 99999", "a number less than 65536"]),
        ("llm:\n  model: 'open\nchat:\n  x: 1\n", ["config.yaml, line 2: "]),
        ("llm:\n  provider: none\ntables: {include: [a, b\nchat:\n  x: 1\n", ["line 3: "]),
        ("llm:\n  provider: none\n   model: x\n", ["line 3: "]),
        ("llm:\n  provider none\n  model: x\n", ["line 3: ", "the line before lacks one"]),
        ("- llm", ["config.yaml", "a list"]),
        ("just words", ["config.yaml", "a text"]),
    ],
)
def test_a_wrong_entry_is_named_with_its_value_and_what_is_expected(text, parts):
    message = message_of(text)
    assert [part for part in parts if part not in message] == []


def test_all_mistakes_are_told_at_once():
    message = message_of("llm: {modle: x, timeout: soon}\nchat: {token_limit: 0}")
    assert len(message.splitlines()) == 4


def test_a_missing_file_says_how_to_make_one():
    with pytest.raises(ConfigError, match=r"no nowhere.yaml.*kb init"):
        load_config("nowhere.yaml")


def test_a_directory_is_not_a_file(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load_config(tmp_path)


def test_invalid_yaml_names_the_line():
    assert "config.yaml, line 3" in message_of("llm:\n  provider: none\n  model: a: b\n")


def test_an_unquoted_variable_in_braces_gets_a_hint():
    assert "quotes" in message_of("llm: {api_key: ${KEY:}}")


def test_characters_outside_yaml_and_utf8_are_refused():
    assert "does not allow" in message_of("llm: \x01")
    Path("config.yaml").write_bytes("modèle".encode("latin-1"))
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_config()


def test_yaml_cannot_make_python_objects():
    assert "tag" in message_of("llm: !!python/object/apply:os.getcwd []")


# --- databases and secrets ------------------------------------------------------------------


def test_a_database_url_becomes_an_sqlalchemy_url():
    url = f"mariadb+pymysql://kb:{PASSWORD}@db.test:3307/knowledge"
    config = load_config(write(f"database: {{url: '{url}'}}"))
    assert isinstance(config.database.url, sa.URL)
    assert config.database.url.password == PASSWORD
    assert config.database.url.port == 3307


@pytest.mark.parametrize(
    "url", ["mysql://kb:{}@db/kb", "embeded", "mariadb+pymysql://kb:{}@db:port/kb", "", 7]
)
def test_another_url_is_refused_without_showing_it(url):
    url = url.format(PASSWORD) if isinstance(url, str) else url
    message = message_of(f"database: {{url: '{url}'}}")
    assert "database.url" in message
    assert "embedded, or mariadb+mariadbconnector://" in message
    assert PASSWORD not in message


def test_secrets_among_arguments_come_from_the_environment(tmp_path, monkeypatch):
    file = tmp_path / "config.yaml"
    section = "llm: {provider: a.B, arguments: {size: 4, api_key: %s}}"
    file.write_text(section % "sk-canary")
    with pytest.raises(ConfigError, match=r"llm\.arguments\.api_key holds a secret") as caught:
        load_config(file)
    assert "canary" not in str(caught.value)
    file.write_text(section % '"${MY_KEY}"')
    monkeypatch.setenv("MY_KEY", "sk-canary")
    config = load_config(file)
    assert config.llm.arguments == {"size": 4, "api_key": "sk-canary"}
    assert "canary" not in repr(config)


def test_secrets_are_in_no_representation(monkeypatch):
    monkeypatch.setenv("KEY", PASSWORD)
    config = load_config(
        write(
            f"database: {{url: 'mariadb+pymysql://kb:{PASSWORD}@db/kb'}}\n"
            f"tables: {{url: 'mariadb+pymysql://kb:{PASSWORD}@db/kb'}}\n"
            "embedding: {api_key: '${KEY}'}\n"
            f"llm: {{api_key: '${{KEY}}', base_url: 'http://me:{PASSWORD}@host'}}\n"
        )
    )
    assert config.llm.api_key.get_secret_value() == PASSWORD
    assert PASSWORD not in repr(config)
    assert PASSWORD not in str(config)
    dump = config.model_dump_json(exclude={"llm": {"base_url"}})
    assert PASSWORD not in dump


@pytest.mark.parametrize("key", ["api_key", "base_url"])
def test_a_wrong_secret_is_not_shown(key):
    assert PASSWORD not in message_of(f"llm: {{{key}: [{PASSWORD}]}}")


@pytest.mark.parametrize(
    "text",
    [
        f"database: mariadb://kb:{PASSWORD}@db/kb",
        f"llm: [{{api_key: {PASSWORD}}}]",
        f"llm: {{provider: {{api_key: {PASSWORD}}}}}",
        f"chat: {{api_key: {PASSWORD}}}",
    ],
)
def test_a_misplaced_secret_is_not_shown(text):
    assert PASSWORD not in message_of(text)


def test_config_is_frozen():
    with pytest.raises(ValueError, match="frozen"):
        setattr(load_config().llm, "provider", "ollama")  # noqa: B010 - mypy knows that it is frozen


def test_db_variables_form_the_url_that_the_file_leaves_out(monkeypatch):
    monkeypatch.setenv("DB_HOST", "db.test")
    monkeypatch.setenv("DB_USER", "kb")
    monkeypatch.setenv("DB_PASSWORD", "p@ss/word")
    monkeypatch.setenv("DB_NAME", "knowledge")
    url = load_config().database.url
    assert url == sa.make_url("mariadb+mariadbconnector://kb:p%40ss%2Fword@db.test:3306/knowledge")
    assert load_config(write("database: {url: embedded}")).database.url == "embedded"


def test_a_port_that_is_no_number_is_refused(monkeypatch):
    monkeypatch.setenv("DB_HOST", "db.test")
    monkeypatch.setenv("DB_PORT", "mysql")
    with pytest.raises(ConfigError, match="DB_PORT is 'mysql'"):
        load_config()


# --- the environment of the models ----------------------------------------------------------


@pytest.fixture
def model_variables(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", PASSWORD)
    monkeypatch.setenv("OPENAI_API_BASE", "http://openai.test/v1/")
    monkeypatch.setenv("OLLAMA_BASE_URL", "http://ollama.test")


@pytest.mark.parametrize("section", ["llm", "embedding"])
def test_the_key_that_the_file_names_at_first_goes_to_openai_alone(
    model_variables, monkeypatch, section
):
    named = '{provider: %s, model: m, api_key: "${OPENAI_API_KEY:}"}'
    monkeypatch.setenv("ANTHROPIC_API_KEY", "issued-by-anthropic")
    for provider, key in (
        ("openai", PASSWORD),
        ("openai-like", PASSWORD),
        ("ollama", None),
        ("huggingface", None),
        *([("anthropic", "issued-by-anthropic")] if section == "llm" else [("cohere", None)]),
    ):
        found = getattr(load_config(write(f"{section}: {named % provider}")), section).api_key
        assert (found and found.get_secret_value()) == key


def test_a_key_that_happens_to_be_set_switches_no_provider(model_variables):
    config = load_config()
    assert config.llm == LLMConfig()
    assert config.embedding.provider == "local"
    assert config.embedding.api_key is None


def test_variables_fill_what_the_file_leaves_out_or_null(model_variables):
    openai = load_config(write("llm: {provider: openai, base_url: null}")).llm
    assert openai.api_key.get_secret_value() == PASSWORD
    assert openai.base_url == "http://openai.test/v1"
    assert load_config(write("llm: {provider: ollama}")).llm.base_url == "http://ollama.test"
    assert load_config(write("embedding: {provider: ollama}")).embedding.base_url


def test_the_file_wins_over_the_variables(model_variables):
    text = "llm: {provider: openai, api_key: own, base_url: 'http://mine.test'}"
    llm = load_config(write(text)).llm
    assert llm.api_key.get_secret_value() == "own"
    assert llm.base_url == "http://mine.test"


def test_the_key_of_openai_goes_to_no_other_provider(model_variables):
    llm = load_config(write("llm: {provider: openai-like, base_url: 'http://mine.test'}")).llm
    assert llm.api_key is None


def test_a_broken_section_is_refused_with_variables_set_too(model_variables):
    assert "llm is a list" in message_of("llm: [1]")
    assert "llm.provider is a list" in message_of("llm: {provider: [openai]}")


def test_places_come_from_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("KB_HOME", "here")
    monkeypatch.setenv("KB_CACHE", "/var/cache/kb")
    monkeypatch.setenv("KB_MARIADBD", "/opt/mariadbd")
    config = load_config()
    assert config.home == tmp_path / "here"
    assert config.cache == Path("/var/cache/kb")
    assert config.mariadbd == "/opt/mariadbd"


def test_places_have_defaults_outside_the_working_directory(tmp_path):
    config = Config()
    assert config.home.is_absolute()
    assert tmp_path not in config.home.parents
    assert config.mariadbd is None


def test_uploads_of_two_databases_never_meet(tmp_path):
    def uploads(database: str) -> Path:
        (tmp_path / "config.yaml").write_text(f"database: {database}")
        return load_config(tmp_path / "config.yaml").former_uploads

    server = "mariadb+mariadbconnector://kb:secret@db.test:3307"
    places = [
        uploads("{name: one}"),
        uploads("{name: two}"),
        uploads(f"{{url: '{server}/one'}}"),
        uploads(f"{{url: '{server}/../two'}}"),
    ]
    assert len({*places}) == 4
    assert len({place.parent for place in places}) == 1
    assert not any("secret" in str(place) for place in places)


def test_a_model_that_stands_in_keeps_the_defaults_of_its_provider():
    llm = LLMConfig(
        provider="openai",
        instructions="Be brief.",
        fallback=[
            {"provider": "mistral", "model": "m", "api_key": "sk-1"},
            {"provider": "llama-cpp"},
        ],
    )
    mistral, local = llm.list_next_models()
    assert (mistral.provider, mistral.instructions) == ("mistral", "Be brief.")
    assert mistral.api_key.get_secret_value() == "sk-1"
    assert "max_retries" not in mistral.model_fields_set, "it has none, and refuses one"
    assert "timeout" not in local.model_fields_set, "a model in a file is waited for longer"
    embedding = NextEmbeddingConfig(provider="cohere", model="embed-v4.0").to_embedding()
    assert embedding.model_fields_set == {"provider", "model"}


@pytest.mark.parametrize(
    ("llm", "told"),
    [
        ({"fallback": [{"provider": "ollama"}]}, "a first model in provider"),
        ({"provider": "ollama", "fallback": [{"model": "m"}]}, "whose provider is not none"),
    ],
)
def test_a_fallback_needs_a_model_before_it_and_is_one(llm, told):
    with pytest.raises(ValidationError, match=told):
        LLMConfig(**llm)
