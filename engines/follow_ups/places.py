"""Countries as the sentence around them has them: to Belgium, en Belgique, au Luxembourg."""

from collections.abc import Mapping
from typing import Final

from babel import Locale

from engines.concepts import tokens
from engines.verified.filling import countries
from stores.text.words import folded

_MASCULINE: Final = {"mexique", "cambodge", "mozambique", "zimbabwe", "belize", "suriname"}
_PLURAL: Final = {"pays-bas", "etats-unis", "philippines", "maldives", "seychelles", "comores"}
_BARE: Final = {"israel", "cuba", "malte", "chypre", "monaco", "singapour", "madagascar", "haiti"}
_WITH_THE: Final = {"uk", "us", "usa", "netherlands", "philippines", "maldives", "bahamas"}
_FORMS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("en", "au", "aux"), "in"),
    **dict.fromkeys(("de la", "de l'", "du", "des"), "of the"),
    **dict.fromkeys(("de", "d'"), "of"),
    **dict.fromkeys(("la", "le", "les", "l'"), "the"),
}
_ARTICLES: Final[Mapping[str, Mapping[str, str]]] = {
    "plural": {"in": "aux ", "of the": "des ", "of": "des ", "the": "les "},
    "vowel": {"in": "en ", "of the": "de l'", "of": "d'", "the": "l'"},
    "feminine": {"in": "en ", "of the": "de la ", "of": "de ", "the": "la "},
    "masculine": {"in": "au ", "of the": "du ", "of": "du ", "the": "le "},
    "bare": {"in": "à ", "of the": "de ", "of": "de ", "the": ""},
}


def in_the_manner_of(before: str, former: str, country: str) -> str:
    """The country in the language of the former one, behind what it needs in the place of `before`.

    That is a preposition, an article, or both: to, en, pour la.
    """
    preposition, article = _parted(folded(before).strip())
    language = "fr" if article else "en" if preposition else _language(former)
    name = _name(country, language)
    if not article:
        return f"{_english(before)}{'the ' if _takes_the(name) and before else ''}{name}"
    kept = f"{preposition} " if preposition else ""
    return f"{kept}{_ARTICLES[_gender(name)][_FORMS[article]]}{name}"


def _english(before: str) -> str:
    bare = before.rstrip()
    bare = bare[:-3].rstrip() if folded(bare).endswith("the") else bare
    return f"{bare} " if bare else ""


def _takes_the(country: str) -> bool:
    plain = folded(country)
    return plain.startswith("united") or plain in _WITH_THE


def _parted(before: str) -> tuple[str, str]:
    """A preposition, and the French article behind it, which may hold one itself."""
    if before in _FORMS:
        return "", before
    preposition, _, article = before.rpartition(" ")
    return (preposition, article) if article in _FORMS else (before, "")


def _language(country: str) -> str:
    return next((each for each in ("en", "fr") if _is_named(country, each)), "")


def _is_named(country: str, language: str) -> bool:
    return folded(country) in map(folded, Locale(language).territories.values())


def _name(country: str, language: str) -> str:
    if not language or _is_named(country, language):
        return country
    code = countries()[tuple(word.folded for word in tokens(country))]
    return str(Locale(language).territories[code])


def _gender(name: str) -> str:
    plain = folded(name)
    if plain in _PLURAL | _BARE:
        return "plural" if plain in _PLURAL else "bare"
    if plain[0] in "aeiouh":
        return "vowel"
    return "feminine" if plain.endswith("e") and plain not in _MASCULINE else "masculine"
