"""Values for the parameters of a verified query, found in the words of a question."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Final, TypeAlias

from babel import Locale

from engines.verified.parameters import CURRENCY_SIGN, UNIT_SIGN, Column, Parameter
from stores.text.calendar_words import load_months, load_relative_years
from stores.text.number_words import load_comparisons, load_number_words
from stores.text.tokens import Token, fold, tokenize
from stores.text.translations import LANGUAGES
from stores.values import Value

# Which of the written values a column holds, by their places in the list, as it writes them.
Lookup: TypeAlias = Callable[[Column, Sequence[str]], Mapping[str, str]]

LONGEST_NAME: Final = 8  # words
LARGEST_LIMIT: Final = 1000
_YEAR = re.compile(r"(?:19|20)\d\d", re.ASCII)
_INTEGER = re.compile(r"\d{1,18}", re.ASCII)
_DECIMAL = re.compile(r"\d{1,15}\.\d{1,6}", re.ASCII)
_MINUS = re.compile(r"[-\u2010-\u2015\u2212]$")
_SIGN_BEFORE = re.compile(rf"({CURRENCY_SIGN})\s?$")
_SIGN_BEHIND = re.compile(rf"\s?({UNIT_SIGN})")
_OPEN_ENDED = {"from", "to", "a"}  # from 2024, à 2025: a begin or an end
_UNTIL = ("jusqu'", "jusqu\u2019")
_SINCE = "dès"
_YEAR_WORDS = {"year", "annee", "an"}
_NUMBER_WORDS = {"no", "n", "nr", "number", "numero"}
_BEFORE_LIMITS = {"top"}
_LARGEST_COUNT: Final = 20  # in words; "a hundred customers" are no list


@dataclass
class Filling:
    """The words of a text; those that gave a value are None in `left`.

    `before` are the values of the question that a follow-up goes on with, and `places` the words
    that gave each new one.
    """

    words: list[Token]
    text: str
    before: Mapping[str, Value] = field(default_factory=dict)
    values: dict[str, Value] = field(default_factory=dict)
    places: dict[str, range] = field(default_factory=dict)
    left: list[str | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.left = [_fold_in_place(self.text, word) for word in self.words]

    def take(self, name: str, value: Value, places: range) -> None:
        self.values[name] = value
        self.places[name] = places
        for place in places:
            self.left[place] = None


def fill_parameters(
    text: str,
    parameters: Sequence[Parameter],
    lookup: Lookup,
    today: date,
    before: Mapping[str, Value] | None = None,
) -> Filling:
    """Find a value for every parameter that one part of the text gives, and one only."""
    filling = Filling(tokenize(text), text, before or {})
    for kinds, find in (
        ({"name"}, _find_held_names),
        ({"country"}, _find_countries),
        ({"date"}, _find_dates),
        ({"year"}, _find_years),
        ({"month"}, _find_months),
        ({"bound"}, _find_bounds),
        ({"number"}, _find_numbers),
        ({"limit"}, _find_limits),
    ):
        asked = [parameter for parameter in parameters if parameter.kind in kinds]
        for parameter in asked:
            found = list(find(filling, parameter, lookup, today))
            if len({value for value, _ in found}) == 1 and not _is_shared(parameter, asked):
                for value, places in found:
                    filling.take(parameter.name, value, places)
    return filling


def _fold_in_place(text: str, word: Token) -> str:
    """Return the folded word, told apart from others where a begin or an end would look like them.

    Without it "jusqu'en 2024" reads "en 2024", and "dès 2024" reads "des 2024".
    """
    if text[max(0, word.start - 6) : word.start].lower() in _UNTIL:
        return "jusqu"
    return _SINCE if word.text.lower() == _SINCE else word.folded


def _is_shared(parameter: Parameter, asked: Sequence[Parameter]) -> bool:
    """Tell whether a value could as well be another parameter's."""
    return any(
        other.name != parameter.name
        and (other.column, other.comparison) == (parameter.column, parameter.comparison)
        for other in asked
    )


Found: TypeAlias = Iterator[tuple[Value, range]]


def _find_held_names(filling: Filling, parameter: Parameter, lookup: Lookup, _: date) -> Found:
    """Yield the longest names that the column holds."""
    assert parameter.column  # noqa: S101 - names are values of one
    spans = {place: _get_written(filling, place) for place in _list_spans(filling)}
    known = lookup(parameter.column, list(dict.fromkeys(spans.values())))
    places = [place for place, written in spans.items() if written in known]
    for place in places:
        if not any(_is_inside(place, other) for other in places):
            yield known[spans[place]], place


def _find_countries(filling: Filling, parameter: Parameter, lookup: Lookup, today: date) -> Found:
    """Yield countries that the column holds, named by a code or in one of our languages."""
    assert parameter.column  # noqa: S101 - as above
    named = {
        place: load_countries()[words]
        for place in _list_spans(filling)
        if (words := _get_folded(filling, place)) in load_countries()
    }
    known = lookup(parameter.column, sorted(set(named.values())))
    for place, code in named.items():
        if code in known and not any(_is_inside(place, other) for other in named):
            yield known[code], place
    codes = _find_held_names(filling, parameter, lookup, today)
    yield from ((code, place) for code, place in codes if _get_written(filling, place).isupper())


