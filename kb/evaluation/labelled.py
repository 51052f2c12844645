"""Questions with known answers: a directory in the BEIR layout, or a YAML file of our own."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, TypeVar

from stores.errors import KBError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")

OnProgress = Callable[[str, int, int], None]
"""Called with what is being done, how many are done, and of how many."""


class BadQuestions(KBError):
    """Labelled questions that cannot be read, or that contradict themselves."""


@dataclass(frozen=True)
class Question:
    """A labelled question.

    `relevant` grades the right documents by their ids; it is empty when there is no answer.
    """

    id: str
    text: str
    relevant: Mapping[str, int] = field(default_factory=dict)
    answers: tuple[str, ...] = ()
    language: str = ""

    @property
    def is_answerable(self) -> bool:
        return bool(self.relevant)


@dataclass(frozen=True)
class CorpusDocument:
    id: str
    title: str
    text: str


@dataclass(frozen=True)
class LabelledSet:
    """Labelled questions; `corpus` is None when the user's own documents are asked."""

    name: str
    questions: tuple[Question, ...]
    corpus: tuple[CorpusDocument, ...] | None = None

    @property
    def digest(self) -> str:
        """The hash of questions, answers and documents."""
        return hash_parts([*self.questions, *(self.corpus or ())])

    @property
    def has_answers(self) -> bool:
        """Tell whether extracted answers can be judged."""
        return any(question.answers or not question.is_answerable for question in self.questions)

    def sample_questions(self, limit: int | None) -> tuple[Question, ...]:
        """Return at most `limit` questions of either kind, evenly spread over the set."""
        answerable = [question for question in self.questions if question.is_answerable]
        others = [question for question in self.questions if not question.is_answerable]
        return (*pick_evenly(answerable, limit), *pick_evenly(others, limit))


def hash_parts(parts: Sequence["DataclassInstance"]) -> str:
    """Return the SHA-256 of the fields of all parts, in order."""
    hashed = hashlib.sha256()
    for part in parts:
        hashed.update(json.dumps(asdict(part), ensure_ascii=False).encode(errors="replace"))
    return hashed.hexdigest()


def pick_evenly(items: Sequence[T], limit: int | None) -> Sequence[T]:
    """Return at most `limit` items, evenly spread."""
    if limit is None or len(items) <= limit:
        return items
    return [items[place * len(items) // limit] for place in range(limit)]
