"""Routes by evidence, over tables of a library and passages given by hand."""

from collections.abc import Callable, Sequence

import pytest
from llama_index.core.schema import NodeWithScore, TextNode

from engines.question import Entity
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
    """Knows one reader."""

    def in_text(self, text: str) -> list[Entity]:
        name = "Ada Byron"
        return [Entity("reader_1", "reader.name", name)] if name in text else []


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


def test_a_verified_query_decides_without_a_search():
    evidence = Evidence(LIBRARY, Checked("How did it develop"), None)

    def search() -> Sequence[NodeWithScore]:
        raise AssertionError("nothing is searched")

    route = evidence.route("How did it develop?", search)
    assert (route.route, route.reason) == ("database", "a verified query answers it")


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
