"""What a verified query says: an answer without a language model, an example for one."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from babel import dates

from engines.language import question_language
from engines.question import Question
from engines.tables.query_result import QueryResult, Run, as_text, formatted
from engines.verified.matching import Match
from stores.binding import with_literals
from stores.verified_queries import VerifiedQuery

_PHRASES = {
    "en": {
        "verified": "Verified by {name} on {day}: “{question}”",
        "given": "with {values}",
        "assumed": "{values} assumed",
    },
    "fr": {
        "verified": "Vérifié par {name} le {day} : « {question} »",
        "given": "avec {values}",
        "assumed": "{values} par défaut",
    },
}


@dataclass(frozen=True)
class VerifiedAnswer:
    """`text` is the rows, and who verified the query behind them."""

    rows: str
    text: str
    match: Match
    result: QueryResult


def answer(question: str | Question, match: Match, run: Run) -> VerifiedAnswer:
    """Run the verified query, and put its rows into the language of the question."""
    language = question_language(question)
    result = run(match.query.sql, match.values)
    rows = as_text(result, language, match.query.units)
    return VerifiedAnswer(rows, f"{rows}\n\n{_origin(match, language)}", match, result)


def examples(queries: Iterable[VerifiedQuery]) -> str:
    """Questions with their SQL, for the prompt of a model that writes SQL itself."""
    return "\n\n".join(
        f"Question: {query.question}\nSQL:\n{with_literals(query.sql, query.parameters)}"
        for query in queries
    )


def _origin(match: Match, language: str) -> str:
    """Who verified what, and the value of each parameter."""
    phrases = _PHRASES[language]
    verified = phrases["verified"].format(
        name=match.query.verified_by,
        day=dates.format_date(match.query.verified_at, "long", locale=language),
        question=match.query.question,
    )
    given = _listed(match, language, given=True)
    assumed = _listed(match, language, given=False)
    parts = [
        verified,
        phrases["given"].format(values=given) if given else "",
        phrases["assumed"].format(values=assumed) if assumed else "",
    ]
    return f"{', '.join(filter(None, parts))}."


def _listed(match: Match, language: str, *, given: bool) -> str:
    return ", ".join(
        f"{name} = {formatted(value, language, '#' if not isinstance(value, date) else '')}"
        for name, value in match.values.items()
        if (name in match.given) == given
    )