def _find_dates(filling: Filling, *_: object) -> Found:
    for place, word in _list_words_left(filling):
        try:
            day = date.fromisoformat(word)
        except ValueError:
            continue
        if _get_word_before(filling, place) not in _OPEN_ENDED:
            yield day, range(place, place + 1)


def _find_years(filling: Filling, parameter: Parameter, _: Lookup, today: date) -> Found:
    for place, word in _list_words_left(filling):
        before = _get_word_before(filling, place)
        if _YEAR.fullmatch(word) and before not in _OPEN_ENDED:
            yield int(word), range(place - (before in _YEAR_WORDS), place + 1)
    last = filling.before.get(parameter.name)
    of_last, of_today = load_relative_years("before"), load_relative_years("today")
    for span in _list_spans(filling):
        words = _get_folded(filling, span)
        if isinstance(last, int) and words in of_last:
            yield last + of_last[words], span
        elif words in of_today:
            yield today.year + of_today[words], span


def _find_months(filling: Filling, *_: object) -> Found:
    for place, word in _list_words_left(filling):
        if word in load_months() and _get_word_before(filling, place) not in _OPEN_ENDED:
            yield load_months()[word], range(place, place + 1)


def _find_bounds(filling: Filling, parameter: Parameter, *_: object) -> Found:
    for place, word in _list_words_left(filling):
        number = _parse_number(word)
        comparison, begin = _find_comparison(filling, place)
        is_whole = _is_number_alone(filling, place, parameter.signs)
        if number is not None and comparison == parameter.comparison and is_whole:
            counted = filling.left[place + 1 : place + 2] == [fold(parameter.name)]
            yield number, range(begin, place + 1 + counted)


def _find_numbers(filling: Filling, parameter: Parameter, *_: object) -> Found:
    for place, word in _list_words_left(filling):
        if (
            _INTEGER.fullmatch(word)
            and not _find_comparison(filling, place)[0]
            and _is_number_alone(filling, place, parameter.signs)
        ):
            marked = _get_word_before(filling, place) in _NUMBER_WORDS
            yield int(word), range(place - marked, place + 1)


def _find_limits(filling: Filling, *_: object) -> Found:
    """Yield a number before what is counted: three customers, 5 best products, top 10."""
    for place, word in _list_words_left(filling):
        limit = int(word) if _INTEGER.fullmatch(word) else (_parse_count(word) or 0)
        follows = filling.left[place + 1] if place + 1 < len(filling.left) else None
        is_counted = follows is not None and follows.isalpha()
        counts = is_counted or _get_word_before(filling, place) in _BEFORE_LIMITS
        if (
            0 < limit <= LARGEST_LIMIT
            and counts
            and not _find_comparison(filling, place)[0]
            and _is_number_alone(filling, place)
        ):
            yield limit, range(place, place + 1)


def _list_words_left(filling: Filling) -> Iterator[tuple[int, str]]:
    return ((place, word) for place, word in enumerate(filling.left) if word is not None)


def _get_word_before(filling: Filling, place: int) -> str | None:
    return filling.left[place - 1] if place else None


def _list_spans(filling: Filling) -> Iterator[range]:
    """Yield runs of words that gave no value yet."""
    for begin in range(len(filling.left)):
        for end in range(begin + 1, min(begin + LONGEST_NAME, len(filling.left)) + 1):
            if None in filling.left[begin:end]:
                break
            yield range(begin, end)


def _is_inside(place: range, other: range) -> bool:
    return place != other and other.start <= place.start and place.stop <= other.stop


def _get_written(filling: Filling, place: range) -> str:
    return filling.text[filling.words[place.start].start : filling.words[place.stop - 1].end]


def _get_folded(filling: Filling, place: range) -> tuple[str, ...]:
    return tuple(filling.words[at].folded for at in place)


def _find_comparison(filling: Filling, place: int) -> tuple[str, int]:
    """Return the operator that is said before a number, and where its words begin."""
    for length in range(3, 0, -1):
        begin = place - length
        words = filling.left[begin:place] if begin >= 0 else []
        phrase = tuple(filter(None, words))
        if len(phrase) == length and phrase in load_comparisons():
            return load_comparisons()[phrase], begin
    return "", place


def _is_number_alone(filling: Filling, place: int, signs: frozenset[str] = frozenset()) -> bool:
    """Tell whether no sign beside a number makes another of it: -5, $5 or 5% but for `signs`."""
    number = filling.words[place]
    before = filling.text[max(0, number.start - 2) : number.start]
    found = [_SIGN_BEFORE.search(before), _SIGN_BEHIND.match(filling.text, number.end)]
    return not _MINUS.search(before) and {sign[1] for sign in found if sign} <= signs


def _parse_number(word: str) -> int | Decimal | None:
    if _INTEGER.fullmatch(word):
        return int(word)
    if _DECIMAL.fullmatch(word):
        return Decimal(word)
    return _parse_count(word)


def _parse_count(word: str) -> int | None:
    """Return the number that a word says, where people say it of what they count."""
    number = load_number_words().get(word, 0)
    return number if 1 < number <= _LARGEST_COUNT else None


@cache
def load_countries() -> Mapping[tuple[str, ...], str]:
    names = {
        tuple(word.folded for word in tokenize(name)): code
        for language in LANGUAGES
        for code, name in Locale(language).territories.items()
        if len(code) == 2 and code.isalpha()  # noqa: PLR2004 - ISO 3166; other codes are regions
    }
    return {**names, ("uk",): "GB"}
