"""Recognizes questions that ask for a number or a date, and finds such figures in a text."""

import re
from functools import cache

from stores.text.calendar_words import load_months
from stores.text.number_words import load_number_words
from stores.text.tokens import fold
from stores.text.word_lists import load_words

_ASKING = re.compile(
    r"\bhow (?:many|much|long|old|far|large|big|tall|high|deep|fast|often|late|soon)\b|\bwhen\b"
    r"|\b(?:what|which) (?:\w+ )?(?:percent\w*|number|amount|age|portion|proportion|temperature"
    r"|year|date|day|month|century|decade|time|price|cost)\b"
    r"|\bcombien\b|\bquand\b"
    r"|\bquel(?:le)?s? (?:\w+ ){0,2}(?:pourcentage|nombre|age|taille|hauteur|superficie|distance"
    r"|duree|longueur|altitude|population|annee|date|jour|mois|siecle|epoque|periode|heure|prix"
    r"|montant)\b"
)
_TOKEN = re.compile(r"\w+(?:[.,:]\d+)*|[%€$£]")
_FIGURE = re.compile(r"\S*\d\S*|[%€$£]")


def asks_for_figure(question: str) -> bool:
    """Tell whether a question in English or French asks for a number, an amount or a date."""
    return bool(_ASKING.search(fold(question)))


def find_figures(text: str) -> set[str]:
    """Return the numbers in digits or words, months, signs of currency and per cent of a text."""
    return {
        token
        for token in _TOKEN.findall(fold(text))
        if token in _load_written_figures() or _FIGURE.fullmatch(token)
    }


@cache
def _load_written_figures() -> frozenset[str]:
    """Return the words for numbers, months and other figures, in whichever language."""
    others = load_words("engines/documents/written_figures.txt").values()
    return frozenset[str]().union(load_number_words(), load_months(), *others)
