from pathlib import Path

import pytest
import yaml

from engines.small_talk import Sources, remove_greeting, reply_to_small_talk

ROOT = Path(__file__).parents[2]
TALK = {
    "en": {
        "Hello. What": ["Hello", "hi there!", "Good morning, everyone"],
        "I am ready": ["How are you?", "Hi, how's it going?"],
        "You are welcome": ["Thanks a lot", "THANK YOU!!!", "ok, thank you very much"],
        "Goodbye": ["bye", "Thanks, see you tomorrow"],
        "I am kb": ["Who are you?", "Hello, who are you?", "Are you a robot?"],
        "Ask me": ["What can you do?", "Help!", "Hi kb, how can you help me?"],
        "`kb index PATH`": ["How do I add documents?", "How can I add my own documents, please?"],
        "`kb status` shows": [
            *("Which documents do you know?", "What tables do you have?"),
            *("Which tables can you query?", "What tables can I query?"),
        ],
        "What would": ["ok", "Yes.", "no!", "OK, great", "yes please", "1"],
    },
    "fr": {
        "Bonjour. Que": ["Bonjour !", "Salut tout le monde"],
        "Je suis prêt": ["Salut, ça va ?", "Comment allez-vous ?"],
        "Je vous en prie": ["merci beaucoup", "Super, merci pour votre aide"],
        "Au revoir": ["Au revoir et merci", "Bonne journée"],
        "Je suis kb": ["Qui êtes-vous ?", "qui es-tu", "C'est quoi kb ?"],
        "Posez": ["Que peux-tu faire ?", "Bonjour, que savez-vous faire ?", "Aidez-moi"],
        "`kb index CHEMIN`": ["Comment ajouter des documents ?", "Puis-je ajouter mes documents ?"],
        "`kb status` montre": [
            *("Quels documents connaissez-vous ?", "Quelles sont tes sources ?"),
            "Quelles tables peux-tu interroger ?",
        ],
        "Que souhaitez": ["oui", "Non.", "d'accord", "non non"],
    },
}
QUESTIONS = [
    "Hello, how long can I return a kettle?",
    "What can you do about a broken kettle?",
    "Who are you shipping with?",
    "Thanks, and where is my parcel?",
    "How do I add a document to my order?",
    "Which documents do you need for a return?",
    "What do you know about LX-24?",
    "How are you paid?",
    "Help me descale the machine",
    "Bonjour, où est ma commande ?",
    "Que faites-vous des piles usagées ?",
    "Merci de me dire combien coûte un retour",
    "Qui êtes-vous tenus d'informer ?",
    "Hello Kitty",
    "How does this work?",
]


@pytest.mark.parametrize(
    ("beginning", "said"),
    [
        (beginning, said)
        for kinds in TALK.values()
        for beginning in kinds
        for said in kinds[beginning]
    ],
)
def test_small_talk_gets_its_reply_in_its_language(beginning, said):
    assert reply_to_small_talk(said).startswith(beginning)


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_is_never_small_talk(question):
    assert reply_to_small_talk(question) is None


def test_no_sample_question_is_small_talk():
    sample = yaml.safe_load((ROOT / "data" / "questions.yaml").read_text("utf-8"))
    routing = yaml.safe_load((ROOT / "tests" / "routing_questions.yaml").read_text("utf-8"))
    asked = [each["question"] for each in sample]
    asked += [each for group in routing.values() for kind in group.values() for each in kind]
    assert len(asked) > 100
    assert [each for each in asked if reply_to_small_talk(each)] == []


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        ("Hi there! Who are our best customers?", "Who are our best customers?"),
        ("hi who are our best customers", "who are our best customers"),
        ("Thanks, and what was our revenue in 2024?", "what was our revenue in 2024?"),
        ("Merci. Et le chiffre d'affaires de 2024 ?", "le chiffre d'affaires de 2024 ?"),
        ("Bonjour, combien de clients avons-nous ?", "combien de clients avons-nous ?"),
        ("Salut ! Ça va ? Qui est notre meilleur client ?", "Qui est notre meilleur client ?"),
        ("OK so how many are there?", "how many are there?"),
        ("OK. How many are there?", "How many are there?"),
        ("Bonjour qu'est-ce que le Galet ?", "qu'est-ce que le Galet ?"),
        ("Salut quels sont les prix ?", "quels sont les prix ?"),
        ("Non, le Galet", "le Galet"),
        ("Hello, CB-121", "CB-121"),
    ],
)
def test_a_greeting_is_no_part_of_the_question_behind_it(said, asked):
    assert remove_greeting(said) == asked
    assert remove_greeting(asked) == asked


@pytest.mark.parametrize(
    "question",
    [
        *("Hello Kitty, how many?", "Thanks for what?", "Nice, Lyon and Paris: how many?"),
        *("What can you do? How many?", "Help! The kettle leaks", "I see 3 lights. Why?"),
        *("Merci de me dire combien coûte un retour", "No. 5 is broken", "How are you paid?"),
        *("No quorum at the meeting", "Good quality standards for lamps", "Yes and no questions"),
        *("No is not an answer", "Good when wet: which tyres?", "Bonjour quorum"),
        *("", "?! ", "Hello", "Hello" * 1000),
    ],
)
def test_what_belongs_to_the_question_stays_in_it(question):
    assert remove_greeting(question) == question


@pytest.mark.parametrize(
    "code", ["E31", "42", "12", "345", "1174", "CB-121", "SKU-40011", "1.9", "Nice", "A"]
)
def test_a_code_or_a_name_alone_is_searched_for(code):
    assert reply_to_small_talk(code) is None


@pytest.mark.parametrize("text", ["", "   ", "?!", "kb", "👋", "hello " * 1000, "\0"])
def test_what_says_nothing_or_too_much_is_no_small_talk(text):
    assert reply_to_small_talk(text) is None


def test_the_sources_are_told_and_only_looked_up_when_they_are():
    asked = []

    def sources() -> Sources:
        asked.append(True)
        return Sources(38, ("customers", "orders"))

    assert reply_to_small_talk("Hello", sources) == "Hello. What would you like to know?"
    assert not asked
    known = reply_to_small_talk("Which documents do you know?", sources)
    assert known.startswith("Indexed documents: 38. Tables: customers, orders.")
    assert reply_to_small_talk("Que peux-tu faire ?", sources).endswith(
        "Documents indexés : 38. Tables : customers, orders."
    )
    assert reply_to_small_talk("What can you do?", lambda: Sources(0)).endswith(
        "Indexed documents: 0."
    )
