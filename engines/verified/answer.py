"""What a verified query says: an answer without a language model, an example for one."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from babel import dates

from engines.answer_language import question_language
from engines.documents.cited_text import make_inert
from engines.question import Question
from engines.tables.query_result import QueryResult, Run
from engines.tables.result_text import as_text, format_cell
from engines.verified.matching import Match
from stores.binding import write_literals
from stores.text.translations import load_translations
from stores.values import Value
from stores.verified_queries import Origin, VerifiedQuery


@dataclass(frozen=True)
class VerifiedAnswer:
    """`text` is the rows, and who verified the query behind them."""

    rows: str
    text: str
    result: QueryResult


def answer_with_match(question: str | Question, match: Match, run: Run) -> VerifiedAnswer:
    """Run the verified query, and put its rows into the language of the question."""
    language = question_language(question)
    result = run(match.query.sql, match.values)
    rows = as_text(result, language, match.query.units)
    text = f"{rows}\n\n{make_inert(tell_who_verified(describe_provenance(match), language))}"
    return VerifiedAnswer(rows, text, result)


@dataclass(frozen=True)
class Provenance:
    """Whose query has answered, who has checked it and when, and the values that are bound.

    Those that are `assumed` the question does not say; `units` are what the columns count in.
    """

    name: str
    question: str
    verified_by: str
    verified_at: date
    origin: Origin
    key: str | None
    parameters: Mapping[str, Value]
    assumed: Sequence[str]
    units: Mapping[str, str]


def describe_provenance(match: Match) -> dict[str, Any]:
    """Return what an answer says of the verified query that it is from."""
    told = Provenance(
        name=match.query.name,
        question=match.query.question,
        verified_by=match.query.verified_by,
        verified_at=match.query.verified_at,
        origin=match.query.origin,
        key=match.query.key,
        parameters=dict(match.values),
        assumed=sorted(match.values.keys() - match.given),
        units=dict(match.query.units),
    )
    return vars(told)


def write_examples(queries: Iterable[VerifiedQuery]) -> str:
    """Return questions with their SQL, for the prompt of a model that writes SQL itself."""
    return "\n\n".join(
        f"Question: {query.question}\nSQL:\n{write_literals(query.sql, query.parameters)}"
        for query in queries
    )


def tell_who_verified(verified: Mapping[str, Any], language: str) -> str:
    """Return a sentence that tells who verified what, and the value of every parameter."""
    texts = load_translations(language)
    said = texts.gettext("Verified by {name} on {day}: “{question}”").format(
        name=verified["verified_by"],
        day=dates.format_date(verified["verified_at"], "long", locale=language),
        question=verified["question"],
    )
    given = _list_values(verified, language, assumed=False)
    assumed = _list_values(verified, language, assumed=True)
    parts = [
        said,
        texts.gettext("with {values}").format(values=given) if given else "",
        texts.gettext("{values} assumed").format(values=assumed) if assumed else "",
    ]
    return f"{', '.join(filter(None, parts))}."


def _list_values(verified: Mapping[str, Any], language: str, *, assumed: bool) -> str:
    return ", ".join(
        f"{name} = {format_cell(value, language, '#' if not isinstance(value, date) else '')}"
        for name, value in verified["parameters"].items()
        if (name in verified["assumed"]) == assumed
    )
