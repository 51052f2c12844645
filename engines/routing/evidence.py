"""What speaks for the tables and what for the documents, compared with each other.

The tables are asked what they hold: their descriptions, the questions verified for them, and the
names in their rows. Two things are compared, for each question of a sentence that asks two: how
near its vector is to the nearest of these texts and to the nearest passage found, and which share
of its words these texts have and the best passage has. No word has a weight of its own.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Final

import numpy as np
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.schema import BaseNode, NodeWithScore

from engines.answer import RouteName
from engines.answer_language import question_language
from engines.model_errors import model_errors
from engines.passage_text import text_below_headings
from engines.question import Question
from engines.route_reasons import quote_words, say_reason
from engines.routing.route import Route
from engines.tables.configured_tables import DescribedTables
from engines.tables.entities import EntityIndex
from engines.tables.schema_words import SchemaWords
from engines.vectors import Vector, Vectors, normalize_vectors
from engines.verified.matching import VerifiedMatcher
from stores.text.phrases import stem_folded
from stores.text.question_words import split_questions
from stores.text.tokens import Token, tokenize
from stores.text.translations import LANGUAGES
from stores.text.words import FUNCTION_WORDS

# By how much one source must be ahead to be asked alone: of .05 to .25 in steps of .05 the least
# that sent none of the clinic's questions and one in twenty of tests/routing_questions.yaml to a
# single source that does not answer them. benchmarks/domains/README.md has the figures.
CLEARLY: Final = 0.2
_MOST_CHARACTERS: Final = 2000  # of a question; what is asked for is said earlier
_FEW: Final = 2  # words; fewer say what is asked for together with others
_BEST: Final = 3  # passages whose words are looked at
# In a question for the documents these stand for what the tables find.
_ROWS: Final = {
    "en": re.compile(r"\b(?:they|them|their|these|those)\b", re.IGNORECASE),
    "fr": re.compile(r"\b(?:ils|elles|leurs?|eux|ceux-ci|celles-ci)\b", re.IGNORECASE),
}


@dataclass(frozen=True)
class _Part:
    """One question of a sentence, the source that is clearly ahead, None for neither, and why."""

    text: str
    source: RouteName | None
    why: str


class _Schema:
    """What a model would be told of the tables, described when it is first needed."""

    def __init__(self, database: DescribedTables, embed_model: BaseEmbedding) -> None:
        self._database, self._embed_model = database, embed_model

    @cached_property
    def texts(self) -> Sequence[str]:
        """What a model would be told of each table, without its sample rows."""
        names = sorted(self._database.get_usable_table_names())
        texts = map(self._database.get_single_table_info, names)
        return [text.partition("\nA row: ")[0] for text in texts]

    @cached_property
    def words(self) -> SchemaWords:
        return SchemaWords(self.texts)

    @cached_property
    def vectors(self) -> Vectors:
        with model_errors("embedding the descriptions of the tables"):
            return normalize_vectors(self._embed_model.get_text_embedding_batch(list(self.texts)))


class Evidence:
    """Compares what both sources hold; the same question always gets the same route.

    `find_nodes` gives passages by their ids, with their vectors. The tables are described when a
    description is first needed. Raises KBError while they, or a model, cannot be asked.
    """

    def __init__(
        self,
        database: DescribedTables,
        matcher: VerifiedMatcher,
        entities: EntityIndex,
        embed_model: BaseEmbedding,
        find_nodes: Callable[[list[str]], Sequence[BaseNode]],
    ) -> None:
        self._database = database
        self._matcher = matcher
        self._entities = entities
        self._embed_model = embed_model
        self._find_nodes = find_nodes
        self._schema = _Schema(database, embed_model)

    def with_passages(self, find_nodes: Callable[[list[str]], Sequence[BaseNode]]) -> "Evidence":
        """Return the same with passages of others; the tables are described for both at once."""
        other = copy(self)
        other._find_nodes = find_nodes  # noqa: SLF001 - of the same class
        return other

    def outline_tables(self) -> str:
        """A line for each table, for the prompt of a model."""
        return self._database.outline()

    def weigh(
        self, asked: Question, search: Callable[[], Sequence[NodeWithScore]] | None
    ) -> tuple[Route, bool]:
        """Return the route of a question, and whether it leaves no doubt.

        `search` gives the passages for it; without that the documents are asked what no verified
        query answers. A sentence that asks two questions goes to one source in doubt alone.
        """
        question, language = asked.query_str, question_language(asked)
        verified = say_reason("verified", language)
        if self._matcher.match(asked):
            return Route(route="database", reason=verified), True
        if named := self._matcher.find_within(question):
            divided = {"documents_question": question, "database_question": named}
            return Route(route="both", reason=verified, first="database", **divided), True
        texts = split_questions(question[:_MOST_CHARACTERS], language)
        known = [text for text in texts if len(texts) > 1 and self._matcher.match(text)]
        rest = [text for text in texts if text not in known]
        if search:
            parts = self._weigh_parts(rest, language, search()) if rest else []
        else:
            parts = [
                _Part(text, "documents", say_reason("not_verified", language)) for text in rest
            ]
        if known:
            settled = _Part("", "documents", say_reason("rest", language))
            parts = [part if part.source else replace(settled, text=part.text) for part in parts]
        is_sure = bool(known) or not search
        parts = [*(_Part(text, "database", verified) for text in known), *parts]
        return _combine_parts(parts, language, is_sure=is_sure)

    def _weigh_parts(
        self, texts: Sequence[str], language: str, passages: Sequence[NodeWithScore]
    ) -> list[_Part]:
        nodes = self._find_nodes([passage.node_id for passage in passages])
        found = normalize_vectors([node.get_embedding() for node in nodes])
        best = [find_stems(text_below_headings(passage)) for passage in passages[:_BEST]]
        return [self._weigh_part(text, language, found, best) for text in texts]

    def _weigh_part(
        self, text: str, language: str, found: Vectors, best: Sequence[frozenset[str]]
    ) -> _Part:
        asked = [
            token
            for token in tokenize(text)
            if token.folded not in FUNCTION_WORDS and not token.text.isdigit()
        ]
        if len(asked) < _FEW:
            return _Part(text, None, say_reason("open", language))
        wordings = self._matcher.embed_wordings()
        known = find_stems(" ".join((*wordings, *self._entities.find_names(text))))
        named, held = self._measure_words(asked, known, language, best)
        tables = np.vstack([self._schema.vectors, *wordings.values()])
        balance = self._measure_nearness(text, tables, found) + (len(named) - len(held)) / len(
            asked
        )
        if balance > CLEARLY:
            return _Part(text, "database", _word_reason("tables", named, language))
        if balance < -CLEARLY and self._have_language(language, wordings):
            return _Part(text, "documents", _word_reason("passages", held, language))
        return _Part(text, None, say_reason("open", language))

    def _measure_words(
        self,
        asked: Sequence[Token],
        known: frozenset[str],
        language: str,
        best: Sequence[frozenset[str]],
    ) -> tuple[list[str], list[str]]:
        """Return the words that the tables have, and those that the best of the passages has."""
        places = self._schema.words.find_places([token.folded for token in asked], language)
        named = [
            token.text
            for token, place in zip(asked, places, strict=True)
            if place or find_stems(token.text) & known
        ]
        held = ([word.text for word in asked if find_stems(word.text) & stems] for stems in best)
        return named, max(held, key=len, default=[])

    def _measure_nearness(self, text: str, tables: Vectors, found: Vectors) -> float:
        """Return by how much the tables' texts are nearer in meaning than the passages found."""
        with model_errors("embedding the question"):
            (vector,) = normalize_vectors([self._embed_model.get_query_embedding(text)])
        return _find_nearest(tables, vector) - _find_nearest(found, vector)

    def _have_language(self, language: str, wordings: Iterable[str]) -> bool:
        """Tell whether the tables have a text in a language: one in another is never near."""
        return any(question_language(text) == language for text in (*wordings, *self._schema.texts))


