import operator
from collections.abc import Callable
from typing import Any

import pytest
from growth import grows_with_the_square
from hypothesis import given, settings
from hypothesis import strategies as st
from llama_index.core.vector_stores import MetadataFilter, MetadataFilters

from engines.search.identifiers import find_identifiers
from engines.search.query_analysis import AnalysedQuery, analyse_question

KEYS = ("product", "category", "date", "year", "in_stock")


def passes(query: AnalysedQuery, **metadata: object) -> bool:
    assert query.filters is not None
    return holds(query.filters, metadata)


def holds(each: MetadataFilter | MetadataFilters, metadata: dict[str, Any]) -> bool:
    """What stores/chunks/metadata_filters.py means by these, without a database."""
    if isinstance(each, MetadataFilters):
        found = [holds(inner, metadata) for inner in each.filters]
        condition = each.condition
        return not any(found) if condition == "not" else (any if condition == "or" else all)(found)
    value = metadata.get(each.key)
    return value is not None and TESTS[each.operator](value, each.value)


TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "in": lambda value, wanted: not isinstance(value, list) and value in wanted,
    "any": lambda value, wanted: isinstance(value, list) and bool(set(value) & set(wanted)),
    "text_match_insensitive": lambda value, wanted: wanted.lower() in value.lower(),
    ">=": operator.ge,
    "<": operator.lt,
}


# --- filters --------------------------------------------------------------------------------


def test_a_key_and_value_in_the_question_filter_and_are_not_searched_for():
    query = analyse_question("how do I back up product:server ?", KEYS)
    assert query.text == "how do I back up ?"
    assert passes(query, product="server")
    assert not passes(query, product="client")
    assert query.notes == ("Only documents whose product is 'server' are searched.",)


def test_a_value_in_quotes_may_hold_spaces():
    for question in (
        'x category:"user guide"',
        "x category:“user guide”",
        "x category:« user guide »",
    ):
        query = analyse_question(question, KEYS)
        assert query.text == "x"
        assert query.phrases == ()
        assert passes(query, category="user guide")


def test_values_meet_lists_numbers_and_other_capitals():
    assert passes(analyse_question("x product:Server", KEYS), product=["client", "server"])
    assert passes(analyse_question("x Product:server", KEYS), product="Server")
    assert passes(analyse_question("x year:2024", KEYS), year=2024)
    assert passes(analyse_question("x year:2024", KEYS), year="2024")
    assert not passes(analyse_question('x year:"2024"', KEYS), year=2024)
    assert passes(analyse_question("x in_stock:true", KEYS), in_stock=True)


def test_a_minus_leaves_documents_out():
    query = analyse_question("backup -product:server", KEYS)
    assert not passes(query, product="server")
    assert passes(query, product="client")
    assert query.text == "backup"
    assert "left out" in query.notes[0]


def test_values_of_one_key_are_alternatives_and_keys_hold_together():
    query = analyse_question("x product:server product:client category:faq", KEYS)
    assert passes(query, product="server", category="faq")
    assert passes(query, product="client", category="faq")
    assert not passes(query, product="server", category="other")
    both = analyse_question("x -product:server -product:client", KEYS)
    assert not passes(both, product="client")
    assert passes(both, product="other")


def test_every_collection_filters_by_path_title_language_root_and_media_type():
    query = analyse_question("x path:manuals/ title:hub media_type:pdf language:fr", ())
    chunk = {"path": "docs/manuals/a.pdf", "title": "The Hub", "media_type": "application/pdf"}
    assert passes(query, **chunk, language="fr")
    assert not passes(query, **chunk, language="en")


def test_dates_bound_the_declared_date_or_else_when_the_file_changed():
    query = analyse_question("x after:2024-01 before:2025", KEYS)
    assert passes(query, date="2024-01-01")
    assert passes(query, date="2024-12-31T23:59:59")
    assert not passes(query, date="2023-12-31")
    assert not passes(query, date="2025-01-01")
    modified = analyse_question("x after:2024-05-31", ())
    assert passes(modified, modified="2024-05-31T00:00:01")
    assert not passes(modified, modified="2024-05-30T23:59:59")
    assert "modified is 2024-05-31 or later" in modified.notes[0]


def test_a_date_may_be_a_year_or_a_month():
    query = analyse_question("x date:2024-05", KEYS)
    assert passes(query, date="2024-05-31")
    assert passes(query, date="2024-05-31T10:00:00")
    assert not passes(query, date="2024-06-01")


@pytest.mark.parametrize("value", ["2024-13", "2024-02-31", "yesterday", "24"])
def test_what_is_no_date_stays_text_and_is_told(value):
    query = analyse_question(f"x after:{value}", KEYS)
    assert query.filters is None
    assert query.text == f"x after:{value}"
    assert value in query.notes[0]


@pytest.mark.parametrize(
    "question",
    [
        *(
            "see https://example.test/a",
            "at 12:30",
            "std::vector",
            "Note: the server",
            "product: x",
        ),
        *("product:", "product::x", "http://product:8080", 'say "product:server"', "a,b:c"),
        *("product://x", "unknown:value", "C:\\data", "localhost:3306", "ratio 1:2"),
    ],
)
def test_what_only_looks_like_a_filter_stays_text(question):
    query = analyse_question(question, KEYS)
    assert query.filters is None
    assert query.text == question.replace('"', "")
    assert [note for note in query.notes if "exact words" not in note] == []


def test_a_mistyped_key_stays_text_and_gets_a_suggestion():
    query = analyse_question("backup prodct:server", KEYS)
    assert query.filters is None
    assert query.text == "backup prodct:server"
    assert query.notes == ("prodct: is no filter and stays text; did you mean product:?",)


