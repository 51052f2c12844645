from pathlib import Path

import pytest
import yaml

from engines.routing.small_talk import Sources, small_talk

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
        "`kb status` shows": ["Which documents do you know?", "What tables do you have?"],
    },
    "fr": {
        "Bonjour. Que": ["Bonjour !", "Salut tout le monde"],
        "Je suis prêt": ["Salut, ça va ?", "Comment allez-vous ?"],
        "Je vous en prie": ["merci beaucoup", "Super, merci pour votre aide"],
        "Au revoir": ["Au revoir et merci", "Bonne journée"],
        "Je suis kb": ["Qui êtes-vous ?", "qui es-tu", "C'est quoi kb ?"],
        "Posez": ["Que peux-tu faire ?", "Bonjour, que savez-vous faire ?", "Aidez-moi"],
        "`kb index CHEMIN`": ["Comment ajouter des documents ?", "Puis-je ajouter mes documents ?"],
        "`kb status` montre": ["Quels documents connaissez-vous ?", "Quelles sont tes sources ?"],
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
    assert small_talk(said).startswith(beginning)


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_is_never_small_talk(question):
    assert small_talk(question) is None


def test_no_sample_question_is_small_talk():
    sample = yaml.safe_load((ROOT / "data" / "questions.yaml").read_text("utf-8"))
    routing = yaml.safe_load((ROOT / "tests" / "routing_questions.yaml").read_text("utf-8"))
    asked = [each["question"] for each in sample]
    asked += [each for group in routing.values() for kind in group.values() for each in kind]
    assert len(asked) > 100
    assert [each for each in asked if small_talk(each)] == []


@pytest.mark.parametrize("text", ["", "   ", "?!", "kb", "ok", "👋", "hello " * 1000, "\0"])
def test_what_says_nothing_or_too_much_is_no_small_talk(text):
    assert small_talk(text) is None


def test_the_sources_are_told_and_only_looked_up_when_they_are():
    asked = []

    def sources() -> Sources:
        asked.append(True)
        return Sources(38, ("customers", "orders"))

    assert small_talk("Hello", sources) == "Hello. What would you like to know?"
    assert not asked
    known = small_talk("Which documents do you know?", sources)
    assert known.startswith("Indexed documents: 38. Tables: customers, orders.")
    assert small_talk("Que peux-tu faire ?", sources).endswith(
        "Documents indexés : 38. Tables : customers, orders."
    )
    assert small_talk("What can you do?", lambda: Sources(0)).endswith("Indexed documents: 0.")
