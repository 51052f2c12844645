"""Months and years, as they are said in words."""

from collections.abc import Mapping
from functools import cache
from typing import Literal

from babel import Locale

from stores.text.tokens import fold
from stores.text.translations import LANGUAGES
from stores.text.word_lists import load_word_list


@cache
def load_months() -> Mapping[str, int]:
    """Return the numbers of the months by their folded names, in English and French."""
    return {
        name: number for language in LANGUAGES for name, number in load_months_of(language).items()
    }


@cache
def load_months_of(language: str) -> Mapping[str, int]:
    """Return the numbers of the months by their folded names in a language."""
    months = Locale(language).months["format"]["wide"]
    return {fold(name): number for number, name in months.items()}


@cache
def load_relative_years(origin: Literal["today", "before"]) -> Mapping[tuple[str, ...], int]:
    """Return how far a year lies from that of today, or from the one asked about before."""
    entries = load_word_list("stores/text/relative_years.txt").values()
    return {
        phrase: int(name.removeprefix(origin))
        for listed in entries
        for name, phrase in listed
        if name.startswith(origin)
    }
