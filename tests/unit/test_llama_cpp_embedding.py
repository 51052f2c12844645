"""The embedding model in a file: what its configuration refuses, and a real file at work."""

import asyncio
import math
from pathlib import Path
from typing import Any

import pytest
from fetched import CACHE

from engines.model_errors import model_errors
from kb.assembly.models import embedding_identity, make_embedder
from kb.config.models import EmbeddingConfig
from kb.config.sections import Config
from kb.doctor.models import check_models
from kb.model_file import served_file
from kb.model_file.known_files import KNOWN_FILES, locate_known_file
from stores.errors import ConfigError, ModelUnavailable

SMOLLM2 = locate_known_file(CACHE, KNOWN_FILES["smollm2"])


def config_of(directory: Path, **embedding: Any) -> Config:
    section = EmbeddingConfig(provider="llama-cpp", **embedding)
    return Config(directory=directory, embedding=section)


def test_a_file_that_is_not_there_says_what_to_name(tmp_path):
    for model, told in ((None, "embedding.model is not set"), ("no.gguf", r"no file .*/no\.gguf")):
        config = config_of(tmp_path, model=model)
        with pytest.raises(ConfigError, match=told):
            make_embedder(config)
        check, *_ = check_models(config)
        assert (check.state, "GGUF" in str(check.seen)) == ("fail", True)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"pooling": "max"}, "embedding.arguments.pooling cannot be used"),
        ({"max_length": 3}, "embedding.arguments.max_length cannot be used"),
        ({"prefix": "query: "}, r"arguments\.prefix .* there are pooling, .*, text_instruction"),
    ],
)
def test_what_the_provider_does_not_take_is_refused(tmp_path, arguments, told):
    (tmp_path / "mine.gguf").write_bytes(b"GGUF")
    with pytest.raises(ConfigError, match=told):
        make_embedder(config_of(tmp_path, model="mine.gguf", arguments=arguments))
    with pytest.raises(ConfigError, match="dimensions cannot be set"):
        make_embedder(config_of(tmp_path, model="mine.gguf", dimensions=64))


def test_without_its_package_the_provider_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(served_file, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"embedding.provider .*mariadb-kb\[llama\]"):
        make_embedder(config_of(tmp_path, model="mine.gguf"))


def test_another_file_pooling_or_instruction_is_another_model(tmp_path):
    def name(**arguments: Any) -> str:
        config = config_of(tmp_path, model="mine.gguf", arguments=arguments)
        return embedding_identity(config, make_embedder(config))

    file = tmp_path / "mine.gguf"
    file.write_bytes(b"GGUF one")
    names = {name(), name(), name(pooling="cls"), name(text_instruction="passage: ")}
    file.write_bytes(b"GGUF two")
    names.add(name())
    assert len(names) == 4
    assert all(each.startswith("llama-cpp/mine-") for each in names)
    check, *_ = check_models(config_of(tmp_path, model="mine.gguf"))
    assert check.state == "ok"


def test_a_file_that_is_no_model_is_told_as_such(tmp_path):
    pytest.importorskip("xllamacpp", reason="the extra llama is not installed")
    (tmp_path / "broken.gguf").write_bytes(b"GGUF and nothing else")
    model = make_embedder(config_of(tmp_path, model="broken.gguf"))
    with pytest.raises(ModelUnavailable, match="of an embedding model"), model_errors("x"):
        model.get_text_embedding("Hello")


# --- a real file: it writes texts, but what it sees of them can be compared --------------------


@pytest.fixture(scope="module")
def smollm2():
    pytest.importorskip("xllamacpp", reason="the extra llama is not installed")
    if not SMOLLM2.is_file():
        pytest.skip("SmolLM2 was not fetched: kb setup --llm smollm2")
    arguments = {"pooling": "mean", "max_length": 64, "text_instruction": "passage: "}
    config = config_of(SMOLLM2.parent, model=SMOLLM2.name, arguments=arguments)
    model: Any = make_embedder(config)
    yield model
    model._served.stop()
    if model._client:
        model._client.close()


def compare(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True)) / math.hypot(*one)


@pytest.mark.slow
def test_texts_are_embedded_in_their_order_with_their_instruction(smollm2):
    texts = ["Goods go back within 30 days.", "The kettle boils in 3 minutes.", ""]
    together = smollm2.get_text_embedding_batch(texts)
    assert len(together) == 3
    for text, embedding in zip(texts, together, strict=True):
        assert compare(smollm2.get_text_embedding(text), embedding) > 0.999
        assert compare(smollm2.get_query_embedding(f"passage: {text}"), embedding) > 0.999
    assert compare(together[0], together[1]) < 0.99
    for _ in range(2):  # each in an event loop of its own
        asked = asyncio.run(smollm2.aget_query_embedding("kettle"))
        assert compare(asked, smollm2.get_query_embedding("kettle")) > 0.999


@pytest.mark.slow
def test_a_text_that_is_too_long_is_cut_where_the_model_ends(smollm2):
    beginning = "The kettle boils in three minutes. " * 30
    one, other = (smollm2.get_text_embedding(beginning + end) for end in ("Tea.", "x" * 9000))
    assert compare(one, other) > 0.999, "what stands behind the end is not read"
    assert compare(one, smollm2.get_text_embedding("ü€" * 2000)) < 0.99


@pytest.mark.slow
def test_a_server_that_was_killed_is_started_again(smollm2):
    before = smollm2.get_text_embedding("Hello")
    smollm2._served._child.kill()
    smollm2._served._child.wait()
    assert compare(before, smollm2.get_text_embedding("Hello")) > 0.999
