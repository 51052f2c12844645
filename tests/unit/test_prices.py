"""What calls of models cost by a file of prices."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from kb.assembly.llama_cpp import LlamaCpp
from kb.assembly.llama_cpp_embedding import LlamaCppEmbedding
from kb.prices import RUN_BY_KB, find_cost, load_prices
from kb.sentence_model import ModelPair, SentenceModel
from kb.sentence_model.cross_encoder import CrossEncoder
from kb.sentence_model.word_vectors import WordVectors
from stores.answers.model_use import ModelUse, add_up_by_model
from stores.errors import ConfigError

TEXT = """\
currency: EUR
models:
  small: {input: 0.40, cached: 0.10, output: 1.60}
  plain: {input: 2, output: 4}
  vectors: {input: 0.02}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "prices.yaml"
    file.write_text(TEXT)
    return file


@pytest.mark.parametrize(
    ("use", "cost"),
    [
        (ModelUse("llm", "small", 1, 1_000_000, 500_000, 250_000), "1.125"),
        (ModelUse("llm", "plain", 1, 1_000_000, 0, 500_000), "2"),
        (ModelUse("embedding", "vectors", 1, 100), "0.000002"),
        (ModelUse("llm", "vectors", 1, 100, 1), None),
        (ModelUse("llm", "other", 1, 100, 1), None),
        (ModelUse("llm", "small", 0), "0"),
    ],
)
def test_a_call_costs_what_the_file_says_and_else_nobody_knows(file, use, cost):
    prices = load_prices(file)
    assert prices
    assert find_cost(use, prices) == (None if cost is None else Decimal(cost))


def test_a_model_that_kb_runs_costs_nothing_unless_it_has_a_price(file):
    of_file = ModelUse("llm", "small", 1, 1_000_000, class_name="LlamaCpp")
    assert find_cost(of_file, None) == 0
    assert find_cost(of_file, load_prices(file)) == Decimal("0.40")
    of_server = replace(of_file, class_name="OpenAILike")
    assert find_cost(of_server, None) is None
    own_class = ModelUse("reranking", "small", class_name="")
    assert find_cost(own_class, None) is None


def test_the_models_that_kb_runs_call_themselves_as_the_prices_know_them():
    assert {
        CrossEncoder.class_name(),
        LlamaCpp.class_name(),
        LlamaCppEmbedding.class_name(),
        ModelPair.class_name(),
        SentenceModel.class_name(),
        WordVectors.class_name(),
        "HuggingFaceEmbedding",
        "HuggingFace_LLM",
    } == RUN_BY_KB


def test_without_a_file_there_are_no_prices():
    assert load_prices(None) is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("models: {}", "currency"),
        ("currency: euro\nmodels: {}", "currency"),
        ("currency: EUR\nmodels: {a: {input: -1}}", "models.a.input"),
        ("currency: EUR\nmodels: {a: {input: .nan}}", "models.a.input"),
        ("currency: EUR\nmodels: {a: {inputs: 1}}", "models.a.inputs"),
        ("- 1", "the file"),
        ("a: [", "is not YAML"),
        (b"\xff", "is not UTF-8"),
    ],
)
def test_a_file_that_is_none_of_prices_is_refused(file, text, told):
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError, match=told):
        load_prices(file)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load_prices(tmp_path / "none.yaml")


def test_calls_of_one_model_add_up():
    uses = [
        ModelUse("llm", "small", 1, 10, 2, 1, 5.0),
        ModelUse("embedding", "small", 1, 3),
        ModelUse("llm", "small", 1, 20, 3, 0, 6.0, estimated=1),
    ]
    assert add_up_by_model(uses) == [
        ModelUse("llm", "small", 2, 30, 5, 1, 11.0, 1),
        ModelUse("embedding", "small", 1, 3),
    ]
