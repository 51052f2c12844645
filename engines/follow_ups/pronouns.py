"""What a pronoun stands for, put in its place."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from engines.follow_ups.dependent_questions import Leaning
from engines.follow_ups.follow_up_words import Word, behind, singles, words_of
from engines.follow_ups.noun_phrases import PREPOSITIONS
from stores.text.words import folded, stem

_CLITICS: Final = {"s'", "se", "ne", "n'", "y", "en", "lui", "leur", "me", "m'", "l'", "le", "la"}
_ARTICLES: Final = {"son": "le ", "sa": "la ", "ses": "les "}
_WHOLE: Final = {"s'": "si ", "qu'": "que ", "d'": "de "}
_ELIDED: Final = re.compile(r"\b(?:s|qu|d)'$", re.IGNORECASE)
_SILENT: Final = "aeiouyh\u00e9\u00e8\u00ea\u00e2\u00e0\u00ee\u00f4\u0153"


def put_in(text: str, at: int, kind: Leaning, antecedent: str) -> str | None:
    """The text with the antecedent for its word `at`; None where that takes more than the rule."""
    put = _PUTTING.get(kind)
    return put(text, words_of(text), at, antecedent) if put else None


def _thing(text: str, words: Sequence[Word], at: int, antecedent: str) -> str | None:
    return _in_place(text, words[at], antecedent) if words[at].folded == "it" else None


def _person(text: str, words: Sequence[Word], at: int, antecedent: str) -> str | None:
    if _is_of_person(words[at]) and not _may_be_person(antecedent):
        return None
    if words[at].folded in singles("inverted"):
        return _before_verb(text, words, at, antecedent)
    return _in_place(text, words[at], antecedent)


def _is_of_person(word: Word) -> bool:
    return word.folded in ("he", "him", "his", "she", "her")


def _may_be_person(antecedent: str) -> bool:
    """A name, or one that stands for it."""
    return antecedent.startswith(":") or antecedent != antecedent.lower()


def _in_place(text: str, word: Word, antecedent: str) -> str:
    before = _ELIDED.sub(lambda found: _WHOLE[found[0].lower()], text[: word.start])
    put = f"{before}{antecedent}{text[word.end :]}"
    return put[:1].upper() + put[1:] if not word.start else put


def _before_verb(text: str, words: Sequence[Word], at: int, antecedent: str) -> str:
    """Combien le Tempo T1 co\u00fbte-t-il; behind que the subject takes the pronoun's place."""
    verb = at - 1
    while verb and words[verb - 1].folded in _CLITICS:
        verb -= 1
    if verb and words[verb - 1].folded in ("que", "qu'"):
        return f"{text[: words[at].start]} {antecedent}{text[words[at].end :]}"
    start = words[verb].start
    if start:
        return f"{text[:start]}{antecedent} {text[start:]}"
    return f"{antecedent[:1].upper()}{antecedent[1:]} {text[:1].lower()}{text[1:]}"


def _owned(text: str, words: Sequence[Word], at: int, antecedent: str) -> str | None:
    """The Brume 2's warranty, la garantie de la Brume 2."""
    owner = words[at]
    if _is_of_person(owner) and not _may_be_person(antecedent):
        return None
    if owner.folded in ("its", "their", "his", "her"):
        ending = "'" if antecedent.endswith("s") else "'s"
        return _in_place(text, owner, f"{antecedent}{ending}")
    end = at + 1
    while end < len(words) and not _ends_phrase(words[end]):
        end += 1
    if owner.folded not in _ARTICLES or end == at + 1:
        return None
    article = "l'" if words[at + 1].text[0].lower() in _SILENT else _ARTICLES[owner.folded]
    owned = text[words[at + 1].start : words[end - 1].end]
    of = re.sub(r"\bde le ", "du ", re.sub(r"\bde les ", "des ", f"de {antecedent}"))
    return f"{text[: owner.start]}{article}{owned} {of}{text[words[end - 1].end :]}"


def _ends_phrase(word: Word) -> bool:
    return word.is_mark or word.folded in singles("verbs") | PREPOSITIONS | singles(
        "between_clauses"
    )


def _behind_verb(text: str, words: Sequence[Word], at: int, antecedent: str) -> str | None:
    """Comment nettoyer le Galet, for comment le nettoyer."""
    clitic = words[at]
    if clitic.folded not in ("le", "la", "les", "l'"):
        return None
    verb = words[at + 1]
    return f"{text[: clitic.start]}{text[verb.start : verb.end]} {antecedent}{text[verb.end :]}"


def _of_place(text: str, words: Sequence[Word], at: int, antecedent: str) -> str:
    """The article before "the second one", and one or a number behind it, go with it."""
    last = at + (behind(words, at) in {"one", "ones", "two", "three", "deux", "trois"})
    return f"{text[: words[at - 1].start]}{antecedent}{text[words[last].end :]}"


def _of_kind(text: str, words: Sequence[Word], at: int, antecedent: str) -> str | None:
    """For this product, what is called a product, or stands in the products."""
    noun = behind(words, at)
    if not noun or stem(noun, "en") not in folded(antecedent):
        return None
    return f"{text[: words[at].start]}{antecedent}{text[words[at + 1].end :]}"


_PUTTING: Final[Mapping[Leaning, Callable[[str, Sequence[Word], int, str], str | None]]] = {
    "thing": _thing,
    "person": _person,
    "owner": _owned,
    "object": _behind_verb,
    "ordinal": _of_place,
    "pointed": _of_kind,
}
