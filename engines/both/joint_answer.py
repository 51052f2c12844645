"""Collects what documents and tables give for one question, and joins it into one answer."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest

from llama_index.core.base.response.schema import Response

from engines.answer import Joining, answer_of
from engines.answer_builder import AnswerBuilder
from engines.answer_language import load_texts, question_language
from engines.both.deadline import Outcome
from engines.documents.addresses import find_addresses
from engines.documents.citations import number_passages
from engines.documents.cited_text import CitedText, clean_quotation, make_inert
from engines.question import Entity, Question
from engines.routing.route import Route
from engines.tables.result_text import as_lines
from engines.verified.answer import tell_who_verified
from engines.visible_text import hide_places
from stores.errors import EngineError

_NUMBER = re.compile(r"\[(\d+)\]$", re.MULTILINE)
_SOURCES = ("database", "documents")


class JointAnswer:
    """A joint answer in the making: it words the questions for both sources, and takes outcomes."""

    def __init__(self, answer: AnswerBuilder, route: Route) -> None:
        answer.note(joining=Joining(first=route.first or None))
        self.answer = answer
        self.said_by_documents = ""
        self._said_by_tables = ""
        self.route = route
        self._asked = answer.question

    @property
    def documents_question(self) -> Question:
        """The question for the documents: their part where the route divides the question."""
        asked = self._asked
        part = self.route.documents_question or asked.query_str
        search = asked.search if part == asked.query_str else None
        return Question(part, language=asked.language, search=search)

    @property
    def database_question(self) -> Question:
        """The question for the tables; their part of it only where all its words are the user's."""
        asked = self._asked
        is_the_users = asked.for_tables == asked.query_str
        part = self.route.database_question if is_the_users else ""
        if not part:
            return replace(asked, troubles={})  # the joint answer says them
        return Question(part, language=asked.language)

    def make_question_about(self, name: str) -> Question:
        """Ask the documents the question, of passages alone that hold the name as it is written."""
        plain = " ".join(name.replace('"', " ").split())
        return Question(
            f'{self.documents_question.query_str} "{plain}"',
            language=question_language(self._asked),
            must_hold=(plain,) if re.search(r"\w", plain) else (),
        )

    def make_tables_question(self, entities: Sequence[Entity]) -> Question:
        """Return the tables' question with the names that the documents gave, shown to no model."""
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

    def take_outcomes(self, outcomes: Mapping[str, Outcome], names: Sequence[str] = ()) -> None:
        """Take the outcome of each source; the documents were searched for these names."""
        answer, errors = self.answer, dict(self.answer.facts.errors)
        if "documents" in outcomes:
            answer.note(joining=Joining(self.route.first or None, list(names)))
            errors.pop("documents", None)
        for source, outcome in outcomes.items():
            if outcome.error:
                errors[source] = str(outcome.error)
            elif source == "database":
                found = answer_of(outcome.value)
                if "database" not in found.errors:  # which the footnote tells
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
        """Take the answers of the documents: one, or one for each name."""
        passages = [node for response in responses for node in response.source_nodes]
        self.answer.take_passages(passages, ())
        for response in responses:
            if search := answer_of(response).search:
                self.answer.note(search=search)
        if self.answer.facts.model:  # which reads their passages again, and cites for itself
            self.said_by_documents = "\n\n".join(map(str, responses))
        else:
            self.said_by_documents = "\n\n".join(self._quote_answers(responses, names))

    def _quote_answers(self, responses: Sequence[Response], names: Sequence[str]) -> Iterator[str]:
        """Yield each answer below the name that it is about; citations are counted through."""
        for response, name in zip_longest(responses, names):
            said = str(response)
            if name and not response.source_nodes:
                said = load_texts(self._asked).gettext("The documents do not say.")
            known = self.answer.facts.citations
            text = _add_to_numbers(len(known), said)
            more = [
                replace(citation, number=citation.number + len(known))
                for citation in answer_of(response).citations
            ]
            self.answer.note(citations=[*known, *more])
            yield f"{clean_quotation(name)}\n{text}" if name else text

    def note_origins(self) -> None:
        """Write before the answer what failed, and below it who verified the rows.

        Raises EngineError when neither source could be asked.
        """
        facts = self.answer.facts
        if all(source in facts.errors for source in _SOURCES):
            reasons = " ".join(f"{name.capitalize()}: {facts.errors[name]}" for name in _SOURCES)
            raise EngineError(f"Neither the documents nor the tables could be asked. {reasons}")
        texts = load_texts(self._asked)
        failed = {
            "documents": texts.gettext("(The documents could not be asked: {reason})"),
            "database": texts.gettext("(The tables could not be asked: {reason})"),
        }
        self.answer.preface += "".join(
            f"{failed[source].format(reason=clean_quotation(hide_places(reason)))}\n\n"
            for source, reason in facts.errors.items()
            if source in failed
        )
        if verified := facts.tables.verified:
            told = make_inert(tell_who_verified(verified, question_language(self._asked)))
            self.answer.footnote = f"\n\n{told}"

    @property
    def has_evidence(self) -> bool:
        """Whether passages or rows are there that a model could answer from."""
        return bool(self.answer.passages or self.answer.facts.tables.sql)

    def make_prompt_values(self) -> dict[str, str]:
        """Return what the prompt of the joint answer is filled with."""
        found = self.answer.facts.tables
        rows = f"(none. {self._said_by_tables})" if self._said_by_tables else "(none)"
        return {
            "passages": number_passages(self.answer.passages) or "(none)",
            "rows": f"{found.sql}\n\n{as_lines(found)}" if found.sql else rows,
            "question": self._asked.query_str,
        }

    def compose_text(self) -> str:
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


def _add_to_numbers(addend: int, text: str) -> str:
    """Raise the numbers at the ends of lines, which are citations of quotes."""
    return _NUMBER.sub(lambda found: f"[{int(found[1]) + addend}]", text)
