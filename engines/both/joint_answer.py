"""An answer from documents and tables in the making: what each of them gave, and the joining."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest

from llama_index.core.base.response.schema import Response

from engines.answer import Citation, Joining, answer_of
from engines.answer_builder import AnswerBuilder
from engines.answer_language import load_texts, question_language
from engines.both.deadline import Outcome
from engines.documents.addresses import find_addresses
from engines.documents.citations import number_passages
from engines.documents.cited_text import CitedText, clean_quotation, make_inert
from engines.question import Entity, Question
from engines.routing.route import Route
from engines.tables.query_result import as_lines
from engines.verified.answer import who_verified
from stores.errors import EngineError

_NUMBER = re.compile(r"\[(\d+)\]$", re.MULTILINE)
_SOURCES = ("database", "documents")


class JointAnswer:
    """Takes the outcomes of both sources; knows what either is to be asked."""

    def __init__(self, answer: AnswerBuilder, route: Route) -> None:
        answer.note(joining=Joining(first=route.first or None))
        self.answer = answer
        self.said_by_documents = ""
        self._said_by_tables = ""
        self.route = route
        self._asked = answer.question

    @property
    def documents_question(self) -> Question:
        asked = self._asked
        part = self.route.documents_question or asked.query_str
        search = asked.search if part == asked.query_str else None
        return Question(part, language=asked.language, search=search)

    @property
    def database_question(self) -> Question:
        """A part of the question only where all its words are the user's."""
        asked = self._asked
        is_the_users = asked.for_tables == asked.query_str
        part = self.route.database_question if is_the_users else ""
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

    def take(self, outcomes: Mapping[str, Outcome], names: Sequence[str] = ()) -> None:
        """`names` are those that the documents were searched for."""
        answer, errors = self.answer, dict(self.answer.facts.errors)
        if "documents" in outcomes:
            answer.note(joining=Joining(self.route.first or None, list(names)))
            errors.pop("documents", None)
        for source, outcome in outcomes.items():
            if outcome.error:
                errors[source] = str(outcome.error)
            elif source == "database":
                found = answer_of(outcome.value)
                self._said_by_tables = str(outcome.value)
                answer.note(tables=found.tables)
                errors |= found.errors
            elif isinstance(outcome.value, list):
                self._take_answers(outcome.value, names)
            else:
                answer.take_passages(outcome.value.nodes, outcome.value.made)
        answer.note(errors=errors)
        answer.end_step(" and ".join(sorted(outcomes)))

    def _take_answers(self, responses: Sequence[Response], names: Sequence[str]) -> None:
        """Of the documents: one, or one for each name."""
        passages = [node for response in responses for node in response.source_nodes]
        self.answer.take_passages(passages, ())
        for response in responses:
            if search := answer_of(response).search:
                self.answer.note(search=search)
        if self.answer.facts.model:  # which reads their passages again, and cites for itself
            self.said_by_documents = "\n\n".join(map(str, responses))
        else:
            self.said_by_documents = "\n\n".join(self._quoted(responses, names))

    def _quoted(self, responses: Sequence[Response], names: Sequence[str]) -> Iterator[str]:
        """Each below the name that it is about; citations are counted through."""
        for response, name in zip_longest(responses, names):
            said = str(response)
            if name and not response.source_nodes:
                said = load_texts(self._asked).gettext("The documents do not say.")
            text = _counted_from(said, len(self.answer.facts.citations))
            self._cite_after(answer_of(response).citations)
            yield f"{clean_quotation(name)}\n{text}" if name else text

    def _cite_after(self, citations: Sequence[Citation]) -> None:
        known = self.answer.facts.citations
        more = [replace(cited, number=cited.number + len(known)) for cited in citations]
        self.answer.note(citations=[*known, *more])

    def note_origins(self) -> None:
        """What kb says below the answer: who verified the rows, and what failed.

        Raises EngineError when neither source could be asked.
        """
        facts = self.answer.facts
        if all(source in facts.errors for source in _SOURCES):
            told = " ".join(f"{name.capitalize()}: {facts.errors[name]}" for name in _SOURCES)
            raise EngineError(f"Neither the documents nor the tables could be asked. {told}")
        texts = load_texts(self._asked)
        failed = {
            "documents": texts.gettext("(The documents could not be asked: {reason})"),
            "database": texts.gettext("(The tables could not be asked: {reason})"),
        }
        notes = [
            failed[source].format(reason=clean_quotation(reason))
            for source, reason in facts.errors.items()
        ]
        if verified := facts.tables.verified:
            notes.insert(0, make_inert(who_verified(verified, question_language(self._asked))))
        self.answer.footnote = "".join(f"\n\n{note}" for note in notes)

    @property
    def has_evidence(self) -> bool:
        return bool(self.answer.passages or self.answer.facts.tables.sql)

    def prompt_values(self) -> dict[str, str]:
        found = self.answer.facts.tables
        rows = f"(none. {self._said_by_tables})"
        return {
            "passages": number_passages(self.answer.passages) or "(none)",
            "rows": f"{found.sql}\n\n{as_lines(found)}" if found.sql else rows,
            "question": self._asked.query_str,
        }

    def compose(self) -> str:
        """Put both answers together, one below the other: rows first, where there are some."""
        answer, texts = self.answer, load_texts(self._asked)
        parts = []
        if self._said_by_tables:
            heading = texts.gettext("From the tables:")
            parts.append(f"{heading}\n{self._said_by_tables}")
        answer.add_sources(answer.passages)
        if "documents" not in answer.facts.errors:
            nothing = texts.gettext("The documents do not say.")
            parts.append(self.said_by_documents or nothing)
        if not answer.facts.tables.sql:
            parts.reverse()
        text = "\n\n".join(parts)
        cited = CitedText(len(answer.facts.citations), find_addresses(text))
        return cited.clean_whole(text) + answer.footnote


def _counted_from(text: str, before: int) -> str:
    """The numbers at the ends of lines, which are citations of quotes, so much higher."""
    return _NUMBER.sub(lambda found: f"[{int(found[1]) + before}]", text)
