"""Questions in languages that kb does not speak: their function words, and what tells them."""

import pytest

from engines.documents.asked_words import AskedWords
from stores.text.asked_languages import drop_function_words, load_asked_words
from stores.text.text_language import detect_question_language
from stores.text.tokens import WORD
from stores.text.words import FUNCTION_WORDS


@pytest.mark.parametrize(
    ("question", "language", "left"),
    [
        ("Wie viele Tage hat man dafür?", "de", ["Tage"]),
        ("¿Cuántos días tiene la sede?", "es", ["días", "sede"]),
        ("Qual è il ruolo dell'azienda?", "it", ["ruolo", "azienda"]),
        ("Hoeveel dagen duurt het?", "nl", ["dagen", "duurt"]),
        ("Quem fundou o projeto?", "pt", ["fundou", "projeto"]),
    ],
)
def test_a_question_is_searched_for_without_its_function_words(question, language, left):
    kept = drop_function_words(question, language)
    assert WORD.findall(kept) == left
    assert AskedWords(question, [], None).count == len(left)


def test_names_in_capitals_and_questions_of_nothing_else_stay():
    assert drop_function_words("Wer ist DER?", "de").split() == ["DER?"]
    assert drop_function_words("Was ist das?", "de") == "Was ist das?"
    assert drop_function_words("Who was it?", "en") == "Who was it?"


def test_an_index_keeps_function_words_that_mean_something_in_english():
    others = set[str]().union(*load_asked_words("function").values())
    assert {"war", "die", "come"} <= others - FUNCTION_WORDS


@pytest.mark.parametrize(
    ("question", "language"),
    [
        ("Was ist ein Daemon?", "de"),
        ("¿Qué es un demonio?", "es"),
        ("Che cos'è un demone?", "it"),
        ("Wat is een daemon?", "nl"),
        ("O que é um daemon?", "pt"),
        ("What is a daemon?", "en"),
        ("Qui a permis cela ?", "fr"),
        ("daemon", ""),
    ],
)
def test_a_short_question_is_told_by_its_function_words(question, language):
    assert detect_question_language(question) == language
