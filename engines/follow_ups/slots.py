"""The values in a question that a follow-up may replace: times, countries, limits, numbers."""

import re
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal

from engines.follow_ups.places import in_the_manner_of
from engines.verified.filling import countries, months
from stores.text.words import folded

Kind = Literal["time", "country", "bound", "limit", "code", "number"]

_YEAR: Final = r"(?<![\w-])(?:19|20)\d\d(?![\w-])"
_NEUTRAL: Final = r"in|during|for|of|en|durant|pour|de|du|d'|au"
_TELLING: Final = r"since|before|after|until|from|by|between|depuis|avant|apres|jusqu'en|entre"
_BEFORE: Final = (
    r"(?:the )?(?:previous|preceding) year|(?:the )?year before"
    r"|l'annee (?:d'avant|precedente)|l'an d'avant"
)
_AFTER: Final = (
    r"(?:the )?(?:next|following) year|(?:the )?year after"
    r"|l'annee (?:d'apres|suivante)|l'an d'apres"
)
_RELATIVE: Final = (
    rf"{_BEFORE}|{_AFTER}|(?:last|this|next) (?:year|month|quarter|week)|yesterday|today"
    r"|l'(?:annee|an) (?:derniere?|passee?)|le mois (?:dernier|passe)|cette annee|ce mois(?:-ci)?"
    r"|cette semaine|la semaine derniere|hier|aujourd'hui"
)
_COUNTED: Final = (
    "two three four five six seven eight nine ten twelve fifteen twenty "
    "deux trois quatre cinq sept huit neuf dix douze quinze vingt"
)
_NUMBER: Final = rf"\d{{1,4}}|{_COUNTED.replace(' ', '|')}"
_BEST: Final = (
    r"best|worst|top|biggest|largest|smallest|cheapest|latest|most|highest|lowest|meilleure?s?"
    r"|pires?|plus|moins|dernier(?:e?s)?|premier(?:e?s)?"
)
_COMPARING: Final = (
    r"(?:less|fewer|more) than|under|below|over|above|at (?:least|most)|moins de|plus de"
    r"|au (?:moins|plus)"
)
_CODE: Final = r"(?<![\w-])[a-z]+-?\d[\w-]*(?![\w-])"
_MARKS: Final = f"?!.,;:{string.whitespace}\u00a0\u202f"


@dataclass(frozen=True)
class Slot:
    """A value in a text; its `core` begins behind its preposition."""

    kind: Kind
    begin: int
    core: int
    end: int
    text: str

    @property
    def whole(self) -> str:
        return self.text[self.begin : self.end]

    @property
    def value(self) -> str:
        return self.text[self.core : self.end]

    @property
    def preposition(self) -> str:
        return flat(self.text[self.begin : self.core]).strip()


def is_value(word: str) -> bool:
    """Whether a folded word is a time or a country by itself."""
    known = word in months() or (word,) in countries()
    return known or bool(re.fullmatch(rf"{_YEAR}|[qt][1-4]", word))


def slots(text: str) -> list[Slot]:
    """Each part of the text in at most one."""
    found: list[Slot] = []
    for kind, pattern in _patterns().items():
        for match in pattern.finditer(flat(text)):
            slot = Slot(kind, match.start(), match.start("core"), match.end("core"), text)
            if not any(slot.begin < other.end and other.begin < slot.end for other in found):
                found.append(slot)
    return found


def flat(text: str) -> str:
    """Folded letter by letter, so that places stay the same."""
    letters = (letter if len(plain := folded(letter)) != 1 else plain for letter in text)
    return "".join(letters).replace("\u2019", "'")


