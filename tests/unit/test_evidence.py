"""Routes by evidence, over tables of a library and passages given by hand."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from fake_models import HashEmbedding
from llama_index.core.schema import BaseNode, NodeWithScore, TextNode

from engines.question import Question
from engines.routing.evidence import Evidence
from engines.routing.route import Route
from stores.text.question_words import split_questions

LIBRARY = {
    "book": """Table book: what the library owns
- book_id INT primary key
- title VARCHAR(80)
- publisher VARCHAR(40); values: 'Aldine', 'Plantin'
- price DECIMAL(8,2); EUR, as bought""",
    "loan": """Table loan: one row a loan
- loan_id INT primary key
- book_id INT refers to book.book_id
- borrowed_on DATE
- readerCity VARCHAR(40); where the reader lives
A row: loan_id=1, borrowed_on='2026-05-01'""",
}
RULES = "Damaged volumes are paid for. Renewal is possible twice, by telephone or at the desk."
REGLES = "Les volumes abîmés sont à payer. Le renouvellement est possible deux fois."


class Tables:
    def get_usable_table_names(self) -> Sequence[str]:
        return list(LIBRARY)

    def get_single_table_info(self, name: str) -> str:
        return LIBRARY[name]


class Names:
    def find_names(self, text: str) -> list[str]:
        return [name for name in ("Ada Byron", "Faust") if name in text]


class Checked:
    """Knows verified questions by their words, and what rows a question only names."""

    def __init__(self, *questions: str, within: str | None = None) -> None:
        self._questions, self._within = questions, within

    def match(self, asked: str | Question) -> str | None:
        question = asked if isinstance(asked, str) else asked.query_str
        return question if question.rstrip(" ?") in self._questions else None

    def find_within(self, question: str) -> str | None:
        return self._within

    def embed_wordings(self) -> Mapping[str, Any]:
        model = HashEmbedding()
        vectors = {text: np.array(model.get_text_embedding(text)) for text in self._questions}
        return {text: vector / np.linalg.norm(vector) for text, vector in vectors.items()}


def weigh(
    question: str, *texts: str, matcher: Any = None, embed_model: Any = None
) -> tuple[Route, bool]:
    model = embed_model or HashEmbedding()
    nodes = {text: TextNode(id_=text, text=text) for text in texts}
    for text, node in nodes.items():
        node.embedding = model.get_text_embedding(text)

    def find_nodes(ids: list[str]) -> Sequence[BaseNode]:
        return [nodes[node_id] for node_id in ids]

    tables: Any = Tables()
    names: Any = Names()
    evidence = Evidence(tables, matcher or Checked(), names, model, find_nodes)
    return evidence.weigh(Question(question), found(*texts))


def found(*texts: str) -> Callable[[], Sequence[NodeWithScore]]:
    return lambda: [NodeWithScore(node=TextNode(id_=text, text=text), score=0.5) for text in texts]


@pytest.mark.parametrize(
    ("question", "route"),
    [
        ("How many books does the publisher Plantin have?", "database"),
        ("What is the price of the most expensive book?", "database"),
        ("How can I ask for the renewal of a volume by telephone?", "documents"),
        ("Are damaged volumes paid for?", "documents"),
    ],
)
def test_a_source_that_is_clearly_ahead_is_asked_alone(question, route):
    chosen, is_sure = weigh(question, RULES)
    assert (chosen.route, is_sure) == (route, True)


@pytest.mark.parametrize(
    "question",
    [
        "Can the loan of a book have a renewal by telephone?",
        "What is the book price of the renewal telephone?",
        "Renewal?",
    ],
)
def test_what_both_sources_hold_is_left_open(question):
    chosen, is_sure = weigh(question, RULES)
    assert (chosen.route, is_sure) == ("both", False)
    assert chosen.reason == "documents and tables may both answer it"
    assert chosen.documents_question == chosen.database_question == ""


def test_a_name_of_the_tables_speaks_for_them():
    loan = "When was the last loan of {}?"
    known, unknown = weigh(loan.format("Ada Byron"), RULES), weigh(loan.format("X Y"), RULES)
    assert known[0].route == "database"
    assert "“Ada”" in known[0].reason
    assert "“X”" not in unknown[0].reason


def test_two_questions_for_two_sources_are_divided():
    question = "How many loans of books are there, and why is renewal possible twice?"
    route, is_sure = weigh(question, RULES)
    assert (route.route, is_sure) == ("both", True)
    assert route.database_question == "How many loans of books are there"
    assert route.documents_question == "why is renewal possible twice?"
    assert route.first == ""
    assert (
        route.reason
        == "the tables have “loans”, “books”; the documents hold “renewal”, “possible”, “twice”"
    )


def test_two_questions_that_look_alike_are_not_sent_to_one_source_without_doubt():
    question = "Is renewal possible by telephone, and are damaged volumes paid for?"
    route, is_sure = weigh(question, RULES)
    assert (route.route, is_sure) == ("both", False)


def test_rows_that_the_documents_are_asked_about_are_looked_up_first():
    question = "How many loans of books are there, and how is their renewal by telephone possible?"
    assert weigh(question, RULES)[0].first == "database"


def test_a_verified_query_needs_no_search():
    def fail() -> Sequence[NodeWithScore]:
        raise AssertionError

    tables: Any = Tables()
    matcher: Any = Checked("What was lent last year")
    names: Any = Names()
    evidence = Evidence(tables, matcher, names, HashEmbedding(), list)
    route, is_sure = evidence.weigh(Question("What was lent last year?"), fail)
    assert (route.route, route.reason, is_sure) == ("database", "a verified query answers it", True)


@pytest.mark.parametrize(
    ("writes_sql", "rest"),
    [
        (True, "the documents are asked the rest"),
        (False, "no verified query answers it, and there is no language model to write one"),
    ],
)
def test_a_part_that_a_verified_query_answers_goes_to_the_tables(writes_sql, rest):
    matcher: Any = Checked("How did it develop")
    question = "How did it develop, and why is renewal possible?"
    tables: Any = Tables()
    names: Any = Names()
    evidence = Evidence(tables, matcher, names, HashEmbedding(), lambda _: [])
    route, is_sure = evidence.weigh(Question(question), list if writes_sql else None)
    assert (route.route, is_sure) == ("both", True)
    assert route.database_question == "How did it develop"
    assert route.documents_question == "why is renewal possible?"
    assert route.reason == f"a verified query answers it; {rest}"


def test_rows_that_a_question_only_names_are_looked_up_first():
    matcher = Checked(within="Who are our best readers?")
    route, is_sure = weigh("What do our best readers complain about?", RULES, matcher=matcher)
    assert (route.route, route.first, is_sure) == ("both", "database", True)
    assert route.database_question == "Who are our best readers?"


def test_without_a_model_the_documents_are_asked_what_no_verified_query_answers():
    tables: Any = Tables()
    matcher: Any = Checked("How many loans were there")
    names: Any = Names()
    evidence = Evidence(tables, matcher, names, HashEmbedding(), list)
    route, is_sure = evidence.weigh(Question("What is the average price of a book?"), None)
    assert (route.route, is_sure) == ("documents", True)
    assert route.reason.startswith("no verified query answers it")


def test_a_language_in_which_the_tables_say_nothing_does_not_speak_against_them():
    question = "Les volumes abîmés sont-ils à payer par le lecteur ?"
    assert weigh(question, REGLES)[1] is False
    speaking = Checked("Combien de prêts y a-t-il eu l'année dernière")
    route, is_sure = weigh(question, REGLES, matcher=speaking)
    assert (route.route, is_sure) == ("documents", True)
    assert route.reason == (
        "les documents contiennent «\u00a0volumes\u00a0», «\u00a0abîmés\u00a0», «\u00a0payer\u00a0»"
    )


@pytest.mark.parametrize(
    ("question", "language", "parts"),
    [
        ("How many loans?", "en", ["How many loans?"]),
        ("How many are lent, and until when?", "en", ["How many are lent", "when?"]),
        ("What is it? Who wrote it?", "en", ["What is it", "Who wrote it?"]),
        ("Are salt and water what is meant?", "en", ["Are salt and water what is meant?"]),
        ("Combien de prêts, et pour quelle durée ?", "fr", ["Combien de prêts", "quelle durée ?"]),
        (
            "Quels sont les prix et quantités en stock ?",
            "fr",
            ["Quels sont les prix et quantités en stock ?"],
        ),
        ("Quel est le prix et qu'en dit-on ?", "fr", ["Quel est le prix", "qu'en dit-on ?"]),
        ("Mon fils et moi, que payons-nous ?", "fr", ["Mon fils et moi, que payons-nous ?"]),
    ],
)
def test_a_sentence_is_divided_where_its_next_question_begins(question, language, parts):
    assert split_questions(question, language) == parts


@pytest.mark.parametrize(
    "question",
    ["", " ", "?", "; ; ;", "and and, and", "\0", "🤖", "a" * 5000, "' OR 1=1 --", "%s :x"],
)
def test_an_odd_question_is_left_open(question):
    assert weigh(question) == weigh(question)
    assert weigh(question)[1] is False


def test_passages_without_any_word_of_the_question_do_not_speak_for_the_documents():
    route, is_sure = weigh("Which publisher printed most books?", "Nothing here.")
    assert (route.route, is_sure) == ("database", True)
