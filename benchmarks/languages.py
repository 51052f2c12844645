"""Measure questions in several languages about the same passages, each kind of question by itself.

    python benchmarks/handbook/make_corpora.py handbook
    python benchmarks/languages.py --half test

The sets lie in `benchmarks/handbook`. A question of the kind `words` has words of its passage, one
of `meaning` shares none with it, and `none` has no passage. Right is a quote of the right passage
that holds the known words; named is the right passage among the three that an answer without a
quote names as the nearest. Shown are shares of each kind.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from kb import KnowledgeBase
from kb.evaluation.ask_questions import QuestionAsker, make_question_asker
from kb.evaluation.beir import read_beir
from kb.evaluation.corpus import with_corpus
from kb.evaluation.labelled import Question

_SETS = Path(__file__).parent / "handbook"
_COLUMNS = ("hit@5", "ndcg", "answer@1", "answer@3", "refused", "named")

_BELOW_THIRD = 0.3  # reciprocal ranks of the first three passages are above it


def ask_questions(
    knowledge_base: KnowledgeBase, half: str, languages: Sequence[str]
) -> Iterator[tuple[str, QuestionAsker, Sequence[Question]]]:
    """Yield each language with what asks its half of the questions, and these."""
    for folder in sorted(_SETS.glob(f"*-{half}")):
        language = folder.name.removesuffix(f"-{half}")
        if languages and language not in languages:
            continue
        labelled = read_beir(folder)
        asked = with_corpus(knowledge_base, labelled, fresh=False, on_progress=lambda *_: None)
        asker = make_question_asker(asked, 10, answers=True, on_progress=lambda *_: None)
        yield language, asker, labelled.questions


def print_figures(language: str, scores: dict[str, dict[str, float]]) -> None:
    """Print the means of each kind of question; its id names the kind."""
    kinds: dict[str, list[dict[str, float]]] = defaultdict(list)
    for name, measured in scores.items():
        if "mrr" in measured:
            measured["named"] = measured["refused"] * (measured["mrr"] > _BELOW_THIRD)
        kinds[name.split("-")[1]].append(measured)
    for kind, rows in kinds.items():
        known = {name: [row[name] for row in rows if name in row] for name in _COLUMNS}
        means = (f"{np.mean(known[name]):9.3f}" if known[name] else " " * 9 for name in _COLUMNS)
        print(f"{language:4}{kind:8}{len(rows):4}", *means)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, help="of a knowledge base, for its models")
    parser.add_argument("--half", choices=("dev", "test"), default="dev")
    parser.add_argument("--language", action="append", default=[])
    told = parser.parse_args()
    with KnowledgeBase.open(told.config) as knowledge_base:
        print("language, kind, questions", *_COLUMNS)
        every: dict[str, dict[str, float]] = {}
        for language, asker, questions in ask_questions(knowledge_base, told.half, told.language):
            profile = knowledge_base.config.retrieval.profile
            scores = asker.score_questions(questions, profile)
            print_figures(language, scores)
            every |= scores
        print_figures("all", every)


if __name__ == "__main__":
    main()