def test_dates_that_are_left_out_are_told_how_to_be_written():
    later, earlier = (analyse_question(f"x -{key}:2024-01-01", KEYS) for key in ("after", "before"))
    assert later.filters is earlier.filters is None
    assert later.notes == ("after: and before: cannot be excluded; write before:2024-01-01",)
    assert earlier.notes == ("after: and before: cannot be excluded; write after:2024-01-01",)


def test_a_text_that_nobody_typed_has_no_filters_and_phrases():
    query = analyse_question('What does  title:lease "mean"?', None)
    assert (query.text, query.kind) == ("What does title:lease mean ?", "question")
    assert (query.filters, query.phrases, query.notes) == (None, (), ())


def test_a_question_of_filters_alone_searches_for_their_values():
    assert (
        analyse_question('product:server category:"user guide"', KEYS).text == "server user guide"
    )
    assert analyse_question("-product:server after:2024", KEYS).text == ""


# --- phrases --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "quoted",
    ['"exact words"', "“exact words”", "« exact words »", "„exact words“", "»exact words«"],
)
def test_quoted_words_are_a_phrase_and_stay_in_the_text(quoted):
    query = analyse_question(f"find {quoted} here", ())
    assert query.phrases == ("exact words",)
    assert query.text == "find exact words here"


@pytest.mark.parametrize(
    "question",
    ["it's the user's", "l'entrepôt d'Arles", 'an "open quote', 'a 15" screen or 17"', '""', '"?"'],
)
def test_apostrophes_inches_and_open_quotes_are_no_phrases(question):
    assert analyse_question(question, ()).phrases == ()


# --- identifiers and kind -------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        *("ERR_SSL_PROTOCOL_ERROR", "SKU-12345", "innodb_buffer_pool_size", "CB-121", "10.11.4"),
        *("v3.8", "foo()", "Store.query()", "/etc/mysql/my.cnf", "src/app.py", "IP", "ER1205"),
        *(
            "ann@example.test",
            "std::vector",
            "--dry-run",
            "config.yaml",
            "https://a.test/b",
            "b028c39",
        ),
    ],
)
def test_a_name_meant_letter_by_letter_is_an_identifier(name):
    assert analyse_question(name, ()).kind == "identifier"
    question = f"How does ({name}), work?"
    assert find_identifiers(question) == (name,)
    assert analyse_question(question, ()).kind == "question"


def test_a_number_behind_error_is_an_identifier():
    assert find_identifiers("why error 1205?") == ("1205",)
    assert analyse_question("erreur 1205", ()).kind == "identifier"


@pytest.mark.parametrize(
    "text",
    ["Don't panic, e.g. in Paris.", "WHERE IS MY ORDER NOW", "20 years", "2nd time", "MariaDB"],
)
def test_ordinary_words_are_no_identifiers(text):
    assert find_identifiers(text) == ()


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("warranty of the hub", "keywords"),
        ("How long is the warranty", "question"),
        ("Quelle est la garantie", "question"),
        ("warranty?", "question"),
        ("Est-ce garanti", "question"),
        ("", "keywords"),
    ],
)
def test_questions_are_told_from_keywords(text, kind):
    assert analyse_question(text, ()).kind == kind


# --- language -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "language"),
    [
        ("How long is the warranty?", "en"),
        ("Where is it?", "en"),
        ("Où est mon colis", "fr"),
        ("prix d'expédition", "fr"),
        ("prix d\u2019envoi", "fr"),
        ("Wie lange ist die Garantie auf die Maschine?", "de"),
        ("¿Qué es la garantía?", "es"),
        ("server", ""),
        ("innodb buffer pool size", ""),
        ("SKU-12345", ""),
        ("garantie language:fr", "fr"),
        ("garantie language:FR", "fr"),
        ("garantie language:français", ""),
        ("garantie language:fr language:de", ""),
        ("", ""),
    ],
)
def test_the_language_is_told_or_left_open(question, language):
    assert analyse_question(question, ()).language == language


def test_the_questions_of_the_sample_data_are_told_by_language():
    questions = {
        "en": ["Can I return an opened item?", "What does express delivery cost?"],
        "fr": ["Comment puis-je payer ?", "Quel est le délai de retour ?"],
    }
    for language, texts in questions.items():
        assert [analyse_question(text, ()).language for text in texts] == [language, language]


# --- any text at all ------------------------------------------------------------------------

PIECES = st.sampled_from(
    [
        *"\":«»“”-/\\()@_.,'\n\t\0",
        "product",
        "after",
        "2024-01",
        "a",
        "É",
        "\ud800",
        "٣",
        " ",
        "title:",
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(PIECES, st.text(max_size=4)), max_size=40).map("".join))
def test_no_text_is_refused_and_words_stay_searchable(question):
    query = analyse_question(question, KEYS)
    assert query.text == " ".join(query.text.split())
    assert set(query.text) <= {*question, " "}
    if any(letter.isalnum() for letter in question) and query.filters is None:
        assert query.text


@pytest.mark.parametrize(
    "piece",
    [
        *'":«“-./\\@_a(',
        "a:",
        "a-",
        "a.",
        "a_",
        'a:"',
        "-a",
        "a::",
        "é'",
        " a:b",
        "title:x ",
        "ab:c ",
    ],
)
@pytest.mark.parametrize("end", ["", "(x"])
def test_a_long_text_takes_time_in_proportion_to_its_length(piece, end):
    text = piece * (40_000 // len(piece)) + end
    assert not grows_with_the_square(lambda part: analyse_question(part, KEYS), text)
