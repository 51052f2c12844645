"""A cross-encoder whose files a user has: a small graph that weighs words, made here."""

from pathlib import Path

import onnx
import pytest
from llama_index.core.schema import NodeWithScore, TextNode
from onnx import TensorProto, helper
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing

from engines.model_calls import ModelCalls
from engines.search.profiles import Rerank
from kb.assembly.rerankers import make_reranker
from kb.config.sections import Config
from kb.prices import find_cost
from stores.errors import ModelUnavailable

WEIGHTS = {"[PAD]": 9.0, "[CLS]": 0.0, "[SEP]": 0.0, "[UNK]": 0.0, "return": 2.0, "goods": 1.0}


def write_tokenizer(path: Path) -> None:
    words = {word: number for number, word in enumerate(WEIGHTS)}
    tokenizer = Tokenizer(WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", words["[CLS]"]), ("[SEP]", words["[SEP]"])],
    )
    tokenizer.save(str(path))


def write_graph(path: Path, *, columns: int = 1) -> None:
    """Write a graph that multiplies the weights of the question's words by those of a passage's."""
    names = ("input_ids", "attention_mask", "token_type_ids")
    nodes = [
        helper.make_node("Gather", ["weights", "input_ids"], ["weight"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["token_type_ids"], ["passage"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["weight", "mask"], ["known"]),
        helper.make_node("Mul", ["known", "passage"], ["of_passage"]),
        helper.make_node("Sub", ["known", "of_passage"], ["of_question"]),
        helper.make_node("ReduceSum", ["of_passage", "axis"], ["right"]),
        helper.make_node("ReduceSum", ["of_question", "axis"], ["left"]),
        helper.make_node("Mul", ["left", "right"], ["product"]),
        helper.make_node("Expand", ["product", "shape"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "words",
        [helper.make_tensor_value_info(name, TensorProto.INT64, ["n", "length"]) for name in names],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", columns])],
        [
            helper.make_tensor(
                "weights", TensorProto.FLOAT, [len(WEIGHTS)], list(WEIGHTS.values())
            ),
            helper.make_tensor("axis", TensorProto.INT64, [1], [1]),
            helper.make_tensor("shape", TensorProto.INT64, [2], [1, columns]),
        ],
    )
    path.parent.mkdir(exist_ok=True)
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path
    )


def rerank(directory: Path, texts: list[str], question: str = "return") -> list[NodeWithScore]:
    nodes = [NodeWithScore(node=TextNode(text=text), score=0.5) for text in texts]
    reranker = make_reranker(Config(), Rerank(by=str(directory)), None)
    return reranker.postprocess_nodes(nodes, query_str=question)


@pytest.mark.parametrize("place", ["model.onnx", "onnx/model.onnx"])
def test_each_passage_is_scored_beside_the_question(tmp_path, place):
    write_graph(tmp_path / place)
    write_tokenizer(tmp_path / "tokenizer.json")
    texts = ["nothing of it", "return goods", "goods", "return return goods \ud800"]
    judged = rerank(tmp_path, texts)
    assert [each.node.get_content() for each in judged] == [texts[3], texts[1], texts[2], texts[0]]
    assert [each.score for each in judged] == pytest.approx([10, 6, 2, 0])
    assert [each.score for each in rerank(tmp_path, texts[:2], "goods goods")] == [6, 0]


def test_it_costs_nothing(tmp_path):
    write_graph(tmp_path / "model.onnx")
    write_tokenizer(tmp_path / "tokenizer.json")
    calls = ModelCalls()
    with calls.listen():
        rerank(tmp_path, ["goods"])
    [use] = calls.list_uses()
    assert (use.kind, use.model, find_cost(use, None)) == ("reranking", tmp_path.name, 0)


def test_a_long_passage_is_read_as_far_as_the_model_can(tmp_path):
    write_graph(tmp_path / "model.onnx")
    write_tokenizer(tmp_path / "tokenizer.json")
    [judged] = rerank(tmp_path, ["goods " * 2000])
    assert judged.score == 2 * (512 - 4)  # without the question and three marks


def test_a_model_that_does_not_rank_is_refused(tmp_path):
    write_graph(tmp_path / "model.onnx", columns=3)
    write_tokenizer(tmp_path / "tokenizer.json")
    with pytest.raises(ModelUnavailable, match="Choose a model that ranks"):
        rerank(tmp_path, ["goods"])


@pytest.mark.parametrize("broken", ["model.onnx", "tokenizer.json"])
def test_files_that_are_not_whole_are_named(tmp_path, broken):
    write_graph(tmp_path / "model.onnx")
    write_tokenizer(tmp_path / "tokenizer.json")
    (tmp_path / broken).write_bytes((tmp_path / broken).read_bytes()[:40])
    with pytest.raises(ModelUnavailable, match=r"Put its whole model.onnx and tokenizer.json"):
        rerank(tmp_path, ["goods"])
