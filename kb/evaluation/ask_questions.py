"""Asking labelled questions of the real engine: a ranking, an extract and a time for each."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.schema import NodeWithScore
from llama_index.core.storage.kvstore import SimpleKVStore

from engines.documents.extract import find_quotes
from engines.elapsed import milliseconds_since
from engines.model_errors import model_errors
from engines.search.search_run import collect_searches, knows_languages
from kb.app import KnowledgeBase
from kb.assembly.models import find_sentence_languages
from kb.evaluation.labelled import OnProgress, Question
from kb.evaluation.measures import contains_answer, hit, ndcg, recall, reciprocal_rank
from stores.text.translations import Message

_HIT_DEPTH = 5

Scores = dict[str, dict[str, float]]
"""By question: measures of its ranking, `ms` of its search, and of its extract `refused` and,
for a question with known words, `answer@1` and `answer@3`."""


@dataclass(frozen=True)
class QuestionAsker:
    """What asks a knowledge base and scores it; rankings are judged to the depth `k`.

    Extracts are made with `sentence_model`, which remembers: sentences come back with many
    questions, and no extract is timed.
    """

    knowledge_base: KnowledgeBase
    sentence_model: BaseEmbedding
    k: int
    answers: bool
    on_progress: OnProgress

    def score_questions(self, questions: Sequence[Question], profile: str) -> Scores:
        """Score each question under one profile, one search after the other."""
        # The first search pays for connections and models.
        self._search_passages(questions[0], profile)
        scores = {}
        for done, question in enumerate(questions):
            self.on_progress(
                Message("Asking with {profile}", profile=profile), done, len(questions)
            )
            scores[question.id] = self._score_question(question, profile)
        return scores

    def _score_question(self, question: Question, profile: str) -> dict[str, float]:
        since = time.perf_counter()
        with collect_searches() as search_runs:
            passages = self._search_passages(question, profile)
        scores = {"ms": milliseconds_since(since, decimals=3)}
        if question.is_answerable:
            paths = (str(passage.metadata.get("path")) for passage in passages)
            documents = list(dict.fromkeys(paths))  # ranked by their first passages
            scores |= _score_ranking(documents, question.relevant, self.k)
        if self.answers:
            language = search_runs[-1].query.language
            scores |= self._score_extract(question, passages, language)
        return scores

    def _search_passages(self, question: Question, profile: str) -> list[NodeWithScore]:
        """Search as many passages as the deepest measure looks at."""
        deepest = max(self.k, _HIT_DEPTH, self.knowledge_base.config.retrieval.top_k)
        return self.knowledge_base.search(question.text, deepest, profile=profile)

    def _score_extract(
        self, question: Question, passages: Sequence[NodeWithScore], language: str
    ) -> dict[str, float]:
        """Score what is quoted from as many passages as an answer is made of."""
        config = self.knowledge_base.config
        passages = passages[: config.retrieval.top_k]
        known = find_sentence_languages(config.embedding)
        with model_errors("comparing sentences with the question"):
            found = find_quotes(
                question.text,
                passages,
                self.sentence_model,
                adaptive=knows_languages(known, {language}),
                count_words=self.knowledge_base.vector_store.count_chunks_with,
            )
        scores = {"refused": float(not found)}
        if question.answers:
            holds = [contains_answer(quote.text, question.answers) for quote in found[:3]]
            scores |= {"answer@1": float(any(holds[:1])), "answer@3": float(any(holds))}
        return scores


def make_question_asker(
    knowledge_base: KnowledgeBase, k: int, *, answers: bool, on_progress: OnProgress
) -> QuestionAsker:
    """Make what asks questions for measuring; they stay out of the search log."""
    components, config = knowledge_base.components, knowledge_base.config
    retrieval = config.retrieval.model_copy(update={"log": "off"})
    quiet = components.copy_with(config=config.model_copy(update={"retrieval": retrieval}))
    sentence_model = quiet.sentence_model.model_copy(update={"embeddings_cache": SimpleKVStore()})
    return QuestionAsker(KnowledgeBase(quiet), sentence_model, k, answers, on_progress)


def _score_ranking(ranking: Sequence[str], relevant: Mapping[str, int], k: int) -> dict[str, float]:
    return {
        "ndcg": ndcg(ranking, relevant, k),
        "recall": recall(ranking, relevant, k),
        "mrr": reciprocal_rank(ranking, relevant, k),
        "hit@1": hit(ranking, relevant, 1),
        "hit@5": hit(ranking, relevant, _HIT_DEPTH),
    }
