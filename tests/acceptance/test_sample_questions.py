"""The sample data answers its questions as well as it did: the real model, engine and server."""

from pathlib import Path

import pytest

from kb import KnowledgeBase
from kb.evaluation.run import Plan, evaluate, read_questions
from kb.evaluation.summary import Outcome

ROOT = Path(__file__).parents[2]
# A little below what was measured when they were set.
FLOORS = {"ndcg": 0.87, "hit@5": 0.95, "answer@1": 0.25, "answer@3": 0.55, "abstained": 0.9}
MOST_REFUSED = 0.09


@pytest.fixture
def outcome(sample_knowledge: KnowledgeBase) -> Outcome:
    questions = read_questions(ROOT / "data" / "questions.yaml")
    (outcome,) = evaluate(sample_knowledge, questions, Plan())
    return outcome


def test_the_sample_questions_are_answered_no_worse_than_before(outcome):
    reached = {name: outcome.figures[name] for name in FLOORS}
    assert {name: value for name, value in reached.items() if value < FLOORS[name]} == {}, reached
    assert outcome.figures["refused"] <= MOST_REFUSED
    assert outcome.by_language.keys() == {"en", "fr"}
