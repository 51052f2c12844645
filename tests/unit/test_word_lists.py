"""Lists of words keep each language by itself, and stand in files that one loader reads."""

from pathlib import Path

import pytest

from stores.text.calendar_words import load_months, load_relative_years
from stores.text.number_words import load_comparisons, load_number_words, load_ordinals
from stores.text.word_lists import load_word_list, load_words

ROOT = Path(__file__).parents[2]
LISTS = [
    str(path.relative_to(ROOT))
    for folder in ("engines", "stores")
    for path in (ROOT / folder).rglob("*.txt")
    if " | " in path.read_text("utf-8")
]


@pytest.mark.parametrize("file", LISTS)
def test_a_list_has_words_of_each_language(file):
    assert all(load_word_list(file).values())


def test_words_of_one_language_are_none_of_the_other():
    words = load_words("stores/text/function_words.txt")
    assert "the" in words["en"] - words["fr"]
    assert "son" in words["fr"] - words["en"]


def test_numbers_comparisons_months_and_years_are_known_in_each_language():
    assert [load_number_words()[word] for word in ("twelve", "douze")] == [12, 12]
    assert [load_months()[word] for word in ("february", "fevrier")] == [2, 2]
    assert [load_ordinals()[word] for word in ("third", "troisieme", "last")] == [3, 3, -1]
    at_least = [("at", "least"), ("au", "moins")]
    assert [load_comparisons()[phrase] for phrase in at_least] == [">=", ">="]
    before = load_relative_years("before")
    assert [before["annee", "apres"], before["previous", "year"]] == [1, -1]
    today = load_relative_years("today")
    assert [today["cette", "annee"], today["last", "year"]] == [0, -1]
    assert ("next", "year") not in today
