"""What speaks for the tables and what for the documents, in one part of a question.

Two sums of what was found. Their weights were set on the `development` questions of
tests/routing_questions.yaml and on questions for other tables and documents; around them the
results are flat.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from engines.answer import RouteName
from engines.routing.asked_words import AskedWords, Cue
from engines.tables.schema_words import Named

# For the tables: the strongest cue, by its kind times where the tables have what it asks of;
_ASKING: Final = {
    "measure": 1.0,
    "ranking": 0.9,
    "count": 0.8,
    "grouping": 0.8,
    "listing": 0.6,
    "comparison": 0.6,
    "choice": 0.5,
}
_ASKED_OF: Final = {Named.TABLE: 1.0, Named.COLUMN: 0.8, Named.COMMENT: 0.5, Named.NOWHERE: 0.3}
# the word that they know best; a value or number of theirs; revenue and the like; we and our; a
# year or other period; the square of the share of the words that they explain; and that rows tell
# what is asked for.
_NAMED: Final = {Named.TABLE: 0.3, Named.COLUMN: 0.2, Named.COMMENT: 0.1, Named.NOWHERE: 0.0}
_VALUE, _FIGURE, _BUSINESS, _PERIOD, _EXPLAINED = 0.3, 0.4, 0.1, 0.1, 0.3
_TOLD_BY_ROWS = 0.4
_EXPLAINS: Final = {Named.TABLE: 1.0, Named.COLUMN: 1.0, Named.COMMENT: 0.5}
# For the documents: each cue, up to a sum, and the share of the other words that one passage holds.
_TELLING: Final = {"explaining": 0.6, "permission": 0.6, "telling": 0.5, "personal": 0.4}
_MOST_TELLING, _HELD, _ENOUGH_WORDS = 1.0, 0.6, 2
# How much is little, enough or much; and differences of the two sums.
_LITTLE_FOR_TABLES, _ENOUGH_FOR_TABLES, _MUCH_FOR_TABLES = 0.5, 0.65, 0.75
_NEXT_TO_NOTHING, _LITTLE_FOR_DOCUMENTS = 0.25, 0.4
_NEARLY, _CLEARLY = 0.1, 0.7

_YEAR = re.compile(r"(?:19|20)\d\d")
_NUMBER = re.compile(r"\d{4,}")


@dataclass(frozen=True)
class Weighed:
    """A part of a question: its words, names of the tables' rows, and what passages hold of it.

    `told_by_rows` is whether it names a table whose rows tell something, such as reviews.
    """

    asked: AskedWords
    names: Sequence[str]
    held: Sequence[str]
    told_by_rows: bool = False
    verified: bool = False

    @property
    def route(self) -> RouteName | None:
        """None when next to nothing speaks for either source."""
        if self.verified:
            return "database"
        tables, documents = self.for_tables, self.for_documents
        if tables < _ENOUGH_FOR_TABLES:
            return self._undecided()
        little = _LITTLE_FOR_DOCUMENTS if tables > _MUCH_FOR_TABLES else _NEXT_TO_NOTHING
        if documents < little or (tables > documents + _CLEARLY and not self._asks_documents):
            return "database"
        return "documents" if documents > tables + _CLEARLY else "both"

    @property
    def leaning(self) -> RouteName:
        known = self.asked.named or self.names
        return "database" if known and self.for_tables > self.for_documents else "documents"

    @cached_property
    def for_tables(self) -> float:
        kinds, figures = self._kinds, self.asked.figures
        years = [each for each in figures if _YEAR.fullmatch(each)]
        numbers = [each for each in figures if _NUMBER.fullmatch(each) and each not in years]
        best = max((place for _, place in self.asked.named), default=Named.NOWHERE)
        return (
            max(map(_strength, self.asked.cues), default=0.0)
            + _TOLD_BY_ROWS * bool(self.told_by_rows and "telling" in kinds)
            + _NAMED[best]
            + _VALUE * bool(self.names or numbers)
            + _FIGURE * ("figure" in kinds)
            + _BUSINESS * ("business" in kinds)
            + _PERIOD * bool("period" in kinds or years)
            + _EXPLAINED * self._explained**2
        )

    @cached_property
    def for_documents(self) -> float:
        cues = {cue.text.casefold(): cue.kind for cue in self.asked.cues}
        tells = sum(_TELLING.get(kind, 0.0) for kind in cues.values())
        share = len(self.held) / max(len(self.asked.others), _ENOUGH_WORDS)
        return min(tells, _MOST_TELLING) + _HELD * share

    @property
    def strongest(self) -> Cue | None:
        """The cue that speaks most for the tables."""
        return max(self.asked.cues, key=_strength, default=None)

    @property
    def _kinds(self) -> set[str]:
        return {cue.kind for cue in self.asked.cues}

    @property
    def _explained(self) -> float:
        known = len(self.names) + sum(_EXPLAINS[place] for _, place in self.asked.named)
        return known / (known + len(self.asked.others)) if known else 0.0

    def _undecided(self) -> RouteName | None:
        """Where there is not enough for the tables alone."""
        tables, documents = self.for_tables, self.for_documents
        if documents >= _LITTLE_FOR_DOCUMENTS:
            near = tables >= max(_LITTLE_FOR_TABLES, documents - _NEARLY)
            return "both" if near else "documents"
        hardly = documents < _NEXT_TO_NOTHING
        names_table = any(place == Named.TABLE for _, place in self.asked.named)
        return "database" if tables >= _LITTLE_FOR_TABLES and hardly and names_table else None

    @property
    def _asks_documents(self) -> bool:
        return bool(self._kinds & {"telling", "explaining"})


def _strength(cue: Cue) -> float:
    return _ASKING.get(cue.kind, 0.0) * _ASKED_OF[cue.named]
