"""What a model says about passages, and rerankers that cannot be had."""

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from fake_models import ScriptedLLM
from llama_index.core.postprocessor import LLMRerank
from llama_index.core.schema import NodeWithScore, TextNode

from engines.search.profiles import Rerank
from engines.search.reranking import read_choices, scale_scores
from kb.assembly.rerankers import make_reranker
from kb.config.sections import Config
from stores.errors import ConfigError, ModelUnavailable


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("Answer:\nDoc: 3, Relevance: 9\nDoc: 1, Relevance: 4", {3: 0.9, 1: 0.4}),
        ("Document 2 - relevance 7.5/10", {2: 0.75}),
        ("Doc: 2, Relevance: 8\nDoc: 2, Relevance: 1", {2: 0.8}),
        ("Doc: 0, Relevance: 9\nDoc: 4, Relevance: 9\nDoc: 2\nDoc: 1, Relevance: 5", {1: 0.5}),
        ("Doc: 1, Relevance: 100", {1: 1.0}),
        ("None of them is relevant.", {}),
        ("", {}),
    ],
)
def test_the_llm_names_passages_that_there_are_each_once(answer, expected):
    numbers, relevances = read_choices(answer, 3)
    assert dict(zip(numbers, relevances, strict=True)) == pytest.approx(expected)


def test_the_llm_reranks_by_what_it_names():
    llm = ScriptedLLM(replies=["Doc: 2, Relevance: 10\nDoc: 0, Relevance: 10"])
    reranker = make_reranker(Config(), Rerank(by="llm", candidates=7), llm)
    assert isinstance(reranker, LLMRerank)
    assert reranker.top_n == 7
    passages = [NodeWithScore(node=TextNode(text=text), score=0.5) for text in ("one", "two")]
    [found] = reranker.postprocess_nodes(passages, query_str="which?")
    assert (found.node.get_content(), found.score) == ("two", 1.0)


def test_without_an_llm_a_profile_cannot_rerank_by_it():
    with pytest.raises(ConfigError, match="reranks by the LLM"):
        make_reranker(Config(), Rerank(by="llm"), None)


def test_a_cross_encoder_that_is_not_there_is_never_looked_for_elsewhere(tmp_path):
    with pytest.raises(ConfigError, match=f"cross-encoder {tmp_path}/cross-encoder/tiny"):
        make_reranker(Config(directory=tmp_path), Rerank(by="cross-encoder/tiny"), None)


@pytest.mark.skipif(find_spec("sentence_transformers") is not None, reason="the extra is here")
def test_a_cross_encoder_without_its_extra_says_what_to_install(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"pip install 'mariadb-kb\[rerank\]'"):
        make_reranker(Config(directory=Path("elsewhere")), Rerank(by=str(tmp_path)), None)


STAND_INS = {
    "torch": "class cuda:\n    is_available = bool\nclass backends:\n    mps = cuda\n",
    "sentence_transformers": """
class CrossEncoder:
    def __init__(self, path, *, trust_remote_code, **options):
        assert not trust_remote_code
        self.path = path
    def predict(self, pairs):
        return [9.0 * (question in text) - 2 for question, text in pairs]
""",
}


@pytest.mark.skipif(find_spec("sentence_transformers") is not None, reason="the extra is here")
def test_a_cross_encoder_scores_the_question_beside_each_passage(tmp_path, monkeypatch):
    """The packages are stand-ins of the same interface: the real ones need a model's files."""
    for name, code in STAND_INS.items():
        (tmp_path / f"{name}.py").write_text(code)
    (tmp_path / "config.json").write_text("{}")
    monkeypatch.syspath_prepend(tmp_path)
    try:
        reranker = make_reranker(Config(), Rerank(by=str(tmp_path), candidates=2), None)
        assert reranker is make_reranker(Config(), Rerank(by=str(tmp_path), candidates=2), None)
        assert reranker._model.path == str(tmp_path)  # type: ignore[attr-defined]  # of the double
        passages = [NodeWithScore(node=TextNode(text=text), score=0.5) for text in "abc"]
        found = scale_scores(reranker.postprocess_nodes(passages, query_str="b"))
    finally:
        for name in STAND_INS:
            sys.modules.pop(name, None)
    assert [each.node.get_content() for each in found] == ["b", "a"]
    assert [each.score for each in found] == pytest.approx([0.9991, 0.1192], abs=1e-4)


@pytest.mark.skipif(find_spec("sentence_transformers") is None, reason="an extra")
def test_a_cross_encoder_that_is_not_whole_says_so(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelUnavailable, match="cannot be loaded"):
        make_reranker(Config(), Rerank(by=str(tmp_path)), None)


def test_logits_become_shares_and_shares_stay():
    def scored(*scores: float) -> list[NodeWithScore]:
        return [NodeWithScore(node=TextNode(text="x"), score=score) for score in scores]

    assert [each.score for each in scale_scores(scored(0.9, 0.0))] == [0.9, 0.0]
    assert [each.score for each in scale_scores(scored(900, 0, -2))] == pytest.approx(
        [1, 0.5, 0.1192], abs=1e-4
    )
    assert scale_scores([]) == []
