"""Routes by evidence, over tables of a library and passages given by hand."""

from collections.abc import Callable, Sequence

import pytest
from llama_index.core.schema import NodeWithScore, TextNode

from engines.routing.evidence import Evidence

LIBRARY = [
    """Table book: what the library owns
- book_id INT primary key
- title VARCHAR(80)
- publisher VARCHAR(40); values: 'Aldine', 'Plantin'
- price DECIMAL(8,2); EUR, as bought""",
    """Table loan: one row a loan
- loan_id INT primary key
- book_id INT refers to book.book_id
- borrowed_on DATE
- readerCity VARCHAR(40); where the reader lives
A row: loan_id=1, borrowed_on='2026-05-01'""",
]
RULES = "Damaged volumes are paid for. Renewal is possible twice, by telephone or at the desk."


class Names:
    """Knows one reader, and that titles of several books begin with a word."""

    def named_in(self, text: str) -> list[str]:
        return [name for name in ("Ada Byron", "Faust") if name in text]


class Checked:
    """Knows the verified questions."""

    def __init__(self, *questions: str) -> None:
        self._questions = questions

    def match(self, question: str) -> str | None:
        return next((each for each in self._questions if each in question), None)


def found(*texts: str) -> Callable[[], Sequence[NodeWithScore]]:
    return lambda: [NodeWithScore(node=TextNode(text=text), score=0.5) for text in texts]


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    return Evidence(LIBRARY, None, Names())


@pytest.mark.parametrize(
    ("question", "route"),
    [
        ("How many books does the publisher Plantin have?", "database"),
        ("What is the average price of a book?", "database"),
        ("List the loans of each reader city", "database"),
        ("Quel est le prix moyen ?", "database"),
        ("How can I renew a volume by telephone?", "documents"),
        ("Are damaged volumes paid for?", "documents"),
        ("Pourquoi un renouvellement est-il possible ?", "documents"),
        ("What are the opening hours?", "documents"),
        ("How many loans were there in 2025, and why is renewal possible only twice?", "both"),
        ("What is the most expensive book, and is it damaged?", "both"),
    ],
)
def test_each_question_goes_to_what_its_words_ask_for(evidence, question, route):
    assert evidence.route(question, found(RULES)).route == route


def test_the_reason_names_the_words_that_decided(evidence):
    counted = evidence.route("How many loans were there in 2025?", found(RULES))
    assert counted.reason == "it names “loans” of the tables and asks for a count"
    told = evidence.route("Must damaged volumes be paid for?", found(RULES))
    assert told.reason == (
        "it asks what is possible or allowed and the documents hold “damaged”, “volumes”, “paid”"
    )
    unknown = evidence.route("Opening hours", found(RULES))
    assert unknown.reason == "it names little that the tables hold"


def test_passages_that_hold_the_words_keep_a_question_from_the_tables_alone(evidence):
    question = "How many publishers did a bookbinder found in Antwerp?"
    told = "A bookbinder, with many publishers, found a house in Antwerp."
    assert evidence.route(question, found(RULES)).route == "database"
    assert evidence.route(question, found(told)).route == "both"


def test_a_value_of_the_tables_speaks_for_them(evidence):
    question = "When was the last loan of {}?"
    assert evidence.route(question.format("Ada Byron"), found(RULES)).route == "database"
    assert evidence.route(question.format("Charles Babbage"), found(RULES)).route == "documents"


def test_a_part_that_a_verified_query_answers_needs_no_other_evidence():
    evidence = Evidence(LIBRARY, Checked("How did it develop"), None)
    route = evidence.route("How did it develop, and why is renewal possible?", found(RULES))
    assert (route.route, route.database_question) == ("both", "How did it develop")
    assert route.reason.startswith("a verified query answers it; it asks for an explanation")


def test_a_word_that_several_names_begin_with_speaks_for_the_tables(evidence):
    assert evidence.route("What is the price of the Faust?", found(RULES)).route == "database"
    assert evidence.route("Is the Faust on loan?", found(RULES)).route == "database"
    assert evidence.route("How can I renew the Faust?", found(RULES)).route == "documents"


@pytest.mark.parametrize(
    ("question", "route"),
    [
        ("What do reviews say about the Faust?", "both"),
        ("Que disent les reviews sur le Faust ?", "both"),
        ("What do the rules say about the Faust?", "documents"),
    ],
)
@pytest.mark.parametrize("column", ["body VARCHAR(400)", "comment VARCHAR(90)", "words TEXT"])
def test_rows_that_tell_something_are_asked_too(question, route, column):
    reviews = f"Table review\n- book_id INT\n- {column}"
    evidence = Evidence([*LIBRARY, reviews], None, Names())
    assert evidence.route(question, found(RULES)).route == route


def test_the_reason_quotes_words_of_names_alone(evidence):
    told = evidence.route("How many 5 euro books has the library as bought?", found(RULES))
    assert told.reason == "it names “books” of the tables and asks for a count"


def test_the_reason_is_in_the_language_of_the_question(evidence):
    priced = evidence.route("Quel est le prix moyen ?", found(RULES))
    assert priced.reason == "elle nomme «\u00a0prix\u00a0» dans les tables et demande une mesure"
    told = evidence.route("Pourquoi un renouvellement est-il possible ?", found(RULES))
    assert told.reason == "elle demande une explication"


def test_documents_alone_are_asked_where_there_are_no_tables():
    assert Evidence([], None, None).route("How many loans?", found(RULES)).route == "documents"


def test_passages_are_looked_for_once(evidence):
    searched = []

    def search() -> Sequence[NodeWithScore]:
        searched.append(True)
        return []

    evidence.route("How many loans, and why? And what is a renewal?", search)
    assert len(searched) == 1


@pytest.mark.parametrize(
    "question",
    ["", " ", "?", "; ; ;", "and and, and", "\0", "🤖", "a" * 5000, "' OR 1=1 --", "%s :x"],
)
def test_an_odd_question_goes_to_the_documents(evidence, question):
    assert evidence.route(question, found()).route == "documents"


def test_the_same_question_gets_the_same_route(evidence):
    question = "How many loans of Ada Byron are damaged volumes, and what does she pay?"
    assert len({evidence.route(question, found(RULES)).reason for _ in range(5)}) == 1
