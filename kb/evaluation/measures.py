"""Measures of how good one ranking and one extracted answer are.

Rankings are document ids, the best first, each once; `relevance` maps the ids of a question's
right documents to grades above 0.
"""

import math
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

_ARTICLES = {*("a", "an", "the"), *("le", "la", "les", "l", "un", "une", "des", "du", "d")}


def ndcg(ranking: Sequence[str], relevance: Mapping[str, int], k: int) -> float:
    """Return the normalised discounted cumulative gain of the first `k`.

    Järvelin and Kekäläinen (2002), with the grade itself as gain and log2(rank + 1) as discount:
    trec_eval's ndcg_cut, which BEIR reports.
    """
    ideal = _sum_discounted_gains(sorted(relevance.values(), reverse=True)[:k])
    return _sum_discounted_gains(relevance.get(document, 0) for document in ranking[:k]) / ideal


def recall(ranking: Sequence[str], relevance: Mapping[str, int], k: int) -> float:
    """Return the share of the right documents among the first `k`."""
    return len(set(ranking[:k]) & relevance.keys()) / len(relevance)


def reciprocal_rank(ranking: Sequence[str], relevance: Mapping[str, int], k: int) -> float:
    """Return 1 / the rank of the first right document, 0 when it is not among the first `k`.

    Its mean over questions is the MRR of TREC-8's question answering track (Voorhees, 1999).
    """
    ranks = (rank for rank, document in enumerate(ranking[:k], start=1) if document in relevance)
    rank = next(ranks, None)
    return 1 / rank if rank else 0.0


def hit(ranking: Sequence[str], relevance: Mapping[str, int], k: int) -> float:
    """Return 1 when a right document is among the first `k`, else 0."""
    return float(not relevance.keys().isdisjoint(ranking[:k]))


def contains_answer(text: str, answers: Iterable[str]) -> bool:
    """Tell whether the words of one of the answers stand in the text, next to each other.

    Both are normalised as by SQuAD's evaluation (Rajpurkar et al., 2016: case, punctuation,
    articles), and without accents.
    """
    for answer in answers:
        articles = not normalise_words(answer)  # an answer of nothing but articles keeps them
        words = normalise_words(answer, articles=articles)
        if f" {words} " in f" {normalise_words(text, articles=articles)} ":
            return True
    return False


def normalise_words(text: str, *, articles: bool = False) -> str:
    """Return lower-case words without accents and punctuation; `articles` keeps those."""
    folded = unicodedata.normalize("NFKD", text).casefold()
    decomposed = unicodedata.normalize("NFKD", folded)
    plain = "".join(character for character in decomposed if not unicodedata.combining(character))
    words = re.findall(r"[^\W_]+", plain)
    return " ".join(word for word in words if articles or word not in _ARTICLES)


def _sum_discounted_gains(grades: Iterable[int]) -> float:
    return sum(grade / math.log2(rank + 1) for rank, grade in enumerate(grades, start=1))
