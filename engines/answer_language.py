"""Chooses the language to answer in, and loads the texts of kb itself in it."""

from gettext import NullTranslations

from engines.question import Question
from stores.text.text_language import detect_question_language
from stores.text.translations import LANGUAGES, SOURCE_LANGUAGE, load_translations


def load_texts(question: str | Question) -> NullTranslations:
    """Return the texts of kb in the language of the question."""
    return load_translations(question_language(question))


def question_language(question: str | Question) -> str:
    """Return the language of a question if kb speaks it itself, else English."""
    asked = question if isinstance(question, Question) else Question(question)
    language = asked.language or detect_question_language(asked.query_str)
    return language if language in LANGUAGES else SOURCE_LANGUAGE
