"""The questions of which somebody marked the right documents, as a set to measure searches by."""

from collections.abc import Sequence
from itertools import groupby

import sqlalchemy as sa
import yaml

from kb.evaluation.labelled import BadQuestions, LabelledSet, Question
from stores.answers.marks import Mark, Marks
from stores.registry.document_registry import DocumentRegistry

NAME = "marks"


def read_marked_questions(engine: sa.Engine, registry: DocumentRegistry) -> LabelledSet:
    """Read the marked questions whose documents are indexed, at least one of each.

    Raises BadQuestions when there are none.
    """
    indexed = {
        (root["name"], path)
        for root in registry.list_roots()
        for path in registry.find_known(root["name"])
    }
    marks = [mark for mark in Marks(engine).list_all() if (mark.root, mark.path) in indexed]
    if not marks:
        raise BadQuestions(
            "No document that is indexed was marked as right for a question. `kb review mark` "
            "marks one, and so does the page, at the passages of an answer."
        )
    questions = (
        Question(item, of_item[-1].question, dict.fromkeys((mark.path for mark in of_item), 1))
        for item, of_item in _group(marks)
    )
    return LabelledSet(NAME, tuple(questions))


def write_marked_questions(marks: Sequence[Mark]) -> str:
    """Write marks as a YAML file of labelled questions, which `kb eval` reads."""
    entries = [
        {
            "id": item,
            "question": of_item[-1].question,
            "documents": list(dict.fromkeys(mark.path for mark in of_item)),
        }
        for item, of_item in _group(marks)
    ]
    written: str = yaml.safe_dump(entries, allow_unicode=True, sort_keys=False)
    return written


def _group(marks: Sequence[Mark]) -> list[tuple[str, list[Mark]]]:
    return [(item, list(of_item)) for item, of_item in groupby(marks, lambda mark: mark.item)]
