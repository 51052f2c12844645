"""What a model says that reads passages beside the question, as their order and scores."""

import math
import re
from collections.abc import Sequence

from llama_index.core.schema import NodeWithScore

_BEST_RELEVANCE = 10
_CHOICE = re.compile(r"(\d+)\D+?(\d+(?:\.\d+)?)")


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
