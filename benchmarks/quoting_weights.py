"""Find the weights by which kb quotes, from public questions with and without an answer.

    python benchmarks/quoting_weights.py ../shared/data/squad-en ../shared/data/piaf-fr

Sentences are ranked by a softmax over those of a question, towards those that hold its answer.
Whether there is an answer says a logistic regression: against each question stands the same one
over the passages that are left when those that answer it are taken from the collection. The sets
are read for weights alone; what quoting is worth is measured elsewhere.
"""

import argparse
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import astuple
from functools import partial
from pathlib import Path

import numpy as np
from llama_index.core.schema import NodeWithScore
from numpy.typing import NDArray

from engines.documents.asked_words import find_stems
from engines.documents.extract import Ranking
from engines.passage_text import text_below_headings
from engines.search.search_run import collect_searches
from kb import KnowledgeBase
from kb.evaluation.beir import read_beir
from kb.evaluation.corpus import with_corpus
from kb.evaluation.labelled import LabelledSet, Question
from kb.evaluation.measures import contains_answer
from stores.chunks.bm25 import WordCounts
from stores.text.text_language import detect_question_language

Numbers = NDArray[np.float64]
_DEEP = 12  # passages, of which those that answer are taken away
_STEPS, _RATE, _SMALL = 600, 0.05, 1e-3


class Collected:
    """The measures of sentences, one array a question, and of support, one row a question."""

    def __init__(self) -> None:
        self.sentences: list[tuple[Numbers, NDArray[np.bool_]]] = []
        self.support: list[tuple[float, ...]] = []
        self.has_answer: list[bool] = []


def count_without(
    store_counts: Callable[[Collection[str]], WordCounts | None],
    gone: Sequence[NodeWithScore],
    language: str,
    words: Collection[str],
) -> WordCounts | None:
    """Count words as if some passages were not in the collection."""
    counts = store_counts(words)
    if counts is None:
        return None
    held = Counter(
        word
        for passage in gone
        for word in words
        if find_stems(word, language) & find_stems(text_below_headings(passage), language)
    )
    left = {word: max(count - held[word], 0) for word, count in counts.of_word.items()}
    return WordCounts(counts.chunks - len(gone), left)


def collect(knowledge_base: KnowledgeBase, labelled: LabelledSet, limit: int) -> Collected:
    """Ask the answerable questions, each with its passages and without those that answer it."""
    collected = Collected()
    for question in labelled.sample_questions(limit):
        if not question.is_answerable:
            continue
        with collect_searches() as made:
            found = knowledge_base.search(question.text, _DEEP)
        answers = [each for each in found if each.metadata.get("path") in question.relevant]
        others = [each for each in found if each.metadata.get("path") not in question.relevant]
        for passages, gone in ((found, []), (others, answers)):
            count_words = partial(
                count_without,
                knowledge_base.vector_store.count_chunks_with,
                gone,
                detect_question_language(question.text),
            )
            ranking = Ranking(
                question.text,
                passages,
                knowledge_base.components.embed_model,
                adaptive=made[-1].fusion.adaptive,
                count_words=count_words,
            )
            if not ranking.sentences:
                continue
            collected.support.append(tuple(map(float, astuple(ranking.measure_support()))))
            collected.has_answer.append(passages is found)
            if passages is found:
                collected.sentences.append(measure_sentences(ranking, question))
    return collected


def measure_sentences(ranking: Ranking, question: Question) -> tuple[Numbers, NDArray[np.bool_]]:
    """Return the measures of the sentences that were embedded, and which hold the answer."""
    places = list(ranking.cosines)
    cosines = np.array(list(ranking.cosines.values()))
    holds = [
        contains_answer(ranking.sentences[place].text, question.answers)
        and ranking.sentences[place].passage.metadata.get("path") in question.relevant
        for place in places
    ]
    return np.column_stack([ranking.measures[places], cosines]), np.array(holds)


def fit_ranking(questions: Sequence[tuple[Numbers, NDArray[np.bool_]]]) -> Numbers:
    """Fit weights by which a sentence that holds the answer is likely to be the first."""
    known = [(rows, holds) for rows, holds in questions if holds.any()]
    weights = np.zeros(known[0][0].shape[1])
    scale = np.vstack([rows for rows, _ in known]).std(axis=0) + _SMALL
    for _ in range(_STEPS):
        gradient = np.zeros_like(weights)
        for rows, holds in known:
            scaled = rows / scale
            likely = np.exp(scaled @ weights - (scaled @ weights).max())
            wanted = likely * holds
            gradient += scaled.T @ (likely / likely.sum() - wanted / wanted.sum())
        weights -= _RATE * 10 * (gradient / len(known) + _SMALL * weights)
    fitted: Numbers = weights / scale
    return fitted


def fit_support(rows: Numbers, has_answer: NDArray[np.bool_]) -> tuple[Numbers, float]:
    """Fit a logistic regression by Newton's method; return its weights and intercept."""
    ones = np.column_stack([rows, np.ones(len(rows))])
    weights = np.zeros(ones.shape[1])
    for _ in range(30):
        likely = 1 / (1 + np.exp(-ones @ weights))
        gradient = ones.T @ (likely - has_answer) + _SMALL * weights
        curvature = (ones * (likely * (1 - likely))[:, None]).T @ ones
        weights -= np.linalg.solve(curvature + _SMALL * np.eye(len(weights)), gradient)
    return weights[:-1], float(weights[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="+", type=Path)
    parser.add_argument("--config", type=Path, help="of a knowledge base, for its models")
    parser.add_argument("--limit", type=int, default=1700)
    told = parser.parse_args()
    together = Collected()
    with KnowledgeBase.open(told.config) as knowledge_base:
        for directory in told.sets:
            labelled = read_beir(directory)
            asked = with_corpus(knowledge_base, labelled, fresh=False, on_progress=lambda *_: None)
            collected = collect(asked, labelled, told.limit)
            weights = fit_ranking(collected.sentences)
            print(f"{directory.name}: own, before, above, passage, figure, repeated, meaning")
            print("  ", (weights / weights[0] * 0.8).round(2).tolist())
            together.support += collected.support
            together.has_answer += collected.has_answer
    rows, has_answer = np.array(together.support), np.array(together.has_answer)
    weights, _ = fit_support(rows, has_answer)
    print("support: words, meaning, passage, misses_name", weights.round(2).tolist())
    scores = rows @ weights
    for share in (0.02, 0.03, 0.05):
        least = np.quantile(scores[has_answer], share)
        refused = (scores[~has_answer] < least).mean()
        print(f"   refuses {share:.0%} below {least:.2f}, and {refused:.0%} of those without")


if __name__ == "__main__":
    main()
