"""Reading questions about the business tables, each with the SQL that answers it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kb.evaluation.beir import read_json_lines
from kb.evaluation.labelled import BadQuestions, hash_parts, pick_evenly
from kb.evaluation.own_questions import read_entries


@dataclass(frozen=True)
class SQLQuestion:
    """A question with its `gold` statements, of which the result of any is accepted."""

    id: str
    text: str
    gold: tuple[str, ...]


@dataclass(frozen=True)
class SQLSet:
    name: str
    questions: tuple[SQLQuestion, ...]

    @property
    def digest(self) -> str:
        """The hash of questions and statements."""
        return hash_parts(self.questions)

    def sample_questions(self, limit: int | None) -> Sequence[SQLQuestion]:
        """Return at most `limit` questions, evenly spread over the set."""
        return pick_evenly(self.questions, limit)


def read_sql_questions(file: Path) -> SQLSet:
    """Read a JSONL file of `_id`, `question`, `gold_sql`, perhaps `instructions`, or our own YAML.

    Of YAML, the questions with `sql` that need no document. Raises BadQuestions.
    """
    if file.is_dir():
        raise BadQuestions(f"{file} is a directory. Questions with SQL are a JSONL or YAML file.")
    read = _read_yaml if file.suffix in {".yaml", ".yml"} else _read_jsonl
    questions = tuple(read(file))
    if not questions:
        raise BadQuestions(f"{file} holds no question with SQL.")
    return SQLSet(file.resolve().stem, questions)


def _read_yaml(file: Path) -> Iterator[SQLQuestion]:
    for entry in read_entries(file):
        if entry.sql and entry.route != "both":
            yield SQLQuestion(entry.id, entry.question, entry.sql)


def _read_jsonl(file: Path) -> Iterator[SQLQuestion]:
    for row in read_json_lines(file, ("question",)):
        words = (row["question"], str(row.get("instructions") or ""))
        yield SQLQuestion(row["_id"], " ".join(filter(None, words)), _gold_statements(row, file))


def _gold_statements(row: dict[str, Any], file: Path) -> tuple[str, ...]:
    gold = row.get("gold_sql")
    statements = [gold] if isinstance(gold, str) else gold
    if not statements or not all(isinstance(statement, str) for statement in statements):
        raise BadQuestions(
            f'{file}, {row["_id"]!r}: "gold_sql" is no statement and no list of them.'
        )
    return tuple(statements)
