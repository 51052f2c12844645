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
_LABEL_WORDS = 2  # a sentence has more
# Whether the passages speak of what was asked. Set on the sample data: an English model finds any
# two French sentences alike, so that a middling cosine needs a common word beside it.
_CLEAR_COSINE, _MIDDLING_COSINE = 0.6, 0.45
_CLEAR_COVERAGE, _SOME_COVERAGE = 0.5, 0.05

_HEADING = re.compile(r"#{1,6}\s+(?P<words>.+?)\s*#*")
_BLOCKS = re.compile(r"\n\s*\n|\n(?=\s*(?:[-*+]\s|\d+[.)]\s|\||#|>))|(?<=\|)\n")
_TABLE_HEAD = re.compile(r"^[ \t]*\|.*\|[ \t]*\n[ \t]*\|[\s|:-]+\|[ \t]*$", re.MULTILINE)
_FENCE = re.compile(r"^ *(```|~~~).*?(?:^ *\1|\Z)", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"!?\[([^\[\]]*)\](?:\([^()]*\)|\[[^\[\]]*\])")
_ESCAPE = re.compile(r"\\([\\`*_{}\[\]()#+.!|<>~-])")
_HEADER = re.compile(r"(?:[A-Z][\w-]*: .*\n?){3,}")  # of an e-mail
_RULE = re.compile(r"[\s|:=_*-]+")
# Only what surrounds words: 2*3 and __init__ are facts.
_MARKUP = re.compile(
    r"^\s*(?:[-*+>]|\d+[.)])\s+|(?<![\w*/])\*{1,3}(?=[\w\"'“(])|(?<=[\w\"'”).,;:!?%])\*{1,3}(?![\w*/])"
    r"|`|^\s*\||\|\s*$|(?<!\S)[-=_]{3,}(?!\S)",
    re.MULTILINE,
)
_sentences_of = split_by_sentence_tokenizer()


@dataclass(frozen=True)
class _Sentence:
    """A sentence and the heading above it, which often holds half of what it says."""

    text: str
    heading: str
    passage: NodeWithScore

    @property
    def in_context(self) -> str:
        return f"{self.heading} {self.text}".strip()


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
        return (
            self.cosine >= _CLEAR_COSINE
            or self.coverage >= _CLEAR_COVERAGE
            or (self.cosine >= _MIDDLING_COSINE and self.coverage >= _SOME_COVERAGE)
        )


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
    texts = [candidate.in_context for candidate in candidates]
    asked, found = _stems(question, language), [_stems(text, language) for text in texts]
    around = {id(each): _stems(_whole(each), language) for each in passages}
    weights = _Weights(asked, found)
    best = max(passage.get_score() for passage in passages) or 1.0
    cosines = _cosines(question, texts, embed_model)
    for candidate, stems, cosine in zip(candidates, found, cosines, strict=True):
        passage = candidate.passage
        rank = _PASSAGE * passage.get_score() / best
        score = _COSINE * cosine + _WORDS * weights.share(stems) + rank
        coverage = weights.share(around[id(passage)])
        yield Quote(candidate.text, passage, score, cosine, coverage)


def _stems(text: str, language: str) -> set[str]:
    return set(words(text, language))


def _candidates(passages: Iterable[NodeWithScore]) -> Iterator[_Sentence]:
    seen: set[str] = set()
    for passage in passages:
        heading = str(passage.metadata.get("headings") or "").rpartition(" > ")[2]
        text = _TABLE_HEAD.sub("", _FENCE.sub("", passage.get_content(MetadataMode.NONE)))
        for block in _BLOCKS.split(text):
            if title := _HEADING.fullmatch(block.strip()):
                heading = title["words"]
                continue
            for sentence in sentences(block):
                if sentence not in seen:
                    seen.add(sentence)
                    yield _Sentence(sentence, heading, passage)


def sentences(block: str) -> Iterator[str]:
    """Sentences of a paragraph, list item or table row, without the marks of Markdown.

    Questions are left out: they quote badly as an answer.
    """
    plain = " ".join(_ESCAPE.sub(r"\1", _MARKUP.sub("", _LINK.sub(r"\1", block))).split())
    if _RULE.fullmatch(plain) or _HEADER.fullmatch(block.strip()):
        return
    for sentence in _sentences_of(plain):
        text = sentence.strip()
        if len(text.split()) > _LABEL_WORDS and not text.endswith("?"):
            yield text[:_LONGEST]


def _whole(passage: NodeWithScore) -> str:
    above = (passage.metadata.get(key) or "" for key in ("title", "headings"))
    return " ".join([*map(str, above), passage.get_content(MetadataMode.NONE)])


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
