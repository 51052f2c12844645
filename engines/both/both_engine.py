"""One answer from documents and tables: both are asked, one may steer the other."""

import asyncio
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import zip_longest
from typing import Any, Final, Literal

from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.base.response.schema import RESPONSE_TYPE
from llama_index.core.callbacks import CallbackManager
from llama_index.core.llms.llm import LLM
from llama_index.core.prompts import BasePromptTemplate
from llama_index.core.prompts.mixin import PromptDictType, PromptMixinType
from llama_index.core.schema import NodeWithScore, QueryBundle

from engines.answer_builder import AnswerBuilder, OnAnswer
from engines.both.deadline import Branch, Outcome, aat_once, at_once
from engines.both.joint_answer import JointAnswer
from engines.documents.document_engine import DocumentQueryEngine
from engines.prompts import chat_prompt
from engines.question import Entity, Question, as_question
from engines.routing.route import Route
from engines.search.search_run import Search, searches
from engines.tables.entities import EntityIndex

MOST_NAMES: Final = 5  # that steer a search
_MOST_PASSAGES = 12  # of all searches that names steer, together


@dataclass(frozen=True)
class Deadlines:
    """Seconds that each source has."""

    documents: float = 30.0
    database: float = 120.0


_BOTH = Route(route="both", reason="documents and database were asked for")


@dataclass(frozen=True)
class _Step:
    """What one source is asked: of the documents passages, or with `whole` answers.

    `narrowed` are questions in the place of the one.
    """

    source: Literal["documents", "database"]
    question: Question
    narrowed: tuple[Question, ...] = ()
    whole: bool = False


@dataclass(frozen=True)
class Passages:
    nodes: Sequence[NodeWithScore]
    made: Sequence[Search] = ()


# Yields the steps to take at once, and is sent their outcomes.
_Plan = Generator[Sequence[_Step], Mapping[str, Outcome], None]


