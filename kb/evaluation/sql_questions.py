"""Questions about the business tables, each with the SQL that answers it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kb.evaluation.beir import objects
from kb.evaluation.labelled import BadQuestions, digest, spread
from kb.evaluation.own_questions import entries


@dataclass(frozen=True)
class SQLQuestion:
    """`gold` are statements of which the result of any is accepted."""

    id: str
    text: str
    gold: tuple[str, ...]


@dataclass(frozen=True)
class SQLSet:
    name: str
    questions: tuple[SQLQuestion, ...]

    @property
    def digest(self) -> str:
        """The same for the same questions and statements."""
        return digest(self.questions)

    def sample(self, limit: int | None) -> Sequence[SQLQuestion]:
        """At most `limit` questions, evenly spread over the set."""
        return spread(self.questions, limit)


def read_sql_questions(file: Path) -> SQLSet:
    """A JSONL file of `_id`, `question`, `gold_sql` and perhaps `instructions`, or our own YAML.

    Of YAML, the questions with `sql` that need no document. Raises BadQuestions.
    """
    if file.is_dir():
        raise BadQuestions(f"{file} is a directory. Questions with SQL are a JSONL or YAML file.")
    read = _from_yaml if file.suffix in {".yaml", ".yml"} else _from_jsonl
    questions = tuple(read(file))
    if not questions:
        raise BadQuestions(f"{file} holds no question with SQL.")
    return SQLSet(file.resolve().stem, questions)


def _from_yaml(file: Path) -> Iterator[SQLQuestion]:
    for each in entries(file):
        if each.sql and each.route != "both":
            yield SQLQuestion(each.id, each.question, each.sql)


def _from_jsonl(file: Path) -> Iterator[SQLQuestion]:
    for row in objects(file, ("question",)):
        words = (row["question"], str(row.get("instructions") or ""))
        yield SQLQuestion(row["_id"], " ".join(filter(None, words)), _gold(row, file))


def _gold(row: dict[str, Any], file: Path) -> tuple[str, ...]:
    gold = row.get("gold_sql")
    statements = [gold] if isinstance(gold, str) else gold
    if not statements or not all(isinstance(each, str) for each in statements):
        raise BadQuestions(
            f'{file}, {row["_id"]!r}: "gold_sql" is no statement and no list of them.'
        )
    return tuple(statements)
