"""Recognizes questions that ask for a number or a date, and finds such figures in a text."""

import re
from functools import cache

from stores.text.asked_languages import load_asked_words
from stores.text.calendar_words import load_months, load_months_of
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
_ASKING_ELSEWHERE = {
    "de": re.compile(
        r"\bwie ?viele?r?\b"
        r"|\bwie (?:lange|alt|hoch|gross|weit|breit|tief|schnell|schwer|oft|spat)\b"
        r"|\bwann\b|\bwelche[mnrs]? (?:\w+ )?(?:anteil|anzahl|zahl|alter|jahr|datum|tag|monat"
        r"|jahrhundert|uhrzeit|preis|temperatur|hohe|lange|menge|betrag)\b"
    ),
    "es": re.compile(
        r"\bcuant[oa]s?\b|\bcuando\b|\b(?:que|cual) (?:\w+ ){0,2}(?:porcentaje|numero|cantidad"
        r"|edad|ano|fecha|dia|mes|siglo|hora|precio|temperatura|altura|distancia|frecuencia)\b"
    ),
    "it": re.compile(
        r"\bquant[oaei]\b|\bquando\b|\b(?:che|quale?) (?:\w+ ){0,2}(?:percentuale|numero|quantita"
        r"|eta|anno|data|giorno|mese|secolo|ora|prezzo|temperatura|altezza|distanza)\b"
    ),
    "nl": re.compile(
        r"\bhoeveel\b|\bhoe (?:lang|oud|hoog|groot|ver|breed|diep|snel|zwaar|vaak|laat)\b"
        r"|\bwanneer\b|\bwelke? (?:\w+ )?(?:percentage|aantal|nummer|leeftijd|jaar|datum|dag|maand"
        r"|eeuw|tijd|prijs|temperatuur|hoogte|bedrag)\b"
    ),
    "pt": re.compile(
        r"\bquant[oa]s?\b|\bquando\b|\b(?:que|qual) (?:\w+ ){0,2}(?:porcentagem|percentagem|numero"
        r"|quantidade|idade|ano|data|dia|mes|seculo|hora|preco|temperatura|altura|distancia"
        r"|frequencia)\b"
    ),
}
_TOKEN = re.compile(r"\w+(?:[.,:]\d+)*|[%€$£]")
_FIGURE = re.compile(r"\S*\d\S*|[%€$£]")


def asks_for_figure(question: str, language: str) -> bool:
    """Tell whether a question asks for a number, an amount or a date."""
    return bool(_ASKING_ELSEWHERE.get(language, _ASKING).search(fold(question)))


def find_figures(text: str, language: str) -> set[str]:
    """Return the numbers in digits or words, months, signs of currency and per cent of a text."""
    written = _load_written_figures(language)
    return {
        token
        for token in _TOKEN.findall(fold(text))
        if token in written or _FIGURE.fullmatch(token)
    }


@cache
def _load_written_figures(language: str) -> frozenset[str]:
    """Return the words for numbers, months and other figures.

    Those of English and French serve for both, and for every language without such words.
    """
    if numbers := load_asked_words("number").get(language):
        return numbers.union(load_months_of(language))
    others = load_words("engines/documents/written_figures.txt").values()
    return frozenset[str]().union(load_number_words(), load_months(), *others)
