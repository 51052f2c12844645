"""Have passages put in order again by a model that reads them beside the question."""

import math
import re
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from llama_index.core.llms.llm import LLM
from llama_index.core.postprocessor import LLMRerank, SentenceTransformerRerank
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import NodeWithScore

from engines.search.profiles import Rerank
from stores.errors import ConfigError, ModelUnavailable

BY_LLM = "llm"
_BEST_RELEVANCE = 10
_CHOICE = re.compile(r"(\d+)\D+?(\d+(?:\.\d+)?)")


def make_reranker(rerank: Rerank, llm: LLM | None, directory: Path) -> BaseNodePostprocessor:
    """Make the reranker of a profile; a cross-encoder's path is relative to `directory`.

    Raises ConfigError, ModelUnavailable.
    """
    if rerank.by != BY_LLM:
        return _load_cross_encoder(directory / Path(rerank.by).expanduser(), rerank.candidates)
    if llm is None:
        raise ConfigError(
            "The search profile reranks by the LLM, but llm.provider is none. Configure an LLM, "
            "or choose a profile that does not rerank."
        )
    return LLMRerank(llm=llm, top_n=rerank.candidates, parse_choice_select_answer_fn=read_choices)


@cache
def _load_cross_encoder(directory: Path, count: int) -> BaseNodePostprocessor:
    """Load a cross-encoder once, from files: an existing directory keeps the model hub out."""
    if not (directory / "config.json").is_file():
        raise ConfigError(
            f"The search profile reranks by the cross-encoder {directory}, but there is no "
            f"config.json in it. Name the directory of a downloaded model, or {BY_LLM!r}."
        )
    if find_spec("sentence_transformers") is None:
        raise ConfigError(
            f"The search profile reranks by the cross-encoder {directory}, which needs the extra "
            "rerank. Install it with `pip install 'mariadb-kb[rerank]'`."
        )
    try:
        return SentenceTransformerRerank(model=str(directory), top_n=count, trust_remote_code=False)
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelUnavailable(
            f"The cross-encoder in {directory} cannot be loaded ({type(error).__name__}). "
            "Download it again, whole, or choose another."
        ) from error


def read_choices(answer: str, passages: int) -> tuple[list[int], list[float]]:
    """Return the numbers of passages that the LLM named, each once, with their relevances in 0..1.

    LlamaIndex's own reading takes the number 0 for the last passage, and a number without a
    relevance shifts those of all that follow.
    """
    found: dict[int, float] = {}
    for line in answer.splitlines():
        named = _CHOICE.search(line)
        if named and 1 <= int(named[1]) <= passages:
            found.setdefault(int(named[1]), min(float(named[2]) / _BEST_RELEVANCE, 1.0))
    return list(found), list(found.values())


def scale_scores(judged: Sequence[NodeWithScore]) -> list[NodeWithScore]:
    """Bring scores into 0..1; a cross-encoder may give logits."""
    scores = [float(passage.get_score()) for passage in judged]
    if not all(0 <= score <= 1 for score in scores):
        scores = [0.5 * (1 + math.tanh(score / 2)) for score in scores]
    return [
        NodeWithScore(node=passage.node, score=score)
        for passage, score in zip(judged, scores, strict=True)
    ]
