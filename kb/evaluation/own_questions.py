"""Reading a YAML file of questions about the user's own documents."""

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, TypeAdapter, ValidationError

from kb.evaluation.labelled import BadQuestions, LabelledSet, Question
from kb.mistakes import describe_first_mistake


def _as_list(value: object) -> object:
    """List one text or several; numbers, as YAML reads 250 without quotes, are texts too."""
    values = value if isinstance(value, list) else [] if value in (None, "") else [value]
    return [str(one) if type(one) in (int, float) else one for one in values]


class Entry(BaseModel):
    """A question of the file; keys for other tools, such as `rows`, are left to them."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    question: str
    route: Literal["documents", "database", "both"] = "documents"
    answer: Annotated[tuple[str, ...], BeforeValidator(_as_list)] = ()
    documents: tuple[str, ...] = ()
    sql: Annotated[tuple[str, ...], BeforeValidator(_as_list)] = ()
    language: str = ""

    def to_question(self) -> Question:
        relevant = dict.fromkeys(self.documents, 1)
        return Question(self.id, self.question, relevant, self.answer, self.language)


def read_own_questions(file: Path) -> LabelledSet:
    """Read the questions of the route `documents` or `both`.

    A question with `answer: null` has no answer to be found. Raises BadQuestions.
    """
    asked = [entry for entry in read_entries(file) if entry.route != "database"]
    _check_documents_are_named(file, asked)
    return LabelledSet(file.resolve().stem, tuple(entry.to_question() for entry in asked))


def read_entries(file: Path) -> list[Entry]:
    """Read the questions of a file. Raises BadQuestions, also when two have the same id."""
    found = _parse_entries(file)
    ids = [entry.id for entry in found]
    if repeated := next((name for name in ids if ids.count(name) > 1), None):
        raise BadQuestions(f"{file} holds two questions with the id {repeated!r}.")
    return found


def _parse_entries(file: Path) -> list[Entry]:
    try:
        data = yaml.safe_load(file.read_text(encoding="utf-8"))
        return TypeAdapter(list[Entry]).validate_python(data)
    except yaml.YAMLError as error:
        raise BadQuestions(f"{file} is not YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        parts, reason = describe_first_mistake(error, data)
        place = ".".join(str(part + 1 if isinstance(part, int) else part) for part in parts)
        raise BadQuestions(
            f"{file}, question {place or 'list'}: {reason}. "
            "Each has id, question, answer (null when there is none) and documents."
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise BadQuestions(f"{file} cannot be read: {error}") from error


def _check_documents_are_named(file: Path, asked: list[Entry]) -> None:
    for entry in asked:
        if not entry.documents and (entry.answer or "answer" not in entry.model_fields_set):
            raise BadQuestions(
                f"{file}, question {entry.id!r}, names no documents. Where there is no answer, "
                "write `answer: null`."
            )
    if not any(entry.documents for entry in asked):
        raise BadQuestions(f"{file} holds no question about documents.")
