import pytest

from engines.chat.conversation import is_about_conversation


@pytest.mark.parametrize(
    "question",
    [
        "What did I ask first?",
        "what did i just tell you?",
        "What have we discussed so far?",
        "Which question did you answer last?",
        "Did I mention my order number?",
        "Summarise what we said",
        "Please summarize our conversation so far.",
        "Recap the discussion",
        "What was my previous question?",
        "Translate your last answer into French",
        "What is my name?",
        "What\u2019s my name?",
        "Do you remember my name?",
        "What do you know about me?",
        "Qu'ai-je demandé en premier ?",
        "Que t'ai-je dit tout à l'heure ?",
        "Qu\u2019est-ce que je t\u2019ai demandé au début ?",
        "De quoi avons-nous parlé ?",
        "Résume notre conversation",
        "Résume ce que nous avons dit.",
        "Quelle était ma première question ?",
        "Comment je m'appelle ?",
        "Quel est mon nom ?",
    ],
)
def test_a_question_about_what_was_said_is_recognised(question):
    assert is_about_conversation(question)


@pytest.mark.parametrize(
    "question",
    [
        "What did customers say about the kettle?",
        "Which products did we discuss in the June meeting?",
        "Summarise the discussion of the product committee in May",
        "Summarise the warranty policy",
        "Did I get a refund for order 1042?",
        "What is my order's status?",
        "What is the name of the first customer?",
        "How many questions did support answer in June?",
        "What did we sell last month?",
        "And in 2024?",
        "What is the first question in the FAQ?",
        "Qu'a dit le comité en mai ?",
        "Combien de commandes avons-nous reçues ?",
        "Résume la politique de retour",
        "Quelle est la première réponse de la FAQ ?",
        "De quoi parle la charte ?",
        "",
    ],
)
def test_a_question_for_the_sources_is_not_taken_for_one_about_the_conversation(question):
    assert not is_about_conversation(question)
