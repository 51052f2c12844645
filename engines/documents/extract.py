"""An answer without a language model: the sentences that say it, quoted."""

import heapq
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.schema import NodeWithScore

from engines.documents.figures import asks_for_figure, figures
from engines.documents.names_in_questions import names
from engines.documents.sentences import Sentence, quotable
from engines.passage_text import text_below_headings
from engines.search.query_analysis import query_language
from stores.text.words import words

_PASSAGES = 6
_QUOTES = 3
# Chosen on one half of SQuAD's and PIAF's questions; the other half agrees, and is flat around.
_WORDS, _WORDS_BEFORE, _PASSAGE, _FIGURE = 0.3, 0.15, 0.35, 0.15
_WORTH_QUOTING = 0.5  # of the best quote's score


@dataclass(frozen=True)
class _Rule:
    """How sentences are chosen and judged.

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


def quotes(
    text: str,
    passages: Sequence[NodeWithScore],
    embed_model: BaseEmbedding,
    *,
    yielding: bool = True,
) -> list[Quote]:
    """The sentences that best answer, the best first; none when the passages do not support it.

    `yielding`: as in a search, words that say next to nothing yield to the vectors.
    """
    question = _Question(text, passages[:_PASSAGES])
    rule = _BY_MEANING if yielding and question.shares_few_words else _BY_WORDS
    ranked = _ranked(question, rule, embed_model)
    if not any(quote.support >= rule.support for quote in ranked):
        return []
    worth = ranked[0].score * _WORTH_QUOTING
    return [quote for quote in ranked if quote.score >= worth]


def _ranked(question: "_Question", rule: _Rule, embed_model: BaseEmbedding) -> list[Quote]:
    found = heapq.nlargest(rule.embedded, question.by_words(), key=lambda scored: scored[0])
    if not found:
        return []
    less = rule.missing_name * question.misses_name
    cosines = _cosines(question.text, [each.under_heading for _, each in found], embed_model)
    scored = [
        Quote(
            sentence.text,
            sentence.passage,
            by_words + rule.cosine * cosine,
            cosine + rule.coverage * question.coverage(sentence.passage) - less,
        )
        for (by_words, sentence), cosine in zip(found, cosines, strict=True)
    ]
    return heapq.nlargest(_QUOTES, scored, key=lambda quote: quote.score)


class _Question:
    """A question, and what of its words the passages hold; rare words count more."""

    def __init__(self, text: str, passages: Sequence[NodeWithScore]) -> None:
        self.text = text
        self._language = query_language(text)
        self._asked = self._stems(text)
        self._figures = figures(text)
        self._passages = passages
        self._names = _beginnings(self._stems(" ".join(names(text, self._language))))
        self._wants_figure = asks_for_figure(text)
        self._best = max((passage.get_score() for passage in passages), default=0.0) or 1.0
        self._sentences = quotable(passages)
        self._found = [self._stems(sentence.under_title) for sentence in self._sentences]
        self._idf = _idf(self._asked, self._found)

    @property
    def shares_few_words(self) -> bool:
        return max(map(self._share, self._found), default=0.0) < _FEW_WORDS

    def by_words(self) -> list[tuple[float, Sentence]]:
        """Every sentence with what its words, its place and its passage say for it."""
        return [
            (self._score(sentence, found), sentence)
            for sentence, found in zip(self._sentences, self._found, strict=True)
        ]

    @property
    def misses_name(self) -> bool:
        if not self._names:
            return False
        held = (_beginnings(self._stems_of(passage)) for passage in self._passages)
        return bool(self._names.difference(*held))

    def coverage(self, passage: NodeWithScore) -> float:
        return self._share(self._stems_of(passage))

    def _stems_of(self, passage: NodeWithScore) -> set[str]:
        return self._stems(text_below_headings(passage))

    def _score(self, sentence: Sentence, found: set[str]) -> float:
        return (
            _WORDS * self._share(found)
            + _WORDS_BEFORE * self._share(found | self._stems(sentence.before))
            + _PASSAGE * sentence.passage.get_score() / self._best
            + _FIGURE * self._brings_figure(sentence.text)
        )

    def _brings_figure(self, text: str) -> bool:
        return self._wants_figure and bool(figures(text) - self._figures)

    def _share(self, found: set[str]) -> float:
        total = sum(self._idf.values()) or 1.0
        return sum(idf for word, idf in self._idf.items() if word in found) / total

    def _stems(self, text: str) -> set[str]:
        return set(words(text, self._language))


def _beginnings(found: set[str]) -> set[str]:
    """Of misspelt and derived names alike: Mitterand, Japan's and Japanese."""
    return {word[:_BEGINNING] for word in found}


def _idf(asked: set[str], texts: Sequence[set[str]]) -> dict[str, float]:
    frequency = Counter(word for text in texts for word in text & asked)
    return {word: math.log(1 + (len(texts) + 0.5) / (frequency[word] + 0.5)) for word in asked}


def _cosines(question: str, texts: list[str], embed_model: BaseEmbedding) -> list[float]:
    asked = np.asarray(embed_model.get_query_embedding(question))
    found = np.asarray(embed_model.get_text_embedding_batch(texts))
    lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(asked)
    cosines: list[float] = (found @ asked / np.maximum(lengths, 1e-12)).tolist()
    return cosines
