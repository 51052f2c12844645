"""Answers without a language model, by quoting the sentences that say it."""

import heapq
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.schema import NodeWithScore

from engines.documents.figures import asks_for_figure, find_figures
from engines.documents.names_in_questions import find_capitalized_names
from engines.documents.sentences import Sentence, find_quotable_sentences
from engines.model_errors import model_errors
from engines.passage_text import text_below_headings
from engines.vectors import normalize_vectors
from stores.text.text_language import detect_question_language
from stores.text.words import stem_words

_PASSAGES = 6
_QUOTES = 3
# Chosen on one half of SQuAD's and PIAF's questions; the other half agrees, and is flat around.
_WORDS, _WORDS_BEFORE, _PASSAGE, _FIGURE = 0.3, 0.15, 0.35, 0.15
_WORTH_QUOTING = 0.5  # of the best quote's score


@dataclass(frozen=True)
class _Rule:
    """The weights and limits by which sentences are chosen and judged.

    Embedding takes most of the time: the `embedded` sentences that words and passages put first
    hold as many answers as all of them. `cosine` is its weight in a sentence's score. Cosine and
    `coverage` times the words of the passage, less `missing_name` where no passage holds a name of
    the question, must reach `support`.
    """

    embedded: int
    cosine: float
    coverage: float
    missing_name: float
    support: float


# Refuses 1 % of answerable questions in English and 3 % in French, and of questions about something
# else in the same language 79 % and 47 %: an English model finds any two French sentences alike.
_BY_WORDS = _Rule(embedded=12, cosine=0.3, coverage=0.5, missing_name=0.1, support=0.58)
# Where no sentence has a share `_FEW_WORDS` of the question's words, as with one question of
# SQuAD's in 17 and most paraphrases.
_BY_MEANING = _Rule(embedded=24, cosine=1.0, coverage=0.0, missing_name=0.0, support=0.43)
_FEW_WORDS = 0.3
_BEGINNING = 5  # letters


@dataclass(frozen=True)
class Quote:
    """A sentence of a passage; `support` says how well the two go with the question."""

    text: str
    passage: NodeWithScore
    score: float
    support: float


def find_quotes(
    text: str,
    passages: Sequence[NodeWithScore],
    embed_model: BaseEmbedding,
    *,
    adaptive: bool = True,
) -> list[Quote]:
    """Return the sentences that answer best, the best first; none where no passage supports one.

    `adaptive`: as in a search, words that say next to nothing yield to the vectors. Raises
    ModelUnavailable.
    """
    question = _Question(text, passages[:_PASSAGES])
    rule = _BY_MEANING if adaptive and question.shares_few_words else _BY_WORDS
    ranked = _rank_sentences(question, rule, embed_model)
    if not any(quote.support >= rule.support for quote in ranked):
        return []
    worth = ranked[0].score * _WORTH_QUOTING
    return [quote for quote in ranked if quote.score >= worth]


def _rank_sentences(question: "_Question", rule: _Rule, embed_model: BaseEmbedding) -> list[Quote]:
    """Return the best sentences by words and meaning together, the best first."""
    found = heapq.nlargest(rule.embedded, question.score_sentences(), key=lambda scored: scored[0])
    if not found:
        return []
    less = rule.missing_name * question.misses_name
    cosines = _compute_cosines(
        question.text, [sentence.under_heading for _, sentence in found], embed_model
    )
    scored = [
        Quote(
            sentence.text,
            sentence.passage,
            by_words + rule.cosine * cosine,
            cosine + rule.coverage * question.measure_coverage(sentence.passage) - less,
        )
        for (by_words, sentence), cosine in zip(found, cosines, strict=True)
    ]
    return heapq.nlargest(_QUOTES, scored, key=lambda quote: quote.score)


class _Question:
    """A question, and what of its words the passages hold; rare words count more."""

    def __init__(self, text: str, passages: Sequence[NodeWithScore]) -> None:
        self.text = text
        self._language = detect_question_language(text)
        self._asked = self._stem_words(text)
        self._figures = find_figures(text)
        self._passages = passages
        self._names = _cut_to_beginnings(
            self._stem_words(" ".join(find_capitalized_names(text, self._language)))
        )
        self._wants_figure = asks_for_figure(text)
        self._best = max((passage.get_score() for passage in passages), default=0.0) or 1.0
        self._sentences = find_quotable_sentences(passages)
        self._found = [self._stem_words(sentence.under_title) for sentence in self._sentences]
        frequency = Counter(word for found in self._found for word in found & self._asked)
        self._idf = {
            word: math.log(1 + (len(self._found) + 0.5) / (frequency[word] + 0.5))
            for word in self._asked
        }

    @property
    def shares_few_words(self) -> bool:
        return max(map(self._share_of_words, self._found), default=0.0) < _FEW_WORDS

    def score_sentences(self) -> list[tuple[float, Sentence]]:
        """Return every sentence with a score from its words, its place and its passage."""
        return [
            (self._score_by_words(sentence, found), sentence)
            for sentence, found in zip(self._sentences, self._found, strict=True)
        ]

    @property
    def misses_name(self) -> bool:
        if not self._names:
            return False
        held = (_cut_to_beginnings(self._stem_passage(passage)) for passage in self._passages)
        return bool(self._names.difference(*held))

    def measure_coverage(self, passage: NodeWithScore) -> float:
        """Return the share of the question's words that a passage holds, with its headings."""
        return self._share_of_words(self._stem_passage(passage))

    def _stem_passage(self, passage: NodeWithScore) -> set[str]:
        return self._stem_words(text_below_headings(passage))

    def _score_by_words(self, sentence: Sentence, found: set[str]) -> float:
        brings_figure = self._wants_figure and find_figures(sentence.text) - self._figures
        return (
            _WORDS * self._share_of_words(found)
            + _WORDS_BEFORE * self._share_of_words(found | self._stem_words(sentence.before))
            + _PASSAGE * sentence.passage.get_score() / self._best
            + _FIGURE * bool(brings_figure)
        )

    def _share_of_words(self, found: set[str]) -> float:
        total = sum(self._idf.values()) or 1.0
        return sum(idf for word, idf in self._idf.items() if word in found) / total

    def _stem_words(self, text: str) -> set[str]:
        return set(stem_words(text, self._language))


def _cut_to_beginnings(found: set[str]) -> set[str]:
    """Return the first letters, which misspelt and derived names share: Japan's and Japanese."""
    return {word[:_BEGINNING] for word in found}


def _compute_cosines(question: str, texts: list[str], embed_model: BaseEmbedding) -> list[float]:
    """Return how close each text is in meaning to the question."""
    with model_errors("comparing sentences with the question"):
        (asked,) = normalize_vectors([embed_model.get_query_embedding(question)])
        found = normalize_vectors(embed_model.get_text_embedding_batch(texts))
    cosines: list[float] = (found @ asked).tolist()
    return cosines