class JoinedQueryEngine(BaseQueryEngine):
    """Asks documents and tables at once, or one after the other where the route says so.

    Each source has its deadline; one that fails leaves the answer of the other, with a note and
    the error in the metadata. Without an `llm` both answers stand one below the other. `database`
    opens an engine that returns rows and writes no answer, `entities` the names that the tables
    hold; None where they cannot be asked. `route` is that of a question that brings none.
    """

    def __init__(
        self,
        documents: DocumentQueryEngine,
        database: Callable[[], BaseQueryEngine],
        *,
        llm: LLM | None,
        entities: Callable[[], EntityIndex | None] = lambda: None,
        route: Route = _BOTH,
        deadlines: Deadlines = Deadlines(),
        streaming: bool = False,
        on_answer: OnAnswer | None = None,
        callback_manager: CallbackManager | None = None,
    ) -> None:
        super().__init__(callback_manager)
        self._documents = documents
        self._database = database
        self._route = route
        self._llm = llm
        self._entities = entities
        self._deadlines = deadlines
        self._streaming = streaming
        self._on_answer = on_answer
        self._prompt: BasePromptTemplate = chat_prompt("joined")

    def _get_prompts(self) -> PromptDictType:
        return {"answer": self._prompt}

    def _update_prompts(self, prompts: PromptDictType) -> None:
        self._prompt = prompts.get("answer", self._prompt)

    def _get_prompt_modules(self) -> PromptMixinType:
        return {"documents": self._documents}

    def _query(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        joint = self._joint(query_bundle)
        plan = self._plan(joint)
        steps = next(plan, None)
        while steps is not None:
            steps = _sent(plan, at_once(self._branches(steps, self._doing)))
        if self._llm is None or not joint.has_evidence:
            return joint.answer.respond(joint.compose())
        values = joint.prompt_values()
        return joint.answer.write(self._llm, self._prompt, values, _evidence(values))

    async def _aquery(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        joint = self._joint(query_bundle)
        plan = self._plan(joint)
        steps = await asyncio.to_thread(next, plan, None)
        while steps is not None:
            outcomes = await aat_once(self._branches(steps, self._adoing))
            steps = await asyncio.to_thread(_sent, plan, outcomes)
        if self._llm is None or not joint.has_evidence:
            return await joint.answer.arespond(joint.compose())
        values = joint.prompt_values()
        return await joint.answer.awrite(self._llm, self._prompt, values, _evidence(values))

    def _joint(self, asked: QueryBundle) -> JointAnswer:
        question = as_question(asked)
        route = question.route or self._route
        answer = AnswerBuilder(
            question,
            "both",
            route.reason,
            model=self._llm.metadata.model_name if self._llm else None,
            streaming=self._streaming,
            on_answer=self._on_answer,
        )
        return JointAnswer(answer, route)

    def _plan(self, joint: JointAnswer) -> _Plan:
        documents = _Step("documents", joint.documents_question, whole=self._llm is None)
        database = _Step("database", joint.database_question)
        match joint.route.first:
            case "database":
                joint.take((yield [database]))
                yield from self._steered_search(joint, documents)
            case "documents" if self._llm:
                joint.take((yield [replace(documents, whole=True)]))
                joint.take((yield [_Step("database", joint.naming(self._named(joint)))]))
            case _:
                joint.take((yield [documents, database]))
        joint.note_origins()

    def _steered_search(self, joint: JointAnswer, documents: _Step) -> _Plan:
        """For each name of the rows a search of its own; for none of them the plain one."""
        names = list(self._names(joint))
        if names:
            narrowed = tuple(map(joint.about, names))
            joint.take((yield [replace(documents, narrowed=narrowed)]), names)
        if not joint.answer.passages:
            joint.take((yield [documents]))

    def _names(self, joint: JointAnswer) -> Iterator[str]:
        """Of each of the first rows, the cell that names something."""
        rows = joint.answer.facts.tables.rows[:MOST_NAMES]
        entities = self._entities() if rows else None
        for row in rows:
            texts = [cell for cell in row if isinstance(cell, str) and cell.strip()]
            known = [text for text in texts if entities and entities.holding(text)]
            yield from (known or texts)[:1]

    def _named(self, joint: JointAnswer) -> list[Entity]:
        entities = self._entities()
        return entities.in_text(joint.said_by_documents) if entities else []

    def _branches(
        self, steps: Sequence[_Step], doing: Callable[[_Step], Callable[[], Any]]
    ) -> dict[str, Branch]:
        seconds = asdict(self._deadlines)
        return {step.source: Branch(doing(step), seconds[step.source]) for step in steps}

    def _doing(self, step: _Step) -> Callable[[], Any]:
        if step.source == "database":
            return lambda: self._database().query(step.question)
        return lambda: self._asked(step)

    def _adoing(self, step: _Step) -> Callable[[], Any]:
        if step.source == "database":
            return lambda: self._aasked_tables(step.question)
        return lambda: self._aasked(step)

    def _asked(self, step: _Step) -> Passages | list[Any]:
        questions = step.narrowed or (step.question,)
        if step.whole:
            return [self._documents.query(question) for question in questions]
        with searches() as made:
            found = [self._documents.retrieve(question) for question in questions]
        return Passages(_united(found), made)

    async def _aasked(self, step: _Step) -> Passages | list[Any]:
        questions = step.narrowed or (step.question,)
        if step.whole:
            return [await self._documents.aquery(question) for question in questions]
        with searches() as made:
            found = [await self._documents.aretrieve(question) for question in questions]
        return Passages(_united(found), made)

    async def _aasked_tables(self, question: Question) -> RESPONSE_TYPE:
        engine = await asyncio.to_thread(self._database)
        return await engine.aquery(question)


def _evidence(values: Mapping[str, str]) -> str:
    """What the answer is made from, whose addresses it may hold."""
    return f"{values['passages']}\n\n{values['rows']}"


def _sent(plan: _Plan, outcomes: Mapping[str, Outcome]) -> Sequence[_Step] | None:
    try:
        return plan.send(outcomes)
    except StopIteration:
        return None


def _united(found: Sequence[Sequence[NodeWithScore]]) -> list[NodeWithScore]:
    """In turn the best of each search, each passage once."""
    if len(found) == 1:
        return list(found[0])
    in_turn = (each for turn in zip_longest(*found) for each in turn if each)
    return list(_once(in_turn))[:_MOST_PASSAGES]


def _once(passages: Iterable[NodeWithScore]) -> Iterator[NodeWithScore]:
    seen: set[str] = set()
    for passage in passages:
        if passage.node_id not in seen:
            seen.add(passage.node_id)
            yield passage
