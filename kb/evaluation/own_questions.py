"""A YAML file of questions about the user's own documents -> labelled questions."""

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, TypeAdapter, ValidationError

from kb.evaluation.labelled import BadQuestions, LabelledSet, Question


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value or []


class Entry(BaseModel):
    """What a question must say; keys for other tools, such as `rows`, are left to them."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    question: str
    route: Literal["documents", "database", "both"] = "documents"
    answer: Annotated[tuple[str, ...], BeforeValidator(_as_list)] = ()
    documents: tuple[str, ...] = ()
    sql: Annotated[tuple[str, ...], BeforeValidator(_as_list)] = ()
    language: str = ""

    def as_question(self) -> Question:
        relevant = dict.fromkeys(self.documents, 1)
        return Question(self.id, self.question, relevant, self.answer, self.language)


def read_own_questions(file: Path) -> LabelledSet:
    """The questions of the route `documents` or `both`; `answer: null` has none to be found.

    Raises BadQuestions.
    """
    asked = [each for each in entries(file) if each.route != "database"]
    _check(file, asked)
    return LabelledSet(file.resolve().stem, tuple(each.as_question() for each in asked))


def entries(file: Path) -> list[Entry]:
    """Each with an id of its own. Raises BadQuestions."""
    found = _entries(file)
    ids = [each.id for each in found]
    if repeated := next((each for each in ids if ids.count(each) > 1), None):
        raise BadQuestions(f"{file} holds two questions with the id {repeated!r}.")
    return found


def _entries(file: Path) -> list[Entry]:
    try:
        data = yaml.safe_load(file.read_text(encoding="utf-8"))
        return TypeAdapter(list[Entry]).validate_python(data)
    except yaml.YAMLError as error:
        raise BadQuestions(f"{file} is not YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part + 1 if isinstance(part, int) else part) for part in first["loc"])
        raise BadQuestions(
            f"{file}, question {place or 'list'}: {first['msg']}. Each has id, question, answer "
            "(null when there is none) and documents."
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise BadQuestions(f"{file} cannot be read: {error}") from error


def _check(file: Path, asked: list[Entry]) -> None:
    for each in asked:
        if not each.documents and (each.answer or "answer" not in each.model_fields_set):
            raise BadQuestions(
                f"{file}, question {each.id!r}, names no documents. Where there is no answer, "
                "write `answer: null`."
            )
    if not any(each.documents for each in asked):
        raise BadQuestions(f"{file} holds no question about documents.")