@cache
def _patterns() -> dict[Kind, re.Pattern[str]]:
    month = "|".join(sorted((name for name in months() if name != "may"), key=len, reverse=True))
    month = rf"(?:\b(?:{month})\b|(?:(?<=in )|(?<=of )|(?<=and ))may\b|\bmay(?= \d{{4}}))"
    day = r"(?:\d{1,2}(?:er|st|nd|rd|th)? (?:of )?)?"
    year = rf"(?: (?:of |de )?{_YEAR})?"
    unit = rf"(?:\d{{4}}-\d\d-\d\d|{day}{month}{year}|\b[qt][1-4]\b{year}|{_YEAR})"
    time = rf"(?:{unit}(?:(?: and | to | et | a | au |-){unit})?|\b(?:{_RELATIVE})\b)"
    article = (
        r"(?:\b(?:(?:pour |dans |par |vers )?(?:la|le|les)|en|au|aux|de la|du|des|de|in|to|from|for"
        r"|of|by|within|(?:(?:in|to|from|for|of) )?the)\s+|\b(?:pour l|de l|l|d)')"
    )
    names = sorted((" ".join(words) for words in countries()), key=len, reverse=True)
    country = "|".join(re.escape(name).replace("\\ ", r"[ '-]+") for name in names)
    return {
        "time": re.compile(rf"(?:\b(?:{_NEUTRAL}|{_TELLING})\s*(?<=[\s']))?(?P<core>{time})"),
        "country": re.compile(rf"{article}?(?P<core>\b(?:{country})\b)(?!-)"),
        "bound": re.compile(rf"\b(?:{_COMPARING}) (?P<core>(?:{_NUMBER})\b)"),
        "limit": re.compile(
            rf"(?P<core>\b(?:(?<=top )|(?<=first )|(?<=last ))(?:{_NUMBER})\b"
            rf"|(?<!order )(?<!commande )(?<!-)\b(?:{_NUMBER})(?= [a-z]))"
        ),
        "code": re.compile(rf"(?P<core>{_CODE})"),
        "number": re.compile(r"(?P<core>(?<![\w-])\d+(?![\w-]))"),
    }


def replaced(old: Sequence[Slot], new: Slot, text: str) -> str:
    """The text with the new value in the place of the last old one of its kind.

    Without one, a time or a country goes behind all; "" for what needs a place.
    """
    same = [slot for slot in old if slot.kind == new.kind]
    if not same:
        return _inserted(text, new)
    last = same[-1]
    begin, written = _REPLACING[new.kind](last, new)
    return f"{text[:begin]}{written}{text[last.end :]}"


def appended(text: str, words: str) -> str:
    """The words before the mark that ends the text."""
    bare = unmarked(text)
    return f"{bare} {words}{text[len(bare) :]}"


def unmarked(text: str) -> str:
    """Without the marks and spaces that end it."""
    return text.rstrip(_MARKS)


def _inserted(text: str, new: Slot) -> str:
    best = re.search(rf"\b(?:{_BEST})\b", flat(text))
    if new.kind == "limit" and best:
        return f"{text[: best.start()]}{new.value} {text[best.start() :]}"
    return appended(text, new.whole) if new.kind in ("time", "country") else ""


def _value(old: Slot, new: Slot) -> tuple[int, str]:
    return old.core, new.value


def _country(old: Slot, new: Slot) -> tuple[int, str]:
    return old.begin, in_the_manner_of(old.text[old.begin : old.core], old.value, new.value)


def _bound(old: Slot, new: Slot) -> tuple[int, str]:
    return old.begin, new.whole


def _time(old: Slot, new: Slot) -> tuple[int, str]:
    if shifted := _shifted(old, new):
        return old.core, shifted
    relative = re.fullmatch(_RELATIVE, flat(new.value))
    neutral = re.fullmatch(_NEUTRAL, new.preposition) or not new.preposition
    if not neutral or re.fullmatch(_RELATIVE, flat(old.value)) or _parts(old) is None:
        return old.begin, new.whole
    if relative:
        keeps = old.preposition in ("of", "de", "du", "d'")
        return (old.core if keeps else old.begin), new.value
    if new.preposition and re.fullmatch(_TELLING, old.preposition):
        return old.begin, new.whole
    return old.core, _merged(old, new)


def _parts(slot: Slot) -> tuple[str, str] | None:
    """Month and year, each "" where the slot names none; None for a range of times."""
    years = re.findall(_YEAR, slot.value)
    rest = re.sub(_YEAR, "", slot.value).strip()
    if len(years) > 1 or re.search(r" (?:and|to|et|a|au) ", flat(slot.value)):
        return None
    return rest, "".join(years)


def _merged(old: Slot, new: Slot) -> str:
    """A month keeps the year, and a year the month."""
    old_parts, new_parts = _parts(old), _parts(new)
    if old_parts is None or new_parts is None:
        return new.value
    return " ".join(filter(None, (new_parts[0] or old_parts[0], new_parts[1] or old_parts[1])))


def _shifted(old: Slot, new: Slot) -> str:
    """The year before or after that of the old time."""
    by = next((by for by, said in _SHIFTS.items() if re.fullmatch(said, flat(new.value))), 0)
    years = re.findall(_YEAR, old.value)
    if not by or len(years) != 1:
        return ""
    return old.value.replace(years[0], str(int(years[0]) + by))


_SHIFTS: Final = {-1: _BEFORE, 1: _AFTER}
_REPLACING: Final[dict[Kind, Callable[[Slot, Slot], tuple[int, str]]]] = {
    "time": _time,
    "country": _country,
    "bound": _bound,
    "limit": _value,
    "code": _value,
    "number": _value,
}
