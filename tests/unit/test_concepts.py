"""Words of two languages that ask for the same are one concept."""

import pytest

from engines.concepts import find_concepts
from stores.text.tokens import tokenize


def asks(text: str, language: str) -> list[str]:
    return list(find_concepts([token.folded for token in tokenize(text)], language))


@pytest.mark.parametrize(
    ("english", "french", "expected"),
    [
        ("What was our revenue?", "Quel était notre chiffre d'affaires ?", ["revenue"]),
        ("How many customers?", "Combien de clients ?", ["count", "customer"]),
        ("monthly turnover", "chiffre d\u2019affaires mensuel", None),
        ("the returned orders", "les commandes retournées", None),
        ("worst rated products", "les moins bien notés des produits", None),
        ("Where is the order?", "Où est-elle, la commande ?", ["where", "order"]),
    ],
)
def test_both_languages_ask_for_the_same(english, french, expected):
    assert set(asks(english, "en")) == set(asks(french, "fr"))
    assert expected in (None, asks(english, "en"))


def test_words_that_change_the_question_are_never_said_in_passing():
    english = "not no without except since before after until than average only or"
    french = "pas sans sauf hors depuis avant après moyen seulement ou sinon"
    for words, language in ((english, "en"), (french, "fr")):
        assert all(asks(word, language) for word in words.split())


def test_an_unknown_word_stands_for_itself_by_its_stem():
    assert asks("a xylophone, two xylophones", "en") == ["xylophon", "two", "xylophon"]


def test_a_gap_divides_a_phrase():
    assert list(find_concepts(["how", "many"], "en")) == ["count"]
    assert list(find_concepts(["how", None, "many"], "en")) == ["mani"]


def test_tokens_know_where_they_stand():
    text = "L'Épicerie d'Anaïs a-t-elle passé SKU-10 ?"
    assert [(token.text, text[token.start : token.end]) for token in tokenize(text)] == [
        (word, word) for word in ("Épicerie", "Anaïs", "a", "passé", "SKU-10")
    ]
