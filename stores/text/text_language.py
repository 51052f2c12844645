"""The language that a text is written in."""

import re
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import Any, Final

from stores.text.asked_languages import load_asked_words
from stores.text.tokens import ELISION, fold
from stores.text.word_lists import load_words

LANGUAGES = (
    *("en", "fr", "de", "es", "it", "pt", "nl", "da", "no", "sv", "fi", "pl", "cs", "sk", "hu"),
    *("ro", "bg", "hr", "el", "ru", "uk", "tr", "ar", "he", "fa", "hi", "vi", "id", "zh", "ja"),
    "ko",
)
SURE = 0.8
ENOUGH_LETTERS = 20
SAMPLE = 5_000
_QUESTION_SAMPLE: Final = 2_000
_FUNCTION_WORDS: Final = "stores/text/function_words.txt"
_HINTS: Final = "stores/text/language_hints.txt"
_LETTERS: Final = re.compile(r"[^\W\d_]+")
_FRENCH_LETTERS: Final = re.compile("[éèêëàâçùûîïœ]", re.IGNORECASE)
_OTHER_LETTERS: Final = re.compile("[áíóúñãõäöüßåøæăşșţțłęąőűěščřžýğ¿¡]", re.IGNORECASE)


def detect_language(text: str) -> str:
    """Return the ISO 639-1 code, or "" for too little text or too much doubt."""
    return guess_language(re.sub(r"[\d\W_]+", " ", text[:SAMPLE]))


def detect_question_language(text: str, names: Collection[str] = ()) -> str:
    """Return the ISO 639-1 code, "" for doubt: a few keywords may be of any language.

    The `names` in it say nothing of its language.
    """
    plain = " ".join(
        word for word in text[:_QUESTION_SAMPLE].split() if word.strip("?!.,") not in names
    )
    return guess_language(" ".join(_LETTERS.findall(plain))) or _guess_by_words(plain)


def guess_language(letters: str) -> str:
    """Return the code for words without figures and marks, or "" as `detect_language` does."""
    if len(letters) < ENOUGH_LETTERS:
        return ""
    language, probability = _identifier().classify(letters)
    return str(language) if probability >= SURE else ""


def _guess_by_words(text: str) -> str:
    """Return the language of which most words are, in doubt English or French or none."""
    words = [word for word in _LETTERS.findall(fold(text)) if len(word) > 1]
    spoken = _count_words(words, load_words(_FUNCTION_WORDS))
    others = _count_words(words, load_asked_words("function"))
    most = max(others.values())
    if most > max(spoken.values()):
        [first, *further] = [language for language, count in others.items() if count == most]
        return "" if further else first
    return "" if _OTHER_LETTERS.search(text) else _guess_by_hints(text, words)


def _guess_by_hints(text: str, words: Sequence[str]) -> str:
    """Return English or French, where words or letters of one of them outnumber the other's."""
    votes = _count_words(words, load_words(_HINTS))
    votes["fr"] += bool(_FRENCH_LETTERS.search(text)) + len(ELISION.findall(text))
    if votes["en"] == votes["fr"]:
        return ""
    return max(votes, key=votes.__getitem__)


def _count_words(words: Sequence[str], known: Mapping[str, Collection[str]]) -> dict[str, int]:
    """Count by language how many words are known."""
    return {language: sum(word in those for word in words) for language, those in known.items()}


def language_code(declared: str) -> str:
    """Return `fr` for `fr`, `fr-FR` and `FR_fr`; "" for what is no code."""
    match = re.fullmatch(r"([A-Za-z]{2,3})(?:[-_][A-Za-z0-9-_]*)?", declared.strip())
    return match[1].lower() if match else ""


@cache
def _identifier() -> Any:
    from py3langid.langid import (  # noqa: PLC0415 - numpy and the model cost most of the start
        MODEL_FILE,
        LanguageIdentifier,
    )

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(LANGUAGES)
    return identifier
