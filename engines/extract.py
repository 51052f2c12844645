"""An answer without a language model: the sentences that say it, quoted."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.node_parser.text.utils import split_by_sentence_tokenizer
from llama_index.core.schema import MetadataMode, NodeWithScore

from engines.language import question_language
from stores.words import words

_PASSAGES = 5
_QUOTES = 3
# Sentences scored by .25 cosine + .40 words + .35 passage: three quotes hold the answer for .89 of
# SQuAD's and .70 of PIAF's questions.
_COSINE, _WORDS, _PASSAGE = 0.25, 0.40, 0.35
_WORTH_QUOTING = 0.6  # of the best quote's score
_LONGEST = 500
# Below both, the passages are about something else.
_SUPPORTING_COSINE = 0.45
_SUPPORTING_COVERAGE = 0.5

_BLOCKS = re.compile(r"\n\s*\n|\n(?=\s*(?:[-*+]|\d+[.)]|\||#|>)\s?)")
_MARKUP = re.compile(r"^\s*(?:[-*+>]|\d+[.)]|#{1,6})\s+|\*\*|__|`|^\s*\||\|\s*$", re.MULTILINE)
_sentences_of = split_by_sentence_tokenizer()


@dataclass(frozen=True)
class Quote:
    """A sentence of a passage; `cosine` and `coverage` say how well it answers the question."""

    text: str
    passage: NodeWithScore
    score: float
    cosine: float
    coverage: float

    @property
    def supports(self) -> bool:
        return self.cosine >= _SUPPORTING_COSINE or self.coverage >= _SUPPORTING_COVERAGE


def quotes(
    question: str, passages: Sequence[NodeWithScore], embed_model: BaseEmbedding
) -> list[Quote]:
    """The sentences that best answer, the best first; none when the passages do not support it."""
    ranked = sorted(_scored(question, passages[:_PASSAGES], embed_model), key=_by_score)
    if not any(quote.supports for quote in ranked[:_QUOTES]):
        return []
    worth = ranked[0].score * _WORTH_QUOTING
    return [quote for quote in ranked[:_QUOTES] if quote.score >= worth]


def _by_score(quote: Quote) -> float:
    return -quote.score


def _scored(
    question: str, passages: Sequence[NodeWithScore], embed_model: BaseEmbedding
) -> Iterator[Quote]:
    language = question_language(question)
    candidates = list(_candidates(passages))
    if not candidates:
        return
    cosines = _cosines(question, [text for text, _ in candidates], embed_model)
    asked = set(words(question, language))
    texts = [set(words(text, language)) for text, _ in candidates]
    around = {id(passage): set(words(_whole(passage), language)) for passage in passages}
    weigh = _Weights(asked, texts)
    best = max((passage.get_score() for passage in passages), default=0.0) or 1.0
    for (text, passage), cosine, found in zip(candidates, cosines, texts, strict=True):
        score = (
            _COSINE * cosine + _WORDS * weigh.share(found) + _PASSAGE * passage.get_score() / best
        )
        yield Quote(text, passage, score, cosine, weigh.share(around[id(passage)]))


def _candidates(passages: Iterable[NodeWithScore]) -> Iterator[tuple[str, NodeWithScore]]:
    seen: set[str] = set()
    for passage in passages:
        for text in sentences(passage.get_content(MetadataMode.NONE)):
            if text not in seen:
                seen.add(text)
                yield text, passage


def sentences(text: str) -> Iterator[str]:
    """Sentences, list items and table rows, without the marks of Markdown."""
    for block in _BLOCKS.split(text):
        plain = _MARKUP.sub("", block)
        for sentence in _sentences_of(" ".join(plain.split())):
            stripped = sentence.strip()
            if len(stripped.split()) > 2:  # noqa: PLR2004 - shorter is a label
                yield stripped[:_LONGEST]


def _whole(passage: NodeWithScore) -> str:
    metadata = passage.metadata
    return " ".join(
        str(part)
        for part in (
            metadata.get("title"),
            metadata.get("headings"),
            passage.get_content(MetadataMode.NONE),
        )
        if part
    )


def _cosines(question: str, texts: list[str], embed_model: BaseEmbedding) -> list[float]:
    asked = np.asarray(embed_model.get_query_embedding(question))
    found = np.asarray(embed_model.get_text_embedding_batch(texts))
    lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(asked)
    cosines: list[float] = (found @ asked / np.maximum(lengths, 1e-12)).tolist()
    return cosines


class _Weights:
    """How much of the question's words a text holds, rare words counting more."""

    def __init__(self, asked: set[str], texts: Sequence[set[str]]) -> None:
        frequency = Counter(word for text in texts for word in text & asked)
        self._idf = {
            word: math.log(1 + (len(texts) + 0.5) / (frequency[word] + 0.5)) for word in asked
        }
        self._total = sum(self._idf.values()) or 1.0

    def share(self, text: set[str]) -> float:
        return sum(idf for word, idf in self._idf.items() if word in text) / self._total
