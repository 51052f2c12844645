"""The language that a text is written in."""

import re
from functools import cache
from typing import Any

LANGUAGES = (
    *("en", "fr", "de", "es", "it", "pt", "nl", "da", "no", "sv", "fi", "pl", "cs", "sk", "hu"),
    *("ro", "bg", "hr", "el", "ru", "uk", "tr", "ar", "he", "fa", "hi", "vi", "id", "zh", "ja"),
    "ko",
)
SURE = 0.8
ENOUGH_LETTERS = 20
SAMPLE = 5_000


def detect_language(text: str) -> str:
    """Return the ISO 639-1 code, or "" for too little text or too much doubt."""
    return guess_language(re.sub(r"[\d\W_]+", " ", text[:SAMPLE]))


def guess_language(letters: str) -> str:
    """Return the code for words without figures and marks, or "" as `detect_language` does."""
    if len(letters) < ENOUGH_LETTERS:
        return ""
    language, probability = _identifier().classify(letters)
    return str(language) if probability >= SURE else ""


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
