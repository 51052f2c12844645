"""Labelled questions through the real engine: a ranking, an extract and a time for each."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.schema import NodeWithScore
from llama_index.core.storage.kvstore import SimpleKVStore

from engines.documents.extract import quotes
from engines.elapsed import milliseconds_since
from engines.model_errors import model_errors
from engines.search.search_run import searches
from kb.app import KnowledgeBase
from kb.evaluation.corpus import OnProgress
from kb.evaluation.labelled import Question
from kb.evaluation.measures import contains_answer, hit, ndcg, recall, reciprocal_rank

_HIT_DEPTH = 5

Scores = dict[str, dict[str, float]]
"""By question: measures of its ranking, `ms` of its search, and of its extract `refused` and,
for a question with known words, `answer@1` and `answer@3`."""


@dataclass(frozen=True)
class Asking:
    """Asks a knowledge base; rankings are judged to the depth `k`.

    Extracts are made with `sentence_model`, which remembers: sentences come back with many
    questions, and no extract is timed.
    """

    knowledge_base: KnowledgeBase
    sentence_model: BaseEmbedding
    k: int
    answers: bool
    on_progress: OnProgress

    def scores(self, questions: Sequence[Question], profile: str) -> Scores:
        """Each question's scores under one profile, one search after the other."""
        self._search(questions[0], profile)  # the first search pays for connections and models
        scores = {}
        for done, question in enumerate(questions):
            self.on_progress(f"Asking with {profile}", done, len(questions))
            scores[question.id] = self._judged(question, profile)
        return scores

    def _judged(self, question: Question, profile: str) -> dict[str, float]:
        since = time.perf_counter()
        with searches() as made:
            passages = self._search(question, profile)
        judged = {"ms": milliseconds_since(since, decimals=3)}
        if question.is_answerable:
            judged |= _ranking_scores(_documents(passages), question.relevant, self.k)
        if self.answers:
            yielding = made[-1].fusion.yielding
            judged |= self._extract_scores(question, passages, yielding=yielding)
        return judged

    def _search(self, question: Question, profile: str) -> list[NodeWithScore]:
        """As many passages as the deepest measure looks at."""
        deepest = max(self.k, _HIT_DEPTH, self.knowledge_base.config.retrieval.top_k)
        return self.knowledge_base.search(question.text, deepest, profile=profile)

    def _extract_scores(
        self, question: Question, passages: Sequence[NodeWithScore], *, yielding: bool
    ) -> dict[str, float]:
        """Of as many passages as an answer is made of."""
        passages = passages[: self.knowledge_base.config.retrieval.top_k]
        with model_errors("comparing sentences with the question"):
            found = quotes(question.text, passages, self.sentence_model, yielding=yielding)
        scores = {"refused": float(not found)}
        if question.answers:
            holds = [contains_answer(each.text, question.answers) for each in found[:3]]
            scores |= {"answer@1": float(any(holds[:1])), "answer@3": float(any(holds))}
        return scores


def asking(
    knowledge_base: KnowledgeBase, k: int, *, answers: bool, on_progress: OnProgress
) -> Asking:
    """What is asked for measuring stays out of the search log."""
    components, config = knowledge_base.components, knowledge_base.config
    retrieval = config.retrieval.model_copy(update={"log": "off"})
    quiet = components.copy_with(config=config.model_copy(update={"retrieval": retrieval}))
    sentence_model = quiet.embed_model.model_copy(update={"embeddings_cache": SimpleKVStore()})
    return Asking(KnowledgeBase(quiet), sentence_model, k, answers, on_progress)


def _documents(passages: Sequence[NodeWithScore]) -> list[str]:
    """Documents by their first passages."""
    return list(dict.fromkeys(str(passage.metadata.get("path")) for passage in passages))


def _ranking_scores(
    ranking: Sequence[str], relevant: Mapping[str, int], k: int
) -> dict[str, float]:
    return {
        "ndcg": ndcg(ranking, relevant, k),
        "recall": recall(ranking, relevant, k),
        "mrr": reciprocal_rank(ranking, relevant, k),
        "hit@1": hit(ranking, relevant, 1),
        "hit@5": hit(ranking, relevant, _HIT_DEPTH),
    }
