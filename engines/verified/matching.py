"""Which verified query answers a question, and which are like it.

A wrong answer that is marked as verified is worse than none, and embeddings do not tell it from a
right one: for a question about another month the cosine is 0.98, for the same question in French
0.5. So words decide. Those of a question that are neither said in passing nor give a value to a
parameter must ask for exactly what one wording of the verified query asks for.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np
from llama_index.core.base.embeddings.base import BaseEmbedding
from numpy.typing import NDArray

from engines.answer_language import question_language
from engines.concepts import find_concepts
from engines.model_errors import model_errors
from engines.question import Question, Refill
from engines.tables.query_result import Run
from engines.verified.filling import Filling, fill
from engines.verified.parameters import Column, Parameter, parameters_of
from stores.binding import Value
from stores.text.phrases import split_phrases
from stores.text.tokens import fold, tokenize
from stores.text.translations import LANGUAGES
from stores.verified_queries import VerifiedQuery

_OPTIONAL = ("limit", "bound")  # a question may leave them open where a wording does not
_MOST_WORDS = 60  # who writes more asks for more
_LINKS = "engines/verified/follow_up_links.txt"
_LONGEST_NAME = 7  # words that name what a verified query finds
_WHO_ARE = {"en": "Who are {}?", "fr": "Qui sont {} ?"}
_QUALIFIERS = {"average", "best", "develop", "each", "least", "low", "most", "who", "worst"}


@dataclass(frozen=True)
class Match:
    """`values` bind every parameter; `given` names those that the question gave."""

    query: VerifiedQuery
    values: Mapping[str, Value]
    given: frozenset[str]


@dataclass(frozen=True)
class _Wording:
    """`asks` are its concepts in order, `names` the parameters that it must give a value to."""

    text: str
    asks: tuple[str, ...]
    names: frozenset[str]


@dataclass(frozen=True)
class _Known:
    query: VerifiedQuery
    parameters: Sequence[Parameter]
    wordings: Sequence[_Wording]


class VerifiedMatcher:
    """Finds the verified query for a question; `run` looks names up in the business tables.

    `queries` are read anew with each question: somebody may save one meanwhile. Raises EngineError
    for a query whose parameters cannot be read.
    """

    def __init__(
        self,
        queries: Iterable[VerifiedQuery],
        embed_model: BaseEmbedding,
        run: Run,
        today: Callable[[], date] = lambda: datetime.now(UTC).date(),
    ) -> None:
        self._queries = queries
        self._embed_model = embed_model
        self._run = run
        self._today = today
        self._known: Sequence[_Known] = ()
        self._vectors: dict[str, NDArray[np.float64]] = {}
        self._read()

    def match(self, asked: str | Question) -> Match | None:
        """The one query that answers the question; None when none does, or more than one.

        A follow-up that asks for a query again, with other values, gets that. One of the file goes
        before one that somebody on this machine has saved, and that before one that an API key has:
        a key cannot stand in their way.
        """
        if isinstance(asked, Question):
            return self._match_again(asked.refill) if asked.refill else self.match(asked.query_str)
        words = tokenize(asked)
        return _only(self._matches(asked)) if len(words) <= _MOST_WORDS else None

    def refill(self, follow_up: str, asked: str, before: Match) -> Match | None:
        """The query that answered the question `asked`, with the values of its follow-up.

        None where a follow-up says more than values: "and in 2024?" does not, but "how many were
        returned in 2024?" is a question of its own.
        """
        known = next((each for each in self._read() if each.query == before.query), None)
        if known is None or len(tokenize(follow_up)) > _MOST_WORDS:
            return None
        filling = fill(follow_up, known.parameters, self._lookup, self._today(), before.values)
        if not filling.values or not self._says_values_alone(filling, asked, known):
            return None
        values = {**before.values, **filling.values}
        return Match(known.query, values, before.given | filling.values.keys())

    def _says_values_alone(self, filling: Filling, asked: str, known: _Known) -> bool:
        """Whether the other words only go on, as "and" does, or introduce a value as they did."""
        left = list(filling.left)
        former = fill(asked, known.parameters, self._lookup, self._today())
        for name in filling.places.keys() & former.places.keys():
            at, before = filling.places[name].start - 1, former.places[name].start - 1
            if min(at, before) >= 0 and left[at] == former.left[before]:
                left[at] = None  # and order 10001? and the Hazel ward?
        said = split_phrases(left, LANGUAGES, _LINKS)
        return all(link is not None or words[0] is None for words, link in said)

    def _match_again(self, refill: Refill) -> Match | None:
        """None when the query was removed meanwhile."""
        query = next((each.query for each in self._read() if each.query.name == refill.query), None)
        values = refill.values
        return Match(query, {**query.parameters, **values}, frozenset(values)) if query else None

    def within(self, question: str) -> str | None:
        """A question that a verified query answers, about things that the question only names.

        For "What do our three best customers complain about?" it is "Who are our three best
        customers?": those that are asked about may be looked up first.
        """
        language, known = question_language(question), self._read()
        found: list[tuple[int, int, str]] = []
        for length, named in _named(question):
            asked = _WHO_ARE[language].format(named)
            # What gives more values says more, the shortest says it best.
            if match := _only(self._matching(asked, language, known)):
                found.append((len(match.given), -length, asked))
        return max(found)[2] if found else None

    def rival(self, query: VerifiedQuery) -> VerifiedQuery | None:
        """Another that answers a question of this one, or a question of which this one answers.

        Raises EngineError when the parameters of this one cannot be read.
        """
        new = _known(query)
        others = [each for each in self._read() if each.query.name != query.name]
        for wording in new.wordings:
            language = question_language(wording.text)
            if match := next(self._matching(wording.text, language, others), None):
                return match.query
        answered = (each.query for each in others if self._answers_one_of(new, each))
        return next(answered, None)

    def _answers_one_of(self, known: _Known, other: _Known) -> bool:
        return any(
            next(self._matching(wording.text, question_language(wording.text), [known]), None)
            for wording in other.wordings
        )

    def nearest(self, question: str, count: int) -> list[tuple[VerifiedQuery, float]]:
        """Those whose wordings are most like the question, with the cosine of the likest."""
        known = self._read()
        if not known:
            return []
        vectors = self._wording_vectors(known)
        asked = self._embedded([question])[0]
        likeness = {
            each.query.name: max(float(vectors[wording.text] @ asked) for wording in each.wordings)
            for each in known
        }
        ranked = sorted(known, key=lambda each: -likeness[each.query.name])
        return [(each.query, likeness[each.query.name]) for each in ranked[:count]]

    def wording_vectors(self) -> Mapping[str, NDArray[np.float64]]:
        """Each wording of a verified query with its vector, of length 1."""
        known = self._read()
        vectors = self._wording_vectors(known)
        return {text: vectors[text] for text in _texts(known)}

    def suggest(self, question: str, passages: Sequence[str], count: int = 3) -> list[str]:
        """The questions of verified queries that are near to what was asked, the nearest first.

        Near is what is nearer to the question than each of the passages, and than any other
        verified query is to it: models differ in what cosine they call near.
        """
        known = self._read()
        if not known:
            return []
        vectors = self._wording_vectors(known)
        asked, *others = self._embedded([question, *passages])
        farthest = max((float(other @ asked) for other in others), default=-1.0)
        near: dict[str, float] = {}
        for each in known:
            strangers = [vectors[text] for text in _texts(known) - _texts([each])]
            for text in _texts([each]):
                likeness = float(vectors[text] @ asked)
                rival = max((float(vectors[text] @ other) for other in strangers), default=-1.0)
                if likeness > max(farthest, rival, near.get(each.query.question, -1.0)):
                    near[each.query.question] = likeness
        return sorted(near, key=lambda text: -near[text])[:count]

    def _matches(self, question: str) -> Iterator[Match]:
        yield from self._matching(question, question_language(question), self._read())

    def _matching(self, question: str, language: str, among: Iterable[_Known]) -> Iterator[Match]:
        asks = frozenset(find_concepts([word.folded for word in tokenize(question)], language))
        for known in among:
            if not _may_agree(asks, known):  # names are looked up in the database
                continue
            filling = fill(question, known.parameters, self._lookup, self._today())
            if _agrees(tuple(find_concepts(filling.left, language)), filling, known):
                values = {**known.query.parameters, **filling.values}
                yield Match(known.query, values, frozenset(filling.values))

    def _lookup(self, column: Column, written: Sequence[str]) -> Mapping[str, str]:
        if not written:
            return {}
        values = {f"v{number}": text for number, text in enumerate(written)}
        places = ", ".join(f":{name}" for name in values)
        name, table = _quoted(column.name), _quoted(column.table)
        sql = f"SELECT DISTINCT {name} FROM {table} WHERE {name} IN ({places})"  # noqa: S608 - names are quoted
        known = {fold(str(value)): str(value) for (value,) in self._run(sql, values).rows}
        return {text: known[fold(text)] for text in written if fold(text) in known}

    def _read(self) -> Sequence[_Known]:
        queries = list(self._queries)
        if queries != [each.query for each in self._known]:
            before = {each.query.name: each for each in self._known}
            self._known = [_kept_or_new(query, before.get(query.name)) for query in queries]
        return self._known

    def _wording_vectors(self, known: Iterable[_Known]) -> Mapping[str, NDArray[np.float64]]:
        """Made when they are first compared, once for each text, and kept as long as it is."""
        texts = _texts(known)
        vectors = self._vectors
        if new := sorted(texts - vectors.keys()):
            kept = {text: vector for text, vector in vectors.items() if text in texts}
            vectors = kept | dict(zip(new, self._embedded(new), strict=True))
            self._vectors = vectors
        return vectors

    def _embedded(self, texts: list[str]) -> NDArray[np.float64]:
        with model_errors("embedding a question"):
            vectors = np.array(self._embed_model.get_text_embedding_batch(texts))
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def _texts(known: Iterable[_Known]) -> set[str]:
    return {wording.text for each in known for wording in each.wordings}


def _only(matches: Iterable[Match]) -> Match | None:
    """The one whose query is to be trusted most; none when there are two of them."""
    ranked = sorted(matches, key=_rank)
    is_sure = len(ranked) == 1 or (len(ranked) > 1 and _rank(ranked[0]) < _rank(ranked[1]))
    return ranked[0] if is_sure else None


def _rank(match: Match) -> int:
    if match.query.origin == "file":
        return 0
    return 1 if match.query.key is None else 2


def _kept_or_new(query: VerifiedQuery, before: _Known | None) -> _Known:
    return before if before and before.query == query else _known(query)


def _known(query: VerifiedQuery) -> _Known:
    parameters = parameters_of(query)
    texts = [query.question, *query.wordings]
    return _Known(query, parameters, [_wording(text, parameters) for text in texts])


def _wording(text: str, parameters: Sequence[Parameter]) -> _Wording:
    defaults = {p.column: str(p.default) for p in parameters if p.column}

    def lookup(column: Column, written: Sequence[str]) -> Mapping[str, str]:
        default = defaults[column]
        return {each: default for each in written if fold(each) == fold(default)}

    filling = fill(text, parameters, lookup, date.min)
    asks = tuple(find_concepts(filling.left, question_language(text)))
    optional = {each.name for each in parameters if each.kind in _OPTIONAL}
    return _Wording(text, asks, frozenset(filling.values) - optional)


def _named(question: str) -> Iterator[tuple[int, str]]:
    """Each few words in a row, with their number."""
    words = tokenize(question)[:_MOST_WORDS]
    for length in range(2, min(_LONGEST_NAME, len(words)) + 1):
        for begin in range(len(words) - length + 1):
            yield length, question[words[begin].start : words[begin + length - 1].end]


def _may_agree(asked: frozenset[str], known: _Known) -> bool:
    return any(asked.issuperset(wording.asks) for wording in known.wordings)


def _agrees(asked: Sequence[str], filling: Filling, known: _Known) -> bool:
    return any(
        _asks_the_same(wording, asked) and wording.names <= filling.values.keys()
        for wording in known.wordings
    )


def _asks_the_same(wording: _Wording, asked: Sequence[str]) -> bool:
    """In the same order: which part of the delivered was returned is not the reverse."""
    things = _unqualified(asked)
    return {*wording.asks} == {*asked} and bool(things) and _unqualified(wording.asks) == things


def _unqualified(asked: Sequence[str]) -> list[str]:
    """Without what only qualifies, wherever it stands: best, each month."""
    return [
        concept
        for before, concept in zip(("", *asked), asked, strict=False)
        if concept not in _QUALIFIERS and before != "each"
    ]


def _quoted(name: str) -> str:
    return f"`{name.replace('`', '``')}`"
