"""Which verified query answers a question, and which are like it.

A wrong answer that is marked as verified is worse than none, and embeddings do not tell it from a
right one: for a question about another month the cosine is 0.98, for the same question in French
0.5. So words decide. Those of a question that are neither said in passing nor give a value to a
parameter must ask for exactly what one wording of the verified query asks for.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from llama_index.core.base.embeddings.base import BaseEmbedding

from engines.answer_language import question_language
from engines.concepts import find_concepts
from engines.model_errors import model_errors
from engines.question import Question, Refill
from engines.tables.query_result import Run
from engines.vectors import Vector, Vectors, normalize_vectors
from engines.verified.filling import Filling, fill_parameters
from engines.verified.parameters import Column, Parameter, read_parameters
from stores.table_names import quote_name
from stores.text.phrases import split_phrases
from stores.text.tokens import fold, tokenize
from stores.text.translations import LANGUAGES
from stores.values import Value
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
class _PreparedQuery:
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
        self._prepared: Sequence[_PreparedQuery] = ()
        self._vectors: dict[str, Vector] = {}
        self._read_queries()

    def match(self, asked: str | Question) -> Match | None:
        """Return the one query that answers the question; None when none does, or several do.

        A follow-up that asks for a query again, with other values, gets that. One of the file goes
        before one that somebody on this machine has saved, and that before one that an API key has:
        a key cannot stand in their way.
        """
        if isinstance(asked, Question):
            return self._match_again(asked.refill) if asked.refill else self.match(asked.query_str)
        words = tokenize(asked)
        if len(words) > _MOST_WORDS:
            return None
        among = self._read_queries()
        return _pick_most_trusted(self._find_matches(asked, question_language(asked), among))

    def refill(self, follow_up: str, asked: str, before: Match) -> Match | None:
        """Return the query that answered the question `asked`, with the values of its follow-up.

        None where a follow-up says more than values: "and in 2024?" does not, but "how many were
        returned in 2024?" is a question of its own.
        """
        among = self._read_queries()
        known = next((known for known in among if known.query == before.query), None)
        if known is None or len(tokenize(follow_up)) > _MOST_WORDS:
            return None
        filling = fill_parameters(
            follow_up, known.parameters, self._look_up, self._today(), before.values
        )
        if not filling.values or not self._says_values_alone(filling, asked, known):
            return None
        values = {**before.values, **filling.values}
        return Match(known.query, values, before.given | filling.values.keys())

    def _says_values_alone(self, filling: Filling, asked: str, known: _PreparedQuery) -> bool:
        """Tell whether other words only go on, as "and" does, or introduce a value as they did."""
        left = list(filling.left)
        former = fill_parameters(asked, known.parameters, self._look_up, self._today())
        for name in filling.places.keys() & former.places.keys():
            at, before = filling.places[name].start - 1, former.places[name].start - 1
            if min(at, before) >= 0 and left[at] == former.left[before]:
                left[at] = None  # and order 10001? and the Hazel ward?
        said = split_phrases(left, LANGUAGES, _LINKS)
        return all(link is not None or words[0] is None for words, link in said)

    def _match_again(self, refill: Refill) -> Match | None:
        """Return the query with its new values; None when it was removed meanwhile."""
        queries = (known.query for known in self._read_queries())
        query = next((query for query in queries if query.name == refill.query), None)
        values = refill.values
        return Match(query, {**query.parameters, **values}, frozenset(values)) if query else None

    def find_within(self, question: str) -> str | None:
        """Return a question about what this one names, that a verified query answers; or None.

        For "What do our three best customers complain about?" it is "Who are our three best
        customers?": those that are asked about may be looked up first.
        """
        language, known = question_language(question), self._read_queries()
        found: list[tuple[int, int, str]] = []
        for length, named in _find_word_runs(question):
            asked = _WHO_ARE[language].format(named)
            # What gives more values says more, the shortest says it best.
            if match := _pick_most_trusted(self._find_matches(asked, language, known)):
                found.append((len(match.given), -length, asked))
        return max(found)[2] if found else None

    def find_rival(self, query: VerifiedQuery) -> VerifiedQuery | None:
        """Return another that answers a question of this one, or of which this one answers one.

        Raises EngineError when the parameters of this one cannot be read.
        """
        new = _prepare_query(query)
        others = [known for known in self._read_queries() if known.query.name != query.name]
        for wording in new.wordings:
            language = question_language(wording.text)
            if match := next(self._find_matches(wording.text, language, others), None):
                return match.query
        answered = (other.query for other in others if self._answers_one_of(new, other))
        return next(answered, None)

    def _answers_one_of(self, known: _PreparedQuery, other: _PreparedQuery) -> bool:
        return any(
            next(self._find_matches(wording.text, question_language(wording.text), [known]), None)
            for wording in other.wordings
        )

    def find_nearest(self, question: str, count: int) -> list[tuple[VerifiedQuery, float]]:
        """Return those whose wordings are most like the question, with their best cosines."""
        among = self._read_queries()
        if not among:
            return []
        vectors = self._load_vectors(among)
        asked = self._embed_questions([question])[0]
        found = [
            (known.query, max(float(vectors[text] @ asked) for text in _list_texts([known])))
            for known in among
        ]
        return sorted(found, key=lambda scored: -scored[1])[:count]

    def embed_wordings(self) -> Mapping[str, Vector]:
        """Return every wording of a verified query with its vector, of length 1."""
        among = self._read_queries()
        vectors = self._load_vectors(among)
        return {text: vectors[text] for text in _list_texts(among)}

    def suggest_questions(
        self, question: str, passages: Sequence[str], count: int = 3
    ) -> list[str]:
        """Return questions of verified queries that are near to what was asked, the nearest first.

        Near is what is nearer to the question than each of the passages, and than any other
        verified query is to it: models differ in what cosine they call near.
        """
        among = self._read_queries()
        if not among:
            return []
        vectors = self._load_vectors(among)
        asked, *others = self._embed_questions([question, *passages])
        farthest = max((float(other @ asked) for other in others), default=-1.0)
        near: dict[str, float] = {}
        for known in among:
            own, title = _list_texts([known]), known.query.question
            strangers = [vectors[text] for text in _list_texts(among) - own]
            for text in own:
                likeness = float(vectors[text] @ asked)
                rival = max((float(vectors[text] @ other) for other in strangers), default=-1.0)
                if likeness > max(farthest, rival, near.get(title, -1.0)):
                    near[title] = likeness
        return sorted(near, key=lambda text: -near[text])[:count]

    def _find_matches(
        self, question: str, language: str, among: Iterable[_PreparedQuery]
    ) -> Iterator[Match]:
        """Yield the queries that answer the question, with the values that it gives them."""
        asks = frozenset(find_concepts([word.folded for word in tokenize(question)], language))
        for known in among:
            if not any(asks.issuperset(wording.asks) for wording in known.wordings):
                continue  # before names are looked up in the database
            filling = fill_parameters(question, known.parameters, self._look_up, self._today())
            if _agrees_with_wording(tuple(find_concepts(filling.left, language)), filling, known):
                values = {**known.query.parameters, **filling.values}
                yield Match(known.query, values, frozenset(filling.values))

    def _look_up(self, column: Column, written: Sequence[str]) -> Mapping[str, str]:
        """Return those of the written texts that the column holds, as it writes them."""
        if not written:
            return {}
        values = {f"v{number}": text for number, text in enumerate(written)}
        places = ", ".join(f":{name}" for name in values)
        name = quote_name(column.name)
        sql = f"SELECT DISTINCT {name} FROM {column.source} WHERE {name} IN ({places})"  # noqa: S608 - names are quoted, or as in the checked query
        known = {fold(str(value)): str(value) for (value,) in self._run(sql, values).rows}
        return {text: known[fold(text)] for text in written if fold(text) in known}

    def _read_queries(self) -> Sequence[_PreparedQuery]:
        """Return the queries as they are now; those that are as before are not prepared again."""
        queries = list(self._queries)
        if queries != [known.query for known in self._prepared]:
            before = {known.query.name: known for known in self._prepared}
            self._prepared = [
                known
                if (known := before.get(query.name)) and known.query == query
                else _prepare_query(query)
                for query in queries
            ]
        return self._prepared

    def _load_vectors(self, known: Iterable[_PreparedQuery]) -> Mapping[str, Vector]:
        """Return the vectors of the wordings, which are made once and kept as long as these are."""
        texts = _list_texts(known)
        vectors = self._vectors
        if new := sorted(texts - vectors.keys()):
            kept = {text: vector for text, vector in vectors.items() if text in texts}
            vectors = kept | dict(zip(new, self._embed_questions(new), strict=True))
            self._vectors = vectors
        return vectors

    def _embed_questions(self, texts: list[str]) -> Vectors:
        with model_errors("embedding a question"):
            return normalize_vectors(self._embed_model.get_text_embedding_batch(texts))


def _list_texts(queries: Iterable[_PreparedQuery]) -> set[str]:
    return {wording.text for known in queries for wording in known.wordings}


def _pick_most_trusted(matches: Iterable[Match]) -> Match | None:
    """Return the match whose query is to be trusted most; None when there are two of them."""
    ranked = sorted(matches, key=_rank_origin)
    is_sure = len(ranked) == 1 or (
        len(ranked) > 1 and _rank_origin(ranked[0]) < _rank_origin(ranked[1])
    )
    return ranked[0] if is_sure else None


def _rank_origin(match: Match) -> int:
    """Return 0 for a query of the file, which is trusted most."""
    if match.query.origin == "file":
        return 0
    return 1 if match.query.key is None else 2


def _prepare_query(query: VerifiedQuery) -> _PreparedQuery:
    parameters = read_parameters(query)
    texts = [query.question, *query.wordings]
    return _PreparedQuery(query, parameters, [_read_wording(text, parameters) for text in texts])


def _read_wording(text: str, parameters: Sequence[Parameter]) -> _Wording:
    defaults = {p.column: str(p.default) for p in parameters if p.column}

    def look_up(column: Column, written: Sequence[str]) -> Mapping[str, str]:
        default = defaults[column]
        return {text: default for text in written if fold(text) == fold(default)}

    filling = fill_parameters(text, parameters, look_up, date.min)
    asks = tuple(find_concepts(filling.left, question_language(text)))
    optional = {parameter.name for parameter in parameters if parameter.kind in _OPTIONAL}
    return _Wording(text, asks, frozenset(filling.values) - optional)


def _find_word_runs(question: str) -> Iterator[tuple[int, str]]:
    """Yield every few words in a row that stand in the question, with their number."""
    words = tokenize(question)[:_MOST_WORDS]
    for length in range(2, min(_LONGEST_NAME, len(words)) + 1):
        for begin in range(len(words) - length + 1):
            yield length, question[words[begin].start : words[begin + length - 1].end]


def _agrees_with_wording(asked: Sequence[str], filling: Filling, known: _PreparedQuery) -> bool:
    """Tell whether a wording asks for the same things in the same order.

    Which part of the delivered orders was returned is not the reverse.
    """
    things = _remove_qualifiers(asked)
    return bool(things) and any(
        {*wording.asks} == {*asked}
        and _remove_qualifiers(wording.asks) == things
        and wording.names <= filling.values.keys()
        for wording in known.wordings
    )


def _remove_qualifiers(asked: Sequence[str]) -> list[str]:
    """Return the concepts without what only qualifies, wherever it stands: best, each month."""
    return [
        concept
        for before, concept in zip(("", *asked), asked, strict=False)
        if concept not in _QUALIFIERS and before != "each"
    ]
