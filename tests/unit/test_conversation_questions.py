import pytest
from llama_index.core.memory import Memory
from turns import turn

from engines.chat.conversation import ConversationQueryEngine, is_about_conversation

ALL_QUESTIONS = (
    "You have asked:\n1. Where is order 11939?\n2. How do I clean the Galet?\n3. And the Brume 2?"
)


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
        "What was my question?",
        "What was my second question?",
        "What was your last answer?",
        "What's my previous question?",
        "What is my first name?",
        "Could you repeat your first answer, please?",
        "Which was my very first question in this chat?",
        "Peux-tu répéter ta dernière réponse ?",
        "Traduis ta première réponse en anglais",
        "Quel est mon prénom ?",
        "What were we talking about?",
        "What were we talking about again?",
        "Can you recap?",
        "Could you please recap?",
        "What have we covered?",
        "What have we covered so far?",
        "What have you told me about the Galet?",
        "Who am I?",
        "Qui suis-je ?",
        "Qu'as-tu répondu ?",
        "Quelle était ma question ?",
        "Quelle était ma deuxième question ?",
        "Peux-tu récapituler ?",
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
        "How do I delete my last message?",
        "How is my first answer graded in the exam?",
        "Can I change my second question in the survey?",
        "What is my name on the contract?",
        "Why is my last message not delivered?",
        "Comment supprimer ma dernière réponse du questionnaire ?",
        "Quel est mon nom sur le contrat ?",
        "Quelle est ma dernière réponse au questionnaire ?",
        "Comment je m'appelle moi-même depuis le standard ?",
        "Who am I to contact about a return?",
        "Qui suis-je censé appeler ?",
        "What did you tell customers about the recall?",
        "How often have you answered support tickets within a day?",
        "Have you discussed the price of the Galet with Kiln & Crumb?",
        "When did I ask for the refund of order 11939?",
        "Recap the warranty terms",
        "What are we talking about in the June report?",
        "What countries have we covered with express delivery?",
        "Quand ai-je demandé le remboursement de la commande 11939 ?",
        "J'ai demandé un remboursement, quand arrive-t-il ?",
        "Qu'est-ce que vous avez dit aux clients sur le rappel ?",
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


@pytest.mark.parametrize(
    ("question", "told"),
    [
        ("What was my second question?", "Your question 2 was: How do I clean the Galet?"),
        ("What was my first question?", "Your first question was: Where is order 11939?"),
        ("What was my question?", "Your last question was: And the Brume 2?"),
        (
            "Quelle était ma deuxième question ?",
            "Votre question 2 était : How do I clean the Galet?",
        ),
        ("What did I ask first?", "Your first question was: Where is order 11939?"),
        ("Which question did you answer last?", "Your last question was: And the Brume 2?"),
        (
            "Qu'ai-je demandé d'abord ?",
            "Votre première question était : Where is order 11939?",
        ),
        ("What was my fifth question?", ALL_QUESTIONS),
        ("What is my first name?", ALL_QUESTIONS),
        ("What was your last answer?", ALL_QUESTIONS),
        ("What did I say about the second order?", ALL_QUESTIONS),
    ],
)
def test_without_a_model_the_question_that_is_meant_is_told(question, told):
    asked = ["Where is order 11939?", "How do I clean the Galet?", "And the Brume 2?"]
    memory = Memory.from_defaults(session_id="visitor", token_limit=1000)
    engine = ConversationQueryEngine(memory, [turn(each) for each in asked], llm=None)
    assert str(engine.query(question)) == told


@pytest.mark.parametrize(
    ("count", "listed"),
    [(40, [*range(1, 41)]), (41, [1, None, *range(3, 42)]), (50, [1, None, *range(12, 51)])],
)
def test_of_many_questions_the_first_and_the_last_are_listed(count, listed):
    memory = Memory.from_defaults(session_id="visitor", token_limit=1000)
    asked = [turn(f"Where is order {number}?") for number in range(1, count + 1)]
    engine = ConversationQueryEngine(memory, asked, llm=None)
    [_, *lines] = str(engine.query("What have I asked so far?")).splitlines()
    told = ["…" if number is None else f"{number}. Where is order {number}?" for number in listed]
    assert lines == told
