"""Reading a directory in the BEIR layout: labelled questions and their corpus."""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from kb.evaluation.labelled import BadQuestions, CorpusDocument, LabelledSet, Question
from stores.text.text_language import detect_language

_QRELS = "qrels/test.tsv"
_HEADER = "query-id"
_COLUMNS = 3

Qrels = Mapping[str, Mapping[str, int]]


def read_beir(directory: Path) -> LabelledSet:
    """Read queries.jsonl, corpus.jsonl, qrels/test.tsv and, if it is there, unanswerable.jsonl.

    Queries without a qrel belong to another split and are left out. Raises BadQuestions.
    """
    corpus = tuple(
        CorpusDocument(row["_id"], str(row.get("title") or ""), row["text"])
        for row in read_json_lines(directory / "corpus.jsonl", ("text",))
    )
    queries = {row["_id"]: row for row in read_json_lines(directory / "queries.jsonl", ("text",))}
    qrels = _read_qrels(directory / _QRELS, queries, {document.id for document in corpus})
    answerable = _rows_to_questions((queries[question_id] for question_id in qrels), qrels)
    if not qrels:
        raise BadQuestions(f"{directory / _QRELS} names no question with a right document.")
    questions = (*_add_languages(answerable, corpus), *_read_unanswerable(directory, qrels))
    return LabelledSet(directory.resolve().name, questions, corpus)


def _rows_to_questions(rows: Iterable[Mapping[str, Any]], qrels: Qrels) -> Iterator[Question]:
    for row in rows:
        relevant = qrels.get(row["_id"], {})
        yield Question(row["_id"], row["text"], relevant, tuple(row.get("answers") or ()))


def _read_unanswerable(directory: Path, qrels: Qrels) -> Iterator[Question]:
    file = directory / "unanswerable.jsonl"
    if not file.exists():
        return
    for question in _rows_to_questions(read_json_lines(file, ("text",)), {}):
        if question.id in qrels:
            raise BadQuestions(f"{file} holds {question.id!r}, for which {_QRELS} has an answer.")
        yield question


def _add_languages(
    questions: Iterable[Question], corpus: Iterable[CorpusDocument]
) -> Iterator[Question]:
    """Add to each question the language of its right document, which is longer and so surer."""
    texts = {document.id: document.text for document in corpus}
    for question in questions:
        language = detect_language(texts[next(iter(question.relevant))])
        yield Question(question.id, question.text, question.relevant, question.answers, language)


def read_json_lines(file: Path, required: Collection[str]) -> Iterator[dict[str, Any]]:
    """Read the lines of a JSONL file, each with an `_id` of its own.

    Raises BadQuestions with the number of the line.
    """
    seen: set[str] = set()
    for number, line in _read_numbered_lines(file):
        try:
            row = json.loads(line)
        except ValueError as error:
            raise BadQuestions(f"{file}, line {number}, is not JSON: {error}") from error
        for key in ("_id", *required):
            if not isinstance(row, dict) or not isinstance(row.get(key), str):
                raise BadQuestions(f'{file}, line {number}, has no "{key}" that is a string.')
        if row["_id"] in seen:
            raise BadQuestions(f"{file}, line {number}, repeats the _id {row['_id']!r}.")
        _check_answers(row, file, number)
        seen.add(row["_id"])
        yield row


def _check_answers(row: Mapping[str, Any], file: Path, number: int) -> None:
    answers = row.get("answers", [])
    if not isinstance(answers, list) or not all(isinstance(answer, str) for answer in answers):
        raise BadQuestions(f'{file}, line {number}: "answers" is not a list of strings.')


def _read_qrels(file: Path, queries: Collection[str], documents: Collection[str]) -> Qrels:
    """Read the grades above 0 by question and document."""
    qrels: dict[str, dict[str, int]] = defaultdict(dict)
    for number, line in _read_numbered_lines(file):
        cells = line.split("\t")
        if number == 1 and cells[0] == _HEADER:
            continue
        if len(cells) != _COLUMNS or not cells[2].lstrip("-").isdecimal():
            raise BadQuestions(
                f"{file}, line {number}, is not a query id, a document id and a whole number "
                "with tabs between them."
            )
        query, document, grade = cells[0], cells[1], int(cells[2])
        _check_known(query, queries, f"{file}, line {number}, names the query", "queries.jsonl")
        _check_known(
            document, documents, f"{file}, line {number}, names the document", "corpus.jsonl"
        )
        if grade > 0:
            qrels[query][document] = grade
    return qrels


def _check_known(name: str, known: Collection[str], where: str, file: str) -> None:
    if name not in known:
        raise BadQuestions(f"{where} {name!r}, which {file} does not hold.")


def _read_numbered_lines(file: Path) -> Iterator[tuple[int, str]]:
    """Read the lines that are not blank, with their numbers."""
    try:
        with file.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield number, line.rstrip("\r\n")
    except FileNotFoundError as error:
        raise BadQuestions(
            f"There is no {file}. A directory of labelled questions holds queries.jsonl, "
            f"corpus.jsonl and {_QRELS}."
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise BadQuestions(f"{file} cannot be read: {error}") from error
