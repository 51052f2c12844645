"""Where a question is answered, by evidence: what its words ask for, and which source holds them.

Each part of a question ("how many did we sell, and why were they recalled?") is weighed alone. A
part with little for the tables goes to the documents, one with little for the documents to the
tables; where much speaks for both, both are asked, as a source too many costs less than one too
few.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from llama_index.core.schema import MetadataMode, NodeWithScore

from engines.follow_ups.dependent_questions import is_dependent
from engines.language import question_language
from engines.routing.asked_words import has_cue, read_words
from engines.routing.route import Route, RouteName
from engines.routing.weighing import Weighed
from engines.tables.entities import EntityIndex
from engines.tables.schema_words import SchemaWords
from engines.verified.matching import VerifiedMatcher
from stores.words import words

_PASSAGES = 3
_MOST_CHARACTERS = 2000  # of a question; what is asked for is said earlier
_NAMED_WORDS = 3  # in a reason
_VERIFIED = "a verified query answers it"
_QUESTION_WORDS = (
    r"(?:what|which|who|why|how|when|where|is|are|was|does|do|did|can"
    r"|qu\w+|pourquoi|comment|combien|où|est-ce)\b"
)
_ASKING = re.compile(_QUESTION_WORDS, re.IGNORECASE)
_PARTS = re.compile(
    r"[?;!]\s+|,\s+(?:and|but|et|mais)\s+"
    rf"|\s+(?:and|but|et|mais)\s+(?={_QUESTION_WORDS})",
    re.IGNORECASE,
)
_ASKS_FOR: Final = {
    "count": "a count",
    "ranking": "a ranking",
    "measure": "a measure",
    "grouping": "a breakdown",
    "listing": "a list",
    "choice": "a choice",
    "comparison": "a comparison",
}
_TELLS: Final = {
    "explaining": "asks for an explanation",
    "permission": "asks what is possible or allowed",
    "telling": "asks what is said or written",
    "personal": "asks for somebody's own case",
}


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
        self._matcher = matcher
        self._entities = entities

    def route(self, question: str, search: Callable[[], Sequence[NodeWithScore]]) -> Route:
        """`search` gives the passages for the question, the best first.

        It is called once, or not at all when a verified query answers. Raises what the search and
        the look-ups in the tables raise.
        """
        if self._is_verified(question):
            return Route(route="database", reason=_VERIFIED)
        language, passages = question_language(question), search()
        parts = _parts(question[:_MOST_CHARACTERS], language)
        weighed = [self._weigh(part, passages, language) for part in parts]
        route = decided(weighed)
        divided = self._divided(parts, weighed) if route == "both" else {}
        return Route(route=route, reason=_reason(route, weighed), **divided)

    def _divided(self, parts: Sequence[str], weighed: Sequence[Weighed]) -> dict[str, Any]:
        """What each source is asked; the tables come first where the rest is about their rows."""
        routes = [each.route or each.leaning for each in weighed]
        asked = list(zip(parts, routes, strict=True))
        documents = " ".join(part for part, route in asked if route != "database")
        database = " ".join(part for part, route in asked if route != "documents")
        leans = is_dependent(documents) and not is_dependent(database)
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
        entities = self._entities.in_text(part) if self._entities else []
        asked = read_words(part, language, self._schema, [each.value for each in entities])
        held = _held(asked.others, passages, language)
        return Weighed(asked, entities, held, verified=self._is_verified(part))


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
        inside = set(words(_text(passage), language))
        best = max(best, [word for word in asked if stems[word] & inside], key=len)
    return best


def _text(passage: NodeWithScore) -> str:
    above = (str(passage.metadata.get(key) or "") for key in ("title", "headings"))
    return " ".join([*above, passage.get_content(MetadataMode.NONE)])


def _reason(route: RouteName, weighed: Sequence[Weighed]) -> str:
    """In words of the user, quoted."""
    for_tables = _why_tables(max(weighed, key=lambda each: (each.verified, each.for_tables)))
    for_documents = _why_documents(max(weighed, key=lambda each: each.for_documents))
    reasons = {"database": for_tables, "documents": for_documents}
    return reasons.get(route) or f"{for_tables}; {for_documents}"


def _why_tables(part: Weighed) -> str:
    if part.verified:
        return _VERIFIED
    named = sorted(part.asked.named, key=lambda each: -each[1])
    known = _quoted([text for text, _ in named] or [each.value for each in part.entities])
    reasons = [f"it names {known} of the tables"] if known else []
    if part.strongest and part.strongest.kind in _ASKS_FOR:
        reasons.append(f"asks for {_ASKS_FOR[part.strongest.kind]}")
    return " and ".join(reasons) or "nothing in it speaks for the documents"


def _why_documents(part: Weighed) -> str:
    tells = [_TELLS[cue.kind] for cue in part.asked.cues if cue.kind in _TELLS]
    reasons = [f"it {tells[0]}"] if tells else []
    if part.held:
        reasons.append(f"the documents hold {_quoted(part.held)}")
    return " and ".join(reasons) or "it names little that the tables hold"


def _quoted(found: Sequence[str]) -> str:
    return ", ".join(f"“{word}”" for word in list(dict.fromkeys(found))[:_NAMED_WORDS])
