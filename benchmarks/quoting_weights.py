"""Judge the weights by which kb quotes beside such as are fitted, on public questions.

    python benchmarks/quoting_weights.py ../shared/data/squad-en ../shared/data/piaf-fr

kb's weights were set by hand: these sets have no headings, lists or mails, so that they cannot give
all of them. But fitted to one half of the documents, weights should do little better in the other.
For ranking that is a softmax over the sentences of a question, towards those that hold its answer;
for refusing a logistic regression, where against each question stands the same one over the
passages that are left when those that answer it are taken from the collection. Quoting is measured
elsewhere.
"""

import argparse
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from functools import partial
from pathlib import Path

import numpy as np
from llama_index.core.schema import NodeWithScore
from llama_index.core.storage.kvstore import SimpleKVStore
from numpy.typing import NDArray

from engines.documents.asked_words import find_stems
from engines.documents.extract import Ranking, Support
from engines.passage_text import text_below_headings
from engines.search.search_run import collect_searches, knows_languages
from kb import KnowledgeBase
from kb.assembly.models import find_sentence_languages
from kb.evaluation.beir import read_beir
from kb.evaluation.corpus import with_corpus
from kb.evaluation.labelled import LabelledSet, Question
from kb.evaluation.measures import contains_answer
from stores.chunks.bm25 import WordCounts
from stores.text.text_language import detect_question_language

Numbers = NDArray[np.float64]
_DEEP = 12  # passages, of which those that answer are taken away
_STEPS, _RATE, _SMALL = 600, 0.05, 1e-3


@dataclass(frozen=True)
class Measured:
    """A question of a half of the documents, with the measures of its sentences and its support.

    `sentences` has a row each, and `holds` tells which have the answer. `support` and `lacking` are
    the measures of the passages with those that answer it and without them; None where no sentence
    is left.
    """

    half: int
    sentences: Numbers
    holds: NDArray[np.bool_]
    shipped: Numbers  # what kb's own weights make of the sentences
    support: Numbers
    lacking: Numbers | None


def count_without(
    store_counts: Callable[[Collection[str]], WordCounts | None],
    language: str,
    gone: Sequence[NodeWithScore],
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


def measure_questions(
    knowledge_base: KnowledgeBase, labelled: LabelledSet, limit: int
) -> Iterator[Measured]:
    """Ask the answerable questions, each with its passages and without those that answer it."""
    model = knowledge_base.components.sentence_model
    known = find_sentence_languages(knowledge_base.config.embedding)
    model = model.model_copy(update={"embeddings_cache": SimpleKVStore()})
    counts = knowledge_base.vector_store.count_chunks_with
    for question in labelled.sample_questions(limit):
        if not question.is_answerable:
            continue
        with collect_searches() as made:
            found = knowledge_base.search(question.text, _DEEP)
        answers = [each for each in found if each.metadata.get("path") in question.relevant]
        others = [each for each in found if each.metadata.get("path") not in question.relevant]

        language = detect_question_language(question.text)
        adaptive = knows_languages(known, {made[-1].query.language})
        rank = partial(Ranking, question.text, embed_model=model, adaptive=adaptive)
        count_words = partial(count_without, counts, language)
        ranking = rank(passages=found, count_words=partial(count_words, []))
        lacking = rank(passages=others, count_words=partial(count_words, answers))
        if ranking.sentences:
            yield measure_question(question, ranking, lacking)


def measure_question(question: Question, ranking: Ranking, lacking: Ranking) -> Measured:
    """Measure the sentences that were embedded, and the support with and without an answer."""
    places = list(ranking.cosines)
    cosines = np.array(list(ranking.cosines.values()))
    holds = [
        contains_answer(ranking.sentences[place].text, question.answers)
        and ranking.sentences[place].passage.metadata.get("path") in question.relevant
        for place in places
    ]
    scores = {place: score for score, place in ranking.ranked}
    return Measured(
        half=zlib.crc32(min(question.relevant).encode()) % 2,
        sentences=np.column_stack([ranking.measures[places], cosines]),
        holds=np.array(holds),
        shipped=np.array([scores[place] for place in places]),
        support=np.array(astuple(ranking.measure_support()), dtype=np.float64),
        lacking=np.array(astuple(lacking.measure_support()), dtype=np.float64)
        if lacking.sentences
        else None,
    )


def fit_ranking(questions: Sequence[Measured]) -> Numbers:
    """Fit weights by which a sentence that holds the answer is likely to be the first."""
    known = [(each.sentences, each.holds) for each in questions if each.holds.any()]
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


def judge_ranking(questions: Sequence[Measured]) -> tuple[float, float]:
    """Return for which part a sentence with the answer is first: by kb, and by a fit elsewhere."""
    fitted = [fit_ranking([each for each in questions if each.half != half]) for half in (0, 1)]
    by_kb = [each.holds[each.shipped.argmax()] for each in questions]
    by_fit = [each.holds[(each.sentences @ fitted[each.half]).argmax()] for each in questions]
    return float(np.mean(by_kb)), float(np.mean(by_fit))


def fit_support_of(questions: Sequence[Measured]) -> Numbers:
    """Fit the weights by which there is an answer."""
    lacking = [each.lacking for each in questions if each.lacking is not None]
    rows = np.array([*(each.support for each in questions), *lacking])
    return fit_support(rows, np.arange(len(rows)) < len(questions))[0]


def print_refused(questions: Sequence[Measured]) -> None:
    """Print what kb refuses, and what weights do that were fitted to the other documents."""
    lacking = [each for each in questions if each.lacking is not None]
    refused = np.mean([not Support(*each.support).answers() for each in questions])
    refused_without = np.mean([not Support(*each.lacking).answers() for each in lacking])
    print(f"   kb refuses {refused:.1%}, and {refused_without:.0%} of those without an answer")
    fitted = [fit_support_of([each for each in questions if each.half != half]) for half in (0, 1)]
    answered = np.array([each.support @ fitted[each.half] for each in questions])
    without = np.array([each.lacking @ fitted[each.half] for each in lacking])
    for share in (refused, 0.01, 0.02, 0.03, 0.05):
        least = np.quantile(answered, share)
        print(f"   a fit that refuses {share:.1%} does {(without < least).mean():.0%} of those")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="+", type=Path)
    parser.add_argument("--config", type=Path, help="of a knowledge base, for its models")
    parser.add_argument("--limit", type=int, default=400)
    told = parser.parse_args()
    together: list[Measured] = []
    with KnowledgeBase.open(told.config) as knowledge_base:
        for directory in told.sets:
            labelled = read_beir(directory)
            asked = with_corpus(knowledge_base, labelled, fresh=False, on_progress=lambda *_: None)
            questions = list(measure_questions(asked, labelled, told.limit))
            by_kb, by_fit = judge_ranking(questions)
            print(f"{directory.name}, {len(questions)} questions")
            print(f"   a sentence with the answer is first for {by_kb:.3f}; by a fit {by_fit:.3f}")
            print_refused(questions)
            together += questions
    names = [field.name for field in fields(Support)]
    weights = fit_support_of(together).round(2).tolist()
    print(
        "support:",
        ", ".join(f"{name} {weight}" for name, weight in zip(names, weights, strict=True)),
    )
    print_refused(together)


if __name__ == "__main__":
    main()
