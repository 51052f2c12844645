"""Questions with known answers: a directory in the BEIR layout, or a YAML file of our own."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, TypeVar

from stores.errors import KBError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")


class BadQuestions(KBError):
    """Labelled questions that cannot be read, or that contradict themselves."""


@dataclass(frozen=True)
class Question:
    """`relevant` grades the right documents by their ids; none when there is no answer."""

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
    """`corpus` is None when the user's own documents are asked."""

    name: str
    questions: tuple[Question, ...]
    corpus: tuple[CorpusDocument, ...] | None = None

    @property
    def digest(self) -> str:
        """The same for the same questions, answers and documents."""
        return digest([*self.questions, *(self.corpus or ())])

    @property
    def has_answers(self) -> bool:
        """Whether extracted answers can be judged."""
        return any(each.answers or not each.is_answerable for each in self.questions)

    def sample(self, limit: int | None) -> tuple[Question, ...]:
        """At most `limit` questions of either kind, evenly spread over the set."""
        answerable = [each for each in self.questions if each.is_answerable]
        others = [each for each in self.questions if not each.is_answerable]
        return (*spread(answerable, limit), *spread(others, limit))


def digest(parts: Sequence["DataclassInstance"]) -> str:
    """SHA-256 of the fields of all parts, in order."""
    hashed = hashlib.sha256()
    for part in parts:
        hashed.update(json.dumps(asdict(part), ensure_ascii=False).encode(errors="replace"))
    return hashed.hexdigest()


def spread(items: Sequence[T], limit: int | None) -> Sequence[T]:
    """At most `limit` of them, evenly spread."""
    if limit is None or len(items) <= limit:
        return items
    return [items[place * len(items) // limit] for place in range(limit)]
