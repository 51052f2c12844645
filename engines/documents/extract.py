"""Answers without a language model, by quoting what says it.

Sentences are ranked by a weighted sum: which part of the question they hold themselves, together
with the sentence before them, and below their headings; how well the search liked their passage;
whether they bring the figure that is asked for; how near they are to the question in meaning. The
best are extended by their neighbours, and ranked again by the meaning of that together. Whether
they answer at all says another weighted sum, over measures of the same evidence. The weights were
set by hand, near what was fitted to questions of SQuAD and PIAF; `benchmarks/quoting_weights.py`
makes such fits, and tells what they find more.
"""

import heapq
import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.schema import NodeWithScore

from engines.documents.asked_words import AskedWords, CountWords
from engines.documents.excerpts import extend_sentence, write_excerpt
from engines.documents.figures import asks_for_figure, find_figures
from engines.documents.sentences import Sentence, find_quotable_sentences
from engines.model_errors import model_errors
from engines.passage_text import text_below_headings
from engines.vectors import Vector, Vectors, normalize_vectors

PASSAGES: Final = 6
_QUOTES: Final = 4
_WORTH_QUOTING: Final = 0.75  # of the best quote's score
# Embedding takes most of the time: the sentences that words and passages put first hold as many
# answers as all of them, and more are looked at where none has much of the question.
_EMBEDDED, _EMBEDDED_FOR_MEANING, _FEW_WORDS = 12, 24, 0.3
_EXTENDED: Final = 8  # of those, the best
# Each sentence below its heading is told less of by it: the words of a heading count for the first
# one whole, for the fourth half.
_HALF_BELOW: Final = 3
# Of Ranking.measures, in their order.
_WORDS: Final = np.array([0.8, 0.45, 0.65, 0.65, 0.2, -0.3, 0.5])
_ANSWERS: Final = 4.5
_MEANING, _MEANING_OF_UNKNOWN_LANGUAGE = 0.7, 0.2


@dataclass(frozen=True)
class Quote:
    """What is quoted of a passage."""

    text: str
    passage: NodeWithScore
    score: float


@dataclass(frozen=True)
class Support:
    """How well passages and a question go together, judged by the sentence that ranks first.

    `words` is the part of the question that the best sentence holds, `passage` that its passage
    does, `meaning` the cosine of the sentence that is nearest to the question, `length` the
    logarithm of the number of words that were asked for: of a long question few hold a large part.
    """

    words: float
    meaning: float
    passage: float
    misses_name: bool
    length: float

    def answers(self) -> bool:
        """Tell whether there is enough to quote anything."""
        evidence = 2.6 * self.words + 2.35 * self.passage + 4.1 * self.meaning
        return evidence - 1.35 * self.misses_name + 0.75 * self.length >= _ANSWERS


def find_quotes(
    text: str,
    passages: Sequence[NodeWithScore],
    embed_model: BaseEmbedding,
    *,
    adaptive: bool = True,
    count_words: CountWords | None = None,
) -> list[Quote]:
    """Return what answers best, the best first; nothing where no passage supports it.

    `adaptive`: the embedding model knows the languages that were searched in. `count_words` counts
    in the collection. Raises ModelUnavailable.
    """
    ranking = Ranking(text, passages, embed_model, adaptive=adaptive, count_words=count_words)
    if ranking.sentences and ranking.measure_support().answers():
        return list(ranking.choose_quotes())
    return []


