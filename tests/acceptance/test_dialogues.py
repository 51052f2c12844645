"""Conversations with the sample knowledge base, without a model: what follow-ups find."""

from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

import pytest
import yaml

from kb import KnowledgeBase

TESTS = Path(__file__).parents[1]
DIALOGUES = yaml.safe_load((TESTS / "follow_up_dialogues.yaml").read_text("utf-8"))
SOURCE = "documents"
FOUND = 5  # at least, of the documents' dialogues; the rules that this replaced: 6


def hold(kb: KnowledgeBase, questions: Sequence[str]) -> dict:
    session = kb.chat(uuid4().hex, source=SOURCE)
    for question in questions:
        response = session.chat(question)
    return response.metadata


@pytest.mark.parametrize(
    ("before", "asked"),
    [
        ("How do I report a broken lamp?", "Is my son covered by the insurance?"),
        ("Is my son covered by the insurance?", "Does the CE mark apply?"),
        ("What is the leave policy?", "What is the SA policy on leave?"),
        ("How do I descale the Brume 2?", "How many days do I have to return a product?"),
        ("Comment nettoyer le Galet ?", "Combien de jours de t\u00e9l\u00e9travail par semaine ?"),
    ],
)
def test_no_question_is_garbled(sample_knowledge, before, asked):
    """It is put as asked; what nothing answers may be joined, whole, to the question before."""
    put = hold(sample_knowledge, [before, asked])["standalone"]
    assert put in (None, f"{before} {asked}")


def test_a_question_of_its_own_is_put_as_it_was_asked(sample_knowledge):
    alone = [
        "How many days do I have to return a product?",
        "Does the Tempo T1 work with Apple HomeKit?",
        "How do I descale the Brume 2?",
    ]
    for asked in alone:
        for before in alone:
            if asked != before:
                assert hold(sample_knowledge, [before, asked])["standalone"] is None, asked


def test_follow_ups_find_what_they_ask_for(sample_knowledge):
    found, missed = 0, []
    for dialogue in DIALOGUES["documents"]:
        citations = hold(sample_knowledge, dialogue["turns"])["citations"]
        if {each["document"] for each in citations} & {*dialogue["cites"]}:
            found += 1
        else:
            missed.append(dialogue["turns"])
    assert found >= FOUND, missed
