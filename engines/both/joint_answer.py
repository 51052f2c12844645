"""An answer from documents and tables in the making: what each of them gave, and the joining."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import Any

from llama_index.core.base.response.schema import Response

from engines.answer_language import phrase, question_language
from engines.both.deadline import Outcome
from engines.documents.addresses import addresses
from engines.documents.cited_text import CitedText, cleaned, inert
from engines.documents.passage_answer import OnAnswer, PassageAnswer
from engines.question import Entity, Question
from engines.responses import answer_metadata
from engines.routing.route import Route
from engines.tables.query_result import QueryResult, as_lines
from engines.verified.answer import who_verified
from stores.errors import EngineError

_NUMBER = re.compile(r"\[(\d+)\]$", re.MULTILINE)
_OF_TABLES = ("sql", "parameters", "columns", "rows", "truncated", "verified", "attempts")
_SOURCES = ("database", "documents")


class JointAnswer(PassageAnswer):
    """Takes the outcomes of both sources; knows what either is to be asked."""

    def __init__(
        self, question: Question, route: Route, model: str | None, on_answer: OnAnswer | None
    ) -> None:
        metadata = answer_metadata("both", route.reason, model)
        metadata |= {"first": route.first or None, "names": []}
        super().__init__(question, metadata, on_answer)
        self.said_by_documents = ""
        self._said_by_tables = ""
        self._route = route

    @property
    def documents_question(self) -> Question:
        asked = self._asked
        part = self._route.documents_question or asked.query_str
        return Question(part, language=asked.language)

    @property
    def database_question(self) -> Question:
        """A part of the question only where all its words are the user's."""
        asked = self._asked
        is_the_users = asked.for_tables == asked.query_str
        part = self._route.database_question if is_the_users else ""
        if not part:
            return asked
        return Question(part, language=asked.language)

    def about(self, name: str) -> Question:
        """The documents' question, of passages alone that hold the name as it is written."""
        plain = " ".join(name.replace('"', " ").split())
        return Question(f'{self.documents_question.query_str} "{plain}"')

    def naming(self, entities: Sequence[Entity]) -> Question:
        """The tables' question, and the names that documents gave, which no model is shown."""
        question = self.database_question
        if not entities:
            return question
        found = [replace(entity, name=f"found_{entity.name}") for entity in entities]
        names = ", ".join(f":{entity.name}" for entity in found)
        return Question(
            question.query_str,
            for_tables=f"{question.for_tables}\n(The documents name {names}.)",
            entities=(*question.entities, *found),
            language=question.language,
        )

    @property
    def rows(self) -> Sequence[Sequence[Any]]:
        rows: Sequence[Sequence[Any]] = self.metadata["rows"]
        return rows

    def take(self, outcomes: Mapping[str, Outcome], names: Sequence[str] = ()) -> None:
        """`names` are those that the documents were searched for."""
        if "documents" in outcomes:
            self.metadata["names"] = list(names)
            self.metadata["errors"].pop("documents", None)
        for source, outcome in outcomes.items():
            if outcome.error:
                self.metadata["errors"][source] = str(outcome.error)
            elif source == "database":
                self._take_rows(outcome.value)
            elif isinstance(outcome.value, list):
                self._take_answers(outcome.value)
            else:
                self.retrieved(outcome.value.nodes, outcome.value.made)
        self.timed(" and ".join(sorted(outcomes)))

    def _take_rows(self, response: Response) -> None:
        found = response.metadata or {}
        self._said_by_tables = str(response)
        self.metadata.update({key: found[key] for key in _OF_TABLES if key in found})
        self.metadata["errors"].update(found["errors"])

    def _take_answers(self, responses: Sequence[Response]) -> None:
        """Of the documents: one, or one for each name."""
        self.passages = [node for response in responses for node in response.source_nodes]
        for response in responses:
            if search := (response.metadata or {}).get("search"):
                self.metadata["search"] = search
        if self.metadata["model"]:  # which reads their passages again, and cites for itself
            self.said_by_documents = "\n\n".join(map(str, responses))
        else:
            self.said_by_documents = "\n\n".join(self._quoted(responses))

    def _quoted(self, responses: Sequence[Response]) -> Iterator[str]:
        """Each below the name that it is about; citations are counted through."""
        for response, name in zip_longest(responses, self.metadata["names"]):
            nothing = name and not response.source_nodes
            said = phrase("not_found", self._asked) if nothing else str(response)
            text = _counted_from(said, len(self.metadata["citations"]))
            self._cite_after((response.metadata or {})["citations"])
            yield f"{cleaned(name)}\n{text}" if name else text

    def _cite_after(self, citations: Sequence[dict[str, Any]]) -> None:
        known = self.metadata["citations"]
        before = len(known)
        known.extend({**each, "number": each["number"] + before} for each in citations)

    def note_origins(self) -> None:
        """What kb says below the answer: who verified the rows, and what failed.

        Raises EngineError when neither source could be asked.
        """
        errors = self.metadata["errors"]
        if all(source in errors for source in _SOURCES):
            told = " ".join(f"{source.capitalize()}: {errors[source]}" for source in _SOURCES)
            raise EngineError(f"Neither the documents nor the tables could be asked. {told}")
        notes = [
            phrase(f"{source}_failed", self._asked).format(reason=cleaned(reason))
            for source, reason in errors.items()
        ]
        if verified := self.metadata["verified"]:
            notes.insert(0, inert(who_verified(verified, question_language(self._asked))))
        self.footnote = "".join(f"\n\n{note}" for note in notes)

    @property
    def has_evidence(self) -> bool:
        return bool(self.passages or self.metadata["sql"])

    @property
    def prompt_values(self) -> dict[str, str]:
        passages = super().prompt_values["passages"] or "(none)"
        return {"passages": passages, "rows": self._rows_as_lines(), "question": self.question}

    @property
    def evidence(self) -> str:
        return f"{super().evidence}\n\n{self._rows_as_lines()}"

    def _rows_as_lines(self) -> str:
        found = self.metadata
        if not found["sql"]:
            return f"(none. {self._said_by_tables})"
        rows = [tuple(row) for row in found["rows"]]
        lines = as_lines(QueryResult(tuple(found["columns"]), rows, found["truncated"]))
        return f"{found['sql']}\n\n{lines}"

    def composed(self) -> Response:
        """Both answers, one below the other: rows first, where there are some."""
        parts = []
        if self._said_by_tables:
            parts.append(f"{phrase('from_tables', self._asked)}\n{self._said_by_tables}")
        self._sources.extend(self.passages)
        if "documents" not in self.metadata["errors"]:
            parts.append(self.said_by_documents or phrase("not_found", self._asked))
        if not self.metadata["sql"]:
            parts.reverse()
        text = "\n\n".join(parts)
        cited = CitedText(len(self.metadata["citations"]), addresses(text))
        return self._response(cited.whole(text) + self.footnote)


def _counted_from(text: str, before: int) -> str:
    """The numbers at the ends of lines, which are citations of quotes, so much higher."""
    return _NUMBER.sub(lambda found: f"[{int(found[1]) + before}]", text)