@lru_cache(maxsize=10_000)
def find_stems(text: str) -> frozenset[str]:
    """Return the stems of the words of a text, in each language that kb speaks."""
    words = [token.folded for token in tokenize(text) if token.folded not in FUNCTION_WORDS]
    return frozenset(stem_folded(word, language) for word in words for language in LANGUAGES)


def _combine_parts(parts: Sequence[_Part], language: str, *, is_sure: bool) -> tuple[Route, bool]:
    """Return the route of all parts together; what is open beside others is asked of both."""
    sources = {part.source for part in parts}
    told = "; ".join(dict.fromkeys(part.why for part in parts))
    if {"documents", "database"} <= sources:
        documents = " ".join(part.text for part in parts if part.source != "database")
        database = " ".join(part.text for part in parts if part.source != "documents")
        leans = _ROWS[language].search(documents) and not _ROWS[language].search(database)
        route = Route(
            route="both",
            reason=told,
            first="database" if leans else "",
            documents_question=documents,
            database_question=database,
        )
        return route, True
    (source, *others) = sources
    if source and not others and (is_sure or len(parts) == 1):
        return Route(route=source, reason=told), True
    return Route(route="both", reason=say_reason("open", language)), False


def _word_reason(source: str, words: Sequence[str], language: str) -> str:
    return say_reason(
        f"{source}_have" if words else source, language, words=quote_words(words, language)
    )


def _find_nearest(vectors: Vectors, vector: Vector) -> float:
    return float((vectors @ vector).max()) if vectors.size else 0.0
