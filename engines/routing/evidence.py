"""Where a question is answered, by evidence: what its words ask for, and which source holds them.

Each part of a question ("how many did we sell, and why were they recalled?") is weighed alone. A
part with little for the tables goes to the documents, one with little for the documents to the
tables; where much speaks for both, both are asked, as a source too many costs less than one too
few.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from llama_index.core.schema import NodeWithScore

from engines.answer import RouteName
from engines.answer_language import question_language
from engines.passage_text import text_below_headings
from engines.routing.asked_words import QUESTION_WORDS, has_cue, names_table, read_words
from engines.routing.reasons import why
from engines.routing.route import Route
from engines.routing.weighing import Weighed
from engines.tables.entities import EntityIndex
from engines.tables.schema_words import SchemaWords
from engines.verified.matching import VerifiedMatcher
from stores.text.words import words

_PASSAGES = 3
_MOST_CHARACTERS = 2000  # of a question; what is asked for is said earlier
_ASKING = re.compile(QUESTION_WORDS, re.IGNORECASE)
_PARTS = re.compile(
    r"[?;!]\s+|,\s+(?:and|but|et|mais)\s+"
    rf"|\s+(?:and|but|et|mais)\s+(?={QUESTION_WORDS})",
    re.IGNORECASE,
)
# In the part for the documents they stand for what the tables find.
_PRONOUNS = {
    "en": re.compile(r"\b(?:they|them|their|its?|these|those)\b", re.IGNORECASE),
    "fr": re.compile(r"\b(?:ils|elles|leurs?|eux|ceux-ci|celles-ci)\b", re.IGNORECASE),
}
_PROSE = re.compile(
    r"- (?:\w+ (?:(?:TINY|MEDIUM|LONG)?TEXT\b|VARCHAR\((?:25[6-9]|2[6-9]\d|[3-9]\d\d|\d{4,})\))"
    r"|(?:body|comments?|message|commentaires?) (?:VAR)?CHAR)",
    re.IGNORECASE | re.MULTILINE,
)  # a column whose cells tell something


class Evidence:
    """Chooses a source without a language model; the same question always gets the same route.

    `schema` is what a model would be told of each table; its words are read once.
    """

    def __init__(
        self,
        schema: Sequence[str],
        matcher: VerifiedMatcher | None,
        entities: EntityIndex | None,
    ) -> None:
        self._schema = SchemaWords(schema)
        self._telling = SchemaWords(filter(_PROSE.search, schema))
        self._matcher = matcher
        self._entities = entities

    def route(self, question: str, search: Callable[[], Sequence[NodeWithScore]]) -> Route:
        """`search` gives the passages for the question, the best first; it is called once.

        Whether a verified query answers the whole question was seen before, its parts are looked at
        here. Raises what the search and the look-ups in the tables raise.
        """
        language, passages = question_language(question), search()
        parts = _parts(question[:_MOST_CHARACTERS], language)
        verified = [len(parts) > 1 and self._is_verified(part) for part in parts]
        weighed = [
            replace(self._weigh(part, passages, language), verified=is_verified)
            for part, is_verified in zip(parts, verified, strict=True)
        ]
        route = decided(weighed)
        divided = self._divided(parts, weighed) if route == "both" else {}
        return Route(route=route, reason=why(route, weighed, language), **divided)

    def _divided(self, parts: Sequence[str], weighed: Sequence[Weighed]) -> dict[str, Any]:
        """What each source is asked; the tables come first where the rest is about their rows."""
        language = question_language(" ".join(parts))
        routes = [each.route or each.leaning for each in weighed]
        asked = list(zip(parts, routes, strict=True))
        documents = " ".join(part for part, route in asked if route != "database")
        database = " ".join(part for part, route in asked if route != "documents")
        pronoun = _PRONOUNS[language]
        leans = bool(pronoun.search(documents)) and not pronoun.search(database)
        if documents == database:
            named = self._matcher.within(documents) if self._matcher else None
            database, leans = named or "", named is not None
        if not documents or not database:
            return {}
        first = "database" if leans else ""
        return {"first": first, "documents_question": documents, "database_question": database}

    def _is_verified(self, question: str) -> bool:
        return self._matcher is not None and self._matcher.match(question) is not None

    def _weigh(self, part: str, passages: Sequence[NodeWithScore], language: str) -> Weighed:
        names = self._entities.named_in(part) if self._entities else []
        asked = read_words(part, language, self._schema, names)
        told_by_rows = names_table(part, language, self._telling)
        return Weighed(asked, names, _held(asked.others, passages, language), told_by_rows)


def decided(weighed: Sequence[Weighed]) -> RouteName:
    if len(weighed) == 1:
        return weighed[0].route or "documents"
    routes = {each.route or each.leaning for each in weighed}
    return routes.pop() if len(routes) == 1 else "both"


def _parts(question: str, language: str) -> list[str]:
    """What is asked one after the other; what asks nothing belongs to what precedes."""
    parts: list[str] = []
    for piece in filter(str.strip, _PARTS.split(question)):
        if parts and not (_ASKING.match(piece) or has_cue(piece, language)):
            parts[-1] += f" {piece}"
        else:
            parts.append(piece)
    return parts or [question]


def _held(asked: Sequence[str], passages: Sequence[NodeWithScore], language: str) -> list[str]:
    """The words that one passage holds, of the passage that holds most."""
    stems = {word: set(words(word, language)) for word in asked}
    best: list[str] = []
    for passage in passages[:_PASSAGES]:
        inside = set(words(text_below_headings(passage), language))
        best = max(best, [word for word in asked if stems[word] & inside], key=len)
    return best
