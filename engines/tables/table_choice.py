"""Choose the tables that a model is told of, when all of them are too many."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from llama_index.core.llms.llm import LLM
from llama_index.core.objects import SQLTableSchema

from engines.answer_language import question_language
from engines.tables.entities import EntityIndex
from engines.tables.guarded_database import GuardedDatabase
from engines.tables.schema_words import Named, SchemaWords
from engines.tables.table_joins import Joins, find_joining_tables, find_joins
from stores.text.tokens import tokenize
from stores.text.words import FUNCTION_WORDS

_CHARACTERS_PER_TOKEN = 3
_SHARE = 3  # of what the model can read, one part in so many is for the schema
_WEIGHTS = {Named.NOWHERE: 0, Named.COMMENT: 1, Named.COLUMN: 2, Named.TABLE: 4}
_VALUE = 8.0  # of a question that names a value of the table
_OF_NEIGHBOURS = 0.1  # of the two best tables that one is joined with
_WORTH = 0.05  # of the best score, below which a table is left out though there is room
_NAMED = 0.5  # of the best score, from which on a question is taken to name a table


def make_table_choice(
    database: GuardedDatabase, llm: LLM, entities: EntityIndex | None = None
) -> Any:
    """Make what retrieves the tables that fit a question; None when all fit the prompt."""
    texts = {
        name: database.get_single_table_info(name) for name in database.get_usable_table_names()
    }
    room = llm.metadata.context_window * _CHARACTERS_PER_TOKEN // _SHARE
    if sum(map(len, texts.values())) <= room:
        return None
    return TableChoice(
        sizes={name: len(text) for name, text in texts.items()},
        words={name: SchemaWords([text]) for name, text in texts.items()},
        joins=find_joins([database.metadata_obj.tables[name] for name in texts]),
        entities=entities or EntityIndex(database),
        room=room,
    )


@dataclass(frozen=True)
class TableChoice:
    """Fills `room` characters with the tables whose words and values a question names.

    Tables over which these are joined come with them. A question in another language than the
    schema's is understood by the words and names that both have.
    """

    sizes: Mapping[str, int]
    words: Mapping[str, SchemaWords]
    joins: Joins
    entities: EntityIndex
    room: int

    def retrieve(self, question: str) -> list[SQLTableSchema]:
        named = self._score_tables(question)
        scores = self._add_neighbours(named)
        chosen = self._fill_room(named, scores)
        return [SQLTableSchema(table_name=name) for name in chosen]

    def _score_tables(self, question: str) -> dict[str, float]:
        """Score how much of the question is about each table; a word of few tables says more."""
        found = (token.folded for token in tokenize(question))
        words = [word for word in found if word not in FUNCTION_WORDS]
        language = question_language(question)
        places = {name: known.find_places(words, language) for name, known in self.words.items()}
        scores = dict.fromkeys(places, 0.0)
        for at in range(len(words)):
            weights = {name: _WEIGHTS[own[at]] for name, own in places.items() if own[at]}
            rarity = math.log(1 + len(places) / (1 + len(weights)))
            for name, weight in weights.items():
                scores[name] += weight * rarity
        for entity in self.entities.in_text(question):
            scores[entity.column.rpartition(".")[0]] += _VALUE
        return scores

    def _add_neighbours(self, scores: Mapping[str, float]) -> dict[str, float]:
        def best_two(table: str) -> float:
            return sum(sorted((scores[near] for near in self.joins[table]), reverse=True)[:2])

        return {name: score + _OF_NEIGHBOURS * best_two(name) for name, score in scores.items()}

    def _fill_room(self, named: Mapping[str, float], scores: Mapping[str, float]) -> list[str]:
        """Choose the best that there is room for, each with what joins it to those before."""
        worth = _WORTH * max(scores.values())
        ranked = sorted(
            (name for name in scores if scores[name] >= worth),
            key=lambda name: (-scores[name], self.sizes[name], name),
        )
        enough = _NAMED * max(named.values())
        chosen: dict[str, None] = {}
        left = self.room
        for name in ranked:
            joining: tuple[str, ...] = ()
            if chosen and 0 < enough <= named[name]:
                joining = find_joining_tables(name, chosen.keys(), self.joins, scores)
            for group in ((name, *joining), (name,)):
                new = dict.fromkeys(table for table in group if table not in chosen)
                if (size := sum(self.sizes[table] for table in new)) <= left:
                    chosen |= new
                    left -= size
                    break
        return list(chosen) or ranked[:1]