class Ranking:
    """The sentences of the best passages, ranked by how well they answer a question."""

    def __init__(
        self,
        text: str,
        passages: Sequence[NodeWithScore],
        embed_model: BaseEmbedding,
        *,
        adaptive: bool = True,
        count_words: CountWords | None = None,
    ) -> None:
        self._text = text
        self._passages = passages[:PASSAGES]
        self._embed_model = embed_model
        self._adaptive = adaptive
        self.sentences = find_quotable_sentences(self._passages)
        texts = [sentence.under_title for sentence in self.sentences]
        self._asked = AskedWords(text, texts, count_words)

    @cached_property
    def _first_places(self) -> dict[tuple[str, str], int]:
        """The places of the sentences that stand first below each heading of each passage."""
        first: dict[tuple[str, str], int] = {}
        for each in self.sentences:
            if each.place is not None:
                above = (each.passage.node_id, each.heading)
                first[above] = min(each.place, first.get(above, each.place))
        return first

    @cached_property
    def measures(self) -> Vectors:
        """What the words of each sentence say for it, a row each.

        The parts of the question that it holds, that the sentence before it and the headings
        above add, its passage's score as a part of the best one's, whether it brings a figure that
        is asked for, whether a mail only repeats it, and how much of the question names its lead.
        """
        best = max((passage.get_score() for passage in self._passages), default=0.0) or 1.0
        language = self._asked.language
        asks = asks_for_figure(self._text, language)
        figures = find_figures(self._text, language) if asks else None
        rows = [self._measure_sentence(each, best, figures) for each in self.sentences]
        return np.array(rows, dtype=np.float64).reshape(len(rows), len(_WORDS))

    def _measure_sentence(
        self, sentence: Sentence, best: float, figures: set[str] | None
    ) -> tuple[float, ...]:
        stems = self._asked.find_stems(sentence.text)
        own = self._asked.share(stems)
        stems |= self._asked.find_stems(sentence.before)
        around = self._asked.share(stems)
        stems |= self._asked.find_stems(sentence.heading)
        below = self._asked.share(stems)
        above = self._asked.share(stems | self._asked.find_stems(sentence.under_title)) - below
        first = self._first_places.get((sentence.passage.node_id, sentence.heading), 0)
        distance = 0 if sentence.place is None else sentence.place - first
        above += (below - around) / (1 + distance / _HALF_BELOW)
        brings_figure = figures is not None and bool(
            find_figures(sentence.text, self._asked.language) - figures
        )
        score = sentence.passage.get_score() / best
        lead = self._asked.find_stems(sentence.lead)
        named = self._asked.share(lead) / math.sqrt(len(lead) or 1)  # a long lead names little
        return own, around - own, above, score, brings_figure, sentence.is_repeated, named

    @cached_property
    def _by_words(self) -> list[float]:
        scores: list[float] = (self.measures @ _WORDS).tolist()
        return scores

    @cached_property
    def cosines(self) -> dict[int, float]:
        """How near the sentences that words put first are to the question, by their places."""
        says_little = self.measures[:, 0].max(initial=0.0) < _FEW_WORDS
        few = _EMBEDDED_FOR_MEANING if says_little and self._adaptive else _EMBEDDED
        places = heapq.nlargest(few, range(len(self.sentences)), key=self._by_words.__getitem__)
        near = self._find_cosines([self.sentences[place].under_heading for place in places])
        return dict(zip(places, near, strict=True))

    def _find_cosines(self, texts: list[str]) -> list[float]:
        with model_errors("comparing sentences with the question"):
            found = normalize_vectors(self._embed_model.get_text_embedding_batch(texts))
        cosines: list[float] = (found @ self._vector).tolist()
        return cosines

    @cached_property
    def _vector(self) -> Vector:
        with model_errors("embedding the question"):
            found = self._embed_model.get_query_embedding(self._text)
        vector: Vector = normalize_vectors([found])[0]
        return vector

    @cached_property
    def ranked(self) -> list[tuple[float, int]]:
        """The scores of the sentences, with their places, the best first."""
        scored = (
            (self._by_words[place] + self._meaning * cosine, place)
            for place, cosine in self.cosines.items()
        )
        return sorted(scored, key=lambda each: (-each[0], each[1]))

    @property
    def _meaning(self) -> float:
        return _MEANING if self._adaptive else _MEANING_OF_UNKNOWN_LANGUAGE

    def measure_support(self) -> Support:
        """Measure how well the passages support an answer."""
        held = frozenset[str]().union(
            *(self._asked.find_stems(text_below_headings(passage)) for passage in self._passages)
        )
        place = self.ranked[0][1]
        best = self.sentences[place]
        return Support(
            words=float(self.measures[place, 0]),
            meaning=max(self.cosines.values()),
            passage=self._asked.share(self._asked.find_stems(text_below_headings(best.passage))),
            misses_name=self._asked.misses_name(held),
            length=math.log1p(self._asked.count),
        )

    def choose_quotes(self) -> Iterator[Quote]:
        """Yield what to quote, the best first, each sentence once."""
        ranked = self._rank_excerpts()
        quoted: list[Sentence] = []
        quotes = 0
        for score, place in ranked:
            if quotes == _QUOTES or score < ranked[0][0] * _WORTH_QUOTING:
                return
            if self.sentences[place] not in quoted:
                excerpt = self._extend(place, without=quoted)
                quoted += excerpt
                quotes += 1
                yield Quote(write_excerpt(excerpt), excerpt[0].passage, score)

    def _rank_excerpts(self) -> list[tuple[float, int]]:
        """Rank the best sentences again, by the meaning of what would be quoted with them too."""
        best = self.ranked[:_EXTENDED]
        texts = [
            f"{self.sentences[place].heading} {write_excerpt(self._extend(place))}".strip()
            for _, place in best
        ]
        scored = (
            (score + self._meaning * cosine, place)
            for (score, place), cosine in zip(best, self._find_cosines(texts), strict=True)
        )
        return sorted(scored, key=lambda each: (-each[0], each[1]))

    def _extend(self, place: int, without: Collection[Sentence] = ()) -> list[Sentence]:
        free = [sentence for sentence in self.sentences if sentence not in without]
        return extend_sentence(self.sentences[place], free, self._scores_by_text)

    @cached_property
    def _scores_by_text(self) -> dict[str, float]:
        return {
            sentence.text: score
            for sentence, score in zip(self.sentences, self._by_words, strict=True)
        }
